//! Temperature and top-k.

use crate::exercise::{some_numbers, uniform, Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn choose(logits: &[f64], temperature: f64, k: usize) -> Vec<f64> {
        // ✏️
        logits.iter().map(|logit| logit / temperature / k as f64).collect()
    }
}

pub mod solution {
    pub fn choose(logits: &[f64], temperature: f64, k: usize) -> Vec<f64> {
        let mut sorted = logits.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let least = sorted[k - 1];
        let mut weights = Vec::new();
        for logit in logits {
            let kept = *logit >= least;
            weights.push(if kept { (logit / temperature).exp() } else { 0.0 });
        }
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }
}

mod wrong {
    use super::solution::choose;

    pub fn multiplied(logits: &[f64], temperature: f64, k: usize) -> Vec<f64> {
        choose(logits, 1.0 / temperature, k)
    }

    pub fn all_kept(logits: &[f64], temperature: f64, _k: usize) -> Vec<f64> {
        choose(logits, temperature, logits.len())
    }

    pub fn not_to_one(logits: &[f64], temperature: f64, k: usize) -> Vec<f64> {
        let (all, kept) = (choose(logits, temperature, logits.len()), choose(logits, temperature, k));
        all.iter().zip(kept).map(|(share, kept)| if kept > 0.0 { *share } else { 0.0 }).collect()
    }

    pub fn no_temperature(logits: &[f64], _temperature: f64, k: usize) -> Vec<f64> {
        choose(logits, 1.0, k)
    }
}

pub const EXERCISE: Exercise = trials!("03f", choose, [multiplied, all_kept, not_to_one, no_temperature]);

fn draw(rng: &mut Rng) -> Input {
    let logits = some_numbers(rng, (4, 7), (-3.0, 3.0));
    let k = 2 + rng.below(logits.len() - 2);
    // Never 1: with it, to multiply and to divide are the same.
    let temperature = if rng.below(2) == 0 { uniform(rng, 0.4, 0.8) } else { uniform(rng, 1.3, 2.0) };
    vec![logits.into(), temperature.into(), k.into()]
}
