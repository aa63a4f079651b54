//! Summaries made of the text's own sentences: the first ones, or those that matter most.

mod parts;
mod rank;
mod sentences;

use crate::baseline::{dot, Tfidf, TfidfConfig};
use crate::embedder::Embedder;
use crate::error::{Error, ErrorKind, Result, Settings};
use crate::look::shown;
use crate::show::{escape, Html, Progress};
use crate::sys::{stopped, stopped_error};

pub use parts::split_parts;
pub use sentences::{sentence_lines, split_sentences};

/// How sentences are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ranking {
    /// By how many others resemble them, and how much those matter themselves.
    #[default]
    TextRank,
    /// By how near they are to the middle of the text.
    Centroid,
}

/// Settings of extractive summaries.
#[derive(Clone, Debug)]
pub struct ExtractConfig {
    /// At most this many sentences (3).
    pub sentences: usize,
    /// At most this many words (0: no limit). A sentence that does not fit is passed over.
    pub max_words: usize,
    /// How sentences are scored (`Ranking::TextRank`); `Ranking::Centroid` is the other.
    pub ranking: Ranking,
    /// How much a sentence loses that resembles one already chosen (0.3): 0 nothing, 1 its score does not count at all.
    pub diversity: f64,
}

impl Default for ExtractConfig {
    fn default() -> Self {
        Self { sentences: 3, max_words: 0, ranking: Ranking::TextRank, diversity: 0.3 }
    }
}

impl ExtractConfig {
    fn check(&self) -> Result<()> {
        let mut all = Settings::of("ExtractConfig");
        all.must(self.sentences >= 1, format!("sentences = {} (1, 2, 3, ...)", self.sentences));
        all.must((0.0..=1.0).contains(&self.diversity), format!("diversity = {} (0.0 ... 1.0)", self.diversity));
        all.check()
    }
}

/// A text with the sentences that were chosen from it.
#[derive(Clone, Debug)]
pub struct Extract {
    /// The text's sentences.
    pub sentences: Vec<String>,
    /// Each sentence's score; higher matters more.
    pub scores: Vec<f64>,
    /// The places of the chosen ones, from 0, in the text's order.
    pub chosen: Vec<usize>,
}

/// The first `count` sentences of a text: of news, hard to beat.
pub fn lead_n(text: &str, count: usize) -> String {
    let mut sentences = split_sentences(text);
    sentences.truncate(count);
    sentences.join(" ")
}

/// The first `count` sentences of each text.
pub fn lead_all(texts: &[String], count: usize) -> Vec<String> {
    texts.iter().map(|text| lead_n(text, count)).collect()
}

/// The sentences of a text that matter most, by the words that they share (TF-IDF).
///
/// # Errors
/// When the text has no sentence, or a setting does not work.
pub fn extract(text: &str, config: &ExtractConfig) -> Result<Extract> {
    config.check()?;
    let sentences = sentences_of(text)?;
    // Signs and single letters make no words: such sentences resemble none.
    let alike = match Tfidf::fit(&sentences, &TfidfConfig::default()) {
        Err(_) => vec![vec![0.0; sentences.len()]; sentences.len()],
        Ok(tfidf) => {
            let rows: Vec<_> = sentences.iter().map(|sentence| tfidf.transform(sentence)).collect();
            rows.iter().map(|one| rows.iter().map(|other| dot(one, other)).collect()).collect()
        }
    };
    Ok(chosen(sentences, &alike, config))
}

/// As [`extract`], where sentences are alike when a model says so.
///
/// # Errors
/// As [`extract`].
pub fn extract_with(text: &str, embedder: &Embedder, config: &ExtractConfig) -> Result<Extract> {
    config.check()?;
    let sentences = sentences_of(text)?;
    let vectors = embedder.embed(&sentences)?.vectors;
    Ok(chosen(sentences, &cosines(&vectors), config))
}

/// How alike any two of some vectors of length 1 are.
fn cosines(vectors: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let cosine = |a: &Vec<f32>, b: &Vec<f32>| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    vectors.iter().map(|one| vectors.iter().map(|other| cosine(one, other)).collect()).collect()
}

/// The summaries of many texts, by TF-IDF.
///
/// # Errors
/// As [`extract`], with the row.
pub fn extract_all(texts: &[String], config: &ExtractConfig) -> Result<Vec<String>> {
    each(texts, &|text| Ok(extract(text, config)?.summary()))
}

