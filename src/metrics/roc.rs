//! ROC: how many of the right rows a threshold finds, against how many wrong ones it takes along.

use super::interval::{bootstrap_with, BootstrapConfig, Interval};
use super::labels::{one_each, with_warnings};
use super::prediction::{label_scores, Prediction};
use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, shown};
use crate::plot::{unit_chart, Chart, Series};
use crate::show::Html;
use crate::table::listed;

/// What a threshold lets through.
#[derive(Clone, Copy, Debug)]
pub struct RocPoint {
    /// Rows with this score or a higher one count as the label; infinite at the beginning, where none does.
    pub threshold: f64,
    /// Of the rows without the label, the share that is let through.
    pub false_positive_rate: f64,
    /// Of the rows with the label, the share that is let through.
    pub true_positive_rate: f64,
}

/// The ROC curve of one label.
#[derive(Clone, Debug)]
pub struct RocCurve {
    /// The label.
    pub label: String,
    /// A point for each different score, the highest first.
    pub points: Vec<RocPoint>,
    /// The area under the curve: how often a row with the label has a higher score than one without. 0.5 is chance.
    pub auc: f64,
    /// Rows with the label.
    pub positives: usize,
    /// Rows without it.
    pub negatives: usize,
    positive: Vec<bool>,
    scores: Vec<f64>,
}

/// The ROC curves of several labels.
#[derive(Clone, Debug)]
pub struct RocCurves {
    /// One for each label that some rows have and others have not.
    pub curves: Vec<RocCurve>,
    /// The mean of their areas (each label against the rest, as scikit-learn's `ovr`).
    pub macro_auc: f64,
    /// Labels without a curve.
    pub warnings: Vec<String>,
}

/// The ROC curve of a label: whether each row has it, and the score that a model gave it there.
///
/// # Errors
/// When all rows have the label or none has, or a score is no number.
pub fn roc_curve(label: &str, positive: &[bool], scores: &[f64]) -> Result<RocCurve> {
    super::check_same_length(positive.len(), scores.len())?;
    check_scores(scores)?;
    let positives = positive.iter().filter(|positive| **positive).count();
    let negatives = positive.len() - positives;
    if positives == 0 || negatives == 0 {
        return Err(Error::new(
            ErrorKind::BadData,
            tr!(
                "De {label:?} hay {positives} filas, y {negatives} de lo demás: hacen falta de las dos clases.",
                "Of {label:?} there are {positives} rows, and {negatives} of the rest: both kinds are needed."
            ),
        )
        .next(tr!("Mide con filas de más clases.", "Measure on rows of more classes.")));
    }
    let points = points(positive, scores);
    let auc = area(&points);
    let (positive, scores) = (positive.to_vec(), scores.to_vec());
    Ok(RocCurve { label: label.to_string(), points, auc, positives, negatives, positive, scores })
}

fn check_scores(scores: &[f64]) -> Result<()> {
    match scores.iter().position(|score| score.is_nan()) {
        None => Ok(()),
        Some(row) => Err(Error::new(
            ErrorKind::BadData,
            tr!("La puntuación de la fila {} no es un número.", "The score of row {} is no number.", row + 1),
        )),
    }
}

fn points(positive: &[bool], scores: &[f64]) -> Vec<RocPoint> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let all = positive.iter().filter(|positive| **positive).count();
    let rest = (positive.len() - all) as f64;
    let mut points = vec![RocPoint { threshold: f64::INFINITY, false_positive_rate: 0.0, true_positive_rate: 0.0 }];
    let (mut hits, mut alarms) = (0.0, 0.0);
    for (i, row) in order.iter().enumerate() {
        *(if positive[*row] { &mut hits } else { &mut alarms }) += 1.0;
        // Rows of one score pass together.
        if order.get(i + 1).is_none_or(|next| scores[*next] != scores[*row]) {
            points.push(RocPoint {
                threshold: scores[*row],
                false_positive_rate: alarms / rest,
                true_positive_rate: hits / all as f64,
            });
        }
    }
    points
}

/// The area by trapezoids.
fn area(points: &[RocPoint]) -> f64 {
    let part = |pair: &[RocPoint]| {
        let width = pair[1].false_positive_rate - pair[0].false_positive_rate;
        width * (pair[0].true_positive_rate + pair[1].true_positive_rate) / 2.0
    };
    points.windows(2).map(part).sum()
}

/// The ROC curve of each label, where each row has one: against all others.
///
/// # Errors
/// When there is not one prediction for each row, or no label has a curve.
pub fn roc_curves(truth: &[String], predictions: &[Prediction]) -> Result<RocCurves> {
    multi_label_roc_curves(&one_each(truth), predictions)
}

