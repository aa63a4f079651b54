//! Learning a tokenizer from texts: four ways to choose the pieces.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::{BpeTrainer, BPE};
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::models::TrainerWrapper;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer as Inner};

use super::Tokenizer;
use crate::error::{Error, ErrorKind, Result};
use crate::show::{say, Progress};
use crate::sys::{stopped, stopped_error};

/// How a tokenizer chooses its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenizerKind {
    /// Byte-level BPE, as GPT-2's: the most frequent neighbours become one piece, from single bytes on; it knows any text.
    /// Special tokens: `<pad>` 0, `<s>` 1 (before every text), `</s>` 2.
    ByteLevel,
    /// BPE over characters (Sennrich et al., arXiv 1508.07909); a character that was never seen is `<unk>`. Special tokens:
    /// `<pad>` 0, `<s>` 1, `</s>` 2, `<unk>` 3.
    Bpe,
    /// WordPiece, as BERT's: a word is its longest known beginning, then `##` and the rest. Special tokens: `[PAD]` 0,
    /// `[UNK]` 1, `[CLS]` 2 before and `[SEP]` 3 after every text, `[MASK]` 4.
    WordPiece,
    /// Unigram (Kudo, arXiv 1804.10959), as T5's: of all ways to cut a text the likeliest. Special tokens as `Bpe`.
    Unigram,
}

impl TokenizerKind {
    /// All four.
    pub const ALL: [TokenizerKind; 4] = [Self::ByteLevel, Self::Bpe, Self::WordPiece, Self::Unigram];

    fn special(self) -> &'static [&'static str] {
        match self {
            Self::ByteLevel => &["<pad>", "<s>", "</s>"],
            Self::Bpe | Self::Unigram => &["<pad>", "<s>", "</s>", "<unk>"],
            Self::WordPiece => &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::BadData, tr!("El tokenizador no pudo aprender.", "The tokenizer could not learn.")).why(error)
}

impl Tokenizer {
    /// Learns a tokenizer of at most `vocab_size` tokens from `texts`. Where they hold too little for so many, a line says
    /// how many it learned.
    ///
    /// # Errors
    /// When there is no text, or `vocab_size` leaves no room beside the special tokens.
    pub fn train(texts: &[String], kind: TokenizerKind, vocab_size: usize) -> Result<Self> {
        let special = kind.special().len();
        if texts.iter().all(|text| text.trim().is_empty()) {
            let rows = texts.len();
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "Los {rows} textos están vacíos: no hay de qué aprender.",
                    "The {rows} texts are empty: there is nothing to learn from."
                ),
            )
            .next(tr!(
                "Dale los de una columna: table.texts(\"texto\")?",
                "Give it those of a column: table.texts(\"text\")?"
            )));
        }
        let least = if kind == TokenizerKind::ByteLevel { 256 + special } else { special + 1 };
        if vocab_size < least {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("vocab_size = {vocab_size} no alcanza.", "vocab_size = {vocab_size} is not enough."),
            )
            .next(tr!(
                "Usa al menos {least}; entre 1000 y 32000 es lo común.",
                "Use {least} at least; 1000 to 32000 is common."
            )));
        }
        let (mut inner, mut trainer) = new(kind, vocab_size)?;
        feed(&mut inner, &mut trainer, texts)?;
        // Through its own file form, which drops what only training needed.
        let json = serde_json::to_string(&inner).map_err(failed)?;
        let mut inner: Inner = json.parse().map_err(failed)?;
        let (template, marks): (&str, Vec<(&str, u32)>) = match kind {
            TokenizerKind::WordPiece => ("[CLS] $A [SEP]", vec![("[CLS]", 2), ("[SEP]", 3)]),
            _ => ("<s> $A", vec![("<s>", 1)]),
        };
        let template =
            TemplateProcessing::builder().try_single(template).map_err(failed)?.special_tokens(marks).build();
        inner.with_post_processor(Some(template.map_err(failed)?));
        let tokenizer = Self { inner };
        let learned = tokenizer.vocab_size();
        if learned < vocab_size {
            let rows = texts.len();
            say(&tr!(
                "Aprendió {learned} tokens, no {vocab_size}: {rows} textos no dan para más.",
                "It learned {learned} tokens, not {vocab_size}: {rows} texts do not hold more."
            ));
        }
        Ok(tokenizer)
    }
}

