//! Names in a text: words with a capital where no sentence begins.

use std::collections::HashSet;
use std::ops::Range;

use super::Word;

/// Words that begin sentences and join names; never names themselves.
const COMMON: [&str; 76] = [
    "el", "la", "los", "las", "un", "una", "unos", "unas", "de", "del", "en", "con", "por", "para", "segun", "tras",
    "sin", "sobre", "al", "a", "y", "o", "e", "su", "sus", "este", "esta", "estos", "estas", "ese", "esa", "aunque",
    "cuando", "como", "pero", "ante", "desde", "hasta", "entre", "lo", "se", "no", "si", "que", "the", "an", "in",
    "on", "at", "after", "before", "when", "for", "but", "and", "or", "his", "her", "its", "their", "they", "he",
    "she", "it", "of", "to", "from", "with", "by", "as", "while", "although", "this", "that", "these", "i",
];
/// Words that may stand between two parts of a name.
const JOINTS: [&str; 9] = ["de", "del", "la", "las", "los", "el", "of", "the", "y"];

/// The names of a text outside `taken`, and whether all their words stand in the source. Where only a part does, the
/// other part is given alone.
pub(super) fn names(
    text: &str,
    words: &[Word],
    taken: &[Range<usize>],
    source: &HashSet<String>,
) -> Vec<(Range<usize>, bool)> {
    let free = |word: &Word| !taken.iter().any(|span| word.span.start < span.end && span.start < word.span.end);
    let capitals = words.iter().filter(|word| word.capital).count();
    // A text in capitals tells nothing.
    if capitals * 5 > words.len() * 4 && words.len() > 6 {
        return Vec::new();
    }
    let candidate = |word: &Word| {
        let letters = word.folded.chars().count() > 1 && !word.folded.starts_with(|c: char| c.is_ascii_digit());
        word.capital && letters && free(word) && !COMMON.contains(&word.folded.as_str())
    };
    let mut found: Vec<(Range<usize>, bool)> = Vec::new();
    let mut last = None;
    for (i, word) in words.iter().enumerate() {
        let after_apostrophe = text[..word.span.start].ends_with(['\'', '’']) && word.folded.len() <= 2;
        if !candidate(word) || after_apostrophe {
            continue;
        }
        // At the head of a sentence only what goes on with a capital is a name.
        let goes_on = words.get(i + 1).is_some_and(|next| candidate(next) && apart_by_space(text, word, next));
        if begins_sentence(text, word) && !goes_on {
            continue;
        }
        let known = in_source(&word.folded, source);
        match (found.last_mut(), last) {
            (Some((span, before)), Some(previous)) if *before == known && joined(text, words, previous, i) => {
                span.end = word.span.end;
            }
            _ => found.push((word.span.clone(), known)),
        }
        last = Some(i);
    }
    found
}

fn apart_by_space(text: &str, one: &Word, other: &Word) -> bool {
    text[one.span.end..other.span.start].chars().all(|c| c == ' ' || c == '-')
}

/// True where from word `from` to word `to` there are only joints.
fn joined(text: &str, words: &[Word], from: usize, to: usize) -> bool {
    (from..to).all(|i| apart_by_space(text, &words[i], &words[i + 1]))
        && words[from + 1..to].iter().all(|word| JOINTS.contains(&word.folded.as_str()))
}

fn begins_sentence(text: &str, word: &Word) -> bool {
    let before = text[..word.span.start].trim_end_matches([' ', '«', '"', '“', '\'', '‘', '(', '¿', '¡', '—', '-']);
    before.is_empty() || before.ends_with(['.', '!', '?', ':', '…', '\n', ';', '»', '”'])
}

/// Alike up to an ending: Staplecote's, los Teruel and the Teruels.
fn in_source(word: &str, source: &HashSet<String>) -> bool {
    let shorter = word.strip_suffix("es").or_else(|| word.strip_suffix('s'));
    source.contains(word)
        || shorter.is_some_and(|shorter| shorter.len() > 2 && source.contains(shorter))
        || source.contains(&format!("{word}s"))
        || source.contains(&format!("{word}es"))
}
