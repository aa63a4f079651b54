//! How many texts the adapted model does better on.

use crate::exercise::{by_trial, Exercise, Given, Ideas, Input, Verdict};
use crate::exercise::{some_numbers, uniform};
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

pub const EXERCISE: Exercise = Exercise {
    id: "03g",
    text: include_str!("03g.md"),
    code: include_str!("03g.rs"),
    judge,
    stub: || Given::Compare(Box::new(stub::share_improved)),
    right,
    wrong: ideas,
};

fn right() -> Given {
    Given::Compare(Box::new(solution::share_improved))
}

fn ideas() -> Ideas {
    vec![
        ("higher_is_better", Given::Compare(Box::new(wrong::higher_is_better))),
        ("a_count", Given::Compare(Box::new(wrong::a_count))),
        ("mean_gain", Given::Compare(Box::new(wrong::mean_gain))),
    ]
}

fn judge(given: &Given, rng: &mut Rng) -> Verdict {
    by_trial(given, &right(), &ideas(), rng, draw)
}

fn draw(rng: &mut Rng) -> Input {
    let base = some_numbers(rng, (4, 8), (20.0, 90.0));
    let adapted = base.iter().map(|perplexity| perplexity * uniform(rng, 0.4, 1.3)).collect();
    Input::Two(base, adapted)
}
