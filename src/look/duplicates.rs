//! Texts that occur more than once, exactly or almost.

use super::minhash::{alike, mixed, plain};
use super::{headers, percent, shown};
use crate::error::{Error, ErrorKind, Result};
use crate::show::{cut, Html};
use crate::table::{map_texts, Table};
use std::collections::HashMap;

/// Pairs that a cell shows.
const SHOWN: usize = 10;

/// Texts of a column that occur more than once.
#[derive(Clone, Debug)]
pub struct Duplicates {
    /// The column.
    pub column: String,
    /// How many rows there are.
    pub rows: usize,
    /// Rows whose text occurs in a row above: what `Step::drop_duplicates` would take away.
    pub repeated: usize,
    /// Rows that are no exact copy but almost: what `Step::drop_near_duplicates` would take away besides.
    pub nearly: usize,
    /// Pairs of rows, the exact ones first, then from the most alike to the least.
    pub pairs: Vec<Pair>,
}

/// Two rows with the same text, or almost.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The number of the first row, counted from 0.
    pub first: usize,
    /// The number of the second row.
    pub second: usize,
    /// The share of stretches of five characters they have in common: 1 is the same text.
    pub similarity: f64,
    /// The first text.
    pub first_text: String,
    /// The second text.
    pub second_text: String,
}

/// What is equal for equal texts and, but for a chance of 1 in 10^19, different for others.
pub(crate) fn fingerprint(text: &str) -> u64 {
    let mut hash = text.len() as u64;
    let mut words = text.as_bytes().chunks_exact(8);
    for word in &mut words {
        hash = mixed(hash ^ u64::from_le_bytes(word.try_into().unwrap_or_default()));
    }
    let rest = words.remainder().iter().fold(1u64, |rest, byte| rest << 8 | u64::from(*byte));
    mixed(hash ^ rest)
}

/// Rows gathered by their text: for each row the first one that has the same text, or almost; itself where there is none.
pub(crate) struct Grouped {
    /// For each row the first with exactly its text; `None` where it has no text.
    pub(crate) exact: Vec<Option<usize>>,
    /// For each row the first of its group of texts that are almost the same.
    pub(crate) near: Vec<usize>,
    /// Pairs that are almost the same, with how alike they are.
    pub(crate) pairs: Vec<(usize, usize, f64)>,
}

/// Gathers rows by their text; `least` is how alike two texts of a group are at least, from 0 to 1. At 1 only equal
/// texts are gathered.
pub(crate) fn groups(texts: &polars::prelude::StringChunked, least: f64) -> Result<Grouped> {
    let keys = map_texts(texts, |text| text.filter(|text| !text.trim().is_empty()).map(fingerprint));
    let mut first: HashMap<u64, usize> = HashMap::with_capacity(keys.len());
    let exact: Vec<Option<usize>> =
        keys.iter().enumerate().map(|(row, key)| key.map(|key| *first.entry(key).or_insert(row))).collect();
    let mut near: Vec<usize> = exact.iter().enumerate().map(|(row, first)| first.unwrap_or(row)).collect();
    let mut pairs = Vec::new();
    if least < 1.0 {
        let (rows, plains): (Vec<usize>, Vec<String>) = map_texts(texts, |text| text.map(plain))
            .into_iter()
            .enumerate()
            .filter(|(row, _)| exact[*row] == Some(*row))
            .map(|(row, text)| (row, text.unwrap_or_default()))
            .unzip();
        for (a, b, similarity) in alike(&plains, least)? {
            let (a, b) = (rows[a].min(rows[b]), rows[a].max(rows[b]));
            join(&mut near, a, b);
            pairs.push((a, b, similarity));
        }
    }
    for row in 0..near.len() {
        near[row] = root(&near, row);
    }
    Ok(Grouped { exact, near, pairs })
}

fn root(near: &[usize], mut row: usize) -> usize {
    while near[row] != row {
        row = near[row];
    }
    row
}

/// The groups of two rows become one, named by its first row.
fn join(near: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(near, a), root(near, b));
    near[a.max(b)] = a.min(b);
}

/// Refuses a similarity that is no share.
pub(crate) fn check_similarity(similarity: f64) -> Result<()> {
    if (0.3..=1.0).contains(&similarity) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::BadSetting,
        tr!("Un parecido de {similarity} no sirve.", "A similarity of {similarity} does not work."),
    )
    .next(tr!(
        "Usa un número de 0.3 a 1: 0.8 encuentra textos casi iguales, 1 solo los iguales.",
        "Use a number from 0.3 to 1: 0.8 finds texts that are almost the same, 1 only equal ones."
    )))
}

impl Table {
    /// Texts of a column that occur more than once, and those that are almost the same: at least `similarity` (0.8, say)
    /// of their stretches of five characters in common. With 1 only equal texts are looked for, which is faster.
    ///
    /// # Errors
    /// When there is no such column, or `similarity` is not from 0.3 to 1.
    pub fn duplicates(&self, column: &str, similarity: f64) -> Result<Duplicates> {
        check_similarity(similarity)?;
        let texts = self.string_column(column)?;
        let found = groups(&texts, similarity)?;
        let copies = found
            .exact
            .iter()
            .enumerate()
            .filter_map(|(row, first)| first.filter(|first| *first != row).map(|first| (first, row, 1.0)));
        let mut pairs: Vec<(usize, usize, f64)> = copies.collect();
        let repeated = pairs.len();
        let mut near = found.pairs;
        near.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
        pairs.extend(near);
        let leading = |row: &usize| found.near[*row] != *row && found.exact[*row] == Some(*row);
        let nearly = (0..texts.len()).filter(leading).count();
        let text = |row| cut(texts.get(row).unwrap_or_default(), 300);
        let pair = |(first, second, similarity)| Pair {
            first,
            second,
            similarity,
            first_text: text(first),
            second_text: text(second),
        };
        let pairs = pairs.into_iter().map(pair).collect();
        Ok(Duplicates { column: column.to_string(), rows: texts.len(), repeated, nearly, pairs })
    }
}

impl Duplicates {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["fila", "otra fila", "parecido", "texto", "el otro texto"],
            &["row", "other row", "similarity", "text", "the other text"],
        );
        let line = |pair: &Pair| {
            let similarity = format!("{:.2}", pair.similarity);
            vec![
                pair.first.to_string(),
                pair.second.to_string(),
                similarity,
                pair.first_text.clone(),
                pair.second_text.clone(),
            ]
        };
        // Both kinds are to be seen, however many there are of one.
        let exact: Vec<&Pair> = self.pairs.iter().filter(|pair| pair.similarity >= 1.0).take(SHOWN / 2).collect();
        let near = self.pairs.iter().filter(|pair| pair.similarity < 1.0).take(SHOWN - exact.len());
        let rows: Vec<Vec<String>> = exact.into_iter().chain(near).map(line).collect();
        let (column, all, repeated, nearly) = (&self.column, self.rows, self.repeated, self.nearly);
        let share = percent(repeated + nearly, all);
        let caption = tr!(
            "«{column}»: de {all} filas, {repeated} repiten un texto y {nearly} casi lo repiten ({share})",
            "\"{column}\": of {all} rows, {repeated} repeat a text and {nearly} nearly do ({share})"
        );
        Html::table(&headers, &rows, &caption)
    }
}

shown!(Duplicates);
