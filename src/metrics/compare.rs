//! Whether one model is better than another on the same rows, or just luckier.

use super::interval::{paired_with, BootstrapConfig, PairedInterval};
use super::report::ClassificationReport;
use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, shown};
use crate::show::Html;

/// McNemar's test: of the rows that only one of two models gets right, how many are on each side.
#[derive(Clone, Debug)]
pub struct McNemar {
    /// Rows that both get right.
    pub both_right: usize,
    /// Rows that only the first gets right.
    pub only_first: usize,
    /// Rows that only the second gets right.
    pub only_second: usize,
    /// Rows that both get wrong.
    pub both_wrong: usize,
    /// How often chance alone would part the rows so unevenly, or more: the exact binomial test, both sides.
    pub p_value: f64,
}

/// Two models on the same rows.
#[derive(Clone, Debug)]
pub struct ModelComparison {
    /// What they are called.
    pub names: [String; 2],
    /// The figure they are compared by.
    pub metric: String,
    /// Its value for each.
    pub values: [f64; 2],
    /// How much higher the second one's is.
    pub paired: PairedInterval,
    /// On which rows they differ.
    pub mcnemar: McNemar,
}

/// McNemar's test for two lists that say of each row whether a model got it right.
///
/// # Errors
/// When the lists are not of the same length.
pub fn mcnemar(first: &[bool], second: &[bool]) -> Result<McNemar> {
    super::check_same_length(first.len(), second.len())?;
    let count = |one: bool, two: bool| first.iter().zip(second).filter(|pair| *pair == (&one, &two)).count();
    let (only_first, only_second) = (count(true, false), count(false, true));
    Ok(McNemar {
        both_right: count(true, true),
        only_first,
        only_second,
        both_wrong: count(false, false),
        p_value: two_sided(only_first.min(only_second), only_first + only_second),
    })
}

/// Twice the chance of `few` heads or fewer in `all` throws of a fair coin, at most 1.
fn two_sided(few: usize, all: usize) -> f64 {
    // Each term from the one before, in logarithms: 2^-n alone is too small for a number beyond 1,000 throws.
    let mut log_term = -(all as f64) * std::f64::consts::LN_2;
    let mut sum = log_term.exp();
    for k in 1..=few {
        log_term += ((all - k + 1) as f64).ln() - (k as f64).ln();
        sum += log_term.exp();
    }
    (2.0 * sum).min(1.0)
}

/// Compares two reports of the same rows by a figure (`"macro_f1"`): the difference with its interval, and McNemar's test.
///
/// # Errors
/// When the reports are of other rows, or there is no figure of that name.
pub fn compare_models(
    first: &ClassificationReport,
    second: &ClassificationReport,
    metric: &str,
) -> Result<ModelComparison> {
    compare_models_with(first, second, metric, &BootstrapConfig::default())
}

/// As [`compare_models`], with other settings.
pub fn compare_models_with(
    first: &ClassificationReport,
    second: &ClassificationReport,
    metric: &str,
    config: &BootstrapConfig,
) -> Result<ModelComparison> {
    check_same_rows(first, second)?;
    let values = [first.figure(metric)?, second.figure(metric)?];
    let difference = |rows: &[usize]| second.figure_of(metric, rows) - first.figure_of(metric, rows);
    let paired = paired_with(first.rows, &difference, config)?;
    let right = |report: &ClassificationReport| -> Vec<bool> {
        report.coded.truth.iter().zip(&report.coded.guess).map(|(truth, guess)| truth == guess).collect()
    };
    let name = |report: &ClassificationReport, other: String| match report.name.is_empty() {
        true => other,
        false => report.name.clone(),
    };
    Ok(ModelComparison {
        names: [name(first, tr!("primero", "first")), name(second, tr!("segundo", "second"))],
        metric: metric.to_string(),
        values,
        paired,
        mcnemar: mcnemar(&right(first), &right(second))?,
    })
}

fn check_same_rows(first: &ClassificationReport, second: &ClassificationReport) -> Result<()> {
    let names = |report: &ClassificationReport, row: usize| -> Vec<String> {
        report.coded.truth[row].iter().map(|place| report.coded.names[*place as usize].clone()).collect()
    };
    let same = first.rows == second.rows && (0..first.rows).all(|row| names(first, row) == names(second, row));
    match same {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::BadData,
            tr!(
                "Los dos informes no son de las mismas filas: sus etiquetas correctas difieren.",
                "The two reports are not of the same rows: their right labels differ."
            ),
        )
        .next(tr!(
            "Haz los dos informes con la misma lista de respuestas correctas.",
            "Make both reports from the same list of right answers."
        ))),
    }
}

