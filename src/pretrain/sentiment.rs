//! The sentiment that ships: `lector` with a head that tells praise from blame, learned from reviews.

use std::fmt::Write;
use std::path::Path;

use super::report::sha256;
use super::texts::{column_of, Texts, LANGUAGES};
use crate::baseline::Baseline;
use crate::classifier::Classifier;
use crate::error::Result;
use crate::history::History;
use crate::metrics::classification_report;
use crate::save::write_file;
use crate::sys;
use crate::train::{fine_tune, TrainConfig};

/// Generated reviews of each language, beside the hand-written ones.
const GENERATED: u64 = 1_000;
/// How often a hand-written review stands among them: they are few, and they are what real ones look like.
const WRITTEN: usize = 3;
/// The labels, as sentiment models of the Hub name them.
const LABELS: [&str; 2] = ["NEGATIVE", "POSITIVE"];

/// Learns the sentiment on the encoder in `encoder` and writes it, with its card, to the folder `out`.
pub fn pretrain_sentiment(encoder: &Path, out: &Path, data: &Path, seed: u64) -> Result<()> {
    let mut classifier = Classifier::new(&encoder.to_string_lossy(), &LABELS)?;
    let (texts, labels) = lessons(&Texts::read(data)?, data)?;
    let all = classifier.dataset(&texts, &labels, classifier.max_tokens())?;
    let (train, valid) = all.split(0.95, seed)?;
    let config = TrainConfig { epochs: 2, batch_size: 32, learning_rate: 3e-4, seed, ..TrainConfig::default() };
    let history = fine_tune(&mut classifier, &train, &valid, &config)?;
    classifier.save(&out.to_string_lossy())?;
    let card = card(&classifier, out, data, &history, train.len())?;
    write_file(&out.join("README.md"), card.as_bytes())?;
    println!("{card}");
    Ok(())
}

/// What it learns from: reviews of the grammars and the hand-written ones that are for training, with their labels.
fn lessons(texts: &Texts, data: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let mut pairs = Vec::new();
    for language in 0..LANGUAGES.len() {
        let generated = (0..GENERATED).map(|i| texts.review(language, i));
        pairs.extend(generated.map(|review| (review.text, label(review.positive))));
        let (written, labels) = written(data, language, true)?;
        for pair in written.into_iter().zip(labels) {
            pairs.extend(std::iter::repeat_n(pair, WRITTEN));
        }
    }
    Ok(pairs.into_iter().unzip())
}

fn label(positive: bool) -> String {
    LABELS[usize::from(positive)].to_string()
}

/// Hand-written reviews and their labels: those for training, or those for testing.
fn written(data: &Path, language: usize, training: bool) -> Result<(Vec<String>, Vec<String>)> {
    let (file, text, verdict, part, parts) = match language {
        0 => ("es/resenas.csv", "texto", "sentimiento", "parte", ["prueba", "entrenar"]),
        _ => ("en/reviews.csv", "text", "sentiment", "split", ["test", "train"]),
    };
    let only = Some((part, parts[usize::from(training)]));
    let verdicts = column_of(&data.join(file), verdict, only)?;
    let labels = verdicts.iter().map(|verdict| label(verdict.starts_with("posi"))).collect();
    Ok((column_of(&data.join(file), text, only)?, labels))
}

fn card(classifier: &Classifier, out: &Path, data: &Path, history: &History, rows: usize) -> Result<String> {
    Ok(format!(
        "# lector-sentiment\n\n\
         The encoder `lector` (`../lector/README.md`) with a head that tells praise ({}) from blame ({}), so that this works \
         with no network. Made by this project with `aula pretrain sentiment`; licensed with it (MIT OR Apache-2.0).\n\n\
         | | |\n| --- | --- |\n\
         | learned from | {rows} reviews: {GENERATED} of each language from a grammar (`data/reviews`), and {WRITTEN} times each \
         hand-written one that is for training |\n\
         | time | {:.0} s on {} threads |\n\
         | processor | {} |\n\
         | SHA-256 of model.safetensors | `{}` |\n\n\
         Right, and macro-F1, on the hand-written test reviews, which nothing was trained on. TF-IDF with logistic regression, \
         beside it, learned from the hand-written training reviews of that language alone.\n\n{}\n\
         What it is not: it knows few words. For real work in English, fine-tune all-MiniLM-L6-v2 as lesson 5 does; in Spanish, \
         a model of the Hub that has read Spanish.\n",
        LABELS[1],
        LABELS[0],
        history.seconds,
        sys::threads(),
        sys::processor(),
        sha256(&out.join("model.safetensors"))?,
        table(classifier, data)?,
    ))
}

fn table(classifier: &Classifier, data: &Path) -> Result<String> {
    let mut table = String::from(
        "| language | rows | right | macro-F1 | TF-IDF: right | TF-IDF: macro-F1 |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (language, name) in LANGUAGES.iter().enumerate() {
        let (texts, truth) = written(data, language, false)?;
        let (seen, labels) = written(data, language, true)?;
        let guesses = |said: Vec<crate::metrics::Prediction>| said.into_iter().map(|one| one.label).collect::<Vec<_>>();
        let ours = classification_report(&truth, &guesses(classifier.predict_all(&texts)?))?;
        let tfidf = Baseline::tfidf(&seen, &labels)?;
        let tfidf = classification_report(&truth, &guesses(tfidf.predict_all(&texts)?))?;
        let _ = writeln!(
            table,
            "| {name} | {} | {:.3} | {:.3} | {:.3} | {:.3} |",
            truth.len(),
            ours.accuracy,
            ours.macro_f1,
            tfidf.accuracy,
            tfidf.macro_f1
        );
    }
    Ok(table)
}
