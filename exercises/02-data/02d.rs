//! 75/15/10, in each label alike.

use crate::exercise::{Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn parts(positive: &[bool]) -> Vec<usize> {
        // ✏️
        vec![0; positive.len()]
    }
}

pub mod solution {
    pub fn parts(positive: &[bool]) -> Vec<usize> {
        let mut parts = vec![0; positive.len()];
        for label in [true, false] {
            let mut total = 0;
            for value in positive {
                if *value == label {
                    total += 1;
                }
            }
            let mut seen = 0;
            for i in 0..positive.len() {
                if positive[i] == label {
                    if seen >= total * 90 / 100 {
                        parts[i] = 2;
                    } else if seen >= total * 75 / 100 {
                        parts[i] = 1;
                    }
                    seen += 1;
                }
            }
        }
        parts
    }
}

mod wrong {
    /// The part of row `place` of `total`, when the first part and the second end at these shares.
    fn part(place: usize, total: usize, (first, second): (usize, usize)) -> usize {
        usize::from(place * 100 >= total * first) + usize::from(place * 100 >= total * second)
    }

    fn in_each_label(positive: &[bool], ends: (usize, usize)) -> Vec<usize> {
        let place = |i: usize| positive[..i].iter().filter(|value| **value == positive[i]).count();
        let total = |i: usize| positive.iter().filter(|value| **value == positive[i]).count();
        (0..positive.len()).map(|i| part(place(i), total(i), ends)).collect()
    }

    pub fn labels_forgotten(positive: &[bool]) -> Vec<usize> {
        (0..positive.len()).map(|i| part(i, positive.len(), (75, 90))).collect()
    }

    pub fn swapped(positive: &[bool]) -> Vec<usize> {
        in_each_label(positive, (75, 85))
    }

    pub fn two_parts(positive: &[bool]) -> Vec<usize> {
        in_each_label(positive, (80, 100))
    }

    pub fn one_label(positive: &[bool]) -> Vec<usize> {
        let parts = in_each_label(positive, (75, 90));
        parts.iter().zip(positive).map(|(part, positive)| if *positive { *part } else { 0 }).collect()
    }
}

pub const EXERCISE: Exercise = trials!("02d", parts, [labels_forgotten, swapped, two_parts, one_label]);

fn draw(rng: &mut Rng) -> Input {
    // In twentieths, so that every share is a whole number of rows.
    let (yes, no) = (20 * (1 + rng.below(2)), 20 * (1 + rng.below(3)));
    let mut positive = vec![true; yes];
    positive.resize(yes + no, false);
    rng.shuffle(&mut positive);
    vec![positive.into()]
}
