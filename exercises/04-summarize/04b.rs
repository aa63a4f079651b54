//! ROUGE-1 by hand.

use crate::exercise::{pick, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn rouge_1(reference: &[String], summary: &[String]) -> f64 {
        // ✏️
        0.0
    }
}

#[allow(clippy::needless_range_loop)] // places are what a learner knows
pub mod solution {
    pub fn rouge_1(reference: &[String], summary: &[String]) -> f64 {
        let mut left = reference.to_vec();
        let mut common = 0.0;
        for word in summary {
            for i in 0..left.len() {
                if left[i] == *word {
                    left[i] = String::new();
                    common += 1.0;
                    break;
                }
            }
        }
        2.0 * common / (reference.len() + summary.len()) as f64
    }
}

mod wrong {
    use super::solution::rouge_1;

    fn common(reference: &[String], summary: &[String]) -> f64 {
        rouge_1(reference, summary) * (reference.len() + summary.len()) as f64 / 2.0
    }

    pub fn each_time(reference: &[String], summary: &[String]) -> f64 {
        let common = summary.iter().filter(|word| reference.contains(word)).count();
        2.0 * common as f64 / (reference.len() + summary.len()) as f64
    }

    pub fn each_once(reference: &[String], summary: &[String]) -> f64 {
        let once = |words: &[String]| {
            let mut words = words.to_vec();
            words.sort();
            words.dedup();
            words
        };
        rouge_1(&once(reference), &once(summary))
    }

    pub fn only_recall(reference: &[String], summary: &[String]) -> f64 {
        common(reference, summary) / reference.len() as f64
    }

    pub fn only_precision(reference: &[String], summary: &[String]) -> f64 {
        common(reference, summary) / summary.len() as f64
    }
}

pub const EXERCISE: Exercise = trials!("04b", rouge_1, [each_time, each_once, only_recall, only_precision]);

const WORDS: &[&str] = &["el", "gato", "y", "perro", "corre", "mira", "la", "niña"];

fn draw(rng: &mut Rng) -> Input {
    // So few words that some come twice in both.
    let mut words = |count: usize| -> Vec<String> { (0..count).map(|_| pick(rng, WORDS).to_string()).collect() };
    let (mut reference, mut summary) = (words(8), words(4));
    summary.push(reference[0].clone());
    reference.push(summary[1].clone());
    vec![reference.into(), summary.into()]
}
