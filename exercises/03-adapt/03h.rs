//! Saved, loaded, equal.

use crate::exercise::{some_numbers, uniform, Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn largest_difference(saved: &[f64], loaded: &[f64]) -> f64 {
        // ✏️
        saved[0] - loaded[0]
    }
}

pub mod solution {
    pub fn largest_difference(saved: &[f64], loaded: &[f64]) -> f64 {
        let mut largest: f64 = 0.0;
        for i in 0..saved.len() {
            let difference = (saved[i] - loaded[i]).abs();
            if difference > largest {
                largest = difference;
            }
        }
        largest
    }
}

mod wrong {
    pub fn mean(saved: &[f64], loaded: &[f64]) -> f64 {
        saved.iter().zip(loaded).map(|(a, b)| (a - b).abs()).sum::<f64>() / saved.len() as f64
    }

    pub fn signed(saved: &[f64], loaded: &[f64]) -> f64 {
        saved.iter().zip(loaded).map(|(a, b)| a - b).fold(0.0, f64::max)
    }

    pub fn of_the_largest(saved: &[f64], loaded: &[f64]) -> f64 {
        let largest = |x: &[f64]| x.iter().copied().fold(f64::MIN, f64::max);
        (largest(saved) - largest(loaded)).abs()
    }
}

pub const EXERCISE: Exercise = trials!("03h", largest_difference, [mean, signed, of_the_largest]);

fn draw(rng: &mut Rng) -> Input {
    let saved = some_numbers(rng, (4, 8), (-5.0, 5.0));
    let mut loaded: Vec<f64> = saved.iter().map(|logit| logit + uniform(rng, -0.1, 0.1)).collect();
    // The largest difference is below zero as often as above.
    let i = rng.below(loaded.len());
    loaded[i] += if rng.below(2) == 0 { 0.4 } else { -0.4 };
    vec![saved.into(), loaded.into()]
}
