//! What a model must beat: always the same label, the length of the text alone, a bag of words with logistic regression.

mod lbfgs;
mod logistic;
mod reports;
mod tfidf;

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, shown};
use crate::metrics::{check_same_length, inspect_labels, one_class, Prediction};
use crate::show::{say, Html, Progress};
use crate::sys::{stopped, stopped_error};
use logistic::Logistic;

pub use reports::baseline_reports;
pub use tfidf::{dot, SparseRow, Tfidf, TfidfConfig};

/// A classifier that takes seconds to train and no model at all.
#[derive(Clone, Debug)]
pub struct Baseline {
    name: String,
    labels: Vec<String>,
    several: bool,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// The same scores for every text.
    Constant(Vec<f64>),
    /// Letters and words of a text, each less its mean and over its spread.
    Length(Vec<Logistic>, [(f64, f64); 2]),
    Words(Vec<Logistic>, Tfidf),
}

/// The words that weigh most for a label, and most against it.
#[derive(Clone, Debug)]
pub struct WordWeights {
    /// The label.
    pub label: String,
    /// Words with their weights, the heaviest first.
    pub for_it: Vec<(String, f64)>,
    /// Words that speak against it, the heaviest first.
    pub against: Vec<(String, f64)>,
}

/// The labels of some texts as places in a list of names.
struct Known {
    labels: Vec<String>,
    rows: Vec<Vec<usize>>,
    several: bool,
}

impl Known {
    fn single(labels: &[String]) -> Result<Self> {
        inspect_labels(labels)?.warnings.iter().for_each(|warning| say(&format!("⚠ {warning}")));
        let rows: Vec<Vec<String>> = labels.iter().map(|label| vec![label.clone()]).collect();
        Ok(Self { several: false, ..Self::several(&rows)? })
    }

    fn several(rows: &[Vec<String>]) -> Result<Self> {
        inspect_labels(&rows.concat())?;
        let names: BTreeSet<&String> = rows.iter().flatten().collect();
        let labels: Vec<String> = names.into_iter().cloned().collect();
        let place = |label: &String| labels.iter().position(|known| known == label);
        let rows = rows.iter().map(|row| row.iter().filter_map(place).collect()).collect();
        Ok(Self { labels, rows, several: true })
    }

    /// The share of rows that have each label.
    fn shares(&self) -> Vec<f64> {
        let with = |label: usize| self.rows.iter().filter(|row| row.contains(&label)).count() as f64;
        (0..self.labels.len()).map(|label| with(label) / self.rows.len() as f64).collect()
    }

    /// A regression for all labels, or where a row may have several one for each.
    fn regressions(&self, rows: &[SparseRow], features: usize, freedom: f64) -> Result<Vec<Logistic>> {
        let fit = |classes: &[usize], count| Logistic::fit(rows, classes, count, features, freedom);
        let mut all = Vec::new();
        if !self.several {
            if let [only] = self.labels.as_slice() {
                return Err(one_class(only).next(tr!(
                    "Junta filas de otra clase, o usa Baseline::majority.",
                    "Gather rows of another class, or use Baseline::majority."
                )));
            }
            let classes: Vec<usize> = self.rows.iter().map(|row| row[0]).collect();
            all.push(fit(&classes, self.labels.len()));
        } else {
            for label in 0..self.labels.len() {
                let classes: Vec<usize> = self.rows.iter().map(|row| usize::from(row.contains(&label))).collect();
                all.push(fit(&classes, 2));
            }
        }
        if all.iter().any(|one| !one.converged) {
            if stopped() {
                return Err(stopped_error(
                    tr!("La regresión se paró antes de terminar.", "The regression was stopped before its end."),
                    tr!(
                        "Con menos textos, o min_texts: 2, termina antes.",
                        "With fewer texts, or min_texts: 2, it ends sooner."
                    ),
                ));
            }
            say(&tr!(
                "⚠ La regresión no llegó del todo al mínimo.",
                "⚠ The regression did not quite reach its minimum."
            ));
        }
        Ok(all)
    }
}

impl Baseline {
    /// Always the most frequent label.
    ///
    /// # Errors
    /// When there are no labels, or they are no classes.
    pub fn majority(labels: &[String]) -> Result<Self> {
        Ok(Self::constant(Known::single(labels)?, tr!("mayoría", "majority")))
    }

