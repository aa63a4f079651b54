//! Steps of cleaning, in an order that works.

use crate::exercise::{Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn clean(texts: &[String]) -> Vec<String> {
        // ✏️
        texts.to_vec()
    }
}

pub mod solution {
    pub fn clean(texts: &[String]) -> Vec<String> {
        let mut kept = Vec::new();
        for text in texts {
            let tidy = text.trim().to_string();
            let gone = tidy == "[deleted]" || tidy == "[removed]";
            if !tidy.is_empty() && !gone && !kept.contains(&tidy) {
                kept.push(tidy);
            }
        }
        kept
    }
}

mod wrong {
    use super::solution::clean;

    pub fn duplicates_first(texts: &[String]) -> Vec<String> {
        let mut once: Vec<String> = Vec::new();
        for text in texts.iter().filter(|text| !matches!(text.trim(), "" | "[deleted]" | "[removed]")) {
            if !once.contains(text) {
                once.push(text.clone());
            }
        }
        once.iter().map(|text| text.trim().to_string()).collect()
    }

    pub fn one_marker(texts: &[String]) -> Vec<String> {
        let hidden: Vec<String> = texts.iter().map(|text| text.replace("[removed]", "(removed)")).collect();
        clean(&hidden).iter().map(|text| text.replace("(removed)", "[removed]")).collect()
    }

    pub fn empty_kept(texts: &[String]) -> Vec<String> {
        let hidden: Vec<String> = texts
            .iter()
            .map(|text| if text.trim().is_empty() { "(empty)".to_string() } else { text.clone() })
            .collect();
        clean(&hidden).iter().map(|text| text.replace("(empty)", "")).collect()
    }

    pub fn no_duplicates_taken(texts: &[String]) -> Vec<String> {
        let trimmed = texts.iter().map(|text| text.trim().to_string());
        trimmed.filter(|text| !matches!(text.as_str(), "" | "[deleted]" | "[removed]")).collect()
    }

    pub fn as_they_came(texts: &[String]) -> Vec<String> {
        let mut kept: Vec<String> = Vec::new();
        for text in texts {
            if !text.is_empty() && text != "[deleted]" && text != "[removed]" && !kept.contains(text) {
                kept.push(text.clone());
            }
        }
        kept
    }
}

pub const EXERCISE: Exercise =
    trials!("02b", clean, [duplicates_first, one_marker, empty_kept, no_duplicates_taken, as_they_came]);

const COMMENTS: &[&str] =
    &["gracias", "no estoy de acuerdo", "well said", "¿tienes fuente?", "same here", "me pasó igual", "so true"];

fn draw(rng: &mut Rng) -> Input {
    let mut pool: Vec<&str> = COMMENTS.to_vec();
    rng.shuffle(&mut pool);
    let mut texts: Vec<String> = pool[..2 + rng.below(3)].iter().map(ToString::to_string).collect();
    // The same comment again, once as it was and once with spaces around it.
    texts.push(texts[0].clone());
    texts.push(format!("  {} ", texts[1]));
    texts.extend(["[deleted]", " [removed]", " [deleted] ", "", "   "].map(String::from));
    texts.push("[removed]".to_string());
    rng.shuffle(&mut texts);
    vec![texts.into()]
}
