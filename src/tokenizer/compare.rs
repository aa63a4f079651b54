//! Tokenizers side by side on the same sentences, and whether a text comes back whole.

use super::Tokenizer;
use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, shown};
use crate::show::{cut, Html};

/// Differences that a report shows.
const SHOWN: usize = 5;

/// The same sentences cut by several tokenizers.
#[derive(Clone, Debug)]
pub struct TokenizerComparison {
    /// A line for each tokenizer and sentence, tokenizer by tokenizer.
    pub lines: Vec<SentenceCut>,
    /// The sentences.
    pub sentences: Vec<String>,
}

/// A sentence cut by a tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub struct SentenceCut {
    /// The tokenizer's name.
    pub tokenizer: String,
    /// The sentence.
    pub sentence: String,
    /// Its pieces, without special tokens.
    pub pieces: Vec<String>,
    /// How many of them a word takes.
    pub tokens_per_word: f64,
}

/// How many texts come back whole from `encode` and `decode`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// How many texts.
    pub texts: usize,
    /// Those that came back as they were.
    pub equal: usize,
    /// Up to five that did not: before and after.
    pub differences: Vec<(String, String)>,
}

/// The same sentences cut by several tokenizers: the pieces, and how many of them a word takes.
///
/// # Errors
/// When names and tokenizers are not as many, or a tokenizer fails on a sentence.
pub fn compare_tokenizers(
    names: &[&str],
    tokenizers: &[&Tokenizer],
    sentences: &[&str],
) -> Result<TokenizerComparison> {
    if names.len() != tokenizers.len() {
        let (names, tokenizers) = (names.len(), tokenizers.len());
        return Err(Error::new(
            ErrorKind::BadSetting,
            tr!(
                "Hay {names} nombres y {tokenizers} tokenizadores.",
                "There are {names} names and {tokenizers} tokenizers."
            ),
        )
        .next(tr!("Da un nombre a cada uno.", "Give each one a name.")));
    }
    let mut lines = Vec::new();
    for (name, tokenizer) in names.iter().zip(tokenizers) {
        for sentence in sentences {
            let pieces = tokenizer.tokens(sentence)?.pieces;
            let tokens_per_word = pieces.len() as f64 / sentence.split_whitespace().count().max(1) as f64;
            let (tokenizer, sentence) = (name.to_string(), sentence.to_string());
            lines.push(SentenceCut { tokenizer, sentence, pieces, tokens_per_word });
        }
    }
    Ok(TokenizerComparison { lines, sentences: sentences.iter().map(ToString::to_string).collect() })
}

impl TokenizerComparison {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["tokenizador", "tokens", "tokens por palabra", "piezas"],
            &["tokenizer", "tokens", "tokens a word", "pieces"],
        );
        let mut parts = Vec::new();
        for sentence in &self.sentences {
            let line = |cut: &SentenceCut| {
                let share = format!("{:.2}", cut.tokens_per_word);
                vec![cut.tokenizer.clone(), cut.pieces.len().to_string(), share, cut.pieces.join("|")]
            };
            let of_it = self.lines.iter().filter(|cut| cut.sentence == *sentence);
            let rows: Vec<Vec<String>> = of_it.map(line).collect();
            parts.push(Html::table(&headers, &rows, sentence));
        }
        Html {
            html: parts.iter().map(|part| part.html.as_str()).collect(),
            plain: parts.iter().map(|part| part.plain.as_str()).collect::<Vec<_>>().join("\n\n"),
        }
    }
}

shown!(TokenizerComparison);

impl Tokenizer {
    /// Whether texts come back as they were from `encode` and `decode`, and those that do not.
    ///
    /// # Errors
    /// When the tokenizer fails on a text.
    pub fn round_trip(&self, texts: &[String]) -> Result<RoundTrip> {
        let mut report = RoundTrip { texts: texts.len(), equal: 0, differences: Vec::new() };
        for (text, ids) in texts.iter().zip(self.encode_all(texts)?) {
            let back = self.decode(&ids)?;
            match back == *text {
                true => report.equal += 1,
                false if report.differences.len() < SHOWN => report.differences.push((text.clone(), back)),
                false => {}
            }
        }
        Ok(report)
    }
}

impl RoundTrip {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let (equal, texts) = (self.equal, self.texts);
        let caption = tr!("{equal} de {texts} textos vuelven iguales", "{equal} of {texts} texts come back equal");
        let rows: Vec<Vec<String>> =
            self.differences.iter().map(|(before, after)| vec![cut(before, 200), cut(after, 200)]).collect();
        Html::table(&headers(&["texto", "como vuelve"], &["text", "as it comes back"]), &rows, &caption)
    }
}

shown!(RoundTrip);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::TokenizerKind;

    #[test]
    fn tokens_a_word_are_counted_and_lost_texts_are_shown() {
        let texts: Vec<String> = vec!["el sol sale por el mar".into(); 20];
        let bytes = Tokenizer::train(&texts, TokenizerKind::ByteLevel, 300).unwrap();
        let pieces = Tokenizer::train(&texts, TokenizerKind::WordPiece, 60).unwrap();
        let found = compare_tokenizers(&["bytes", "WordPiece"], &[&bytes, &pieces], &["el sol", "the sun"]).unwrap();
        assert_eq!((found.lines[2].pieces.join("|").as_str(), found.lines[2].tokens_per_word), ("el|sol", 1.0));
        assert!(found.to_string().contains("WordPiece") && found.lines[1].tokens_per_word > 2.0);
        let odd = ["el  sol", "el sol", "日本"].map(String::from);
        assert_eq!(bytes.round_trip(&odd).unwrap().equal, 3);
        let lossy = pieces.round_trip(&odd).unwrap();
        assert_eq!((lossy.equal, lossy.differences[0].1.as_str()), (1, "el sol"));
        assert!(compare_tokenizers(&["a"], &[], &[]).is_err());
    }
}
