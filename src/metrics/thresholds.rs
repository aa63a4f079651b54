//! From which probability on a text gets a label, where it may have several: chosen on validation texts, label by label.

use std::collections::BTreeMap;

use super::labels::with_warnings;
use super::prediction::{label_scores, Prediction};
use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, shown};
use crate::plot::{unit_chart, Chart, Series};
use crate::show::{say, Html};
use crate::table::listed;

/// What is used where nothing better is known.
const HALF: f64 = 0.5;
/// Fewer texts with a label than this make a threshold a matter of luck.
const FEW: usize = 5;

/// A threshold for each label.
#[derive(Clone, Debug)]
pub struct Thresholds {
    /// Each label with its threshold: texts with this probability or more get it.
    pub values: Vec<(String, f64)>,
    /// F1 of each label on the validation texts, at its threshold.
    pub f1: Vec<f64>,
    /// Validation texts with each label.
    pub positives: Vec<usize>,
    /// Labels of which nothing could be learned.
    pub warnings: Vec<String>,
}

/// What one threshold does to one label.
#[derive(Clone, Copy, Debug)]
pub struct SweepPoint {
    /// Texts with this probability or more get the label.
    pub threshold: f64,
    /// Of those, the share that has it.
    pub precision: f64,
    /// Of those that have it, the share that gets it.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

/// What every threshold does to one label.
#[derive(Clone, Debug)]
pub struct ThresholdSweep {
    /// The label.
    pub label: String,
    /// A point for each different probability, the lowest first.
    pub points: Vec<SweepPoint>,
    /// The point with the highest F1.
    pub best: SweepPoint,
}

impl Thresholds {
    /// The same threshold for all labels that the predictions have.
    ///
    /// # Errors
    /// When there is no prediction, or the threshold is not from 0 to 1.
    pub fn same(predictions: &[Prediction], threshold: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!(
                    "El umbral {threshold} no sirve: va de 0 a 1.",
                    "The threshold {threshold} does not work: it goes from 0 to 1."
                ),
            )
            .next(tr!("Prueba 0.5, 0.3 o Thresholds::choose.", "Try 0.5, 0.3 or Thresholds::choose.")));
        }
        let labels = labels_of(predictions)?;
        Ok(Self {
            f1: vec![f64::NAN; labels.len()],
            positives: vec![0; labels.len()],
            values: labels.into_iter().map(|label| (label, threshold)).collect(),
            warnings: Vec::new(),
        })
    }

    /// For each label the threshold with the highest F1 on validation texts: halfway to the next lower probability.
    ///
    /// Choose on texts that the test does not hold: the test is there to see how well the choice holds.
    /// A label that no validation text has keeps 0.5. Tells what one cannot trust.
    ///
    /// # Errors
    /// When there is not one prediction for each text.
    pub fn choose(truth: &[Vec<String>], predictions: &[Prediction]) -> Result<Self> {
        super::check_same_length(truth.len(), predictions.len())?;
        let labels = labels_of(predictions)?;
        let mut chosen = Self { values: Vec::new(), f1: Vec::new(), positives: Vec::new(), warnings: Vec::new() };
        for label in labels {
            let positive: Vec<bool> = truth.iter().map(|labels| labels.contains(&label)).collect();
            let positives = positive.iter().filter(|positive| **positive).count();
            let (threshold, f1) = match positives {
                0 => (HALF, f64::NAN),
                _ => best_threshold(&sweep(&positive, &label_scores(predictions, &label)?)),
            };
            chosen.values.push((label, threshold));
            chosen.f1.push(f1);
            chosen.positives.push(positives);
        }
        chosen.warn(truth);
        chosen.warnings.iter().for_each(|warning| say(&format!("⚠ {warning}")));
        Ok(chosen)
    }

    fn warn(&mut self, truth: &[Vec<String>]) {
        let (texts, kinds) = (truth.len(), self.values.len());
        if texts < kinds {
            self.warnings.push(tr!(
                "Hay {texts} textos de validación para {kinds} etiquetas: los umbrales salen al azar. Junta más textos, o \
                 usa el mismo para todas: Thresholds::same(&predicciones, 0.5)?",
                "There are {texts} validation texts for {kinds} labels: the thresholds are a matter of luck. Gather more \
                 texts, or use one for all: Thresholds::same(&predictions, 0.5)?"
            ));
        }
        let with = |wanted: fn(usize) -> bool| -> Vec<String> {
            let rows = self.values.iter().zip(&self.positives).filter(|(_, rows)| wanted(**rows));
            rows.map(|(value, _)| value.0.clone()).collect()
        };
        let (none, few) = (with(|rows| rows == 0), with(|rows| (1..FEW).contains(&rows)));
        if !none.is_empty() {
            let names = listed(&none, 8);
            self.warnings.push(tr!(
                "Ningún texto de validación tiene {names}: ahí queda 0.5. Suma a la validación textos que tengan esas \
                 etiquetas.",
                "No validation text has {names}: 0.5 stays there. Add texts with those labels to the validation part."
            ));
        }
        if !few.is_empty() {
            let names = listed(&few, 8);
            self.warnings.push(tr!(
                "Menos de {FEW} textos de validación tienen {names}: su umbral es poco fiable. Junta más textos con esas \
                 etiquetas.",
                "Fewer than {FEW} validation texts have {names}: their threshold is not to be trusted. Gather more texts \
                 with those labels."
            ));
        }
        let known = |label: &&String| !self.values.iter().any(|value| value.0 == **label);
        let mut unknown: Vec<String> = truth.iter().flatten().filter(known).cloned().collect();
        unknown.sort();
        unknown.dedup();
        if !unknown.is_empty() {
            let names = listed(&unknown, 8);
            self.warnings.push(tr!(
                "Los textos tienen etiquetas que el modelo no conoce: {names}. Corrige cómo se escriben, o entrena el \
                 modelo con textos que las tengan.",
                "The texts have labels that the model does not know: {names}. Correct how they are written, or train the \
                 model on texts that have them."
            ));
        }
    }

    /// The threshold of a label; none where there is no such label.
    pub fn of(&self, label: &str) -> Option<f64> {
        self.values.iter().find(|value| value.0 == label).map(|value| value.1)
    }

    /// The labels that each text gets. Where no text gets any, it sounds the alarm.
    ///
    /// # Errors
    /// When a prediction has a label without a threshold.
    pub fn apply(&self, predictions: &[Prediction]) -> Result<Vec<Vec<String>>> {
        let thresholds: BTreeMap<&str, f64> = self.values.iter().map(|value| (value.0.as_str(), value.1)).collect();
        let mut guess = Vec::with_capacity(predictions.len());
        for prediction in predictions {
            let mut labels = Vec::new();
            for (label, score) in &prediction.scores {
                let threshold = thresholds.get(label.as_str()).ok_or_else(|| {
                    Error::new(
                        ErrorKind::BadSetting,
                        tr!("No hay umbral para {label:?}.", "There is no threshold for {label:?}."),
                    )
                    .next(tr!("Elige los umbrales con el mismo modelo.", "Choose the thresholds with the same model."))
                })?;
                if f64::from(*score) >= *threshold {
                    labels.push(label.clone());
                }
            }
            guess.push(labels);
        }
        if !guess.is_empty() && guess.iter().all(Vec::is_empty) {
            let highest = predictions.iter().map(|prediction| prediction.score).fold(0.0, f32::max);
            say(&tr!(
                "⚠ ALARMA: con estos umbrales no se predice nada: la probabilidad más alta es {highest:.3}. Elígelos con \
                 textos de validación: Thresholds::choose(&etiquetas, &predicciones)?",
                "⚠ ALARM: with these thresholds nothing is predicted: the highest probability is {highest:.3}. Choose them \
                 on validation texts: Thresholds::choose(&labels, &predictions)?"
            ));
        }
        Ok(guess)
    }

    /// What every threshold does to one label.
    ///
    /// # Errors
    /// When there is not one prediction for each text, no text has the label, or the model does not know it.
    pub fn sweep(truth: &[Vec<String>], predictions: &[Prediction], label: &str) -> Result<ThresholdSweep> {
        super::check_same_length(truth.len(), predictions.len())?;
        let scores = label_scores(predictions, label)?;
        let positive: Vec<bool> = truth.iter().map(|labels| labels.iter().any(|own| own == label)).collect();
        if !positive.contains(&true) {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("Ningún texto tiene la etiqueta {label:?}.", "No text has the label {label:?}."),
            )
            .next(tr!("Elige otra etiqueta u otros textos.", "Choose another label or other texts.")));
        }
        let points = sweep(&positive, &scores);
        let best = points[best(&points)];
        Ok(ThresholdSweep { label: label.to_string(), points, best })
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["etiqueta", "umbral", "F1 en validación", "textos con ella"],
            &["label", "threshold", "F1 on validation", "texts with it"],
        );
        let rows = self.values.iter().zip(&self.f1).zip(&self.positives);
        let row = |((value, f1), positives): ((&(String, f64), &f64), &usize)| {
            let f1 = if f1.is_nan() { "—".into() } else { format!("{f1:.3}") };
            vec![value.0.clone(), format!("{:.3}", value.1), f1, positives.to_string()]
        };
        let rows: Vec<Vec<String>> = rows.map(row).collect();
        with_warnings(
            Html::table(&headers, &rows, &tr!("Umbral de cada etiqueta", "Threshold of each label")),
            &self.warnings,
        )
    }
}

