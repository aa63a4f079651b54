//! Precision, recall and F1 of each label and over all of them, as scikit-learn's `classification_report` has them.

use super::interval::{bootstrap_with, BootstrapConfig, Interval};
use super::labels::{inspect, stray, with_warnings, Coded};
use super::tally::{Tally, METRICS};
use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, shown};
use crate::show::Html;
use crate::table::{count, listed};

/// Labels that the table shows.
const SHOWN: usize = 20;

/// How good the guesses of one label are.
#[derive(Clone, Debug)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// Of the rows where it was guessed, the share where it was right; 0 where it never was guessed.
    pub precision: f64,
    /// Of the rows where it is right, the share where it was guessed; 0 where it never is right.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// Rows where it is right.
    pub support: usize,
    /// Rows where it was guessed.
    pub guessed: usize,
}

/// How good the guesses of a model are.
#[derive(Clone, Debug)]
pub struct ClassificationReport {
    /// What the model is called in comparisons; empty until [`ClassificationReport::named`].
    pub name: String,
    /// Each label's figures, in the order of their names: those that are right or guessed somewhere.
    pub labels: Vec<LabelScore>,
    /// Rows.
    pub rows: usize,
    /// The share of rows with exactly the right label, or labels.
    pub accuracy: f64,
    /// The mean F1 of the labels: each label counts the same.
    pub macro_f1: f64,
    /// F1 over all decisions together: each row counts the same. With one label a row it equals the accuracy.
    pub micro_f1: f64,
    /// The mean F1 of the labels, each as often as it is right.
    pub weighted_f1: f64,
    /// What a reader should know: labels never guessed, labels that are the same.
    pub warnings: Vec<String>,
    pub(super) coded: Coded,
    tally: Tally,
}

/// Compares the right label of each row with the guessed one.
///
/// ```
/// use aula::metrics::classification_report;
/// let truth = ["good", "good", "bad", "bad"].map(String::from);
/// let guess = ["good", "bad", "bad", "bad"].map(String::from);
/// let report = classification_report(&truth, &guess)?;
/// assert_eq!(report.accuracy, 0.75);
/// # Ok::<(), aula::error::Error>(())
/// ```
///
/// # Errors
/// When there is not one guess for each row, or what is in the rows are no classes.
pub fn classification_report(truth: &[String], guess: &[String]) -> Result<ClassificationReport> {
    let coded = Coded::single(truth, guess)?;
    let warnings = inspect(truth, truth.len())?.warnings;
    Ok(ClassificationReport::new(coded, warnings))
}

/// Compares the right labels of each row, any number of them, with the guessed ones.
///
/// # Errors
/// As [`classification_report`].
pub fn multi_label_report(truth: &[Vec<String>], guess: &[Vec<String>]) -> Result<ClassificationReport> {
    let coded = Coded::several(truth, guess)?;
    let warnings = inspect(&truth.concat(), truth.len())?.warnings;
    Ok(ClassificationReport::new(coded, warnings))
}

impl ClassificationReport {
    fn new(coded: Coded, warnings: Vec<String>) -> Self {
        let rows = coded.truth.len();
        let tally = Tally::of(&coded, 0..rows);
        let score = |(i, label): (usize, &String)| LabelScore {
            label: label.clone(),
            precision: tally.precision(i),
            recall: tally.recall(i),
            f1: tally.f1(i),
            support: tally.right[i],
            guessed: tally.guessed[i],
        };
        let labels: Vec<LabelScore> = coded.names.iter().enumerate().map(score).collect();
        let figure = |name| tally.figure(name, &coded.names).unwrap_or(f64::NAN);
        let mut report = Self {
            name: String::new(),
            rows,
            accuracy: figure("accuracy"),
            macro_f1: figure("macro_f1"),
            micro_f1: figure("micro_f1"),
            weighted_f1: figure("weighted_f1"),
            warnings,
            labels,
            coded,
            tally,
        };
        report.warn();
        report
    }

    /// Says which labels are never guessed, and above all when none is.
    fn warn(&mut self) {
        let all: Vec<(String, usize)> = self.labels.iter().map(|label| (label.label.clone(), label.support)).collect();
        if self.warnings.is_empty() {
            // The truth alone was in order: the guesses may be written in another way.
            self.warnings.extend(stray(&all));
        }
        let silent = self.coded.guess.iter().filter(|guess| guess.is_empty()).count();
        let rows = self.rows;
        if silent == rows {
            self.warnings.push(tr!(
                "ALARMA: el modelo no predice nada: ninguna fila recibe ninguna etiqueta. Baja el umbral: \
                 Thresholds::choose(&validas, &predicciones)?",
                "ALARM: the model predicts nothing: no row gets any label. Lower the threshold: \
                 Thresholds::choose(&valid, &predictions)?"
            ));
            return;
        }
        if silent > 0 && self.coded.several {
            self.warnings.push(tr!(
                "{silent} de {rows} filas no reciben ninguna etiqueta.",
                "{silent} of {rows} rows get no label."
            ));
        }
        let guessed = self.labels.iter().filter(|label| label.guessed > 0);
        let one: Vec<&LabelScore> = guessed.take(2).collect();
        if let ([one], true, false) = (one.as_slice(), self.labels.len() > 1, self.coded.several) {
            let label = &one.label;
            self.warnings.push(tr!(
                "El modelo dice {label:?} en todas las filas: la exactitud es la de decir siempre lo mismo.",
                "The model says {label:?} for every row: its accuracy is that of always saying the same."
            ));
            return;
        }
        let never: Vec<String> =
            self.labels.iter().filter(|label| label.guessed == 0).map(|label| label.label.clone()).collect();
        if !never.is_empty() {
            let names = listed(&never, 8);
            self.warnings
                .push(tr!("Etiquetas que nunca se predicen: {names}", "Labels that are never guessed: {names}"));
        }
    }

