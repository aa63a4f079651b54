//! How many texts the adapted model does better on.

use crate::exercise::{some_numbers, uniform, Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn share_improved(base: &[f64], adapted: &[f64]) -> f64 {
        // ✏️
        base[0] - adapted[0]
    }
}

pub mod solution {
    pub fn share_improved(base: &[f64], adapted: &[f64]) -> f64 {
        let mut better = 0.0;
        for i in 0..base.len() {
            if adapted[i] < base[i] {
                better += 1.0;
            }
        }
        better / base.len() as f64
    }
}

mod wrong {
    pub fn higher_is_better(base: &[f64], adapted: &[f64]) -> f64 {
        base.iter().zip(adapted).filter(|(base, adapted)| adapted > base).count() as f64 / base.len() as f64
    }

    pub fn a_count(base: &[f64], adapted: &[f64]) -> f64 {
        base.iter().zip(adapted).filter(|(base, adapted)| adapted < base).count() as f64
    }

    pub fn mean_gain(base: &[f64], adapted: &[f64]) -> f64 {
        base.iter().zip(adapted).map(|(base, adapted)| base - adapted).sum::<f64>() / base.len() as f64
    }
}

pub const EXERCISE: Exercise = trials!("03g", share_improved, [higher_is_better, a_count, mean_gain]);

fn draw(rng: &mut Rng) -> Input {
    let base = some_numbers(rng, (4, 8), (20.0, 90.0));
    let adapted: Vec<f64> = base.iter().map(|perplexity| perplexity * uniform(rng, 0.4, 1.3)).collect();
    vec![base.into(), adapted.into()]
}
