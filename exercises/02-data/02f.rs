//! A padding mask, from lengths.

use crate::exercise::{Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn masks(lengths: &[usize]) -> Vec<Vec<u32>> {
        // ✏️
        vec![Vec::new(); lengths.len()]
    }
}

pub mod solution {
    pub fn masks(lengths: &[usize]) -> Vec<Vec<u32>> {
        let mut longest = 0;
        for length in lengths {
            if *length > longest {
                longest = *length;
            }
        }
        let mut rows = Vec::new();
        for length in lengths {
            let mut row = Vec::new();
            for place in 0..longest {
                row.push(if place < *length { 1 } else { 0 });
            }
            rows.push(row);
        }
        rows
    }
}

mod wrong {
    use super::solution::masks;

    pub fn turned_round(lengths: &[usize]) -> Vec<Vec<u32>> {
        masks(lengths).into_iter().map(|row| row.into_iter().map(|value| 1 - value).collect()).collect()
    }

    pub fn on_the_left(lengths: &[usize]) -> Vec<Vec<u32>> {
        masks(lengths).into_iter().map(|row| row.into_iter().rev().collect()).collect()
    }

    pub fn not_padded(lengths: &[usize]) -> Vec<Vec<u32>> {
        lengths.iter().map(|length| vec![1; *length]).collect()
    }

    pub fn one_too_many(lengths: &[usize]) -> Vec<Vec<u32>> {
        let longest = lengths.iter().max().copied().unwrap_or(0);
        lengths.iter().map(|length| (0..longest).map(|place| u32::from(place <= *length)).collect()).collect()
    }
}

pub const EXERCISE: Exercise = trials!("02f", masks, [turned_round, on_the_left, not_padded, one_too_many]);

fn draw(rng: &mut Rng) -> Input {
    let longest = 4 + rng.below(4);
    let mut lengths: Vec<usize> = (0..2 + rng.below(3)).map(|_| 1 + rng.below(longest - 2)).collect();
    lengths.push(longest);
    rng.shuffle(&mut lengths);
    vec![lengths.into()]
}
