//! A probe for bias.

use crate::exercise::{uniform, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn gap(scores: &[f64], first: &[bool]) -> f64 {
        // ✏️
        0.0
    }
}

pub mod solution {
    pub fn gap(scores: &[f64], first: &[bool]) -> f64 {
        let mut sums = [0.0, 0.0];
        let mut counts = [0.0, 0.0];
        for i in 0..scores.len() {
            let group = if first[i] { 0 } else { 1 };
            sums[group] += scores[i];
            counts[group] += 1.0;
        }
        sums[0] / counts[0] - sums[1] / counts[1]
    }
}

mod wrong {
    fn mean(scores: &[f64], first: &[bool], group: bool) -> f64 {
        let of_group: Vec<f64> = scores.iter().zip(first).filter(|(_, f)| **f == group).map(|(s, _)| *s).collect();
        of_group.iter().sum::<f64>() / of_group.len() as f64
    }

    pub fn turned_round(scores: &[f64], first: &[bool]) -> f64 {
        mean(scores, first, false) - mean(scores, first, true)
    }

    pub fn sums(scores: &[f64], first: &[bool]) -> f64 {
        scores.iter().zip(first).map(|(score, first)| if *first { *score } else { -score }).sum()
    }

    pub fn against_all(scores: &[f64], first: &[bool]) -> f64 {
        mean(scores, first, true) - scores.iter().sum::<f64>() / scores.len() as f64
    }

    pub fn over_all(scores: &[f64], first: &[bool]) -> f64 {
        sums(scores, first) / scores.len() as f64
    }

    pub fn only_one_group(scores: &[f64], first: &[bool]) -> f64 {
        mean(scores, first, true)
    }
}

pub const EXERCISE: Exercise = trials!("01g", gap, [turned_round, sums, against_all, over_all, only_one_group]);

fn draw(rng: &mut Rng) -> Input {
    // Never as many of one group as of the other: sums would tell the same as means, but for their size.
    let (ours, theirs) = (2 + rng.below(2), 4 + rng.below(3));
    let mut first = vec![true; ours];
    first.resize(ours + theirs, false);
    rng.shuffle(&mut first);
    let scores: Vec<f64> =
        first.iter().map(|first| if *first { uniform(rng, 0.3, 0.95) } else { uniform(rng, 0.1, 0.8) }).collect();
    vec![scores.into(), first.into()]
}
