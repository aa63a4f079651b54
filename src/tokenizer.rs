//! Text to token ids and back.

mod compare;
mod lengths;
mod train;
mod windows;

use std::path::Path;

pub use compare::{compare_tokenizers, RoundTrip, SentenceCut, TokenizerComparison};
pub use lengths::{LengthLine, LengthReport};
pub use train::TokenizerKind;
pub use windows::Window;

use crate::error::{Error, ErrorKind, Result};
use crate::show::{display, escape};
use crate::sys::io_error;
use crate::vocab;

/// A model's tokenizer, from its `tokenizer.json`.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

/// A text cut into tokens; a cell shows each in its colour.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The ids, one per token.
    pub ids: Vec<u32>,
    /// The piece of text of each token; a special token's name.
    pub pieces: Vec<String>,
    /// Whether each token is special: a mark that the model expects, no part of the text.
    pub special: Vec<bool>,
}

/// Two texts cut into tokens, in one row.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The ids, with the marks that the tokenizer's template sets.
    pub ids: Vec<u32>,
    /// Which of the two each token belongs to, 0 or 1, as the template says.
    pub token_types: Vec<u32>,
    /// How many tokens there were before the texts were cut.
    pub length: usize,
}

impl Tokenizer {
    /// The tokenizer of the model in `folder`: its `tokenizer.json`, or what [`crate::vocab::build`] makes of older files.
    /// `config` is the model's `config.json`.
    pub fn of_model(folder: &Path, config: &serde_json::Value) -> Result<Self> {
        let file = folder.join("tokenizer.json");
        match file.is_file() {
            true => Self::read(&file),
            false => Ok(Self { inner: vocab::build(folder, config["model_type"].as_str().unwrap_or("?"))? }),
        }
    }

    /// Reads a `tokenizer.json`.
    ///
    /// What it says about padding and cutting is set aside: a batch pads to its own longest text, a dataset cuts.
    pub fn read(path: &Path) -> Result<Self> {
        let mut inner = tokenizers::Tokenizer::from_file(path).map_err(|error| {
            Error::new(
                ErrorKind::BadModel,
                tr!("No puedo leer el tokenizador {}.", "I cannot read the tokenizer {}.", path.display()),
            )
            .why(error)
            .next(tr!("Descarga o guarda el modelo otra vez.", "Download or save the model again."))
        })?;
        inner.with_padding(None);
        let _ = inner.with_truncation(None); // taking it away cannot fail
        Ok(Self { inner })
    }