impl McNemar {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["aciertan los dos", "solo el primero", "solo el segundo", "ninguno", "p (McNemar)"],
            &["both right", "only the first", "only the second", "neither", "p (McNemar)"],
        );
        let counts =
            [self.both_right, self.only_first, self.only_second, self.both_wrong].map(|count| count.to_string());
        let mut row = counts.to_vec();
        row.push(p_value(self.p_value));
        Html::table(&headers, &[row], "")
    }
}

fn p_value(p: f64) -> String {
    if p < 0.0005 {
        "< 0.001".into()
    } else {
        format!("{p:.3}")
    }
}

shown!(McNemar);

impl ModelComparison {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let [first, second] = &self.names;
        let metric = &self.metric;
        let mut headers = headers(&["medida"], &["figure"]);
        headers.extend([first.clone(), second.clone()]);
        headers.extend([tr!("diferencia", "difference"), tr!("sorteos en que sube", "draws in which it is higher")]);
        let row = vec![
            metric.clone(),
            format!("{:.3}", self.values[0]),
            format!("{:.3}", self.values[1]),
            self.paired.difference.short(),
            format!("{:.1} %", 100.0 * self.paired.higher),
        ];
        let Html { mut html, mut plain } = Html::table(&headers, &[row], &self.verdict());
        let test = &self.mcnemar;
        let (one, two, p) = (test.only_first, test.only_second, p_value(test.p_value));
        let line = tr!(
            "Filas que solo acierta «{first}»: {one}; solo «{second}»: {two}. McNemar exacto: p = {p}",
            "Rows that only \"{first}\" gets right: {one}; only \"{second}\": {two}. Exact McNemar: p = {p}"
        );
        html += &format!("<p>{}</p>", crate::show::escape(&line));
        plain += &format!("\n{line}");
        Html { html, plain }
    }

    fn verdict(&self) -> String {
        let level = 100.0 * self.paired.difference.level;
        // Of errors, fewer are better.
        let lower = self.metric == "hamming_loss";
        let better = usize::from((self.paired.difference.value > 0.0) != lower);
        let name = &self.names[better];
        match self.paired.certain() {
            true => tr!(
                "«{name}» es mejor con un {level:.0} % de confianza.",
                "\"{name}\" is better with {level:.0} % confidence."
            ),
            false => tr!(
                "No se puede decir cuál es mejor: el intervalo del {level:.0} % de la diferencia contiene el 0.",
                "One cannot say which is better: the {level:.0} % interval of the difference holds 0."
            ),
        }
    }
}

shown!(ModelComparison);

/// Several models on the same rows.
#[derive(Clone, Debug)]
pub struct Scoreboard {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
    caption: String,
}

/// Several reports of the same rows in one table, each figure with its 95 % interval.
///
/// # Errors
/// When the reports are of other rows, or there is no figure of that name.
pub fn scoreboard(reports: &[ClassificationReport], metrics: &[&str]) -> Result<Scoreboard> {
    let mut rows = Vec::new();
    for (i, report) in reports.iter().enumerate() {
        check_same_rows(&reports[0], report)?;
        let mut row = vec![if report.name.is_empty() { (i + 1).to_string() } else { report.name.clone() }];
        for metric in metrics {
            row.push(report.interval(metric)?.short());
        }
        rows.push(row);
    }
    let count = reports.first().map_or(0, |report| report.rows);
    Ok(Scoreboard::new(metrics, rows, count))
}

impl Scoreboard {
    /// A row for each model, over `count` rows of data.
    pub(super) fn new(metrics: &[&str], rows: Vec<Vec<String>>, count: usize) -> Self {
        let mut headers = headers(&["modelo"], &["model"]);
        headers.extend(metrics.iter().map(ToString::to_string));
        let caption = tr!("{count} filas; intervalos del 95 % (bootstrap)", "{count} rows; 95 % intervals (bootstrap)");
        Self { headers, rows, caption }
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        Html::table(&self.headers, &self.rows, &self.caption)
    }
}

shown!(Scoreboard);
