//! The energy that a point of F1 took.

use crate::exercise::{some_numbers, uniform, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn joules_per_point(joules: &[f64], before: f64, after: f64) -> f64 {
        // ✏️
        0.0
    }
}

pub mod solution {
    pub fn joules_per_point(joules: &[f64], before: f64, after: f64) -> f64 {
        let mut sum = 0.0;
        for epoch in joules {
            sum += epoch;
        }
        let points = 100.0 * (after - before);
        sum / points
    }
}

mod wrong {
    pub fn fraction(joules: &[f64], before: f64, after: f64) -> f64 {
        joules.iter().sum::<f64>() / (after - before)
    }

    pub fn from_zero(joules: &[f64], _before: f64, after: f64) -> f64 {
        joules.iter().sum::<f64>() / (100.0 * after)
    }

    pub fn last_epoch(joules: &[f64], before: f64, after: f64) -> f64 {
        joules.last().copied().unwrap_or(0.0) / (100.0 * (after - before))
    }

    pub fn upside_down(joules: &[f64], before: f64, after: f64) -> f64 {
        100.0 * (after - before) / joules.iter().sum::<f64>()
    }
}

pub const EXERCISE: Exercise = trials!("05g", joules_per_point, [fraction, from_zero, last_epoch, upside_down]);

fn draw(rng: &mut Rng) -> Input {
    let joules = some_numbers(rng, (2, 5), (200.0, 3000.0));
    let before = uniform(rng, 0.3, 0.6);
    let after = before + uniform(rng, 0.04, 0.3);
    vec![joules.into(), before.into(), after.into()]
}
