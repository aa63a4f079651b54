//! ROUGE: how much of a reference stands in a summary, in words, pairs of words and longest common rows of words
//! (Lin, 2004). On ASCII texts the figures equal those of Google's `rouge-score`; letters with accents are letters here.

use std::collections::{BTreeSet, HashMap};

use super::interval::{bootstrap, paired_bootstrap, BootstrapConfig, Interval, PairedInterval};
use super::words::{ngrams, words, Stemming};
use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, shown};
use crate::show::{Html, Progress};
use crate::sys::{stopped, stopped_error};
use crate::table::count;

/// The measures by name.
pub(super) const ROUGES: [&str; 4] = ["rouge1", "rouge2", "rouge_l", "rouge_lsum"];

/// One of them of a summary.
type Part = fn(&Rouge) -> RougeScore;
const PARTS: [Part; 4] = [|one| one.rouge1, |one| one.rouge2, |one| one.rouge_l, |one| one.rouge_lsum];

/// How much of one text stands in another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RougeScore {
    /// The share of the summary that stands in the reference.
    pub precision: f64,
    /// The share of the reference that stands in the summary.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

/// ROUGE of a summary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rouge {
    /// Of single words.
    pub rouge1: RougeScore,
    /// Of pairs of words.
    pub rouge2: RougeScore,
    /// Of the longest row of words that both have in this order, with others between them.
    pub rouge_l: RougeScore,
    /// The same by lines: put each sentence on a line of its own. Without line breaks it equals `rouge_l`.
    pub rouge_lsum: RougeScore,
}

/// ROUGE of some summaries.
#[derive(Clone, Debug)]
pub struct RougeReport {
    /// What the summaries are called in comparisons; empty until [`RougeReport::named`].
    pub name: String,
    /// Each summary's figures.
    pub each: Vec<Rouge>,
    /// Mean F1 of single words.
    pub rouge1: f64,
    /// Mean F1 of pairs of words.
    pub rouge2: f64,
    /// Mean F1 of the longest common row.
    pub rouge_l: f64,
    /// Mean F1 of the longest common rows by lines.
    pub rouge_lsum: f64,
    /// Whether endings were cut.
    pub stemming: Stemming,
}

/// ROUGE of a summary against a reference, words as they are written.
///
/// ```
/// use aula::metrics::rouge_of;
/// let scores = rouge_of("el gato duerme al sol", "el gato come al sol");
/// assert!((scores.rouge1.f1 - 0.8).abs() < 1e-12);
/// assert_eq!(scores.rouge2.f1, 0.5);
/// ```
pub fn rouge_of(reference: &str, summary: &str) -> Rouge {
    rouge_of_with(reference, summary, Stemming::None)
}

/// As [`rouge_of`], with endings cut or not.
pub fn rouge_of_with(reference: &str, summary: &str, stemming: Stemming) -> Rouge {
    let (wanted, given) = (words(reference, stemming), words(summary, stemming));
    let lines = |text: &str| -> Vec<Vec<String>> {
        text.split('\n').filter(|line| !line.is_empty()).map(|line| words(line, stemming)).collect()
    };
    let common = common_rows(&wanted, &given).last().copied().unwrap_or(0) as usize;
    Rouge {
        rouge1: of_ngrams(&wanted, &given, 1),
        rouge2: of_ngrams(&wanted, &given, 2),
        rouge_l: score(common, given.len(), wanted.len()),
        rouge_lsum: by_lines(&lines(reference), &lines(summary)),
    }
}

/// ROUGE of each summary against its reference, words as they are written, and its means.
///
/// # Errors
/// When there is not one reference for each summary.
pub fn rouge(references: &[String], summaries: &[String]) -> Result<RougeReport> {
    rouge_with(references, summaries, Stemming::None)
}

/// As [`rouge`], with endings cut or not.
///
/// # Errors
/// As [`rouge`].
pub fn rouge_with(references: &[String], summaries: &[String], stemming: Stemming) -> Result<RougeReport> {
    super::check_same_length(references.len(), summaries.len())?;
    let mut progress = Progress::start("ROUGE", summaries.len());
    let mut each = Vec::with_capacity(summaries.len());
    for (reference, summary) in references.iter().zip(summaries) {
        if stopped() {
            return Err(stopped_error(
                tr!("Parado antes de medir todos los textos.", "Stopped before all texts were measured."),
                tr!("Mide menos textos, o más cortos.", "Measure fewer texts, or shorter ones."),
            ));
        }
        each.push(rouge_of_with(reference, summary, stemming));
        progress.update(each.len(), &tr!("textos", "texts"));
    }
    progress.end(&tr!("textos", "texts"));
    let mean = |of: Part| each.iter().map(|one| of(one).f1).sum::<f64>() / each.len() as f64;
    let (rouge1, rouge2) = (mean(|one| one.rouge1), mean(|one| one.rouge2));
    let (rouge_l, rouge_lsum) = (mean(|one| one.rouge_l), mean(|one| one.rouge_lsum));
    Ok(RougeReport { name: String::new(), rouge1, rouge2, rouge_l, rouge_lsum, each, stemming })
}

fn score(hits: usize, given: usize, wanted: usize) -> RougeScore {
    let (precision, recall) = (hits as f64 / given.max(1) as f64, hits as f64 / wanted.max(1) as f64);
    let f1 = if hits > 0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
    RougeScore { precision, recall, f1 }
}

fn of_ngrams(wanted: &[String], given: &[String], n: usize) -> RougeScore {
    let (in_wanted, in_given) = (ngrams(wanted, n), ngrams(given, n));
    let hits = in_wanted.iter().map(|(row, count)| *in_given.get(row).unwrap_or(&0).min(count)).sum();
    score(hits, (given.len() + 1).saturating_sub(n), (wanted.len() + 1).saturating_sub(n))
}

