//! How often one summarizer beats another on the same texts.

use crate::exercise::{uniform, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn win_share(a: &[f64], b: &[f64]) -> f64 {
        // ✏️
        0.0
    }
}

pub mod solution {
    pub fn win_share(a: &[f64], b: &[f64]) -> f64 {
        let mut wins = 0.0;
        for i in 0..a.len() {
            if a[i] > b[i] {
                wins += 1.0;
            } else if a[i] == b[i] {
                wins += 0.5;
            }
        }
        wins / a.len() as f64
    }
}

mod wrong {
    fn share(a: &[f64], b: &[f64], tie: f64) -> f64 {
        let count = |of: fn(&f64, &f64) -> bool| a.iter().zip(b).filter(|(a, b)| of(a, b)).count() as f64;
        (count(|a, b| a > b) + tie * count(|a, b| a == b)) / a.len() as f64
    }

    pub fn ties_lost(a: &[f64], b: &[f64]) -> f64 {
        share(a, b, 0.0)
    }

    pub fn ties_won(a: &[f64], b: &[f64]) -> f64 {
        share(a, b, 1.0)
    }

    pub fn mean_difference(a: &[f64], b: &[f64]) -> f64 {
        (a.iter().sum::<f64>() - b.iter().sum::<f64>()) / a.len() as f64
    }

    pub fn all_with_all(a: &[f64], b: &[f64]) -> f64 {
        a.iter().map(|one| share(&vec![*one; b.len()], b, 0.5)).sum::<f64>() / a.len() as f64
    }
}

pub const EXERCISE: Exercise = trials!("04e", win_share, [ties_lost, ties_won, mean_difference, all_with_all]);

fn draw(rng: &mut Rng) -> Input {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..5 + rng.below(6) {
        // Texts that are easy for one are easy for the other; at times both give the same summary.
        let easy = uniform(rng, 0.1, 0.7);
        a.push(easy);
        b.push(if rng.below(4) == 0 { easy } else { easy + uniform(rng, -0.09, 0.09) });
    }
    vec![a.into(), b.into()]
}
