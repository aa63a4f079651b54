//! The four counts of a confusion matrix.

use crate::exercise::{Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn confusion(truth: &[bool], guess: &[bool]) -> Vec<usize> {
        // ✏️
        vec![0, 0, 0, 0]
    }
}

pub mod solution {
    pub fn confusion(truth: &[bool], guess: &[bool]) -> Vec<usize> {
        let mut found = 0;
        let mut alarms = 0;
        let mut missed = 0;
        let mut quiet = 0;
        for i in 0..truth.len() {
            if truth[i] && guess[i] {
                found += 1;
            } else if guess[i] {
                alarms += 1;
            } else if truth[i] {
                missed += 1;
            } else {
                quiet += 1;
            }
        }
        vec![found, alarms, missed, quiet]
    }
}

mod wrong {
    use super::solution::confusion;

    pub fn swapped(truth: &[bool], guess: &[bool]) -> Vec<usize> {
        confusion(guess, truth)
    }

    pub fn counted_twice(truth: &[bool], guess: &[bool]) -> Vec<usize> {
        let counts = confusion(truth, guess);
        vec![counts[0] + counts[1], counts[1], counts[2], counts[2] + counts[3]]
    }

    pub fn no_first(truth: &[bool], guess: &[bool]) -> Vec<usize> {
        let counts = confusion(truth, guess);
        vec![counts[3], counts[1], counts[2], counts[0]]
    }
}

pub const EXERCISE: Exercise = trials!("05b", confusion, [swapped, counted_twice, no_first]);

fn draw(rng: &mut Rng) -> Input {
    let count = 6 + rng.below(7);
    let truth: Vec<bool> = (0..count).map(|_| rng.below(5) < 2).collect();
    // More misses than false alarms: exchanged, they show.
    let guess: Vec<bool> = truth.iter().map(|yes| if *yes { rng.below(2) == 0 } else { rng.below(5) == 0 }).collect();
    vec![truth.into(), guess.into()]
}
