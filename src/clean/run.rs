//! Runs a recipe's steps over a table.
//!
//! Steps that rewrite the same column one after another are done in one pass, on all cores; rows that a step takes away
//! are marked and leave at the end, all at once.

use super::rewrite::rewritten;
use super::{Cleaned, Step, StepReport};
use crate::error::{Error, ErrorKind, Result};
use crate::look::{fingerprint, groups, guess, is_deleted, number, quantile, CODES, TRAITS};
use crate::show::{cut, Progress};
use crate::sys::{give_back_memory, stopped, stopped_error};
use crate::table::{counts, flags, map_rows, map_texts, numbers, polars_error, texts, watched_texts, Patch, Table};
use polars::prelude::{BooleanChunked, ChunkFilter, NewChunkedArray, StringChunked};
use std::collections::HashSet;

/// Rows that a pass does between two looks at the clock.
const AT_ONCE: usize = 1 << 13;
/// Rows that a report shows.
pub(super) const EXAMPLES: usize = 5;
/// Most steps that one pass does: a bit of a number for each.
const STEPS: usize = 32;

/// The name under which a column is kept as it was.
pub(super) fn original(column: &str) -> String {
    format!("{column}_original")
}

/// Applies `steps` to `table`. With `fit`, a step whose numbers are missing finds them on the rows it meets.
pub(super) fn run(steps: &mut [Step], table: &Table, fit: bool) -> Result<Cleaned> {
    steps.iter().try_for_each(Step::check)?;
    let progress = Progress::start(&tr!("Limpiando", "Cleaning"), steps.len());
    let mut state = State {
        before: table.clone(),
        table: table.clone(),
        alive: vec![true; table.height()],
        left: table.height(),
        gone: Vec::new(),
        reports: Vec::new(),
        progress,
    };
    let mut at = 0;
    while at < steps.len() {
        let rest = &steps[at..];
        let same = |step: &&Step| step.rewrites() && step.column() == rest[0].column();
        let together = rest.iter().take_while(same).count().clamp(1, STEPS);
        state.look_at_the_clock(at, &rest[0])?;
        match rest[0].rewrites() {
            true => state.rewrite(&steps[at..at + together], at)?,
            false => state.one(&mut steps[at], fit)?,
        }
        at += together;
    }
    state.finish()
}

pub(super) struct State {
    before: Table,
    pub(super) table: Table,
    /// Rows that no step took away.
    pub(super) alive: Vec<bool>,
    pub(super) left: usize,
    /// Rows that were taken away, with the step that did it.
    gone: Vec<(usize, String)>,
    reports: Vec<StepReport>,
    progress: Progress,
}

impl State {
    fn look_at_the_clock(&mut self, done: usize, step: &Step) -> Result<()> {
        if stopped() {
            let step = step.in_words();
            return Err(stopped_error(
                tr!("La limpieza se paró en «{step}».", "The cleaning was stopped at \"{step}\"."),
                tr!("Ejecuta la celda otra vez para hacerla entera.", "Run the cell again to do it all."),
            ));
        }
        self.progress.update(done, &step.in_words());
        Ok(())
    }

    /// Steps that rewrite one column, in one pass.
    fn rewrite(&mut self, steps: &[Step], done: usize) -> Result<()> {
        let name = steps[0].column().to_string();
        let column = self.table.string_column(&name)?;
        let mut new = Patch::new(&column);
        let mut changed = vec![0; steps.len()];
        let mut rows: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
        for start in (0..column.len()).step_by(AT_ONCE) {
            self.look_at_the_clock(done, &steps[0])?;
            let range = start..(start + AT_ONCE).min(column.len());
            let alive = &self.alive;
            let part = map_rows(&column, range, |row, text| {
                text.filter(|_| alive[row]).and_then(|text| rewritten(steps, text))
            });
            for (row, rewritten) in (start..).zip(part) {
                let Some((text, bits)) = rewritten else { continue };
                for step in (0..steps.len()).filter(|step| bits >> step & 1 == 1) {
                    changed[step] += 1;
                    if rows[step].len() < EXAMPLES {
                        rows[step].push(row);
                    }
                }
                new.set(row, &text);
            }
        }
        for (i, step) in steps.iter().enumerate() {
            let example = |row: &usize| {
                let text = column.get(*row).unwrap_or_default();
                let before = rewritten(&steps[..i], text).map_or(text.to_string(), |new| new.0);
                let after = step.rewrite(&before).unwrap_or_default();
                (before, after)
            };
            self.report(step, self.left, changed[i], rows[i].iter().map(example).collect());
        }
        if changed.iter().any(|changed| *changed > 0) {
            self.keep_original(&name)?;
            self.table = self.table.with_column(new.finish(&name)?)?;
        }
        // A pass makes and drops a text for each that it changes, and the allocator would keep their pages.
        give_back_memory();
        Ok(())
    }