    /// As [`Baseline::majority`] of several labels a text: the score of each label is the share of texts that have it.
    pub fn multi_label_majority(labels: &[Vec<String>]) -> Result<Self> {
        Ok(Self::constant(Known::several(labels)?, tr!("mayoría", "majority")))
    }

    fn constant(known: Known, name: String) -> Self {
        let shares = known.shares();
        Self { name, labels: known.labels, several: known.several, kind: Kind::Constant(shares) }
    }

    /// Always `label`, which must be among the labels.
    ///
    /// # Errors
    /// When it is not.
    pub fn always(label: &str, labels: &[String]) -> Result<Self> {
        let known = Known::single(labels)?;
        let Some(at) = known.labels.iter().position(|known| known == label) else {
            let all = crate::table::listed(&known.labels, 10);
            return Err(Error::new(
                ErrorKind::NotFound,
                tr!("Ninguna fila tiene la etiqueta {label:?}.", "No row has the label {label:?}."),
            )
            .next(tr!("Hay: {all}.", "There are: {all}.")));
        };
        let scores = (0..known.labels.len()).map(|i| f64::from(u8::from(i == at))).collect();
        let name = tr!("siempre {label}", "always {label}");
        Ok(Self { name, labels: known.labels, several: false, kind: Kind::Constant(scores) })
    }

    /// By the length of a text alone: what it reaches, a model has not understood.
    ///
    /// # Errors
    /// When there is not one label for each text, or only one class.
    pub fn length(texts: &[String], labels: &[String]) -> Result<Self> {
        Self::by_length(texts, Known::single(labels)?)
    }

    /// As [`Baseline::length`], with any number of labels a text.
    pub fn multi_label_length(texts: &[String], labels: &[Vec<String>]) -> Result<Self> {
        Self::by_length(texts, Known::several(labels)?)
    }

