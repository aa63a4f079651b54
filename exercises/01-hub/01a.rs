//! The largest model that can be trained here.

use crate::exercise::{pick, uniform, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn largest(millions: &[f64], free_gb: f64) -> f64 {
        // ✏️
        0.0
    }
}

pub mod solution {
    pub fn largest(millions: &[f64], free_gb: f64) -> f64 {
        let mut best = 0.0;
        for size in millions {
            let needed = size * 16.0 / 1000.0;
            if needed <= free_gb && *size > best {
                best = *size;
            }
        }
        best
    }
}

mod wrong {
    fn largest_of(bytes: f64, millions: &[f64], free_gb: f64) -> f64 {
        millions.iter().copied().filter(|size| size * bytes / 1000.0 <= free_gb).fold(0.0, f64::max)
    }

    pub fn only_the_weights(millions: &[f64], free_gb: f64) -> f64 {
        largest_of(4.0, millions, free_gb)
    }

    pub fn a_byte_each(millions: &[f64], free_gb: f64) -> f64 {
        largest_of(1.0, millions, free_gb)
    }

    pub fn the_first_that_fits(millions: &[f64], free_gb: f64) -> f64 {
        millions.iter().copied().find(|size| size * 16.0 / 1000.0 <= free_gb).unwrap_or(0.0)
    }

    pub fn the_smallest(millions: &[f64], free_gb: f64) -> f64 {
        let smallest = millions.iter().copied().fold(f64::INFINITY, f64::min);
        largest_of(16.0, &[smallest], free_gb)
    }

    pub fn whatever_it_takes(millions: &[f64], _free_gb: f64) -> f64 {
        millions.iter().copied().fold(0.0, f64::max)
    }
}

pub const EXERCISE: Exercise =
    trials!("01a", largest, [only_the_weights, a_byte_each, the_first_that_fits, the_smallest, whatever_it_takes]);

const MILLIONS: &[f64] = &[4.0, 22.0, 66.0, 82.0, 110.0, 135.0, 184.0, 278.0, 360.0, 494.0, 596.0, 1100.0, 1700.0];

fn draw(rng: &mut Rng) -> Input {
    let mut sizes = MILLIONS.to_vec();
    rng.shuffle(&mut sizes);
    sizes.truncate(5 + rng.below(3));
    // Never a size that fits to the last byte.
    let free = pick(rng, &[1.0, 2.0, 4.0, 8.0, 12.0]) + uniform(rng, 0.011, 0.015);
    vec![sizes.into(), free.into()]
}
