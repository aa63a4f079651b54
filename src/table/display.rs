//! How a table looks in a cell.

use super::Table;
use crate::show::{cut, display, html_table, plain_table, Html};
use polars::prelude::{AnyValue, Column, DataType};
use std::fmt;

/// Rows that a cell shows.
const ROWS: usize = 10;
/// Columns whose type is told.
const TYPES: usize = 12;
/// Characters of a value that are worth carrying to the screen.
const CHARS: usize = 1_000;

impl Table {
    /// Shows the first 10 rows, the size and the columns' types in a notebook's cell.
    pub fn evcxr_display(&self) {
        let (headers, rows, caption) = (self.columns(), self.first_rows(), self.caption());
        display(&html_table(&headers, &rows, &caption), &plain_table(&headers, &rows, &caption));
    }

    /// The first rows as a page shows them under `caption`, and in plain text.
    pub(crate) fn html_with(&self, caption: &str) -> Html {
        Html::table(&self.columns(), &self.first_rows(), caption)
    }

    fn first_rows(&self) -> Vec<Vec<String>> {
        let columns = self.polars_columns();
        (0..self.height().min(ROWS)).map(|row| columns.iter().map(|column| value(column, row)).collect()).collect()
    }

    fn caption(&self) -> String {
        let (rows, columns) = (count(self.height()), self.width());
        let size = match (self.height(), columns) {
            (1, 1) => tr!("1 fila × 1 columna", "1 row × 1 column"),
            (_, 1) => tr!("{rows} filas × 1 columna", "{rows} rows × 1 column"),
            (1, _) => tr!("1 fila × {columns} columnas", "1 row × {columns} columns"),
            _ => tr!("{rows} filas × {columns} columnas", "{rows} rows × {columns} columns"),
        };
        let columns = self.polars_columns().iter();
        let mut types: Vec<String> =
            columns.take(TYPES).map(|column| format!("{}: {}", column.name(), in_words(column.dtype()))).collect();
        if self.width() > TYPES {
            types.push("…".into());
        }
        let more = match self.height() > ROWS {
            true => tr!(" · se ven las {ROWS} primeras", " · the first {ROWS} are shown"),
            false => String::new(),
        };
        format!("{size}{more} · {}", types.join(", "))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain_table(&self.columns(), &self.first_rows(), &self.caption()))
    }
}

fn value(column: &Column, row: usize) -> String {
    match column.get(row) {
        Ok(AnyValue::Null) | Err(_) => "—".into(),
        Ok(AnyValue::String(text)) => cut(text, CHARS),
        Ok(AnyValue::StringOwned(text)) => cut(&text, CHARS),
        Ok(other) => cut(&other.to_string(), CHARS),
    }
}

/// A column's type as people say it.
pub(crate) fn in_words(dtype: &DataType) -> String {
    match dtype {
        DataType::String => tr!("texto", "text"),
        DataType::Boolean => tr!("sí o no", "yes or no"),
        dtype if dtype.is_integer() => tr!("número entero", "whole number"),
        dtype if dtype.is_float() => tr!("número decimal", "decimal number"),
        DataType::Null => tr!("vacía", "empty"),
        other => other.to_string(),
    }
}

/// A count with its thousands apart: `1,000,000` in English, with thin spaces in Spanish.
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let apart = if crate::lang::spanish() { "\u{202f}" } else { "," };
    // In Spanish four digits stay together.
    if digits.len() <= 3 || (crate::lang::spanish() && digits.len() == 4) {
        return digits;
    }
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(apart)
}
