//! Whether a tokenizer is the model's own.

use crate::exercise::{Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn unknown_share(tokens: &[String], vocabulary: &[String]) -> f64 {
        // ✏️
        0.0
    }
}

pub mod solution {
    pub fn unknown_share(tokens: &[String], vocabulary: &[String]) -> f64 {
        let mut unknown = 0.0;
        for token in tokens {
            if !vocabulary.contains(token) {
                unknown += 1.0;
            }
        }
        unknown / tokens.len() as f64
    }
}

mod wrong {
    use super::solution::unknown_share;

    pub fn known_share(tokens: &[String], vocabulary: &[String]) -> f64 {
        1.0 - unknown_share(tokens, vocabulary)
    }

    pub fn a_count(tokens: &[String], vocabulary: &[String]) -> f64 {
        unknown_share(tokens, vocabulary) * tokens.len() as f64
    }

    pub fn of_the_vocabulary(tokens: &[String], vocabulary: &[String]) -> f64 {
        a_count(tokens, vocabulary) / vocabulary.len() as f64
    }

    pub fn other_way_round(tokens: &[String], vocabulary: &[String]) -> f64 {
        unknown_share(vocabulary, tokens)
    }
}

pub const EXERCISE: Exercise =
    trials!("01d", unknown_share, [known_share, a_count, of_the_vocabulary, other_way_round]);

const PIECES: &[&str] = &["la", "casa", "##ción", "Ġthe", "Ġdog", "▁un", "▁perro", "##ing", "play", "é", "Ġbig", "##s"];

fn draw(rng: &mut Rng) -> Input {
    let mut pieces: Vec<String> = PIECES.iter().map(ToString::to_string).collect();
    rng.shuffle(&mut pieces);
    let vocabulary = pieces[..4 + rng.below(3)].to_vec();
    // At least one that is known and one that is not.
    let mut tokens = vec![pieces[0].clone(), pieces[11].clone()];
    tokens.extend((0..2 + rng.below(5)).map(|_| pieces[rng.below(12)].clone()));
    rng.shuffle(&mut tokens);
    vec![tokens.into(), vocabulary.into()]
}
