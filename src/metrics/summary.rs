//! How a summary uses its source: how short it is, how much of it is new wording.

use super::facts::check_all_facts;
use super::labels::with_warnings;
use super::words::{ngrams, words, Stemming};
use crate::error::Result;
use crate::look::{headers, shown};
use crate::show::Html;
use crate::table::count;

/// How some summaries use their sources.
#[derive(Clone, Debug)]
pub struct SummaryReport {
    /// Summaries.
    pub texts: usize,
    /// Mean words of a source, and of a summary.
    pub source_words: f64,
    /// See `source_words`.
    pub summary_words: f64,
    /// Mean of each summary's words over its source's.
    pub length_ratio: f64,
    /// Mean shares of rows of 1, 2 and 3 words that are not in the source: 0 copies, 1 says all in new words.
    pub novelty: [f64; 3],
    /// Of the numbers, dates and names, the share that the sources lack.
    pub missing_facts: f64,
    /// Summaries that are longer than their source, empty, or copied.
    pub warnings: Vec<String>,
}

/// Words of `text` over words of `reference`; 0 where the reference has none.
pub fn length_ratio(reference: &str, text: &str) -> f64 {
    let count = |text| words(text, Stemming::None).len() as f64;
    match count(reference) {
        0.0 => 0.0,
        all => count(text) / all,
    }
}

/// The share of the rows of `n` words of a text that do not stand in its source; 0 where it has none.
pub fn novelty(source: &str, text: &str, n: usize) -> f64 {
    let (source, text) = (words(source, Stemming::None), words(text, Stemming::None));
    let (known, rows) = (ngrams(&source, n), ngrams(&text, n));
    let all: usize = rows.values().sum();
    let new: usize = rows.iter().filter(|(row, _)| !known.contains_key(*row)).map(|(_, count)| count).sum();
    new as f64 / all.max(1) as f64
}

/// How each summary uses its source, over all of them.
///
/// # Errors
/// When there is not one source for each summary, or the reader stops it.
pub fn summary_report(sources: &[String], summaries: &[String]) -> Result<SummaryReport> {
    let facts = check_all_facts(sources, summaries)?;
    let pairs = || sources.iter().zip(summaries);
    let mean = |of: &dyn Fn(&str, &str) -> f64| pairs().map(|(a, b)| of(a, b)).sum::<f64>() / sources.len() as f64;
    let length = |text: &str| words(text, Stemming::None).len() as f64;
    let places = |wrong: &dyn Fn(&str, &str) -> bool| -> Vec<usize> {
        pairs().enumerate().filter(|(_, (a, b))| wrong(a, b)).map(|(i, _)| i + 1).collect()
    };
    let mut warnings = Vec::new();
    let longer = places(&|source, summary| length(summary) > length(source));
    if let Some(first) = longer.first() {
        let many = longer.len();
        warnings.push(tr!(
            "Resúmenes más largos que su texto: {many}, el primero en la fila {first}. ¿Están cambiadas las columnas?",
            "Summaries longer than their source: {many}, the first in row {first}. Are the columns swapped?"
        ));
    }
    let empty = places(&|_, summary| length(summary) == 0.0);
    if let Some(first) = empty.first() {
        let many = empty.len();
        warnings.push(tr!(
            "Resúmenes vacíos: {many}, el primero en la fila {first}. Quita esas filas o vuelve a escribirlos.",
            "Empty summaries: {many}, the first in row {first}. Leave those rows out or write them again."
        ));
    }
    Ok(SummaryReport {
        texts: summaries.len(),
        source_words: mean(&|source, _| length(source)),
        summary_words: mean(&|_, summary| length(summary)),
        length_ratio: mean(&length_ratio),
        novelty: [1, 2, 3].map(|n| mean(&|source, summary| novelty(source, summary, n))),
        missing_facts: facts.missing_share(),
        warnings,
    })
}

impl SummaryReport {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(
            &[
                "palabras del texto",
                "del resumen",
                "resumen/texto",
                "palabras nuevas",
                "pares nuevos",
                "tríos nuevos",
                "hechos que el texto no tiene",
            ],
            &[
                "words of a source",
                "of a summary",
                "summary/source",
                "new words",
                "new pairs",
                "new triples",
                "facts that the source lacks",
            ],
        );
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let mut row = vec![format!("{:.0}", self.source_words), format!("{:.0}", self.summary_words)];
        row.push(format!("{:.2}", self.length_ratio));
        row.extend(self.novelty.map(percent));
        row.push(percent(self.missing_facts));
        let texts = count(self.texts);
        let table = Html::table(&headers, &[row], &tr!("Medias de {texts} resúmenes", "Means of {texts} summaries"));
        with_warnings(table, &self.warnings)
    }
}

shown!(SummaryReport);
