//! A cell that is broken, to be mended.

use crate::exercise::{some_numbers, Exercise, Input};
use crate::rng::Rng;

#[allow(clippy::needless_range_loop)] // it is broken on purpose
pub mod stub {
    pub fn total(prices: &[f64]) -> f64 {
        // ✏️
        let mut sum = 0.0;
        for place in 0..prices.len() + 1 {
            sum += prices[place];
        }
        sum
    }
}

pub mod solution {
    pub fn total(prices: &[f64]) -> f64 {
        let mut sum = 0.0;
        for price in prices {
            sum += price;
        }
        sum
    }
}

mod wrong {
    pub fn last_left_out(prices: &[f64]) -> f64 {
        prices[..prices.len() - 1].iter().sum()
    }

    pub fn first_left_out(prices: &[f64]) -> f64 {
        prices[1..].iter().sum()
    }

    pub fn not_added(prices: &[f64]) -> f64 {
        prices[prices.len() - 1]
    }
}

pub const EXERCISE: Exercise = trials!("00b", total, [last_left_out, first_left_out, not_added]);

fn draw(rng: &mut Rng) -> Input {
    vec![some_numbers(rng, (3, 6), (0.5, 20.0)).into()]
}
