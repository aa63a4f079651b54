//! Sigmoid where several labels may hold, softmax where one does.

use crate::exercise::{some_numbers, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn probabilities(logits: &[f64], several: bool) -> Vec<f64> {
        // ✏️
        logits.to_vec()
    }
}

pub mod solution {
    pub fn probabilities(logits: &[f64], several: bool) -> Vec<f64> {
        let mut sum = 0.0;
        for logit in logits {
            sum += logit.exp();
        }
        let mut found = Vec::new();
        for logit in logits {
            if several {
                found.push(1.0 / (1.0 + (-logit).exp()));
            } else {
                found.push(logit.exp() / sum);
            }
        }
        found
    }
}

mod wrong {
    use super::solution::probabilities;

    pub fn always_softmax(logits: &[f64], _several: bool) -> Vec<f64> {
        probabilities(logits, false)
    }

    pub fn always_sigmoid(logits: &[f64], _several: bool) -> Vec<f64> {
        probabilities(logits, true)
    }

    pub fn swapped(logits: &[f64], several: bool) -> Vec<f64> {
        probabilities(logits, !several)
    }

    pub fn sign_lost(logits: &[f64], several: bool) -> Vec<f64> {
        match several {
            true => logits.iter().map(|logit| 1.0 / (1.0 + logit.exp())).collect(),
            false => probabilities(logits, false),
        }
    }
}

pub const EXERCISE: Exercise = trials!("05c", probabilities, [always_softmax, always_sigmoid, swapped, sign_lost]);

fn draw(rng: &mut Rng) -> Input {
    vec![some_numbers(rng, (3, 5), (-3.0, 3.0)).into(), (rng.below(2) == 0).into()]
}
