//! From ids back to a text.

use crate::exercise::{pick, Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn decode(ids: &[u32], vocabulary: &[String]) -> String {
        // ✏️
        vocabulary[ids[0] as usize].to_string()
    }
}

pub mod solution {
    pub fn decode(ids: &[u32], vocabulary: &[String]) -> String {
        let mut text = String::new();
        for id in ids {
            let token = &vocabulary[*id as usize];
            if token.starts_with("[") {
                continue;
            }
            if !text.is_empty() && !token.starts_with("##") {
                text.push(' ');
            }
            text.push_str(&token.replace("##", ""));
        }
        text
    }
}

mod wrong {
    use super::solution::decode;

    fn words(ids: &[u32], vocabulary: &[String]) -> Vec<String> {
        let tokens = ids.iter().map(|id| vocabulary[*id as usize].clone());
        tokens.filter(|token| !token.starts_with('[')).collect()
    }

    pub fn specials_too(ids: &[u32], vocabulary: &[String]) -> String {
        let named: Vec<String> = vocabulary.iter().map(|token| token.replace('[', "<")).collect();
        decode(ids, &named).replace('<', "[")
    }

    pub fn pieces_apart(ids: &[u32], vocabulary: &[String]) -> String {
        words(ids, vocabulary).join(" ").replace("##", "")
    }

    pub fn marks_left(ids: &[u32], vocabulary: &[String]) -> String {
        words(ids, vocabulary).join(" ")
    }

    pub fn all_together(ids: &[u32], vocabulary: &[String]) -> String {
        words(ids, vocabulary).join("").replace("##", "")
    }
}

pub const EXERCISE: Exercise = trials!("02g", decode, [specials_too, pieces_apart, marks_left, all_together]);

const SPECIAL: &[&str] = &["[PAD]", "[CLS]", "[SEP]"];
/// Words in pieces.
const WORDS: &[&[&str]] = &[
    &["me"],
    &["gust", "##ó"],
    &["la"],
    &["peli", "##cula"],
    &["I"],
    &["lik", "##ed"],
    &["un", "##believ", "##able"],
    &["story"],
];

fn draw(rng: &mut Rng) -> Input {
    let mut vocabulary: Vec<String> =
        SPECIAL.iter().chain(WORDS.iter().copied().flatten()).map(ToString::to_string).collect();
    // Every time another order, so that ids cannot be learned by heart.
    rng.shuffle(&mut vocabulary);
    let mut tokens = vec!["[CLS]"];
    // One word in pieces is always there.
    tokens.extend(pick(rng, &[WORDS[1], WORDS[3], WORDS[5], WORDS[6]]));
    for _ in 0..1 + rng.below(4) {
        tokens.extend(pick(rng, WORDS));
    }
    tokens.push("[SEP]");
    tokens.resize(tokens.len() + rng.below(3), "[PAD]");
    let id = |token: &str| vocabulary.iter().position(|known| known == token).unwrap_or(0) as u32;
    let ids: Vec<u32> = tokens.iter().map(|token| id(token)).collect();
    vec![ids.into(), vocabulary.into()]
}