shown!(Thresholds);

fn labels_of(predictions: &[Prediction]) -> Result<Vec<String>> {
    match predictions.first() {
        Some(first) => Ok(first.scores.iter().map(|score| score.0.clone()).collect()),
        None => Err(Error::new(ErrorKind::BadData, tr!("No hay predicciones.", "There are no predictions."))
            .next(tr!("Predice primero: model.predict_all(&textos)?", "Predict first: model.predict_all(&texts)?"))),
    }
}

/// What each different score does as a threshold, the lowest first.
fn sweep(positive: &[bool], scores: &[f64]) -> Vec<SweepPoint> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let all = positive.iter().filter(|positive| **positive).count() as f64;
    let mut points = Vec::new();
    let mut hits = 0.0;
    for (i, row) in order.iter().enumerate() {
        hits += f64::from(u8::from(positive[*row]));
        if order.get(i + 1).is_none_or(|next| scores[*next] != scores[*row]) {
            let given = (i + 1) as f64;
            let (precision, recall, f1) = (hits / given, hits / all, 2.0 * hits / (given + all));
            points.push(SweepPoint { threshold: scores[*row], precision, recall, f1 });
        }
    }
    points.reverse();
    points
}

/// The place of the highest F1; of equal ones the highest threshold, which gives the fewest labels.
fn best(points: &[SweepPoint]) -> usize {
    (0..points.len()).max_by(|a, b| points[*a].f1.total_cmp(&points[*b].f1)).unwrap_or(0)
}

