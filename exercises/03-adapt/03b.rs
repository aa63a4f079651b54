//! From losses to a perplexity.

use crate::exercise::some_numbers;
use crate::exercise::{by_trial, Exercise, Given, Ideas, Input, Verdict};
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

pub const EXERCISE: Exercise = Exercise {
    id: "03b",
    text: include_str!("03b.md"),
    code: include_str!("03b.rs"),
    judge,
    stub: || Given::Measure(Box::new(stub::perplexity)),
    right,
    wrong: ideas,
};

fn right() -> Given {
    Given::Measure(Box::new(solution::perplexity))
}

fn ideas() -> Ideas {
    vec![
        ("mean_of_exps", Given::Measure(Box::new(wrong::mean_of_exps))),
        ("exp_of_sum", Given::Measure(Box::new(wrong::exp_of_sum))),
        ("only_the_mean", Given::Measure(Box::new(wrong::only_the_mean))),
    ]
}

fn judge(given: &Given, rng: &mut Rng) -> Verdict {
    by_trial(given, &right(), &ideas(), rng, draw)
}

fn draw(rng: &mut Rng) -> Input {
    Input::Numbers(some_numbers(rng, (2, 6), (0.1, 6.0)))
}
