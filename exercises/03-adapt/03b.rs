//! From losses to a perplexity.

use crate::exercise::{some_numbers, Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn perplexity(losses: &[f64]) -> f64 {
        // ✏️
        losses[0]
    }
}

pub mod solution {
    pub fn perplexity(losses: &[f64]) -> f64 {
        let mut sum = 0.0;
        for loss in losses {
            sum += loss;
        }
        let mean = sum / losses.len() as f64;
        mean.exp()
    }
}

mod wrong {
    pub fn mean_of_exps(losses: &[f64]) -> f64 {
        losses.iter().map(|loss| loss.exp()).sum::<f64>() / losses.len() as f64
    }

    pub fn exp_of_sum(losses: &[f64]) -> f64 {
        losses.iter().sum::<f64>().exp()
    }

    pub fn only_the_mean(losses: &[f64]) -> f64 {
        losses.iter().sum::<f64>() / losses.len() as f64
    }
}

pub const EXERCISE: Exercise = trials!("03b", perplexity, [mean_of_exps, exp_of_sum, only_the_mean]);

fn draw(rng: &mut Rng) -> Input {
    vec![some_numbers(rng, (2, 6), (0.1, 6.0)).into()]
}
