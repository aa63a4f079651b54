//! Which tensors moved.

use crate::exercise::{some_numbers, uniform, Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn moved(before: &[f64], after: &[f64]) -> f64 {
        // ✏️
        before[0] + after[0]
    }
}

pub mod solution {
    pub fn moved(before: &[f64], after: &[f64]) -> f64 {
        let mut count = 0.0;
        for i in 0..before.len() {
            if before[i] != after[i] {
                count += 1.0;
            }
        }
        count
    }
}

mod wrong {
    pub fn stayed(before: &[f64], after: &[f64]) -> f64 {
        before.iter().zip(after).filter(|(before, after)| before == after).count() as f64
    }

    pub fn only_up(before: &[f64], after: &[f64]) -> f64 {
        before.iter().zip(after).filter(|(before, after)| after > before).count() as f64
    }

    pub fn how_far(before: &[f64], after: &[f64]) -> f64 {
        before.iter().zip(after).map(|(before, after)| (after - before).abs()).sum()
    }
}

pub const EXERCISE: Exercise = trials!("03e", moved, [stayed, only_up, how_far]);

fn draw(rng: &mut Rng) -> Input {
    let before = some_numbers(rng, (5, 9), (-2.0, 2.0));
    let mut after = before.clone();
    // One that falls, one that rises and one that stays in each, and chance for the others.
    for (i, value) in after.iter_mut().enumerate() {
        match i {
            0 => *value -= 0.5,
            1 => *value += 0.5,
            2 => {}
            _ if rng.below(2) == 0 => *value += uniform(rng, -1.0, 1.0),
            _ => {}
        }
    }
    vec![before.into(), after.into()]
}
