//! A long text in parts of whole sentences, for what cannot be read at once.

use super::split_sentences;
use crate::error::{Result, Settings};

/// A text in parts of whole sentences, each of at most `max_words` words; a longer sentence is a part of its own.
/// A text of signs only has no part.
///
/// ```
/// use aula::extract::split_parts;
/// let parts = split_parts("Uno dos. Tres. Cuatro cinco seis. Siete.", 3)?;
/// assert_eq!(parts, ["Uno dos. Tres.", "Cuatro cinco seis.", "Siete."]);
/// # Ok::<(), aula::error::Error>(())
/// ```
pub fn split_parts(text: &str, max_words: usize) -> Result<Vec<String>> {
    let mut all = Settings::of("split_parts");
    all.must(max_words >= 1, format!("max_words = {max_words} (1, 2, 3, ...)"));
    all.check()?;
    let mut parts: Vec<String> = Vec::new();
    let mut words = 0;
    for sentence in split_sentences(text) {
        let more = sentence.split_whitespace().count();
        words += more;
        match parts.last_mut() {
            Some(part) if words <= max_words => {
                // A title has no full stop: the line break keeps it apart from the sentence behind it.
                part.push(if part.ends_with(|c: char| c.is_alphanumeric()) { '\n' } else { ' ' });
                part.push_str(&sentence);
            }
            _ => {
                parts.push(sentence);
                words = more;
            }
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::split_parts;

    #[test]
    fn every_sentence_is_in_one_part_and_no_part_is_too_long() {
        let text = "Uno dos tres. Cuatro cinco. Seis. Siete ocho nueve diez once doce. Trece.";
        for max_words in 1..14 {
            let parts = split_parts(text, max_words).unwrap();
            assert_eq!(parts.join(" "), text, "{max_words}");
            let too_long =
                |part: &&String| part.split_whitespace().count() > max_words && part.matches('.').count() > 1;
            assert_eq!(parts.iter().find(too_long), None, "{max_words}");
        }
        assert_eq!(split_parts(text, 100).unwrap().len(), 1);
        assert_eq!(split_parts("", 5).unwrap(), Vec::<String>::new());
        assert_eq!(split_parts("— … —", 5).unwrap(), Vec::<String>::new());
        let refused = split_parts("a", 0).unwrap_err().to_string();
        assert!(refused.contains("max_words = 0 (1, 2, 3, ...)"), "{refused}");
        assert_eq!(split_parts("El huerto\n\nLlovió poco. Nevó.", 9).unwrap(), ["El huerto\nLlovió poco. Nevó."]);
    }
}
