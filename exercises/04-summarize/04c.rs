//! Words with their accents.

use crate::exercise::{pick, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn words(text: &str) -> Vec<String> {
        // ✏️
        Vec::new()
    }
}

pub mod solution {
    pub fn words(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut word = String::new();
        for letter in text.to_lowercase().chars() {
            if letter.is_alphanumeric() {
                word.push(letter);
            } else if !word.is_empty() {
                found.push(word);
                word = String::new();
            }
        }
        if !word.is_empty() {
            found.push(word);
        }
        found
    }
}

mod wrong {
    fn split(text: &str, inside: fn(char) -> bool) -> Vec<String> {
        let parts = text.split(|letter| !inside(letter));
        parts.filter(|part| !part.is_empty()).map(String::from).collect()
    }

    pub fn ascii_only(text: &str) -> Vec<String> {
        split(&text.to_lowercase(), |letter| letter.is_ascii_alphanumeric())
    }

    pub fn by_spaces(text: &str) -> Vec<String> {
        text.to_lowercase().split_whitespace().map(String::from).collect()
    }

    pub fn capitals_kept(text: &str) -> Vec<String> {
        split(text, char::is_alphanumeric)
    }

    pub fn last_word_lost(text: &str) -> Vec<String> {
        let mut words = split(&text.to_lowercase(), char::is_alphanumeric);
        if text.ends_with(char::is_alphanumeric) {
            words.pop();
        }
        words
    }
}

pub const EXERCISE: Exercise = trials!("04c", words, [ascii_only, by_spaces, capitals_kept, last_word_lost]);

const WORDS: &[&str] = &["Camión", "año", "ÑANDÚ", "pingüino", "tren", "23", "café", "The", "niña", "Corrió"];

fn draw(rng: &mut Rng) -> Input {
    let mut text = pick(rng, &["¿Camión", "¡Año", "Niña", "Él"]).to_string();
    for _ in 0..2 + rng.below(4) {
        text += pick(rng, &[" ", ", ", "... ", "; ", " "]);
        text += pick(rng, WORDS);
    }
    // At times the text ends with a word.
    text += pick(rng, &["", ".", "!", ""]);
    vec![text.into()]
}
