//! Some rows or columns of a table, and new ones. Each call gives a new table; the old one stays as it was.

use super::{listed, numbers, polars_error, texts, Lineage, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;
use crate::show::say;
use polars::prelude::{BooleanChunked, Column, DataFrame, IdxCa, IdxSize, NewChunkedArray, SortMultipleOptions};

impl Table {
    /// A table of one column of texts.
    pub fn from_texts(column: &str, values: &[String]) -> Result<Table> {
        let column = texts(column, values.iter().map(|text| Some(text.as_str())));
        Ok(super::frame(vec![column])?.into())
    }

    /// The last `n` rows.
    pub fn tail(&self, n: usize) -> Table {
        self.with_frame(self.dataframe().tail(Some(n)))
    }

    /// `n` rows drawn at random, in the table's order; the same seed draws the same ones.
    pub fn sample(&self, n: usize, seed: u64) -> Result<Table> {
        let mut order: Vec<usize> = (0..self.height()).collect();
        Rng::new(seed).shuffle(&mut order);
        order.truncate(n);
        order.sort_unstable();
        self.rows(&order)
    }

    /// The rows with these numbers, counted from 0, in this order.
    ///
    /// # Errors
    /// When a number is beyond the last row.
    pub fn rows(&self, rows: &[usize]) -> Result<Table> {
        let height = self.height();
        if let Some(row) = rows.iter().find(|row| **row >= height) {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("No hay fila {row}: la tabla tiene {height}.", "There is no row {row}: the table has {height}."),
            )
            .next(tr!("La primera fila es la 0.", "The first row is number 0.")));
        }
        let indices = IdxCa::from_slice("rows".into(), &rows.iter().map(|row| *row as IdxSize).collect::<Vec<_>>());
        Ok(self.with_frame(self.dataframe().take(&indices).map_err(polars_error)?))
    }

    /// The rows whose value in `column`, as text, is `value`.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn filter(&self, column: &str, value: &str) -> Result<Table> {
        let kept = super::map_texts(&self.string_column(column)?, |text| text == Some(value));
        self.keep(&kept)
    }

    /// The rows whose number in `column` is at least `low` and at most `high`.
    ///
    /// # Errors
    /// When there is no such column, or it is no column of numbers.
    pub fn filter_between(&self, column: &str, low: f64, high: f64) -> Result<Table> {
        let inside = |value: &Option<f64>| value.is_some_and(|value| value >= low && value <= high);
        self.keep(&self.numbers(column)?.iter().map(inside).collect::<Vec<_>>())
    }

    /// The rows that have a value in each of these columns, so that texts and labels taken from them stay side by side.
    /// Nothing but spaces is no value. A line says how many rows are left out.
    ///
    /// # Errors
    /// When one of the columns is not there, or no row has them all.
    pub fn complete_rows(&self, columns: &[&str]) -> Result<Table> {
        let rows = self.height();
        let mut kept = vec![true; rows];
        let mut without: Vec<String> = Vec::new();
        for column in columns {
            let has = super::map_texts(&self.string_column(column)?, |text| text.is_some_and(|t| !t.trim().is_empty()));
            kept.iter_mut().zip(&has).for_each(|(kept, has)| *kept &= has);
            let missing = has.iter().filter(|has| !**has).count();
            if missing > 0 {
                without.push(format!("{column}: {missing}"));
            }
        }
        let (left, columns) = (kept.iter().filter(|kept| **kept).count(), listed(&without, 8));
        if left == 0 && rows > 0 {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("Ninguna de las {rows} filas está completa.", "None of the {rows} rows is complete."),
            )
            .why(tr!("Filas sin valor: {columns}", "Rows without a value: {columns}"))
            .next(tr!("Elige otras columnas o revisa el archivo.", "Choose other columns or look at the file.")));
        }
        if left < rows {
            let out = rows - left;
            say(&tr!(
                "{out} de {rows} filas quedan fuera, porque les falta un valor ({columns}).",
                "{out} of {rows} rows are left out, because a value is missing ({columns})."
            ));
        }
        self.keep(&kept)
    }

    /// The rows where `kept` is true.
    pub(crate) fn keep(&self, kept: &[bool]) -> Result<Table> {
        let mask = BooleanChunked::from_slice("kept".into(), kept);
        Ok(self.with_frame(self.dataframe().filter(&mask).map_err(polars_error)?))
    }

    /// The rows where `kept` is true, one column after another: each old one is dropped before the next is made.
    pub(crate) fn into_kept(self, kept: &[bool]) -> Result<Table> {
        let Table { frame, lineage } = self;
        let mask = BooleanChunked::from_slice("kept".into(), kept);
        let kept = frame.into_columns().into_iter().map(|column| column.filter(&mask).map_err(polars_error));
        Ok(Table { frame: super::frame(kept.collect::<Result<_>>()?)?, lineage })
    }

    /// These columns alone, in this order.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn select(&self, columns: &[&str]) -> Result<Table> {
        columns.iter().try_for_each(|name| self.column(name).map(|_| ()))?;
        Ok(self.with_frame(self.dataframe().select(columns).map_err(polars_error)?))
    }

    /// The table without these columns.
    ///
    /// # Errors
    /// When one of them is not there, or none would be left.
    pub fn drop(&self, columns: &[&str]) -> Result<Table> {
        columns.iter().try_for_each(|name| self.column(name).map(|_| ()))?;
        let frame = self.dataframe().drop_many(columns.iter().copied());
        if frame.width() == 0 {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("No quedaría ninguna columna.", "No column would be left."),
            )
            .next(tr!("Deja al menos una.", "Leave at least one.")));
        }
        Ok(self.with_frame(frame))
    }

    /// The table with column `old` named `new`.
    ///
    /// # Errors
    /// When `old` is not there or `new` is already.
    pub fn rename(&self, old: &str, new: &str) -> Result<Table> {
        self.column(old)?;
        if old != new && self.column(new).is_ok() {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("Ya hay una columna «{new}».", "There is a column \"{new}\" already."),
            )
            .next(tr!("Elige otro nombre.", "Choose another name.")));
        }
        let mut frame = self.dataframe();
        frame.rename(old, new.into()).map_err(polars_error)?;
        let mut table = self.with_frame(frame);
        table.lineage.rename(old, new);
        Ok(table)
    }

    /// The table with a column of texts, one for each row; it takes the place of one with the same name.
    ///
    /// # Errors
    /// When there are more or fewer texts than rows.
    pub fn with_texts(&self, name: &str, values: &[String]) -> Result<Table> {
        self.fits(name, values.len())?;
        self.with_column(texts(name, values.iter().map(|text| Some(text.as_str()))))
    }

    /// The table with a column of numbers, one for each row; it takes the place of one with the same name.
    ///
    /// # Errors
    /// When there are more or fewer numbers than rows.
    pub fn with_numbers(&self, name: &str, values: &[f64]) -> Result<Table> {
        self.fits(name, values.len())?;
        self.with_column(numbers(name, &values.iter().copied().map(Some).collect::<Vec<_>>()))
    }

    fn fits(&self, name: &str, values: usize) -> Result<()> {
        let rows = self.height();
        if values == rows || self.width() == 0 {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::BadData,
            tr!(
                "La columna «{name}» trae {values} valores y la tabla tiene {rows} filas.",
                "The column \"{name}\" has {values} values and the table {rows} rows."
            ),
        )
        .next(tr!(
            "Debe haber un valor por fila; table.strings(\"columna\")? los da todos, también los vacíos.",
            "There must be one value for each row; table.strings(\"column\")? gives all, the missing ones too."
        )))
    }

    /// The table with a new column in its last place, or in the place of one with its name.
    pub(crate) fn with_column(&self, column: Column) -> Result<Table> {
        let mut frame = self.dataframe();
        frame.with_column(column).map_err(polars_error)?;
        Ok(self.with_frame(frame))
    }

    /// The rows of this table and below them those of another with the same columns.
    ///
    /// # Errors
    /// When a column is missing in one of them, or holds another kind of values.
    pub fn append(&self, other: &Table) -> Result<Table> {
        let missing: Vec<String> = self.columns().into_iter().filter(|name| other.column(name).is_err()).collect();
        if !missing.is_empty() || other.width() != self.width() {
            let (mine, theirs) = (listed(&self.columns(), 8), listed(&other.columns(), 8));
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("Las dos tablas no tienen las mismas columnas.", "The two tables do not have the same columns."),
            )
            .why(format!("{mine} ≠ {theirs}"))
            .next(tr!("Iguálalas con select, drop o rename.", "Make them equal with select, drop or rename.")));
        }
        let below = other.dataframe().select(self.columns()).map_err(polars_error)?;
        let mut table = self.with_frame(self.dataframe().vstack(&below).map_err(polars_error)?);
        table.lineage.part = None;
        Ok(table)
    }

    /// The rows in the order of a column's values, the smallest first or, if `descending`, the largest.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn sort(&self, column: &str, descending: bool) -> Result<Table> {
        self.column(column)?;
        let options = SortMultipleOptions::default()
            .with_order_descending(descending)
            .with_nulls_last(true)
            .with_maintain_order(true);
        Ok(self.with_frame(self.dataframe().sort([column], options).map_err(polars_error)?))
    }

    /// Another frame of the same origin.
    pub(crate) fn with_frame(&self, frame: DataFrame) -> Table {
        Table { lineage: self.lineage.clone(), ..frame.into() }
    }

    pub(crate) fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    pub(crate) fn lineage_mut(&mut self) -> &mut Lineage {
        &mut self.lineage
    }
}
