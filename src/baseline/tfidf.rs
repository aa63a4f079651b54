//! TF-IDF: a text as the words it holds, each the heavier the fewer texts have it. The numbers are those of
//! scikit-learn's `TfidfVectorizer`: words of two or more signs in small letters, `ln((1 + n) / (1 + df)) + 1`, length 1.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, ErrorKind, Result, Settings};

/// A text as numbers: the place of each feature that it has, in order, and its weight.
pub type SparseRow = Vec<(u32, f64)>;

/// Settings of TF-IDF.
#[derive(Clone, Debug)]
pub struct TfidfConfig {
    /// Longest rows of words that count as one feature (1). With 2, "not good" is a feature too.
    pub max_ngram: usize,
    /// Features that fewer texts have are left out (1). Try 2 where there are many texts.
    pub min_texts: usize,
    /// How free the weights are in a classifier (1.0): less holds them nearer to zero. scikit-learn's `C`.
    pub freedom: f64,
}

impl Default for TfidfConfig {
    fn default() -> Self {
        Self { max_ngram: 1, min_texts: 1, freedom: 1.0 }
    }
}

impl TfidfConfig {
    /// Names every setting outside its allowed values.
    pub(super) fn check(&self) -> Result<()> {
        let mut all = Settings::of("TfidfConfig");
        all.must((1..=5).contains(&self.max_ngram), format!("max_ngram = {} (1 ... 5)", self.max_ngram));
        all.must(self.min_texts >= 1, format!("min_texts = {} (1, 2, 5, ...)", self.min_texts));
        all.must(self.freedom > 0.0 && self.freedom <= 1e6, format!("freedom = {} (0.01 ... 100)", self.freedom));
        all.check()
    }
}

/// The words of some texts, with the weight of each.
#[derive(Clone, Debug)]
pub struct Tfidf {
    /// The features, in the order of the alphabet.
    pub features: Vec<String>,
    /// How much each weighs: more, the fewer texts have it.
    pub weights: Vec<f64>,
    places: HashMap<String, u32>,
    max_ngram: usize,
}

impl Tfidf {
    /// Learns words and weights from some texts.
    ///
    /// # Errors
    /// When no text has a word of two signs, or a setting does not work.
    pub fn fit(texts: &[String], config: &TfidfConfig) -> Result<Self> {
        config.check()?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for text in texts {
            let mut features = features(text, config.max_ngram);
            features.sort();
            features.dedup();
            features.into_iter().for_each(|feature| *counts.entry(feature).or_default() += 1);
        }
        counts.retain(|_, texts| *texts >= config.min_texts);
        if counts.is_empty() {
            let (texts, least) = (texts.len(), config.min_texts);
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "Ninguna palabra de dos o más letras está en {least} de los {texts} textos.",
                    "No word of two or more letters stands in {least} of the {texts} texts."
                ),
            )
            .next(tr!(
                "Mira si es la columna de los textos; con pocos textos usa min_texts: 1.",
                "Look whether it is the column of texts; with few texts use min_texts: 1."
            )));
        }
        let all = texts.len() as f64;
        let weights = counts.values().map(|with| ((1.0 + all) / (1.0 + *with as f64)).ln() + 1.0).collect();
        let places = counts.keys().cloned().zip(0..).collect();
        Ok(Self { features: counts.into_keys().collect(), weights, places, max_ngram: config.max_ngram })
    }

    /// A text as numbers, of length 1; empty where it has no known word.
    pub fn transform(&self, text: &str) -> SparseRow {
        let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
        for feature in features(text, self.max_ngram) {
            if let Some(place) = self.places.get(&feature) {
                *counts.entry(*place).or_default() += 1.0;
            }
        }
        let mut row: SparseRow =
            counts.into_iter().map(|(place, count)| (place, count * self.weights[place as usize])).collect();
        let length = row.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
        row.iter_mut().for_each(|(_, value)| *value /= length);
        row
    }
}

/// The words of a text, and the rows of them.
fn features(text: &str, max_ngram: usize) -> Vec<String> {
    let small = text.to_lowercase();
    let words: Vec<&str> =
        small.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.chars().nth(1).is_some()).collect();
    (1..=max_ngram).flat_map(|n| words.windows(n).map(|row| row.join(" ")).collect::<Vec<_>>()).collect()
}

/// The sum of the products of two rows: their cosine, as their length is 1.
pub fn dot(one: &SparseRow, other: &SparseRow) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while i < one.len() && j < other.len() {
        match one[i].0.cmp(&other[j].0) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                sum += one[i].1 * other[j].1;
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    sum
}