    fn one(&mut self, step: &mut Step, fit: bool) -> Result<()> {
        let name = step.column().to_string();
        match step {
            Step::Winsorize { .. } => return self.winsorize(step, &name, fit),
            Step::LabelFromMedian { .. } => return self.label(step, &name, fit),
            Step::Lengths { .. } => return self.lengths(step, &name),
            Step::IsoDates { order, .. } => {
                let order = order.clone();
                return self.dates(step, &name, &order);
            }
            _ => {}
        }
        let column = self.table.string_column(&name)?;
        let dropped: Vec<bool> = match step {
            Step::Flag { what, .. } => {
                let what = what.clone();
                return self.flag(step, &name, &what, &column);
            }
            Step::DropMissing { .. } => map_texts(&column, |text| text.is_none_or(|text| text.trim().is_empty())),
            Step::DropDeleted { .. } => map_texts(&column, |text| text.is_some_and(is_deleted)),
            Step::DropShort { min_chars, .. } => {
                let least = *min_chars;
                map_texts(&column, |text| text.unwrap_or_default().chars().take(least).count() < least)
            }
            Step::DropLong { max_chars, .. } => {
                let most = *max_chars;
                map_texts(&column, |text| text.unwrap_or_default().chars().nth(most).is_some())
            }
            Step::KeepLanguage { language, .. } => {
                let wanted = language.clone();
                let title = tr!("Idioma de cada texto", "Language of each text");
                watched_texts(&title, &column, |text| {
                    text.and_then(|text| guess(text).0).is_some_and(|at| CODES[at] != wanted)
                })?
            }
            Step::DropDuplicates { .. } => self.duplicates(&column),
            Step::DropNearDuplicates { similarity, .. } => self.near_duplicates(&column, *similarity)?,
            _ => vec![false; column.len()],
        };
        self.take_away(step, &column, &dropped)
    }

    fn duplicates(&self, column: &StringChunked) -> Vec<bool> {
        let keys = map_texts(column, |text| text.filter(|text| !text.trim().is_empty()).map(fingerprint));
        let mut seen = HashSet::with_capacity(keys.len());
        let repeated = |(key, alive): (Option<u64>, &bool)| *alive && key.is_some_and(|key| !seen.insert(key));
        keys.into_iter().zip(&self.alive).map(repeated).collect()
    }

    fn near_duplicates(&self, column: &StringChunked, similarity: f64) -> Result<Vec<bool>> {
        let mask = BooleanChunked::from_slice("alive".into(), &self.alive);
        let found = groups(&column.filter(&mask).map_err(polars_error)?, similarity)?;
        let rows: Vec<usize> = (0..self.alive.len()).filter(|row| self.alive[*row]).collect();
        let mut dropped = vec![false; self.alive.len()];
        found.near.iter().enumerate().filter(|(i, first)| i != *first).for_each(|(i, _)| dropped[rows[i]] = true);
        Ok(dropped)
    }