    fn by_length(texts: &[String], known: Known) -> Result<Self> {
        check_same_length(known.rows.len(), texts.len())?;
        let lengths: Vec<[f64; 2]> = texts.iter().map(|text| lengths(text)).collect();
        let scale = [0, 1].map(|i| {
            let mean = lengths.iter().map(|row| row[i]).sum::<f64>() / lengths.len() as f64;
            let variance = lengths.iter().map(|row| (row[i] - mean).powi(2)).sum::<f64>() / lengths.len() as f64;
            (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
        });
        let rows: Vec<SparseRow> = lengths.iter().map(|row| scaled(row, &scale)).collect();
        let kind = Kind::Length(known.regressions(&rows, 2, 1.0)?, scale);
        Ok(Self { name: tr!("solo el largo", "length only"), labels: known.labels, several: known.several, kind })
    }

    /// By the words of a text: TF-IDF and logistic regression, as scikit-learn's with its defaults.
    ///
    /// # Errors
    /// When there is not one label for each text, only one class, or no words.
    pub fn tfidf(texts: &[String], labels: &[String]) -> Result<Self> {
        Self::tfidf_with(texts, labels, &TfidfConfig::default())
    }

    /// As [`Baseline::tfidf`], with other settings.
    pub fn tfidf_with(texts: &[String], labels: &[String], config: &TfidfConfig) -> Result<Self> {
        Self::by_words(texts, Known::single(labels)?, config)
    }

    /// As [`Baseline::tfidf_with`], with any number of labels a text: a regression for each label.
    pub fn multi_label_tfidf(texts: &[String], labels: &[Vec<String>], config: &TfidfConfig) -> Result<Self> {
        Self::by_words(texts, Known::several(labels)?, config)
    }

    fn by_words(texts: &[String], known: Known, config: &TfidfConfig) -> Result<Self> {
        check_same_length(known.rows.len(), texts.len())?;
        let tfidf = Tfidf::fit(texts, config)?;
        let rows: Vec<SparseRow> = texts.iter().map(|text| tfidf.transform(text)).collect();
        let regressions = known.regressions(&rows, tfidf.features.len(), config.freedom)?;
        let name = tr!("TF-IDF + regresión logística", "TF-IDF + logistic regression");
        Ok(Self { name, labels: known.labels, several: known.several, kind: Kind::Words(regressions, tfidf) })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The labels, by name.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What it says of a text.
    pub fn predict(&self, text: &str) -> Prediction {
        let scores = match &self.kind {
            Kind::Constant(scores) => scores.clone(),
            Kind::Length(all, scale) => self.scores(all, &scaled(&lengths(text), scale)),
            Kind::Words(all, tfidf) => self.scores(all, &tfidf.transform(text)),
        };
        let scores = self.labels.iter().cloned().zip(scores.into_iter().map(|score| score as f32)).collect();
        Prediction::of(text, scores)
    }

    fn scores(&self, all: &[Logistic], row: &SparseRow) -> Vec<f64> {
        match self.several {
            true => all.iter().map(|one| one.probabilities(row)[1]).collect(),
            false => all[0].probabilities(row),
        }
    }

    /// What it says of each text, in their order.
    ///
    /// # Errors
    /// When the reader stops it.
    pub fn predict_all(&self, texts: &[String]) -> Result<Vec<Prediction>> {
        let mut progress = Progress::start(&self.name, texts.len());
        let mut all = Vec::with_capacity(texts.len());
        for text in texts {
            if stopped() {
                return Err(stopped_error(
                    tr!("Parado antes de ver todos los textos.", "Stopped before all texts were seen."),
                    tr!("Da menos textos.", "Give fewer texts."),
                ));
            }
            all.push(self.predict(text));
            progress.update(all.len(), &tr!("textos", "texts"));
        }
        progress.end(&tr!("textos", "texts"));
        Ok(all)
    }

    /// The words that weigh most for and against a label.
    ///
    /// # Errors
    /// When the baseline looks at no words, or does not know the label.
    pub fn words(&self, label: &str, count: usize) -> Result<WordWeights> {
        let place = self.labels.iter().position(|known| known == label);
        let (Kind::Words(all, tfidf), Some(place)) = (&self.kind, place) else {
            let known = crate::table::listed(&self.labels, 10);
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("{:?} no tiene palabras de {label:?}.", "{:?} has no words for {label:?}.", self.name),
            )
            .next(tr!(
                "Usa Baseline::tfidf y una de sus etiquetas: {known}.",
                "Use Baseline::tfidf and one of its labels: {known}."
            )));
        };
        let regression = if self.several { &all[place] } else { &all[0] };
        // One row of weights tells two classes apart: it speaks for the second.
        let (row, sign) = match regression.weights.as_slice() {
            [only] => (only, if self.several || place == 1 { 1.0 } else { -1.0 }),
            each => (&each[place], 1.0),
        };
        let mut order: Vec<usize> = (0..tfidf.features.len()).collect();
        order.sort_by(|a, b| (sign * row[*b]).total_cmp(&(sign * row[*a])));
        let pick = |places: &mut dyn Iterator<Item = &usize>, wanted: f64| -> Vec<(String, f64)> {
            let words = places.map(|i| (tfidf.features[*i].clone(), sign * row[*i]));
            words.filter(|word| word.1 * wanted > 0.0).take(count).collect()
        };
        let (for_it, against) = (pick(&mut order.iter(), 1.0), pick(&mut order.iter().rev(), -1.0));
        Ok(WordWeights { label: label.to_string(), for_it, against })
    }

    /// Shows what it is.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

impl std::fmt::Display for Baseline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, crate::table::listed(&self.labels, 10))
    }
}

fn lengths(text: &str) -> [f64; 2] {
    [text.chars().count(), text.split_whitespace().count()].map(|count| (1.0 + count as f64).ln())
}

fn scaled(lengths: &[f64; 2], scale: &[(f64, f64); 2]) -> SparseRow {
    (0..2).map(|i| (i as u32, (lengths[i] - scale[i].0) / scale[i].1)).collect()
}

impl WordWeights {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(&["a favor", "peso", "en contra", "peso"], &["for it", "weight", "against", "weight"]);
        let cells = |words: &[(String, f64)], i: usize| match words.get(i) {
            Some((word, weight)) => [word.clone(), format!("{weight:.2}")],
            None => [String::new(), String::new()],
        };
        let row = |i| [cells(&self.for_it, i), cells(&self.against, i)].concat();
        let rows: Vec<Vec<String>> = (0..self.for_it.len().max(self.against.len())).map(row).collect();
        let label = &self.label;
        Html::table(&headers, &rows, &tr!("Palabras que pesan para «{label}»", "Words that weigh for \"{label}\""))
    }
}

shown!(WordWeights);
