//! A greatest length that cuts few texts.

use crate::exercise::{pick, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn max_tokens(lengths: &[usize], share: f64) -> usize {
        // ✏️
        0
    }
}

pub mod solution {
    pub fn max_tokens(lengths: &[usize], share: f64) -> usize {
        let mut sorted = lengths.to_vec();
        sorted.sort();
        for i in 0..sorted.len() {
            let whole = (i + 1) as f64 / sorted.len() as f64;
            if whole >= share {
                return sorted[i];
            }
        }
        0
    }
}

mod wrong {
    fn place(count: usize, share: f64) -> usize {
        ((count as f64 * share).ceil() as usize).clamp(1, count) - 1
    }

    pub fn not_sorted(lengths: &[usize], share: f64) -> usize {
        lengths[place(lengths.len(), share)]
    }

    pub fn from_the_top(lengths: &[usize], share: f64) -> usize {
        let mut sorted = lengths.to_vec();
        sorted.sort_by(|a, b| b.cmp(a));
        sorted[place(lengths.len(), share)]
    }

    pub fn share_of_the_longest(lengths: &[usize], share: f64) -> usize {
        let longest = lengths.iter().max().copied().unwrap_or(0);
        (longest as f64 * share) as usize
    }

    pub fn the_longest(lengths: &[usize], _share: f64) -> usize {
        lengths.iter().max().copied().unwrap_or(0)
    }

    pub fn the_mean(lengths: &[usize], _share: f64) -> usize {
        lengths.iter().sum::<usize>() / lengths.len()
    }
}

pub const EXERCISE: Exercise =
    trials!("02e", max_tokens, [not_sorted, from_the_top, share_of_the_longest, the_longest, the_mean]);

fn draw(rng: &mut Rng) -> Input {
    // A number of texts of which the share is no whole number: on the edge, two answers could be defended.
    let share = pick(rng, &[0.5, 0.75, 0.9]);
    let count = pick(rng, &[7, 9, 11]);
    let mut lengths: Vec<usize> = (0..count).map(|_| 5 + rng.below(60)).collect();
    lengths[rng.below(count)] = 300 + rng.below(200); // the one text that is very long
    vec![lengths.into(), share.into()]
}