/// A tokenizer that knows nothing yet, and what teaches it.
fn new(kind: TokenizerKind, vocab_size: usize) -> Result<(Inner, TrainerWrapper)> {
    let special: Vec<AddedToken> = kind.special().iter().map(|name| AddedToken::from(name.to_string(), true)).collect();
    let unknown = "<unk>".to_string();
    let spaces = Metaspace::new('▁', PrependScheme::Always, true);
    Ok(match kind {
        TokenizerKind::ByteLevel => {
            let bytes = ByteLevel::default().add_prefix_space(false);
            let mut inner = Inner::new(BPE::default());
            inner.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
            let trainer = BpeTrainer::builder().vocab_size(vocab_size).min_frequency(2).show_progress(false);
            let trainer = trainer.initial_alphabet(ByteLevel::alphabet().into_iter().collect()).special_tokens(special);
            (inner, trainer.build().into())
        }
        TokenizerKind::Bpe => {
            let mut inner = Inner::new(BPE::builder().unk_token(unknown).build().map_err(failed)?);
            inner.with_pre_tokenizer(Some(spaces.clone())).with_decoder(Some(spaces));
            let trainer = BpeTrainer::builder().vocab_size(vocab_size).min_frequency(2).show_progress(false);
            (inner, trainer.special_tokens(special).build().into())
        }
        TokenizerKind::WordPiece => {
            let model = WordPiece::builder().unk_token("[UNK]".into()).build().map_err(failed)?;
            let mut inner = Inner::new(model);
            // Accents and capitals stay: in Spanish they make other words.
            inner.with_normalizer(Some(BertNormalizer::new(true, true, Some(false), false))).map_err(failed)?;
            inner.with_pre_tokenizer(Some(BertPreTokenizer)).with_decoder(Some(WordPieceDecoder::default()));
            let trainer = WordPieceTrainer::builder().vocab_size(vocab_size).min_frequency(2).show_progress(false);
            (inner, trainer.special_tokens(special).build().into())
        }
        TokenizerKind::Unigram => {
            let mut inner = Inner::new(Unigram::default());
            inner.with_pre_tokenizer(Some(spaces.clone())).with_decoder(Some(spaces));
            let trainer = UnigramTrainer::builder()
                .vocab_size(vocab_size as u32)
                .show_progress(false)
                .special_tokens(special)
                .unk_token(Some(unknown))
                .build()
                .map_err(failed)?;
            (inner, trainer.into())
        }
    })
}

/// Teaches it, on a thread of its own, so that this one can show how far it has come.
fn feed(inner: &mut Inner, trainer: &mut TrainerWrapper, texts: &[String]) -> Result<()> {
    let read = AtomicUsize::new(0);
    let mut progress = Progress::start(&tr!("Aprendiendo tokens", "Learning tokens"), texts.len());
    let taught = std::thread::scope(|scope| {
        let counted = texts.iter().take_while(|_| !stopped()).inspect(|_| {
            read.fetch_add(1, Ordering::Relaxed);
        });
        let teacher = scope.spawn(|| inner.train(trainer, counted).map(|_| ()));
        while !teacher.is_finished() {
            let done = read.load(Ordering::Relaxed);
            let note = match done == texts.len() {
                true => tr!("textos leídos; uniendo piezas", "texts read; joining pieces"),
                false => tr!("textos", "texts"),
            };
            progress.update(done, &note);
            std::thread::sleep(Duration::from_millis(5));
        }
        teacher.join()
    });
    if stopped() {
        return Err(stopped_error(
            tr!("El aprendizaje del tokenizador se paró.", "The learning of the tokenizer was stopped."),
            tr!("Ejecuta la celda otra vez para hacerlo entero.", "Run the cell again to do it all."),
        ));
    }
    progress.end(&tr!("textos", "texts"));
    match taught {
        Ok(taught) => taught.map_err(failed),
        // The trainer panics where texts hold too little for its kind.
        Err(_) => Err(failed(tr!("Los textos tienen muy poco.", "The texts hold too little.")).next(tr!(
            "Junta más textos, o usa TokenizerKind::ByteLevel.",
            "Gather more texts, or use TokenizerKind::ByteLevel."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stories() -> Vec<String> {
        let grammar = ["zorro", "gato", "niña", "pájaro", "árbol"];
        (0..600)
            .map(|i| format!("Había una vez un {} que comía {} panes. The fox ate bread.", grammar[i % 5], i))
            .collect()
    }

    #[test]
    fn each_kind_learns_saves_and_gives_texts_back() {
        let folder = tempfile::tempdir().unwrap();
        for kind in TokenizerKind::ALL {
            let tokenizer = Tokenizer::train(&stories(), kind, 300).unwrap();
            assert!(
                tokenizer.vocab_size() <= 300 && tokenizer.vocab_size() > 40,
                "{kind:?} {}",
                tokenizer.vocab_size()
            );
            let text = "Había una vez un gato que comía 7 panes";
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{kind:?}");
            let path = folder.path().join("tokenizer.json");
            tokenizer.save(&path).unwrap();
            assert_eq!(Tokenizer::read(&path).unwrap().encode(text).unwrap(), ids, "{kind:?}");
            let marked = tokenizer.tokens_with_special(text).unwrap();
            assert!(marked.special[0] && !marked.special[1] && marked.ids == ids, "{kind:?}");
        }
    }

    #[test]
    fn three_lines_are_learned_and_the_size_that_was_not_reached_is_not_an_error() {
        let lines = ["hola mundo", "hola gente", "adiós mundo"].map(String::from);
        for kind in TokenizerKind::ALL {
            match Tokenizer::train(&lines, kind, 8_000) {
                Ok(tokenizer) => {
                    assert!(tokenizer.vocab_size() < 8_000 && tokenizer.encode("hola").is_ok(), "{kind:?}")
                }
                Err(error) => assert!(error.to_string().contains("→"), "{kind:?} {error}"),
            }
        }
        assert!(Tokenizer::train(&[" ".to_string()], TokenizerKind::Bpe, 100).is_err());
        assert!(Tokenizer::train(&lines, TokenizerKind::ByteLevel, 100).unwrap_err().to_string().contains("259"));
    }
}
