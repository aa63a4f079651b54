//! Tables: a learner's file, whatever it is, as rows and named columns.
//!
//! [`Table::read`] takes CSV, TSV, JSON Lines, JSON, Parquet and plain text, and mends what can be mended without
//! asking (the separator, the encoding, short rows); the rest is an error that names the line.

mod column;
mod csv;
mod display;
mod edit;
mod file;
mod header;
mod json;
mod lineage;
mod nested;
mod patch;
pub(crate) mod similar;
#[cfg(test)]
mod tests;
mod values;
mod write;

use crate::error::{Error, ErrorKind, Result};
use crate::show::{say, Progress};
use crate::sys::{stopped, stopped_error};
pub(crate) use display::{count, in_words};
pub(crate) use file::{lfs_pointer, LFS_POINTER};
use header::Header;
pub(crate) use lineage::{Lineage, Part};
pub(crate) use patch::Patch;
use polars::prelude::{Column, DataFrame, ParquetReader, SerReader};
pub(crate) use similar::listed;
use similar::similar;
use std::path::Path;
pub(crate) use values::{counts, flags, map_rows, map_texts, numbers, texts, watched_texts};

/// Rows and named columns.
///
/// ```no_run
/// use aula::table::Table;
/// let table = Table::read("../../data/es/recetas.csv")?;
/// let texts = table.texts("texto")?;
/// # Ok::<(), aula::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    frame: DataFrame,
    lineage: Lineage,
}

impl From<DataFrame> for Table {
    fn from(frame: DataFrame) -> Self {
        Self { frame: without_schema(&frame), lineage: Lineage::default() }
    }
}

impl Table {
    /// Reads the file at `path`; its extension says what it is and, where it says nothing, its content does.
    ///
    /// CSV and TSV (the separator is found out), `.jsonl`, `.ndjson` and `.json` (one object per line or a list of
    /// objects), `.parquet`, and text: a row per paragraph where blank lines part them, else a row per line, in one
    /// column named `texto` (`text` in English). UTF-8, UTF-16, Windows-1252 and Latin-1.
    ///
    /// The first row of a CSV is its columns' names, unless it looks like data: then the columns are `columna_1`,
    /// `columna_2`, ... (`column_1` in English), and a line says so.
    ///
    /// # Errors
    /// When the file is not there, is empty, is no text, is broken (with the line), or has no rows.
    pub fn read(path: &str) -> Result<Table> {
        Self::read_as(path, Header::Guess)
    }

    /// As [`Table::read`]; the first row of a CSV is its columns' names, whatever it looks like.
    pub fn read_with_header(path: &str) -> Result<Table> {
        Self::read_as(path, Header::Names)
    }

    /// As [`Table::read`]; the first row of a CSV is data, and the columns have numbers for names.
    pub fn read_without_header(path: &str) -> Result<Table> {
        Self::read_as(path, Header::Data)
    }

    fn read_as(path: &str, first: Header) -> Result<Table> {
        let bytes = file::bytes(path)?;
        if bytes.starts_with(b"PAR1") {
            return parquet(path, bytes);
        }
        let extension = Path::new(path).extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if extension == "parquet" {
            return Err(broken_parquet(path, tr!("No empieza con PAR1.", "It does not begin with PAR1.")));
        }
        let text = file::text(path, bytes)?;
        let frame = match extension.as_str() {
            "csv" | "tsv" => csv::read(path, &text, first)?,
            "jsonl" | "ndjson" | "json" => json::read(path, &text)?,
            "txt" | "md" => plain(path, &text)?,
            _ => guess(path, &text, first)?,
        };
        Ok(frame.into())
    }

    /// How many rows.
    pub fn height(&self) -> usize {
        self.frame.height()
    }

    /// How many columns.
    pub fn width(&self) -> usize {
        self.frame.width()
    }

    /// The columns' names, in order.
    pub fn columns(&self) -> Vec<String> {
        self.frame.get_column_names().iter().map(|name| name.to_string()).collect()
    }

    /// The first `n` rows.
    pub fn head(&self, n: usize) -> Table {
        self.with_frame(self.frame.head(Some(n)))
    }

    /// The table as polars holds it, for everything that this type does not do; its values are shared, not copied.
    pub fn dataframe(&self) -> DataFrame {
        without_schema(&self.frame)
    }

    /// Its columns as polars holds them.
    pub(crate) fn polars_columns(&self) -> &[Column] {
        self.frame.columns()
    }

    /// The texts of a column. Rows with no text are left out, and a line says how many. Two columns that belong together
    /// are to be taken from [`Table::complete_rows`]: else a text may come to stand beside another row's label.
    ///
    /// # Errors
    /// When there is no such column, or no row of it has text.
    pub fn texts(&self, column: &str) -> Result<Vec<String>> {
        if self.column(column)?.dtype().is_primitive_numeric() {
            say(&tr!(
                "La columna «{column}» son números: se toman como texto.",
                "The column \"{column}\" is numbers: they are taken as text."
            ));
        }
        let strings = self.string_column(column)?;
        let texts: Vec<String> =
            strings.iter().flatten().filter(|text| !text.trim().is_empty()).map(String::from).collect();
        let (rows, empty) = (self.height(), self.height() - texts.len());
        if texts.is_empty() {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "La columna «{column}» no tiene texto en ninguna de sus {rows} filas.",
                    "The column \"{column}\" has no text in any of its {rows} rows."
                ),
            )
            .next(self.other_columns(column)));
        }
        if empty > 0 {
            say(&tr!(
                "«{column}»: {empty} de {rows} filas no tienen texto y se dejan fuera.",
                "\"{column}\": {empty} of {rows} rows have no text and are left out."
            ));
        }
        Ok(texts)
    }

    /// The error for a column that is not there.
    pub(crate) fn no_column(&self, column: &str) -> Error {
        let error = Error::new(
            ErrorKind::NotFound,
            tr!("La tabla no tiene la columna «{column}».", "The table has no column \"{column}\"."),
        )
        .why(self.other_columns(""));
        match similar(column, &self.columns(), 1).first() {
            Some(near) => error.next(tr!("¿Quisiste decir «{near}»?", "Did you mean \"{near}\"?")),
            None => error.next(tr!("Elige una de ellas.", "Choose one of them.")),
        }
    }

    fn other_columns(&self, but: &str) -> String {
        let names: Vec<String> = self.columns().into_iter().filter(|name| name != but).collect();
        let names = listed(&names, 12);
        tr!("Las columnas que hay: {names}", "The columns there are: {names}")
    }
}

