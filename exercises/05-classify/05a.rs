//! The accuracy of always the commonest label.

use crate::exercise::{pick, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn baseline(train: &[String], test: &[String]) -> f64 {
        // ✏️
        0.0
    }
}

pub mod solution {
    pub fn baseline(train: &[String], test: &[String]) -> f64 {
        let mut commonest = &train[0];
        let mut most = 0;
        for label in train {
            let mut count = 0;
            for other in train {
                if other == label {
                    count += 1;
                }
            }
            if count > most {
                most = count;
                commonest = label;
            }
        }
        let mut right = 0.0;
        for label in test {
            if label == commonest {
                right += 1.0;
            }
        }
        right / test.len() as f64
    }
}

mod wrong {
    use super::solution::baseline;

    pub fn peeks(_train: &[String], test: &[String]) -> f64 {
        baseline(test, test)
    }

    pub fn in_training(train: &[String], _test: &[String]) -> f64 {
        baseline(train, train)
    }

    pub fn by_chance(train: &[String], _test: &[String]) -> f64 {
        let mut kinds = train.to_vec();
        kinds.sort();
        kinds.dedup();
        1.0 / kinds.len() as f64
    }
}

pub const EXERCISE: Exercise = trials!("05a", baseline, [peeks, in_training, by_chance]);

fn draw(rng: &mut Rng) -> Input {
    let kinds =
        pick(rng, &[["positiva", "negativa", "mixta"], ["drama", "comedy", "horror"], ["happy", "sad", "calm"]]);
    // One label is the commonest of the training rows, without a tie.
    let mut counts = [2 + rng.below(2), 4 + rng.below(2), 6 + rng.below(3)];
    rng.shuffle(&mut counts);
    let mut train: Vec<String> = Vec::new();
    for (kind, count) in kinds.iter().zip(counts) {
        train.extend((0..count).map(|_| kind.to_string()));
    }
    rng.shuffle(&mut train);
    let size = 5 + rng.below(7);
    let test: Vec<String> = (0..size).map(|_| pick(rng, &kinds).to_string()).collect();
    vec![train.into(), test.into()]
}
