//! The text from which `lector` learns: everyday sentences and reviews from grammars, stories, and what is written by
//! hand in the collections, without the rows on which lessons test.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;
use crate::stories::StoryTeller;
use crate::sys::io_error;
use crate::table::Table;

/// Families of texts by seed: to train, to measure, to learn the tokenizer, to train the sentiment.
const TRAIN: u64 = 11;
const HELD_OUT: u64 = 12;
const TOKENIZER: u64 = 13;
const SENTIMENT: u64 = 14;

/// Of twenty texts so many are sentences, reviews, stories; the rest is written by hand.
const SHARES: [usize; 3] = [10, 5, 2];

/// A collection: its file, the column of its text, and the column and value that mark the rows for training.
type Collection = (&'static str, &'static str, Option<(&'static str, &'static str)>);

/// Hand-written texts by language. The articles, diaries and recipes are left out: lessons test on them, or on a part that
/// a seed draws.
const COLLECTIONS: [&[Collection]; 2] = [
    &[
        ("es/peliculas.csv", "sinopsis", Some(("parte", "entrenar"))),
        ("es/resenas.csv", "texto", Some(("parte", "entrenar"))),
    ],
    &[("en/films.csv", "plot", Some(("split", "train"))), ("en/reviews.csv", "text", Some(("split", "train")))],
];

/// The languages, Spanish first.
pub const LANGUAGES: [&str; 2] = ["es", "en"];

/// Everything that `lector` reads.
pub struct Texts {
    sentences: [StoryTeller; 2],
    reviews: [StoryTeller; 2],
    stories: [StoryTeller; 2],
    written: [Vec<String>; 2],
}

/// A review with what it says.
#[derive(Clone, Debug)]
pub struct Review {
    /// The review.
    pub text: String,
    /// True when it praises.
    pub positive: bool,
}

impl Texts {
    /// Reads the grammars and collections of the folder `data`.
    pub fn read(data: &Path) -> Result<Self> {
        let teller = |folder: &str, language: &str| {
            let path = data.join(folder).join(format!("{language}.txt"));
            let text = std::fs::read_to_string(&path).map_err(|error| io_error(&path, "leer", "read", &error))?;
            StoryTeller::new(&text, language)
        };
        let both = |folder: &str| Ok::<_, Error>([teller(folder, "es")?, teller(folder, "en")?]);
        let mut written = [Vec::new(), Vec::new()];
        for (texts, collections) in written.iter_mut().zip(COLLECTIONS) {
            for (file, column, only) in collections {
                texts.extend(column_of(&data.join(file), column, *only)?);
            }
        }
        Ok(Self { sentences: both("sentences")?, reviews: both("reviews")?, stories: both("stories")?, written })
    }

    /// Text number `index` of training.
    pub fn text(&self, index: u64) -> String {
        self.draw(TRAIN, index)
    }

    /// Texts that training does not see: grammars' only.
    pub fn held_out(&self, count: usize) -> Vec<String> {
        let tell = |i: u64| match i % 3 {
            0 => self.sentences[(i % 2) as usize].story(HELD_OUT, i).text,
            1 => self.reviews[(i % 2) as usize].story(HELD_OUT, i).text,
            _ => self.stories[(i % 2) as usize].story(HELD_OUT, i).text,
        };
        (0..count as u64).map(tell).collect()
    }

    /// Texts to learn a tokenizer from: `count` drawn ones and all that is written by hand.
    pub fn for_tokenizer(&self, count: usize) -> Vec<String> {
        let drawn = (0..count as u64).map(|i| self.draw(TOKENIZER, i));
        drawn.chain(self.written.iter().flatten().cloned()).collect()
    }

    /// Review number `index` from the grammar, Spanish (0) or English (1), as praise or blame by turns.
    pub fn review(&self, language: usize, index: u64) -> Review {
        let mut number = index;
        loop {
            let review = self.reviews[language].story(SENTIMENT, number);
            let positive = review.plot.starts_with("posi");
            if positive == index.is_multiple_of(2) {
                return Review { text: review.text, positive };
            }
            number += 1_000_003; // any number that no other review begins with
        }
    }

    fn draw(&self, family: u64, index: u64) -> String {
        let mut rng = Rng::stream(family + 100, index);
        let language = rng.below(2);
        let [sentences, reviews, stories] = SHARES;
        match rng.below(20) {
            n if n < sentences => self.sentences[language].story(family, index).text,
            n if n < sentences + reviews => self.reviews[language].story(family, index).text,
            n if n < sentences + reviews + stories => self.stories[language].story(family, index).text,
            _ => self.written[language][rng.below(self.written[language].len())].clone(),
        }
    }
}

/// The texts of a column, of the rows that `only` names.
pub fn column_of(path: &Path, column: &str, only: Option<(&str, &str)>) -> Result<Vec<String>> {
    let table = Table::read(&path.to_string_lossy())?;
    let texts = table.texts(column)?;
    let Some((name, wanted)) = only else { return Ok(texts) };
    let parts = table.texts(name)?;
    if parts.len() != texts.len() {
        let shown = path.display();
        return Err(Error::new(ErrorKind::BadData, format!("{shown}: rows without text in {column} or {name}")));
    }
    Ok(texts.into_iter().zip(parts).filter(|(_, part)| part == wanted).map(|(text, _)| text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
    }

    #[test]
    fn reviews_praise_and_blame_by_turns_and_no_test_row_is_read() -> Result<()> {
        let texts = Texts::read(&data())?;
        for (language, name) in LANGUAGES.iter().enumerate() {
            let reviews: Vec<Review> = (0..200).map(|i| texts.review(language, i)).collect();
            assert!(reviews.iter().enumerate().all(|(i, review)| review.positive == (i % 2 == 0)), "{name}");
            let mut distinct: Vec<&str> = reviews.iter().map(|review| review.text.as_str()).collect();
            distinct.sort_unstable();
            distinct.dedup();
            assert!(distinct.len() > 190, "{name}: {} of 200 differ", distinct.len());
        }
        let tests = [("es/resenas.csv", "texto", ("parte", "prueba")), ("en/reviews.csv", "text", ("split", "test"))];
        for (language, (file, column, only)) in tests.into_iter().enumerate() {
            let held_out = column_of(&data().join(file), column, Some(only))?;
            assert_eq!(held_out.len(), 400);
            assert!(held_out.iter().all(|text| !texts.written[language].contains(text)), "{file}");
        }
        Ok(())
    }

    #[test]
    fn a_text_is_always_the_same_one_and_training_sees_none_that_it_is_measured_on() -> Result<()> {
        let texts = Texts::read(&data())?;
        assert_eq!(
            (0..50).map(|i| texts.text(i)).collect::<Vec<_>>(),
            (0..50).map(|i| texts.text(i)).collect::<Vec<_>>()
        );
        assert_ne!(texts.held_out(3), (0..3).map(|i| texts.text(i)).collect::<Vec<_>>());
        Ok(())
    }
}