/// The length of the longest common row of the first i and the first j words, at place `i * (given + 1) + j`.
fn common_rows(wanted: &[String], given: &[String]) -> Vec<u32> {
    let width = given.len() + 1;
    let mut table = vec![0u32; (wanted.len() + 1) * width];
    for (i, word) in wanted.iter().enumerate() {
        for (j, other) in given.iter().enumerate() {
            table[(i + 1) * width + j + 1] = match word == other {
                true => table[i * width + j] + 1,
                false => table[i * width + j + 1].max(table[(i + 1) * width + j]),
            };
        }
    }
    table
}

/// The places in `wanted` of a longest common row.
fn places(wanted: &[String], given: &[String]) -> Vec<usize> {
    let (table, width) = (common_rows(wanted, given), given.len() + 1);
    let (mut i, mut j) = (wanted.len(), given.len());
    let mut places = Vec::new();
    while i > 0 && j > 0 {
        if wanted[i - 1] == given[j - 1] {
            places.push(i - 1);
            (i, j) = (i - 1, j - 1);
        } else if table[i * width + j - 1] > table[(i - 1) * width + j] {
            j -= 1;
        } else {
            i -= 1;
        }
    }
    places
}

/// Of each line of the reference the words that it shares with any line of the summary; no word counts twice.
fn by_lines(wanted: &[Vec<String>], given: &[Vec<String>]) -> RougeScore {
    fn counts(lines: &[Vec<String>]) -> HashMap<&str, usize> {
        let mut counts = HashMap::new();
        lines.iter().flatten().for_each(|word| *counts.entry(word.as_str()).or_default() += 1);
        counts
    }
    let (mut left_wanted, mut left_given) = (counts(wanted), counts(given));
    let mut hits = 0;
    for line in wanted {
        let shared: BTreeSet<usize> = given.iter().flat_map(|other| places(line, other)).collect();
        for place in shared {
            let word = line[place].as_str();
            if let (Some(one), Some(two)) = (left_wanted.get_mut(word), left_given.get_mut(word)) {
                if *one > 0 && *two > 0 {
                    (*one, *two) = (*one - 1, *two - 1);
                    hits += 1;
                }
            }
        }
    }
    score(hits, given.iter().map(Vec::len).sum(), wanted.iter().map(Vec::len).sum())
}

impl RougeReport {
    /// The same report with a name, for comparisons.
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.to_string(), ..self.clone() }
    }

    /// F1 of each summary by a measure: `"rouge1"`, `"rouge2"`, `"rouge_l"` or `"rouge_lsum"`.
    ///
    /// # Errors
    /// When there is no measure of that name.
    pub fn values(&self, measure: &str) -> Result<Vec<f64>> {
        let Some(at) = ROUGES.iter().position(|name| *name == measure) else {
            let known = ROUGES.join(", ");
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("No hay una medida {measure:?}.", "There is no measure {measure:?}."),
            )
            .next(tr!("Hay: {known}.", "There are: {known}.")));
        };
        Ok(self.each.iter().map(|one| PARTS[at](one).f1).collect())
    }

    /// The mean F1 of a measure with its 95 % interval over texts.
    ///
    /// # Errors
    /// As [`RougeReport::values`].
    pub fn interval(&self, measure: &str) -> Result<Interval> {
        let interval = bootstrap(&self.values(measure)?, &BootstrapConfig::default())?;
        Ok(Interval { name: measure.to_string(), ..interval })
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["medida", "precisión", "exhaustividad", "F1 [95 %]"],
            &["measure", "precision", "recall", "F1 [95 %]"],
        );
        let row = |(name, of): (&str, Part)| {
            let mean = |part: fn(RougeScore) -> f64| {
                let sum: f64 = self.each.iter().map(|one| part(of(one))).sum();
                format!("{:.3}", sum / self.each.len() as f64)
            };
            let f1 = self.interval(name).map(|interval| interval.short()).unwrap_or_default();
            vec![name.to_string(), mean(|score| score.precision), mean(|score| score.recall), f1]
        };
        let rows: Vec<Vec<String>> = ROUGES.into_iter().zip(PARTS).map(row).collect();
        let texts = count(self.each.len());
        let mut caption = if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) };
        caption += &match self.stemming {
            Stemming::None => tr!("ROUGE de {texts} textos", "ROUGE of {texts} texts"),
            _ => tr!("ROUGE de {texts} textos, sin terminaciones", "ROUGE of {texts} texts, endings cut"),
        };
        Html::table(&headers, &rows, &caption)
    }
}

shown!(RougeReport);

/// How much higher the second summaries' measure is than the first's, text by text: mean difference and interval.
///
/// # Errors
/// When the reports are not of as many texts, or there is no measure of that name.
pub fn compare_rouge(first: &RougeReport, second: &RougeReport, measure: &str) -> Result<PairedInterval> {
    paired_bootstrap(&first.values(measure)?, &second.values(measure)?, &BootstrapConfig::default())
}

/// Several reports of the same texts in one table, the mean F1 of each measure with its 95 % interval.
pub fn rouge_scoreboard(reports: &[RougeReport]) -> Result<super::Scoreboard> {
    let mut rows = Vec::new();
    for (i, report) in reports.iter().enumerate() {
        super::check_same_length(reports[0].each.len(), report.each.len())?;
        let mut row = vec![if report.name.is_empty() { (i + 1).to_string() } else { report.name.clone() }];
        for measure in ROUGES {
            row.push(report.interval(measure)?.short());
        }
        rows.push(row);
    }
    let count = reports.first().map_or(0, |report| report.each.len());
    Ok(super::Scoreboard::new(&ROUGES, rows, count))
}