/// How far the reading of a text has come, and whether it is to stop.
struct Reading(Progress);

impl Reading {
    /// Rows between two looks at the clock.
    const ROWS: usize = 1_024;

    fn start(path: &str, bytes: usize) -> Self {
        Self(Progress::start(&tr!("Leyendo «{path}»", "Reading \"{path}\""), bytes.div_ceil(1_000_000)))
    }

    /// So many rows and bytes are read.
    fn at(&mut self, rows: usize, bytes: usize) -> Result<()> {
        if !rows.is_multiple_of(Self::ROWS) {
            return Ok(());
        }
        if stopped() {
            return Err(stopped_error(
                tr!("La lectura se paró en la fila {rows}.", "The reading was stopped at row {rows}."),
                tr!("Ejecuta la celda otra vez para leerlo entero.", "Run the cell again to read it all."),
            ));
        }
        self.0.update(bytes / 1_000_000, &tr!("MB · {rows} filas", "MB · {rows} rows"));
        Ok(())
    }

    fn end(self) {
        self.0.end("MB");
    }
}

/// The name of the only column of a file of plain text.
fn text_column() -> String {
    tr!("texto", "text")
}

/// The same columns without the schema that polars may have kept, by which it finds a column by a hash of its name. In a
/// kernel that gives each cell its own copy of polars, each copy hashes in its own way and would not find the column.
fn without_schema(frame: &DataFrame) -> DataFrame {
    DataFrame::new(frame.height(), frame.columns().to_vec()).unwrap_or_else(|_| frame.clone())
}

fn frame(columns: Vec<Column>) -> Result<DataFrame> {
    DataFrame::new_infer_height(columns).map_err(polars_error)
}

pub(crate) fn polars_error(error: polars::prelude::PolarsError) -> Error {
    Error::new(ErrorKind::BadData, tr!("La tabla no se pudo formar.", "The table could not be made.")).why(error)
}

fn guess(path: &str, text: &str, first: Header) -> Result<DataFrame> {
    let start = text.trim_start();
    if start.starts_with("{\"") || start.starts_with("[{") || start.starts_with("[\n") {
        return json::read(path, text);
    }
    let mut lines = start.lines().filter(|line| !line.trim().is_empty());
    let header = lines.next().unwrap_or_default();
    let second = lines.next().unwrap_or_default();
    // Commas are common in prose: as a header they count only without spaces, and if the next line has as many.
    let same = |c: char| header.contains(c) && header.matches(c).count() == second.matches(c).count();
    if same('\t') || same(';') || (same(',') && !header.contains(' ')) {
        return csv::read(path, text, first);
    }
    plain(path, text)
}

/// A row per paragraph where blank lines part them, else a row per line.
fn plain(path: &str, text: &str) -> Result<DataFrame> {
    let mut column = column::Growing::new(&text_column());
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let paragraphs = lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty());
    if paragraphs.clone().count() > 1 {
        paragraphs.for_each(|lines| column.push_text(&lines.join("\n")));
    } else {
        paragraphs.flatten().for_each(|line| column.push_text(line));
    }
    if column.len() == 0 {
        return Err(Error::new(ErrorKind::BadData, tr!("«{path}» no tiene texto.", "\"{path}\" has no text.")));
    }
    frame(vec![column.finish(false)])
}

impl Table {
    /// A Parquet file that this crate wrote; it may have no rows.
    pub(crate) fn read_parquet(path: &str) -> Result<Table> {
        let bytes = file::bytes(path)?;
        let read = ParquetReader::new(std::io::Cursor::new(bytes)).finish();
        read.map(Table::from).map_err(|error| broken_parquet(path, error.to_string()))
    }
}

fn parquet(path: &str, bytes: Vec<u8>) -> Result<Table> {
    // polars panics on some broken files; a notebook must not lose its variables to that.
    let read = std::panic::catch_unwind(|| ParquetReader::new(std::io::Cursor::new(bytes)).finish());
    match read {
        Ok(Ok(frame)) if frame.height() == 0 => Err(csv::no_rows(path)),
        Ok(Ok(frame)) => Ok(frame.into()),
        Ok(Err(error)) => Err(broken_parquet(path, error.to_string())),
        Err(_) => Err(broken_parquet(path, tr!("Su contenido está roto.", "Its content is broken."))),
    }
}

fn broken_parquet(path: &str, why: String) -> Error {
    Error::new(
        ErrorKind::BadData,
        tr!("«{path}» no se pudo leer como Parquet.", "\"{path}\" could not be read as Parquet."),
    )
    .why(why)
    .next(tr!(
        "Revisa si la descarga terminó, o guárdalo como CSV o JSONL.",
        "Check whether the download was finished, or save it as CSV or JSONL."
    ))
}
