//! A question and a long text: the text in windows that overlap, each with the whole question before it.

use super::{cannot_encode, Pair, Tokenizer};
use crate::error::{Error, ErrorKind, Result};

/// Two texts in one row, the second perhaps in part, with the place of each token in its text.
#[derive(Clone, Debug)]
pub struct Window {
    /// The row, with the marks around the texts.
    pub pair: Pair,
    /// True for each token of the second text.
    pub second: Vec<bool>,
    /// The characters of its text that each token stands for: the first, and the first after it.
    pub chars: Vec<(usize, usize)>,
    /// Which word of its text each token is a part of.
    words: Vec<Option<u32>>,
}

impl Window {
    /// The characters of the whole word that token `i` of the second text is a part of, as far as it is in this window.
    pub fn word_chars(&self, i: usize) -> (usize, usize) {
        let same = |j: &usize| self.second[*j] && self.words[*j].is_some() && self.words[*j] == self.words[i];
        let mut tokens = (0..self.words.len()).filter(same);
        let first = tokens.next().unwrap_or(i);
        (self.chars[first].0, self.chars[tokens.next_back().unwrap_or(first)].1)
    }
}

impl Tokenizer {
    /// `first` with `second` in as many rows of at most `max_tokens` as it needs: each goes on from the one before it, and
    /// repeats its last `overlap` tokens. A `first` that leaves no room is an error.
    pub fn windows(&self, first: &str, second: &str, max_tokens: usize, overlap: usize) -> Result<Vec<Window>> {
        // tokenizers 0.23.2 cuts the text before it makes windows of it, and loses its end: they are made here.
        let whole = self.inner.encode_char_offsets((first, second), true).map_err(cannot_encode)?;
        let of_second: Vec<bool> = whole.get_sequence_ids().into_iter().map(|text| text == Some(1)).collect();
        let begin = of_second.iter().position(|second| *second).unwrap_or(whole.len());
        let end = of_second.iter().rposition(|second| *second).map_or(begin, |last| last + 1);
        let room = max_tokens.saturating_sub(begin + whole.len() - end);
        if room < 2 {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "La pregunta ocupa los {max_tokens} tokens que el modelo lee de una vez.",
                    "The question takes the {max_tokens} tokens that the model reads at a time."
                ),
            )
            .next(tr!("Hazla más corta.", "Make it shorter.")));
        }
        let step = if overlap < room { room - overlap } else { room - room / 2 };
        let window = |start: usize| {
            let kept: Vec<usize> = (0..begin).chain(start..(start + room).min(end)).chain(end..whole.len()).collect();
            let pair = Pair {
                ids: kept.iter().map(|i| whole.get_ids()[*i]).collect(),
                token_types: kept.iter().map(|i| whole.get_type_ids()[*i]).collect(),
                length: kept.len(),
            };
            Window {
                pair,
                second: kept.iter().map(|i| of_second[*i]).collect(),
                chars: kept.iter().map(|i| whole.get_offsets()[*i]).collect(),
                words: kept.iter().map(|i| whole.get_word_ids()[*i]).collect(),
            }
        };
        let last = (end - begin).saturating_sub(room).div_ceil(step);
        Ok((0..=last).map(|number| window(begin + number * step)).collect())
    }
}