/// The summaries of many texts, by a model's vectors.
///
/// # Errors
/// As [`extract`], with the row.
pub fn extract_all_with(texts: &[String], embedder: &Embedder, config: &ExtractConfig) -> Result<Vec<String>> {
    config.check()?;
    let split = |(row, text): (usize, &String)| sentences_of(text).map_err(|error| of_row(error, row));
    let sentences: Vec<Vec<String>> = texts.iter().enumerate().map(split).collect::<Result<_>>()?;
    // All at once: the model reads sentences of several texts side by side.
    let vectors = embedder.embed(&sentences.concat())?.vectors;
    let (mut summaries, mut at) = (Vec::with_capacity(texts.len()), 0);
    for sentences in sentences {
        let end = at + sentences.len();
        summaries.push(chosen(sentences, &cosines(&vectors[at..end]), config).summary());
        at = end;
    }
    Ok(summaries)
}

fn each(texts: &[String], summary: &dyn Fn(&str) -> Result<String>) -> Result<Vec<String>> {
    let mut progress = Progress::start(&tr!("Eligiendo oraciones", "Choosing sentences"), texts.len());
    let mut summaries = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        if stopped() {
            return Err(stopped_error(
                tr!("Parado antes de resumir todos los textos.", "Stopped before all texts were summarized."),
                tr!("Da menos textos.", "Give fewer texts."),
            ));
        }
        summaries.push(summary(text).map_err(|error| of_row(error, row))?);
        progress.update(row + 1, &tr!("textos", "texts"));
    }
    progress.end(&tr!("textos", "texts"));
    Ok(summaries)
}

fn of_row(error: Error, row: usize) -> Error {
    match error.kind() {
        ErrorKind::BadData => error.why(tr!("fila {}", "row {}", row + 1)),
        _ => error,
    }
}

fn sentences_of(text: &str) -> Result<Vec<String>> {
    let sentences = split_sentences(text);
    if sentences.is_empty() {
        return Err(Error::new(
            ErrorKind::BadData,
            tr!("El texto no tiene ninguna oración.", "The text has no sentence."),
        )
        .next(tr!("Quita los textos vacíos.", "Leave out empty texts.")));
    }
    Ok(sentences)
}

fn chosen(sentences: Vec<String>, alike: &[Vec<f64>], config: &ExtractConfig) -> Extract {
    let scores = match config.ranking {
        Ranking::TextRank => rank::text_rank(alike),
        Ranking::Centroid => rank::centroid(alike),
    };
    let mut words = 0;
    let mut fits = |i: usize| {
        let more = sentences[i].split_whitespace().count();
        let fits = config.max_words == 0 || words + more <= config.max_words;
        words += if fits { more } else { 0 };
        fits
    };
    let chosen = rank::choose(&scores, alike, config.sentences, config.diversity, &mut fits);
    Extract { sentences, scores, chosen }
}

impl Extract {
    /// The chosen sentences, in the text's order.
    pub fn summary(&self) -> String {
        self.chosen.iter().map(|i| self.sentences[*i].as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The text with its chosen sentences marked, as a page shows it and in plain text.
    pub fn html(&self) -> Html {
        let (mut html, mut plain) = (String::new(), String::new());
        for (i, sentence) in self.sentences.iter().enumerate() {
            let text = escape(sentence);
            match self.chosen.contains(&i) {
                true => {
                    html += &format!("<b style=\"background:rgba(230,159,0,.25)\">▸ {text}</b> ");
                    plain += &format!("▸ {sentence}\n");
                }
                false => {
                    html += &format!("<span style=\"opacity:.75\">{text}</span> ");
                    plain += &format!("  {sentence}\n");
                }
            }
        }
        let (count, all) = (self.chosen.len(), self.sentences.len());
        let legend = match count == all {
            true => tr!(
                "El texto no tiene más de {all} oraciones: el resumen es el texto entero.",
                "The text has no more than {all} sentences: the summary is the whole text."
            ),
            false => tr!("▸ {count} de {all} oraciones", "▸ {count} of {all} sentences"),
        };
        let html = format!(
            "<p style=\"max-width:48em;line-height:1.6\">{html}</p><p style=\"opacity:.75\">{}</p>",
            escape(&legend)
        );
        Html { html, plain: format!("{plain}{legend}") }
    }
}

shown!(Extract);
