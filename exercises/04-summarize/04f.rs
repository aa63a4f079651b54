//! Numbers of a summary that its source does not have.

use crate::exercise::{pick, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn invented(source: &[String], summary: &[String]) -> Vec<String> {
        // ✏️
        Vec::new()
    }
}

pub mod solution {
    pub fn invented(source: &[String], summary: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        for word in summary {
            let mut number = false;
            for letter in word.chars() {
                if letter.is_numeric() {
                    number = true;
                }
            }
            if number && !source.contains(word) && !found.contains(word) {
                found.push(word.to_string());
            }
        }
        found
    }
}

mod wrong {
    use super::solution;

    fn numbers(words: &[String]) -> Vec<String> {
        words.iter().filter(|word| word.contains(char::is_numeric)).cloned().collect()
    }

    pub fn other_way_round(source: &[String], summary: &[String]) -> Vec<String> {
        solution::invented(summary, source)
    }

    pub fn all_numbers(_source: &[String], summary: &[String]) -> Vec<String> {
        solution::invented(&[], summary)
    }

    pub fn all_words(source: &[String], summary: &[String]) -> Vec<String> {
        summary.iter().filter(|word| !source.contains(word)).cloned().collect()
    }

    pub fn pieces(source: &[String], summary: &[String]) -> Vec<String> {
        let text = source.join(" ");
        solution::invented(source, summary).into_iter().filter(|number| !text.contains(number)).collect()
    }

    pub fn twice(source: &[String], summary: &[String]) -> Vec<String> {
        numbers(summary).into_iter().filter(|number| !source.contains(number)).collect()
    }
}

pub const EXERCISE: Exercise = trials!("04f", invented, [other_way_round, all_numbers, all_words, pieces, twice]);

fn draw(rng: &mut Rng) -> Input {
    let text = |words: &str| -> Vec<String> { words.split(' ').map(String::from).collect() };
    let (cost, days, people) = (1000 + rng.below(9000), 11 + rng.below(50), 100 + rng.below(800));
    let source = text(&format!("la obra de {people} vecinos costó {cost} pesos y duró {days} días"));
    // Right numbers and wrong ones, one of them a piece of a right one, one of them twice.
    let piece = cost / 100;
    let wrong = people + 1 + rng.below(90);
    let summary = match rng.below(5) {
        0 => format!("costó {piece} pesos en {days} días"),
        1 | 2 => format!("con {wrong} vecinos son {wrong} vecinos y {cost} pesos"),
        3 => format!("la reforma duró {} días y costó {piece} pesos", pick(rng, &[days, days + 3])),
        _ => format!("{people} vecinos hicieron la obra"),
    };
    vec![source.into(), text(&summary).into()]
}
