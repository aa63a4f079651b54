//! The text of pre-training: stories from the grammars, with hand-written ones among them.

use std::path::Path;

use crate::error::Result;
use crate::rng::Rng;
use crate::stories::StoryTeller;
use crate::sys::io_error;
use crate::tokenizer::{Tokenizer, TokenizerKind};

/// Stories at the end of each hand-written file that no training sees.
const HELD_OUT_WRITTEN: usize = 30;
/// One story in this many is a hand-written one.
const WRITTEN_EVERY: usize = 40;
/// Training begins with this many stories of which half are primers; after them one in ten is.
const FIRST: u64 = 80_000;
/// Families of stories by seed: to train, to measure, to learn the tokenizer.
const TRAIN: u64 = 1;
const HELD_OUT: u64 = 2;
const TOKENIZER: u64 = 3;

/// Both languages' story tellers and hand-written stories.
pub struct Corpus {
    tellers: [StoryTeller; 2],
    written: [Vec<String>; 2],
    held_out_written: Vec<String>,
}

impl Corpus {
    /// Reads `es.txt`, `en.txt`, `es-written.txt` and `en-written.txt` from `folder`.
    pub fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(|error| io_error(&path, "leer", "read", &error))
        };
        let paragraphs = |name: &str| -> Result<Vec<String>> {
            let text = read(name)?;
            let parts = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
            Ok(parts.filter(|part| !part.is_empty()).collect())
        };
        let tellers = [StoryTeller::new(&read("es.txt")?, "es")?, StoryTeller::new(&read("en.txt")?, "en")?];
        let mut written = [paragraphs("es-written.txt")?, paragraphs("en-written.txt")?];
        let mut held_out_written = Vec::new();
        for stories in &mut written {
            let keep = stories.len().saturating_sub(HELD_OUT_WRITTEN);
            held_out_written.extend(stories.split_off(keep));
        }
        Ok(Self { tellers, written, held_out_written })
    }

    /// Story number `index` of training: Spanish or English by chance, some of them primers, some hand-written.
    pub fn story(&self, index: u64) -> String {
        let mut rng = Rng::stream(TRAIN + 100, index);
        let language = rng.below(2);
        if rng.below(if index < FIRST { 2 } else { 10 }) == 0 {
            return self.tellers[language].primer(TRAIN, index).text;
        }
        match rng.below(WRITTEN_EVERY) {
            0 if !self.written[language].is_empty() => {
                self.written[language][rng.below(self.written[language].len())].clone()
            }
            _ => self.tellers[language].story(TRAIN, index).text,
        }
    }

    /// Generated stories that training does not see, both languages by turns.
    pub fn held_out(&self, count: usize) -> Vec<String> {
        (0..count as u64).map(|i| self.tellers[(i % 2) as usize].story(HELD_OUT, i).text).collect()
    }

    /// Hand-written stories that training does not see.
    pub fn held_out_written(&self) -> &[String] {
        &self.held_out_written
    }

    /// A tokenizer learned from `count` generated stories and all hand-written ones that are for training.
    pub fn train_tokenizer(&self, count: usize, vocab_size: usize) -> Result<Tokenizer> {
        let mut texts: Vec<String> =
            (0..count as u64).map(|i| self.tellers[(i % 2) as usize].story(TOKENIZER, i).text).collect();
        texts.extend(self.written.iter().flatten().cloned());
        Tokenizer::train(&texts, TokenizerKind::ByteLevel, vocab_size)
    }

    /// Row number `index` of training, at most `tokens` long: a story between `<s>` and `</s>`; one row in eight holds
    /// two, so that the model reads on past the length of one.
    ///
    /// Each row has two story numbers of its own, so that any row can be made without those before it.
    pub fn row(&self, index: u64, tokens: usize, tokenizer: &Tokenizer, eos: u32) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        for number in self.stories_of(index) {
            ids.extend(tokenizer.encode(&self.story(number))?);
            ids.push(eos);
        }
        ids.truncate(tokens);
        Ok(ids)
    }

    /// The numbers of the stories in a row.
    pub fn stories_of(&self, index: u64) -> std::ops::Range<u64> {
        2 * index..2 * index + if index % 8 == 7 { 2 } else { 1 }
    }
}
