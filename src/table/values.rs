//! A column's values as Rust holds them: texts, numbers, yes or no; and work on each of them, on all cores.

use super::{polars_error, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::show::Progress;
use crate::sys::{stopped, stopped_error};
use polars::prelude::{
    BooleanChunked, Column, DataType, Float64Chunked, IntoColumn, NewChunkedArray, StringChunked, StringChunkedBuilder,
    UInt32Chunked,
};
use rayon::prelude::*;
use std::ops::Range;

/// Rows between two looks at the clock.
const AT_ONCE: usize = 1 << 14;

/// What the one column of a text file is called, in Spanish and in English.
const TEXT: [&str; 2] = ["texto", "text"];

impl Table {
    /// Every row's value of a column as text, `None` where it is missing: as many as there are rows.
    ///
    /// # Errors
    /// When there is no such column, or its values cannot be written as text.
    pub fn strings(&self, column: &str) -> Result<Vec<Option<String>>> {
        Ok(map_texts(&self.string_column(column)?, |text| text.map(String::from)))
    }

    /// Every row's value of a column as a number, `None` where it is missing: as many as there are rows.
    ///
    /// Yes and no are 1 and 0.
    ///
    /// # Errors
    /// When there is no such column, or it is no column of numbers.
    pub fn numbers(&self, column: &str) -> Result<Vec<Option<f64>>> {
        let values = self.column(column)?;
        let dtype = values.dtype();
        if !(dtype.is_primitive_numeric() || dtype == &DataType::Boolean) {
            let kind = super::in_words(dtype);
            let numeric = super::listed(&self.number_columns(), 8);
            let error = Error::new(
                ErrorKind::BadData,
                tr!(
                    "La columna «{column}» no son números: es {kind}.",
                    "The column \"{column}\" is not numbers: it is {kind}."
                ),
            );
            return Err(error.next(match numeric.is_empty() {
                true => tr!("Esta tabla no tiene columnas de números.", "This table has no columns of numbers."),
                false => tr!("Columnas de números: {numeric}", "Columns of numbers: {numeric}"),
            }));
        }
        let floats = values.cast(&DataType::Float64).map_err(polars_error)?;
        let finite = |value: Option<f64>| value.filter(|value| !value.is_nan());
        Ok(floats.f64().map_err(polars_error)?.iter().map(finite).collect())
    }

    /// The names of the columns that hold numbers (or yes and no).
    pub fn number_columns(&self) -> Vec<String> {
        self.columns_where(|dtype| dtype.is_primitive_numeric() || dtype == &DataType::Boolean)
    }

    /// The names of the columns that hold text.
    pub fn text_columns(&self) -> Vec<String> {
        self.columns_where(|dtype| dtype == &DataType::String)
    }

    fn columns_where(&self, holds: impl Fn(&DataType) -> bool) -> Vec<String> {
        let columns = self.polars_columns().iter();
        columns.filter(|column| holds(column.dtype())).map(|column| column.name().to_string()).collect()
    }

    /// The column `name` as polars holds it. The one column of a text file is found by its name in either language: a
    /// notebook's may not be its reader's.
    pub(crate) fn column(&self, name: &str) -> Result<&Column> {
        let columns = self.polars_columns();
        let only =
            |column: &&Column| columns.len() == 1 && TEXT.contains(&column.name().as_str()) && TEXT.contains(&name);
        let found = columns.iter().find(|column| column.name() == name).or_else(|| columns.first().filter(only));
        found.ok_or_else(|| self.no_column(name))
    }

    /// The column `name` as texts, numbers and dates written as text too.
    pub(crate) fn string_column(&self, name: &str) -> Result<StringChunked> {
        let values = self.column(name)?;
        let as_text = values.cast(&DataType::String).map_err(|error| {
            let kind = super::in_words(values.dtype());
            Error::new(
                ErrorKind::BadData,
                tr!(
                    "La columna «{name}» no se puede leer como texto: es {kind}.",
                    "The column \"{name}\" cannot be read as text: it is {kind}."
                ),
            )
            .why(error)
        })?;
        Ok(as_text.str().map_err(polars_error)?.clone())
    }
}

/// What `f` makes of each row's text, on all cores, in order.
pub(crate) fn map_texts<T: Send>(column: &StringChunked, f: impl Fn(Option<&str>) -> T + Sync) -> Vec<T> {
    map_rows(column, 0..column.len(), |_, text| f(text))
}

/// As [`map_texts`] for the rows of `range`; `f` is told the row's number too.
pub(crate) fn map_rows<T: Send>(
    column: &StringChunked,
    range: Range<usize>,
    f: impl Fn(usize, Option<&str>) -> T + Sync,
) -> Vec<T> {
    let mut all = Vec::with_capacity(range.len());
    let mut before = 0;
    for array in column.downcast_iter() {
        let within = |row: usize| row.clamp(before, before + array.len()) - before;
        let rows = (within(range.start)..within(range.end)).into_par_iter().with_min_len(256);
        let part: Vec<T> = rows.map(|row| f(before + row, array.get(row))).collect();
        all.extend(part);
        before += array.len();
    }
    all
}

/// As [`map_texts`], with a bar where it takes long, and an error where the reader stops it.
pub(crate) fn watched_texts<T: Send>(
    title: &str,
    column: &StringChunked,
    f: impl Fn(Option<&str>) -> T + Sync,
) -> Result<Vec<T>> {
    let (all, mut done) = (column.len(), Vec::with_capacity(column.len()));
    let mut progress = Progress::start(title, all);
    for start in (0..all).step_by(AT_ONCE) {
        if stopped() {
            let row = done.len();
            return Err(stopped_error(
                tr!("«{title}» se paró en la fila {row} de {all}.", "\"{title}\" was stopped at row {row} of {all}."),
                tr!("Ejecuta la celda otra vez para hacerlo entero.", "Run the cell again to do it all."),
            ));
        }
        done.extend(map_rows(column, start..(start + AT_ONCE).min(all), |_, text| f(text)));
        progress.update(done.len(), &tr!("filas", "rows"));
    }
    progress.end(&tr!("filas", "rows"));
    Ok(done)
}

/// A column of texts.
pub(crate) fn texts<'a>(name: &str, values: impl ExactSizeIterator<Item = Option<&'a str>>) -> Column {
    let mut builder = StringChunkedBuilder::new(name.into(), values.len());
    values.for_each(|value| builder.append_option(value));
    builder.finish().into_column()
}

/// A column of numbers; whole ones where all of them are.
pub(crate) fn numbers(name: &str, values: &[Option<f64>]) -> Column {
    let whole = |value: f64| value.fract() == 0.0 && value.abs() < 9e15;
    let column = Float64Chunked::from_iter_options(name.into(), values.iter().copied()).into_column();
    match values.iter().flatten().all(|value| whole(*value)) && values.iter().any(Option::is_some) {
        true => column.cast(&DataType::Int64).unwrap_or(column),
        false => column,
    }
}

/// A column of counts; those of a file's texts fit in 32 bits.
pub(crate) fn counts(name: &str, values: impl Iterator<Item = Option<usize>>) -> Column {
    let small = values.map(|value| value.map(|value| u32::try_from(value).unwrap_or(u32::MAX)));
    UInt32Chunked::from_iter_options(name.into(), small).into_column()
}

/// A column of yes and no.
pub(crate) fn flags(name: &str, values: &[bool]) -> Column {
    BooleanChunked::from_slice(name.into(), values).into_column()
}