/// The ROC curve of each label, where a row has any number of them.
///
/// # Errors
/// As [`roc_curves`].
pub fn multi_label_roc_curves(truth: &[Vec<String>], predictions: &[Prediction]) -> Result<RocCurves> {
    super::check_same_length(truth.len(), predictions.len())?;
    let names: Vec<String> = predictions[0].scores.iter().map(|score| score.0.clone()).collect();
    let (mut curves, mut without) = (Vec::new(), Vec::new());
    for name in &names {
        let positive: Vec<bool> = truth.iter().map(|labels| labels.contains(name)).collect();
        match positive.contains(&true) && positive.contains(&false) {
            true => curves.push(roc_curve(name, &positive, &label_scores(predictions, name)?)?),
            false => without.push(name.clone()),
        }
    }
    let without = listed(&without, 8);
    if curves.is_empty() {
        return Err(Error::new(
            ErrorKind::BadData,
            tr!(
                "Ninguna etiqueta del modelo ({without}) está en unas filas y falta en otras.",
                "No label of the model ({without}) stands in some rows and not in others."
            ),
        )
        .next(tr!(
            "Mira si las etiquetas de tus filas se escriben como las del modelo, y mide con filas de más clases.",
            "Look whether the labels of your rows are written as the model's, and measure on rows of more classes."
        )));
    }
    let warning =
        tr!("Sin curva (en todas las filas o en ninguna): {without}", "No curve (in all rows or in none): {without}");
    Ok(RocCurves {
        macro_auc: curves.iter().map(|curve| curve.auc).sum::<f64>() / curves.len() as f64,
        warnings: if without.is_empty() { Vec::new() } else { vec![warning] },
        curves,
    })
}

impl RocCurve {
    /// The area with its interval.
    pub fn interval(&self, config: &BootstrapConfig) -> Result<Interval> {
        let measure = |rows: &[usize]| {
            let positive: Vec<bool> = rows.iter().map(|row| self.positive[*row]).collect();
            let scores: Vec<f64> = rows.iter().map(|row| self.scores[*row]).collect();
            area(&points(&positive, &scores))
        };
        let interval = bootstrap_with(self.scores.len(), &measure, config)?;
        Ok(Interval { name: format!("AUC ({})", self.label), ..interval })
    }

    /// The curve, with the diagonal of chance.
    pub fn plot(&self) -> Result<Chart> {
        chart(std::slice::from_ref(self))
    }

    /// Shows the curve.
    pub fn evcxr_display(&self) {
        match self.plot() {
            Ok(chart) => chart.evcxr_display(),
            Err(error) => println!("{error}"),
        }
    }
}

impl std::fmt::Display for RocCurve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (label, auc, positives, negatives) = (&self.label, self.auc, self.positives, self.negatives);
        write!(
            f,
            "{}",
            tr!(
                "{label}: AUC {auc:.3} ({positives} filas la tienen, {negatives} no)",
                "{label}: AUC {auc:.3} ({positives} rows have it, {negatives} have not)"
            )
        )
    }
}

fn chart(curves: &[RocCurve]) -> Result<Chart> {
    let line = |curve: &RocCurve| Series {
        name: format!("{} (AUC {:.3})", curve.label, curve.auc),
        points: curve.points.iter().map(|point| (point.false_positive_rate, point.true_positive_rate)).collect(),
        dots: false,
    };
    let series: Vec<Series> = curves.iter().map(line).collect();
    unit_chart(
        &tr!("Curva ROC", "ROC curve"),
        &tr!("falsos positivos: de lo demás, cuánto pasa", "false positive rate: of the rest, what passes"),
        &tr!("verdaderos positivos", "true positive rate"),
        &tr!("azar", "chance"),
        &series,
        &[],
    )
}

impl RocCurves {
    /// All curves in one chart, with the diagonal of chance.
    pub fn plot(&self) -> Result<Chart> {
        chart(&self.curves)
    }

    /// As a page shows it, and in plain text: the areas, and below them the picture.
    pub fn html(&self) -> Html {
        let headers = headers(&["etiqueta", "AUC", "con ella", "sin ella"], &["label", "AUC", "with it", "without it"]);
        let row = |curve: &RocCurve| {
            let counts = [curve.positives, curve.negatives].map(crate::table::count);
            vec![curve.label.clone(), format!("{:.3}", curve.auc), counts[0].clone(), counts[1].clone()]
        };
        let rows: Vec<Vec<String>> = self.curves.iter().map(row).collect();
        let caption = tr!("AUC media de las etiquetas: {:.3}", "Mean AUC of the labels: {:.3}", self.macro_auc);
        let mut table = Html::table(&headers, &rows, &caption);
        if let Ok(chart) = self.plot() {
            table.html += &chart.html().html;
        }
        with_warnings(table, &self.warnings)
    }
}

shown!(RocCurves);
