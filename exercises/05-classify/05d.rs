//! Binary cross-entropy: the loss where several labels may hold.

use crate::exercise::{some_numbers, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn loss(probabilities: &[f64], truth: &[bool]) -> f64 {
        // ✏️
        0.0
    }
}

pub mod solution {
    pub fn loss(probabilities: &[f64], truth: &[bool]) -> f64 {
        let mut sum = 0.0;
        for i in 0..truth.len() {
            if truth[i] {
                sum -= probabilities[i].ln();
            } else {
                sum -= (1.0 - probabilities[i]).ln();
            }
        }
        sum / truth.len() as f64
    }
}

mod wrong {
    use super::solution::loss;

    pub fn only_true(probabilities: &[f64], truth: &[bool]) -> f64 {
        let held = probabilities.iter().zip(truth).filter(|(_, yes)| **yes);
        held.map(|(probability, _)| -probability.ln()).sum::<f64>() / truth.len() as f64
    }

    pub fn as_if_all_held(probabilities: &[f64], truth: &[bool]) -> f64 {
        loss(probabilities, &vec![true; truth.len()])
    }

    pub fn no_minus(probabilities: &[f64], truth: &[bool]) -> f64 {
        -loss(probabilities, truth)
    }

    pub fn the_sum(probabilities: &[f64], truth: &[bool]) -> f64 {
        loss(probabilities, truth) * truth.len() as f64
    }
}

pub const EXERCISE: Exercise = trials!("05d", loss, [only_true, as_if_all_held, no_minus, the_sum]);

fn draw(rng: &mut Rng) -> Input {
    let probabilities = some_numbers(rng, (3, 6), (0.05, 0.95));
    let mut truth: Vec<bool> = probabilities.iter().map(|_| rng.below(2) == 0).collect();
    (truth[0], truth[1]) = (true, false); // at least one of each
    rng.shuffle(&mut truth);
    vec![probabilities.into(), truth.into()]
}
