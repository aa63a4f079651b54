//! What each column holds, in one line.

use super::{headers, number, percent, shown};
use crate::error::Result;
use crate::show::Html;
use crate::table::{count, in_words, map_texts, Table};
use polars::prelude::{Column, DataType};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a table's columns hold.
#[derive(Clone, Debug)]
pub struct Description {
    /// How many rows the table has.
    pub rows: usize,
    /// One line for each column.
    pub columns: Vec<ColumnSummary>,
}

/// What a column holds.
#[derive(Clone, Debug)]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// What its values are, in words: text, whole number, date.
    pub kind: String,
    /// Rows with no value. A text of blanks alone counts as one.
    pub missing: usize,
    /// How many different values there are.
    pub distinct: usize,
    /// What is measured below: the values of a column of numbers, else the characters of its texts.
    pub numeric: bool,
    /// The smallest number, or the length of the shortest text. NaN where there is no value at all.
    pub min: f64,
    /// The mean of the numbers or lengths.
    pub mean: f64,
    /// The largest number, or the length of the longest text.
    pub max: f64,
    /// Whether every row that has a value has the same one.
    pub constant: bool,
}

impl Table {
    /// What each column holds: its kind, what is missing, how many different values, and the least, mean and most of
    /// its numbers or of its texts' lengths.
    pub fn describe(&self) -> Result<Description> {
        let columns = self.polars_columns().iter().map(|column| self.summary(column)).collect::<Result<_>>()?;
        Ok(Description { rows: self.height(), columns })
    }

    fn summary(&self, column: &Column) -> Result<ColumnSummary> {
        let (name, dtype) = (column.name().to_string(), column.dtype());
        let numeric = dtype.is_primitive_numeric() || dtype == &DataType::Boolean;
        let mut seen = HashSet::new();
        let measured: Vec<f64> = match numeric {
            true => {
                let values: Vec<f64> = self.numbers(&name)?.into_iter().flatten().collect();
                seen.extend(values.iter().map(|value| value.to_bits()));
                values
            }
            false => self.lengths(column, &mut seen),
        };
        let min = measured.iter().copied().fold(f64::NAN, f64::min);
        let max = measured.iter().copied().fold(f64::NAN, f64::max);
        let mean = measured.iter().sum::<f64>() / measured.len() as f64;
        let (missing, distinct) = (self.height() - measured.len(), seen.len());
        Ok(ColumnSummary {
            name,
            kind: in_words(dtype),
            missing,
            distinct,
            numeric,
            min,
            mean,
            max,
            constant: distinct == 1,
        })
    }

    /// The lengths of a column's values as text; `seen` gathers what tells different values apart.
    fn lengths(&self, column: &Column, seen: &mut HashSet<u64>) -> Vec<f64> {
        let measure = |text: &str| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            (text.chars().count() as f64, hasher.finish())
        };
        let found: Vec<Option<(f64, u64)>> = match self.string_column(column.name()) {
            Ok(texts) => map_texts(&texts, |text| text.filter(|text| !text.trim().is_empty()).map(measure)),
            // A list has no text of its own; what polars writes for it tells values apart.
            Err(_) => {
                let value = |row: usize| column.get(row).ok().filter(|value| !value.is_null());
                (0..column.len()).map(|row| value(row).map(|value| measure(&value.to_string()))).collect()
            }
        };
        seen.extend(found.iter().flatten().map(|found| found.1));
        found.into_iter().flatten().map(|found| found.0).collect()
    }
}

impl Description {
    /// The line of a column.
    pub fn column(&self, name: &str) -> Option<ColumnSummary> {
        self.columns.iter().find(|column| column.name == name).cloned()
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["columna", "tipo", "faltan", "distintos", "se mide", "mínimo", "media", "máximo", "atención"],
            &["column", "kind", "missing", "distinct", "measured", "min", "mean", "max", "note"],
        );
        let rows: Vec<Vec<String>> = self.columns.iter().map(|column| self.line(column)).collect();
        let (rows_all, width) = (count(self.rows), self.columns.len());
        let caption = tr!("{rows_all} filas × {width} columnas", "{rows_all} rows × {width} columns");
        Html::table(&headers, &rows, &caption)
    }

    fn line(&self, column: &ColumnSummary) -> Vec<String> {
        let missing = match column.missing {
            0 => "0".to_string(),
            missing => format!("{missing} ({})", percent(missing, self.rows)),
        };
        let measured = if column.numeric { tr!("valor", "value") } else { tr!("largo", "length") };
        vec![
            column.name.clone(),
            column.kind.clone(),
            missing,
            count(column.distinct),
            measured,
            number(column.min),
            number(column.mean),
            number(column.max),
            self.note(column),
        ]
    }

    fn note(&self, column: &ColumnSummary) -> String {
        let present = self.rows - column.missing;
        match () {
            () if present == 0 => tr!("sin valores", "no values"),
            () if column.constant => tr!("un solo valor", "one single value"),
            () if column.distinct == present && present > 1 && !column.numeric => {
                tr!("todos distintos", "all different")
            }
            () => String::new(),
        }
    }
}

shown!(Description);