    /// Writes `tokenizer.json`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = self.inner.to_string(false).map_err(|error| {
            Error::new(ErrorKind::System, tr!("No pude guardar {}.", "I could not save {}.", path.display())).why(error)
        })?;
        std::fs::write(path, text).map_err(|error| io_error(path, "guardar", "save", &error))
    }

    /// The ids of a text, with the tokens that the model expects at its start.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.encoding(text, true)?.get_ids().to_vec())
    }

    /// The ids of many texts, on all cores.
    pub fn encode_all(&self, texts: &[String]) -> Result<Vec<Vec<u32>>> {
        let inputs: Vec<&str> = texts.iter().map(String::as_str).collect();
        let encodings = self.inner.encode_batch_fast(inputs, true).map_err(cannot_encode)?;
        Ok(encodings.iter().map(|encoding| encoding.get_ids().to_vec()).collect())
    }

    /// As [`Tokenizer::encode_all`], without the tokens that the model expects at a text's start: what goes on with one.
    pub fn encode_all_bare(&self, texts: &[String]) -> Result<Vec<Vec<u32>>> {
        let inputs: Vec<&str> = texts.iter().map(String::as_str).collect();
        let encodings = self.inner.encode_batch_fast(inputs, false).map_err(cannot_encode)?;
        Ok(encodings.iter().map(|encoding| encoding.get_ids().to_vec()).collect())
    }

    /// Two texts in one row, as the tokenizer's template sets them side by side; the longer one is cut first, so that with
    /// their marks they have at most `max_tokens`.
    pub fn encode_pair_within(&self, first: &str, second: &str, max_tokens: usize) -> Result<Pair> {
        use tokenizers::{PostProcessor, TruncationDirection};
        let marks = self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(true));
        let (mut first, mut second) = (self.encoding(first, false)?, self.encoding(second, false)?);
        let length = first.len() + second.len() + marks;
        let room = max_tokens.saturating_sub(marks);
        // The longer one first, then both to equal halves, as transformers' "longest_first" does.
        let (short, long) = (first.len().min(second.len()), first.len().max(second.len()));
        let long = long.min(short.max(room.saturating_sub(short)));
        let (short, long) = if short + long > room { (room / 2, room - room / 2) } else { (short, long) };
        let keep = if first.len() > second.len() { (long, short) } else { (short, long) };
        first.truncate(keep.0, 0, TruncationDirection::Right);
        second.truncate(keep.1, 0, TruncationDirection::Right);
        let both = self.inner.post_process(first, Some(second), true).map_err(cannot_encode)?;
        Ok(Pair { ids: both.get_ids().to_vec(), token_types: both.get_type_ids().to_vec(), length })
    }

    /// As [`Tokenizer::encode_all`], each text cut so that with its start and end marks it has at most `max_tokens`; and
    /// how many it had before.
    pub fn encode_within(&self, texts: &[String], max_tokens: usize) -> Result<Vec<(Vec<u32>, usize)>> {
        use tokenizers::{PostProcessor, TruncationDirection};
        let inputs: Vec<&str> = texts.iter().map(String::as_str).collect();
        let marks = self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let encodings = self.inner.encode_batch(inputs, false).map_err(cannot_encode)?;
        let marked = |mut encoding: tokenizers::Encoding| {
            let length = encoding.len() + marks;
            encoding.truncate(max_tokens.saturating_sub(marks), 0, TruncationDirection::Right);
            let encoding = self.inner.post_process(encoding, None, true).map_err(cannot_encode)?;
            Ok((encoding.get_ids().to_vec(), length))
        };
        encodings.into_iter().map(marked).collect()
    }

    /// The ids of a text, cut to `max_tokens` with its marks, and for each the byte of the text at which what it stands for
    /// begins; none for marks.
    pub(crate) fn encode_with_starts(&self, text: &str, max_tokens: usize) -> Result<(Vec<u32>, Vec<Option<usize>>)> {
        use tokenizers::{PostProcessor, TruncationDirection};
        let marks = self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let mut encoding = self.encoding(text, false)?;
        encoding.truncate(max_tokens.saturating_sub(marks), 0, TruncationDirection::Right);
        let encoding = self.inner.post_process(encoding, None, true).map_err(cannot_encode)?;
        // Some tokenizers count the blank before a word to it.
        let start =
            |(a, b): (usize, usize)| a + text.get(a..b).map_or(0, |piece| piece.len() - piece.trim_start().len());
        let is_mark = encoding.get_special_tokens_mask();
        let starts = encoding.get_offsets().iter().zip(is_mark).map(|(span, mark)| (*mark == 0).then(|| start(*span)));
        Ok((encoding.get_ids().to_vec(), starts.collect()))
    }

    /// The text of ids, without special tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|error| {
            Error::new(
                ErrorKind::BadData,
                tr!("No puedo volver a texto estos números.", "I cannot turn these numbers back into text."),
            )
            .why(error)
        })
    }

    /// How the text is cut, piece by piece, without special tokens.
    pub fn tokens(&self, text: &str) -> Result<Tokens> {
        self.cut(text, false)
    }

    /// As [`Tokenizer::tokens`], with the special tokens that the model expects around a text.
    pub fn tokens_with_special(&self, text: &str) -> Result<Tokens> {
        self.cut(text, true)
    }

    fn cut(&self, text: &str, marks: bool) -> Result<Tokens> {
        let encoding = self.encoding(text, marks)?;
        let special: Vec<bool> = encoding.get_special_tokens_mask().iter().map(|mask| *mask == 1).collect();
        let piece = |(i, (a, b)): (usize, &(usize, usize))| match special[i] {
            true => encoding.get_tokens()[i].clone(),
            false => text.get(*a..*b).unwrap_or("·").to_string(),
        };
        let pieces = encoding.get_offsets().iter().enumerate().map(piece).collect();
        Ok(Tokens { ids: encoding.get_ids().to_vec(), pieces, special })
    }

    /// How many tokens it knows.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of a token such as `</s>`, if it knows it.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// What the vocabulary calls an id, if it knows it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The ids of its special tokens: the start and the end of a text, padding, the mask.
    pub fn special_ids(&self) -> Vec<u32> {
        let tokens = self.inner.get_added_tokens_decoder();
        tokens.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect()
    }

    /// Fails where it knows more tokens than a model has `rows` for.
    pub fn check_fits(&self, rows: usize) -> Result<()> {
        let known = self.vocab_size();
        if known <= rows {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::BadModel,
            tr!(
                "El tokenizador conoce {known} tokens y el modelo solo {rows}: no son el uno para el otro.",
                "The tokenizer knows {known} tokens and the model only {rows}: they do not belong together."
            ),
        )
        .next(tr!("Usa el tokenizer.json que vino con el modelo.", "Use the tokenizer.json that came with the model.")))
    }

    fn encoding(&self, text: &str, special: bool) -> Result<tokenizers::Encoding> {
        self.inner.encode(text, special).map_err(cannot_encode)
    }
}

