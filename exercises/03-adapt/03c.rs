//! A mean loss in which padding does not count.

use crate::exercise::{some_numbers, Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn mean_loss(losses: &[f64], real: &[bool]) -> f64 {
        // ✏️
        losses[0] + if real[0] { 1.0 } else { 0.0 }
    }
}

pub mod solution {
    pub fn mean_loss(losses: &[f64], real: &[bool]) -> f64 {
        let mut sum = 0.0;
        let mut count = 0.0;
        for i in 0..losses.len() {
            if real[i] {
                sum += losses[i];
                count += 1.0;
            }
        }
        sum / count
    }
}

mod wrong {
    pub fn padding_too(losses: &[f64], _real: &[bool]) -> f64 {
        losses.iter().sum::<f64>() / losses.len() as f64
    }

    pub fn divides_by_all(losses: &[f64], real: &[bool]) -> f64 {
        let real = losses.iter().zip(real).filter(|(_, real)| **real);
        real.map(|(loss, _)| loss).sum::<f64>() / losses.len() as f64
    }

    pub fn only_padding(losses: &[f64], real: &[bool]) -> f64 {
        let padding: Vec<f64> = losses.iter().zip(real).filter(|(_, real)| !**real).map(|(loss, _)| *loss).collect();
        padding.iter().sum::<f64>() / padding.len() as f64
    }
}

pub const EXERCISE: Exercise = trials!("03c", mean_loss, [padding_too, divides_by_all, only_padding]);

fn draw(rng: &mut Rng) -> Input {
    // A text to the left, its padding to the right: at least one position of each.
    let losses = some_numbers(rng, (3, 8), (0.5, 9.0));
    let length = 1 + rng.below(losses.len() - 1);
    let real: Vec<bool> = (0..losses.len()).map(|i| i < length).collect();
    vec![losses.into(), real.into()]
}
