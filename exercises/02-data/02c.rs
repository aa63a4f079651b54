//! Texts of the test part that are in the training part too.

use crate::exercise::{Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn leaked(train: &[String], test: &[String]) -> usize {
        // ✏️
        0
    }
}

pub mod solution {
    pub fn leaked(train: &[String], test: &[String]) -> usize {
        let mut studied = Vec::new();
        for text in train {
            studied.push(text.trim().to_lowercase());
        }
        let mut count = 0;
        for text in test {
            if studied.contains(&text.trim().to_lowercase()) {
                count += 1;
            }
        }
        count
    }
}

mod wrong {
    use super::solution::leaked;

    pub fn letter_by_letter(train: &[String], test: &[String]) -> usize {
        test.iter().filter(|text| train.contains(text)).count()
    }

    pub fn counted_in_train(train: &[String], test: &[String]) -> usize {
        leaked(test, train)
    }

    pub fn the_clean_ones(train: &[String], test: &[String]) -> usize {
        test.len() - leaked(train, test)
    }
}

pub const EXERCISE: Exercise = trials!("02c", leaked, [letter_by_letter, counted_in_train, the_clean_ones]);

fn draw(rng: &mut Rng) -> Input {
    let mut train: Vec<String> = (0..3 + rng.below(4)).map(|i| format!("texto {} text", 10 + i)).collect();
    let fresh = (0..1 + rng.below(3)).map(|i| format!("texto {} text", 90 + i));
    let mut test: Vec<String> = fresh.collect();
    for text in train.iter().take(1 + rng.below(3)) {
        test.push(match rng.below(4) {
            0 => text.clone(),
            1 => text.to_uppercase(),
            2 => format!(" {text}"),
            _ => format!("{}  ", text.replace("texto", "Texto")),
        });
    }
    // One text stands twice in train, so that counting there gives another number.
    train.push(train[0].to_uppercase());
    train.push(train[0].clone());
    rng.shuffle(&mut train);
    rng.shuffle(&mut test);
    vec![train.into(), test.into()]
}
