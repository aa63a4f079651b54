//! The words of a text as measures of texts count them: runs of letters and digits of any alphabet, in small letters.

use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;

use super::porter::porter;

/// Whether words lose their endings before they are compared: *caminaba* and *caminar* become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stemming {
    /// Words count as they are written (the default).
    #[default]
    None,
    /// English endings are cut, as `rouge-score` does with `use_stemmer=True`: Porter's rules as NLTK has them.
    English,
    /// Spanish endings are cut, by the Snowball rules.
    Spanish,
}

/// The words of a text. A letter with its accent is one letter, however the file writes it.
pub(crate) fn words(text: &str, stemming: Stemming) -> Vec<String> {
    let composed: String = text.nfc().flat_map(char::to_lowercase).collect();
    let words = composed.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| stem_word(word, stemming)).collect()
}

/// A word in small letters without its ending: `stem_word("canciones", Stemming::Spanish)` is `cancion`.
///
/// In English words of three letters and fewer stay as they are, as in `rouge-score`.
pub fn stem_word(word: &str, stemming: Stemming) -> String {
    match stemming {
        Stemming::English if word.chars().count() > 3 => porter(word),
        Stemming::Spanish => Stemmer::create(Algorithm::Spanish).stem(word).into_owned(),
        _ => word.to_string(),
    }
}

/// How often each row of `n` words stands in a text.
pub(super) fn ngrams(words: &[String], n: usize) -> HashMap<&[String], usize> {
    let mut counts = HashMap::new();
    words.windows(n.max(1)).for_each(|row| *counts.entry(row).or_default() += 1);
    counts
}
