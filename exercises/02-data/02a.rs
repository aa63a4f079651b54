//! Mojibake, repaired.

use crate::exercise::{pick, Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn repair(text: &str) -> String {
        // ✏️
        text.to_string()
    }
}

pub mod solution {
    pub fn repair(text: &str) -> String {
        let mut bytes = Vec::new();
        for letter in text.chars() {
            if letter as u32 > 255 {
                return text.to_string();
            }
            bytes.push(letter as u8);
        }
        let repaired = String::from_utf8(bytes);
        repaired.unwrap_or(text.to_string())
    }
}

mod wrong {
    pub fn one_letter(text: &str) -> String {
        text.replace("Ã±", "ñ")
    }

    pub fn taken_out(text: &str) -> String {
        text.chars().filter(char::is_ascii).collect()
    }

    pub fn good_ones_too(text: &str) -> String {
        let bytes: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

pub const EXERCISE: Exercise = trials!("02a", repair, [one_letter, taken_out, good_ones_too]);

const WORDS: &[&str] = &["niño", "café", "¿qué?", "mañana", "árbol", "pingüino", "corazón", "jardín", "él", "Ñandú"];

fn draw(rng: &mut Rng) -> Input {
    let words: Vec<&str> = (0..2 + rng.below(3)).map(|_| pick(rng, WORDS)).collect();
    let text = words.join(" ");
    let text = match rng.below(5) {
        0 => "todo bien / all is well".to_string(),
        1 => text,
        2 => format!("{text} a 5 €"),
        // Each byte of UTF-8 read as a letter of Latin-1.
        _ => text.bytes().map(char::from).collect(),
    };
    vec![text.into()]
}
