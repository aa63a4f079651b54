//! The first three sentences as a summary.

use crate::exercise::{Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn lead(sentences: &[String]) -> String {
        // ✏️
        String::new()
    }
}

#[allow(clippy::needless_range_loop)] // places are what a learner knows
pub mod solution {
    pub fn lead(sentences: &[String]) -> String {
        let mut summary = String::new();
        for i in 0..sentences.len() {
            if i < 3 {
                if i > 0 {
                    summary.push(' ');
                }
                summary.push_str(&sentences[i]);
            }
        }
        summary
    }
}

mod wrong {
    pub fn the_last(sentences: &[String]) -> String {
        sentences[sentences.len().saturating_sub(3)..].join(" ")
    }

    pub fn stuck_together(sentences: &[String]) -> String {
        sentences[..sentences.len().min(3)].concat()
    }

    pub fn one_more(sentences: &[String]) -> String {
        sentences[..sentences.len().min(4)].join(" ")
    }

    pub fn space_first(sentences: &[String]) -> String {
        sentences.iter().take(3).map(|sentence| format!(" {sentence}")).collect()
    }
}

pub const EXERCISE: Exercise = trials!("04a", lead, [the_last, stuck_together, one_more, space_first]);

const SENTENCES: &[&str] = &[
    "El puente volvió a abrir.",
    "Nadie resultó herido.",
    "La obra costará poco.",
    "Los vecinos lo celebraron.",
    "Habrá otra reunión en mayo.",
    "The bridge opened again.",
    "Nobody was hurt.",
    "It will not cost much.",
];

fn draw(rng: &mut Rng) -> Input {
    let mut sentences: Vec<String> = SENTENCES.iter().map(ToString::to_string).collect();
    rng.shuffle(&mut sentences);
    // At times fewer than three.
    sentences.truncate(1 + rng.below(7));
    vec![sentences.into()]
}
