//! From logits to a label's name.

use crate::exercise::{pick, some_numbers, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn label(logits: &[f64], id2label: &[String]) -> String {
        // ✏️
        String::new()
    }
}

pub mod solution {
    pub fn label(logits: &[f64], id2label: &[String]) -> String {
        let mut best = 0;
        for i in 0..logits.len() {
            if logits[i] > logits[best] {
                best = i;
            }
        }
        id2label[best].to_string()
    }
}

mod wrong {
    fn best(logits: &[f64]) -> usize {
        (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0)
    }

    pub fn the_place(logits: &[f64], _id2label: &[String]) -> String {
        best(logits).to_string()
    }

    pub fn the_least(logits: &[f64], id2label: &[String]) -> String {
        let turned: Vec<f64> = logits.iter().map(|logit| -logit).collect();
        id2label[best(&turned)].clone()
    }

    pub fn first_above_zero(logits: &[f64], id2label: &[String]) -> String {
        id2label[logits.iter().position(|logit| *logit > 0.0).unwrap_or(0)].clone()
    }

    pub fn farthest_from_zero(logits: &[f64], id2label: &[String]) -> String {
        let sizes: Vec<f64> = logits.iter().map(|logit| logit.abs()).collect();
        id2label[best(&sizes)].clone()
    }
}

pub const EXERCISE: Exercise = trials!("01c", label, [the_place, the_least, first_above_zero, farthest_from_zero]);

const LABELS: &[&[&str]] = &[
    &["NEGATIVE", "POSITIVE"],
    &["negative", "neutral", "positive"],
    &["1 star", "2 stars", "3 stars", "4 stars", "5 stars"],
    &["alegría", "tristeza", "enojo", "miedo"],
];

fn draw(rng: &mut Rng) -> Input {
    let labels = pick(rng, LABELS);
    let logits = some_numbers(rng, (labels.len(), labels.len()), (-4.0, 3.0));
    let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
    vec![logits.into(), labels.into()]
}