    /// Marks rows as gone. Where none would be left, that is an error which names the step.
    fn take_away(&mut self, step: &Step, column: &StringChunked, dropped: &[bool]) -> Result<()> {
        let rows: Vec<usize> = (0..dropped.len()).filter(|row| dropped[*row] && self.alive[*row]).collect();
        let before = self.left;
        if rows.len() == before {
            let (step, name) = (step.in_words(), step.column());
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "No queda ninguna fila: el paso «{step}» de «{name}» quita las {before} que había.",
                    "No row is left: the step \"{step}\" of \"{name}\" drops all the {before} there were."
                ),
            )
            .next(tr!(
                "Cambia ese paso o quítalo; table.text_stats(\"{name}\")? dice cómo son los textos.",
                "Change that step or leave it out; table.text_stats(\"{name}\")? tells what the texts are like."
            )));
        }
        self.left -= rows.len();
        let words = step.in_words();
        let example = |row: &usize| (column.get(*row).unwrap_or_default().to_string(), "—".to_string());
        let examples = rows.iter().take(EXAMPLES).map(example).collect();
        for row in &rows {
            self.alive[*row] = false;
            self.gone.push((*row, words.clone()));
        }
        self.report(step, before, 0, examples);
        Ok(())
    }

    fn flag(&mut self, step: &Step, name: &str, what: &str, column: &StringChunked) -> Result<()> {
        let Some(look) = TRAITS.iter().find(|look| look.name == what) else { return Ok(()) };
        let has = map_texts(column, |text| text.is_some_and(look.holds));
        let rows: Vec<usize> = (0..has.len()).filter(|row| has[*row] && self.alive[*row]).collect();
        let example = |row: &usize| (column.get(*row).unwrap_or_default().to_string(), tr!("sí", "yes"));
        self.report(step, self.left, rows.len(), rows.iter().take(EXAMPLES).map(example).collect());
        self.add(&format!("{name}_{what}"), name, flags(&format!("{name}_{what}"), &has))
    }

    fn lengths(&mut self, step: &Step, name: &str) -> Result<()> {
        let column = self.table.string_column(name)?;
        let count = |text: Option<&str>| text.map(|text| (text.chars().count(), text.split_whitespace().count()));
        let lengths = map_texts(&column, count);
        let rows = (0..lengths.len()).filter(|row| self.alive[*row]).take(EXAMPLES);
        let example = |row: usize| {
            let (chars, words) = lengths[row].unwrap_or_default();
            (column.get(row).unwrap_or_default().to_string(), format!("{chars}, {words}"))
        };
        self.report(step, self.left, self.left, rows.map(example).collect());
        let (chars, words) = (format!("{name}_chars"), format!("{name}_words"));
        let part = |pick: fn((usize, usize)) -> usize| lengths.iter().map(move |both| both.map(pick));
        self.add(&chars, name, counts(&chars, part(|both| both.0)))?;
        self.add(&words, name, counts(&words, part(|both| both.1)))
    }

    /// The numbers of the rows that are left, in order.
    fn sorted(&self, values: &[Option<f64>], name: &str) -> Result<Vec<f64>> {
        let mut sorted: Vec<f64> =
            values.iter().zip(&self.alive).filter_map(|(value, alive)| value.filter(|_| *alive)).collect();
        if sorted.is_empty() {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("La columna «{name}» no tiene ningún número.", "The column \"{name}\" has no number at all."),
            )
            .next(tr!("Elige otra: table.describe()? las muestra.", "Choose another: table.describe()? shows them.")));
        }
        sorted.sort_by(f64::total_cmp);
        Ok(sorted)
    }

    fn winsorize(&mut self, step: &mut Step, name: &str, fit: bool) -> Result<()> {
        let values = self.table.numbers(name)?;
        let Step::Winsorize { low, high, limits, .. } = step else { return Ok(()) };
        if fit {
            let sorted = self.sorted(&values, name)?;
            *limits = Some((quantile(&sorted, *low), quantile(&sorted, *high)));
        }
        let Some((from, to)) = *limits else { return Ok(()) };
        let new: Vec<Option<f64>> = values.iter().map(|value| value.map(|value| value.clamp(from, to))).collect();
        let rows: Vec<usize> = (0..new.len()).filter(|row| self.alive[*row] && new[*row] != values[*row]).collect();
        let text = |value: Option<f64>| value.map_or("—".into(), number);
        let example = |row: &usize| (text(values[*row]), text(new[*row]));
        self.report(step, self.left, rows.len(), rows.iter().take(EXAMPLES).map(example).collect());
        if !rows.is_empty() {
            self.keep_original(name)?;
            self.table = self.table.with_column(numbers(name, &new))?;
        }
        Ok(())
    }

    fn label(&mut self, step: &mut Step, name: &str, fit: bool) -> Result<()> {
        let values = self.table.numbers(name)?;
        let Step::LabelFromMedian { label, names, median, .. } = step else { return Ok(()) };
        let label = label.clone();
        if fit {
            let sorted = self.sorted(&values, name)?;
            *median = Some(quantile(&sorted, 0.5));
            // Where the least value is the median too, nothing lies below it.
            if Some(sorted[0]) == *median {
                let (median, all) = (number(sorted[0]), sorted.len());
                return Err(Error::new(
                    ErrorKind::BadData,
                    tr!(
                        "La mediana de «{name}» no separa dos clases: ninguno de los {all} valores es menor que {median}.",
                        "The median of \"{name}\" does not part two classes: none of the {all} values is below {median}."
                    ),
                )
                .next(tr!("table.value_counts(\"{name}\")? muestra por qué; elige otra columna.", "table.value_counts(\"{name}\")? shows why; choose another column.")));
            }
        }
        let Some(median) = *median else { return Ok(()) };
        let name_of = |value: f64| if value >= median { names.1.as_str() } else { names.0.as_str() };
        let labels: Vec<Option<&str>> = values.iter().map(|value| value.map(name_of)).collect();
        let column = texts(&label, labels.iter().copied());
        let rows = (0..labels.len()).filter(|row| self.alive[*row] && labels[*row].is_some());
        let examples = rows
            .clone()
            .take(EXAMPLES)
            .map(|row| (values[row].map_or("—".into(), number), labels[row].unwrap_or_default().to_string()));
        let (examples, labelled) = (examples.collect(), rows.count());
        self.report(step, self.left, labelled, examples);
        self.add(&label, name, column)
    }

    /// A new column, made from `source`.
    fn add(&mut self, name: &str, source: &str, column: polars::prelude::Column) -> Result<()> {
        self.table = self.table.with_column(column)?;
        self.table.lineage_mut().made(name, source);
        Ok(())
    }

    /// Keeps a column as it was, the first time that a step changes it.
    pub(super) fn keep_original(&mut self, name: &str) -> Result<()> {
        let original = original(name);
        if self.table.column(&original).is_ok() {
            return Ok(());
        }
        let mut column = self.table.column(name)?.clone();
        column.rename(original.as_str().into());
        self.add(&original, name, column)
    }

    pub(super) fn report(&mut self, step: &Step, rows_before: usize, changed: usize, examples: Vec<(String, String)>) {
        let short = |text: String| cut(&text, 2_000);
        self.reports.push(StepReport {
            step: step.in_words(),
            column: step.column().to_string(),
            rows_before,
            rows_after: self.left,
            changed,
            examples: examples.into_iter().map(|(before, after)| (short(before), short(after))).collect(),
            note: None,
        });
    }

    /// Adds to the last report what its step left alone, and why.
    pub(super) fn note(&mut self, note: Option<String>) {
        if let Some(report) = self.reports.last_mut() {
            report.note = note;
        }
    }

    fn finish(mut self) -> Result<Cleaned> {
        self.gone.sort_by_key(|gone| gone.0);
        let rows: Vec<usize> = self.gone.iter().map(|gone| gone.0).collect();
        let words: Vec<String> = self.gone.iter().map(|gone| gone.1.clone()).collect();
        let removed = self.before.rows(&rows)?.with_texts(&tr!("paso", "step"), &words)?;
        give_back_memory();
        let table = if rows.is_empty() { self.table } else { self.table.into_kept(&self.alive)? };
        self.progress.end("");
        Ok(Cleaned { table, removed, steps: self.reports })
    }
}
