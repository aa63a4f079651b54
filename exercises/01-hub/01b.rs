//! Softmax, by hand.

use crate::exercise::{some_numbers, Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn softmax(logits: &[f64]) -> Vec<f64> {
        // ✏️
        vec![0.0; logits.len()]
    }
}

pub mod solution {
    pub fn softmax(logits: &[f64]) -> Vec<f64> {
        let mut sum = 0.0;
        for logit in logits {
            sum += logit.exp();
        }
        let mut probabilities = Vec::new();
        for logit in logits {
            probabilities.push(logit.exp() / sum);
        }
        probabilities
    }
}

mod wrong {
    pub fn no_exponential(logits: &[f64]) -> Vec<f64> {
        let sum: f64 = logits.iter().sum();
        logits.iter().map(|logit| logit / sum).collect()
    }

    pub fn not_shared_out(logits: &[f64]) -> Vec<f64> {
        logits.iter().map(|logit| logit.exp()).collect()
    }

    pub fn sum_of_the_logits(logits: &[f64]) -> Vec<f64> {
        let sum: f64 = logits.iter().sum();
        logits.iter().map(|logit| logit.exp() / sum).collect()
    }

    pub fn one_by_one(logits: &[f64]) -> Vec<f64> {
        logits.iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect()
    }
}

pub const EXERCISE: Exercise = trials!("01b", softmax, [no_exponential, not_shared_out, sum_of_the_logits, one_by_one]);

fn draw(rng: &mut Rng) -> Input {
    vec![some_numbers(rng, (2, 5), (-2.0, 4.0)).into()]
}