/// Fails where one of `ids` is past the `rows` tokens that a model knows.
pub(crate) fn check_ids(ids: &[u32], rows: usize) -> Result<()> {
    let Some(id) = ids.iter().find(|id| **id as usize >= rows) else { return Ok(()) };
    let last = rows.saturating_sub(1);
    Err(Error::new(
        ErrorKind::BadData,
        tr!(
            "El modelo no conoce el token {id}: conoce del 0 al {last}.",
            "The model does not know the token {id}: it knows 0 to {last}."
        ),
    )
    .next(tr!(
        "Usa el tokenizador que vino con el modelo, y los números que da.",
        "Use the tokenizer that came with the model, and the numbers it gives."
    )))
}

fn cannot_encode(error: tokenizers::Error) -> Error {
    Error::new(ErrorKind::BadData, tr!("El tokenizador no pudo con un texto.", "The tokenizer failed on a text."))
        .why(error)
}

impl Tokens {
    /// Shows the text with a colour per token and its id below.
    pub fn evcxr_display(&self) {
        const COLOURS: [&str; 6] = ["#cfe8ff", "#ffe3c2", "#d6f5d0", "#f3d3ee", "#fff4b8", "#d9d9f7"];
        let mut html = String::from("<div style=\"line-height:3.2em;font-size:1.1em\">");
        for (i, (piece, id)) in self.pieces.iter().zip(&self.ids).enumerate() {
            html.push_str(&format!(
                "<span style=\"display:inline-block;line-height:1.3em;background:{};color:#111;border-radius:4px;\
                 margin:1px;padding:1px 3px;white-space:pre;text-align:center{}\">{}<br><small style=\"color:#555\">{id}</small></span>",
                COLOURS[i % COLOURS.len()],
                if self.special.get(i) == Some(&true) { ";border:2px solid #555;font-style:italic" } else { "" },
                escape(piece)
            ));
        }
        html.push_str("</div>");
        display(&html, &self.to_string());
    }
}

impl std::fmt::Display for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", tr!("{} tokens: {}", "{} tokens: {}", self.ids.len(), self.pieces.join("|")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trained_tokenizer_gives_every_text_back() -> Result<()> {
        let texts: Vec<String> = (0..50).map(|i| format!("Había una vez un zorro número {i}. ¿Qué pasó? 🦊")).collect();
        let tokenizer = Tokenizer::train(&texts, TokenizerKind::ByteLevel, 400)?;
        for text in ["Había una vez", "A fox! Ñandú, 中文 🦊", ""] {
            let ids = tokenizer.encode(text)?;
            assert_eq!(ids[0], 1, "every text starts with <s>");
            assert_eq!(tokenizer.decode(&ids)?, text);
        }
        assert_eq!((tokenizer.id("<pad>"), tokenizer.id("</s>")), (Some(0), Some(2)));
        assert_eq!(tokenizer.tokens("una vez")?.pieces.concat(), "una vez");
        Ok(())
    }
}