/// The threshold of the highest F1, halfway to the next lower score, and that F1.
fn best_threshold(points: &[SweepPoint]) -> (f64, f64) {
    let best = best(points);
    let below = if best == 0 { 0.0 } else { points[best - 1].threshold };
    ((points[best].threshold + below) / 2.0, points[best].f1)
}

impl ThresholdSweep {
    /// Precision, recall and F1 against the threshold.
    pub fn plot(&self) -> Result<Chart> {
        let line = |name: String, value: fn(&SweepPoint) -> f64| Series {
            name,
            points: self.points.iter().map(|point| (point.threshold, value(point))).collect(),
            dots: false,
        };
        let series = [
            line(tr!("precisión", "precision"), |point| point.precision),
            line(tr!("exhaustividad", "recall"), |point| point.recall),
            line("F1".into(), |point| point.f1),
        ];
        let (label, best) = (&self.label, self.best);
        let title =
            tr!("{label}: F1 {:.3} con umbral {:.3}", "{label}: F1 {:.3} at threshold {:.3}", best.f1, best.threshold);
        unit_chart(&title, &tr!("umbral", "threshold"), "", "", &series, &[])
    }

    /// Shows the chart.
    pub fn evcxr_display(&self) {
        match self.plot() {
            Ok(chart) => chart.evcxr_display(),
            Err(error) => println!("{error}"),
        }
    }
}

impl std::fmt::Display for ThresholdSweep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (label, best) = (&self.label, self.best);
        write!(
            f,
            "{}",
            tr!(
                "{label}: el mejor F1, {:.3}, con umbral {:.3}",
                "{label}: the best F1, {:.3}, at threshold {:.3}",
                best.f1,
                best.threshold
            )
        )
    }
}