    /// The same report with a name, for comparisons.
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.to_string(), ..self.clone() }
    }

    /// One figure by its name: `"accuracy"`, `"macro_f1"`, `"micro_recall"`, `"samples_f1"`, ..., or that of one label:
    /// `"f1/positive"`, `"precision/positive"`, `"recall/positive"`.
    ///
    /// # Errors
    /// When there is no figure of that name.
    pub fn figure(&self, name: &str) -> Result<f64> {
        self.tally.figure(name, &self.coded.names).ok_or_else(|| {
            let known = METRICS.join(", ");
            let label = self.coded.names.first().cloned().unwrap_or_default();
            Error::new(ErrorKind::BadSetting, tr!("No hay una medida {name:?}.", "There is no figure {name:?}.")).next(
                tr!(
                    "Hay: {known}; de una etiqueta: f1/{label}, precision/{label}, recall/{label}.",
                    "There are: {known}; of one label: f1/{label}, precision/{label}, recall/{label}."
                ),
            )
        })
    }

    /// A figure with its 95 % interval: how much it would move with other rows of the same kind.
    ///
    /// # Errors
    /// As [`ClassificationReport::figure`].
    pub fn interval(&self, name: &str) -> Result<Interval> {
        self.interval_with(name, &BootstrapConfig::default())
    }

    /// As [`ClassificationReport::interval`], with other settings.
    pub fn interval_with(&self, name: &str, config: &BootstrapConfig) -> Result<Interval> {
        self.figure(name)?;
        let interval = bootstrap_with(self.rows, &|rows| self.figure_of(name, rows), config)?;
        Ok(Interval { name: name.to_string(), ..interval })
    }

    /// A figure over some of the rows, which may come more than once.
    pub(super) fn figure_of(&self, name: &str, rows: &[usize]) -> f64 {
        Tally::of(&self.coded, rows.iter().copied()).figure(name, &self.coded.names).unwrap_or(f64::NAN)
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let mut headers = headers(
            &["etiqueta", "precisión", "exhaustividad", "F1", "filas"],
            &["label", "precision", "recall", "F1", "rows"],
        );
        headers.push(tr!("predichas", "guessed"));
        let three = |precision: f64, recall: f64, f1: f64| [precision, recall, f1].map(|value| format!("{value:.3}"));
        let mut rows: Vec<Vec<String>> = Vec::new();
        for label in self.most_frequent() {
            let mut row = vec![label.label.clone()];
            row.extend(three(label.precision, label.recall, label.f1));
            row.extend([count(label.support), count(label.guessed)]);
            rows.push(row);
        }
        let figure = |name: &str| self.tally.figure(name, &self.coded.names).unwrap_or(f64::NAN);
        let (support, guessed) = (self.tally.right.iter().sum(), self.tally.guessed.iter().sum());
        for kind in ["macro", "weighted", "micro"] {
            let mut row = vec![average_name(kind)];
            row.extend(three(
                figure(&format!("{kind}_precision")),
                figure(&format!("{kind}_recall")),
                figure(&format!("{kind}_f1")),
            ));
            row.extend([count(support), count(guessed)]);
            rows.push(row);
        }
        let table = Html::table(&headers, &rows, &self.caption());
        with_warnings(table, &self.warnings)
    }

    /// The labels that the table has room for, in their order.
    fn most_frequent(&self) -> Vec<&LabelScore> {
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(self.labels[*i].support));
        order.truncate(SHOWN);
        order.sort_unstable();
        order.into_iter().map(|i| &self.labels[i]).collect()
    }

    fn caption(&self) -> String {
        let (rows, accuracy, kinds) = (count(self.rows), self.accuracy, self.labels.len());
        let mut caption = if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) };
        caption += &match self.coded.several {
            false => tr!("exactitud {accuracy:.3} en {rows} filas", "accuracy {accuracy:.3} on {rows} rows"),
            true => {
                let loss = self.tally.figure("hamming_loss", &self.coded.names).unwrap_or(f64::NAN);
                tr!(
                    "todas las etiquetas correctas en {accuracy:.3} de {rows} filas; {loss:.3} de las decisiones mal",
                    "all labels right in {accuracy:.3} of {rows} rows; {loss:.3} of the decisions wrong"
                )
            }
        };
        if kinds > SHOWN {
            caption += &tr!(
                "; las {SHOWN} etiquetas más frecuentes de {kinds}",
                "; the {SHOWN} most frequent labels of {kinds}"
            );
        }
        caption
    }
}

fn average_name(kind: &str) -> String {
    match kind {
        "macro" => tr!("media de las etiquetas (macro)", "mean of the labels (macro)"),
        "weighted" => tr!("media según las filas (weighted)", "mean by rows (weighted)"),
        _ => tr!("todas juntas (micro)", "all together (micro)"),
    }
}

shown!(ClassificationReport);
