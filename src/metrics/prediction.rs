//! What a classifier says of a text, whatever kind of classifier it is.

use crate::error::{Error, ErrorKind, Result};
use crate::show::{display, escape};
use crate::table::listed;

/// What a classifier says of a text.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The text.
    pub text: String,
    /// The likeliest label.
    pub label: String,
    /// Its probability.
    pub score: f32,
    /// Every label's probability, in the model's order. They add up to 1 where a text has one label; where it can have
    /// several, each stands for itself.
    pub scores: Vec<(String, f32)>,
}

impl Prediction {
    /// The prediction with `scores` for a text: its label is the likeliest.
    pub(crate) fn of(text: &str, scores: Vec<(String, f32)>) -> Self {
        let best = (0..scores.len()).max_by(|a, b| scores[*a].1.total_cmp(&scores[*b].1).then(b.cmp(a)));
        let (label, score) = best.map(|best| scores[best].clone()).unwrap_or_default();
        Self { text: text.to_string(), label, score, scores }
    }

    /// The probability of `label`; none where the model does not know it.
    pub fn score_of(&self, label: &str) -> Option<f32> {
        self.scores.iter().find(|score| score.0 == label).map(|score| score.1)
    }

    /// Shows the text, the label and how sure the model is.
    pub fn evcxr_display(&self) {
        let (text, label, share) = (escape(&self.text), escape(&self.label), 100.0 * self.score);
        display(&format!("<p>{text} → <b>{label}</b> ({share:.1} %)</p>"), &self.to_string());
    }
}

impl std::fmt::Display for Prediction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} → {} ({:.1} %)", self.text, self.label, 100.0 * self.score)
    }
}

/// The likeliest label of each prediction: what a report compares with the right ones.
pub fn guesses(predictions: &[Prediction]) -> Vec<String> {
    predictions.iter().map(|prediction| prediction.label.clone()).collect()
}

/// The probability of one label in each prediction.
///
/// # Errors
/// When the model does not know the label.
pub fn label_scores(predictions: &[Prediction], label: &str) -> Result<Vec<f64>> {
    let score = |prediction: &Prediction| {
        prediction.score_of(label).map(f64::from).ok_or_else(|| {
            let known: Vec<String> = prediction.scores.iter().map(|score| score.0.clone()).collect();
            let known = listed(&known, 10);
            Error::new(
                ErrorKind::BadSetting,
                tr!("El modelo no conoce la etiqueta {label:?}.", "The model does not know the label {label:?}."),
            )
            .next(tr!("Conoce: {known}.", "It knows: {known}."))
        })
    };
    predictions.iter().map(score).collect()
}
