//! A table to a file: Parquet, CSV or JSON Lines, by the extension.

use super::{polars_error, Table};
use crate::error::{Error, ErrorKind, Result};
use polars::prelude::{AnyValue, ParquetCompression, ParquetWriter};
use serde_json::Value;
use std::io::{BufWriter, Write};
use std::path::Path;

impl Table {
    /// Writes the table to `path`: `.parquet`, `.csv` or `.jsonl`. An older file stays until the new one is whole.
    ///
    /// # Errors
    /// When the extension is another, or the disk refuses.
    pub fn save(&self, path: &str) -> Result<()> {
        let extension = Path::new(path).extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if !["parquet", "csv", "jsonl"].contains(&extension.as_str()) {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("No sé guardar una tabla como «{path}».", "I cannot save a table as \"{path}\"."),
            )
            .next(tr!("Usa .parquet, .csv o .jsonl.", "Use .parquet, .csv or .jsonl.")));
        }
        let beside = format!("{path}.tmp");
        let written = std::fs::File::create(&beside).map_err(|error| refused(path, error)).and_then(|file| {
            let mut out = BufWriter::new(file);
            match extension.as_str() {
                "parquet" => self.parquet(&mut out)?,
                "csv" => self.csv(&mut out).map_err(|error| refused(path, error))?,
                _ => self.jsonl(&mut out).map_err(|error| refused(path, error))?,
            }
            out.flush().map_err(|error| refused(path, error))
        });
        let written = written.and_then(|()| std::fs::rename(&beside, path).map_err(|error| refused(path, error)));
        if written.is_err() {
            // What could not be written may not be there to remove either.
            let _ = std::fs::remove_file(&beside);
        }
        written
    }

    fn parquet(&self, out: &mut impl Write) -> Result<()> {
        let mut frame = self.dataframe();
        let writer = ParquetWriter::new(out).with_compression(ParquetCompression::Snappy);
        writer.finish(&mut frame).map(|_| ()).map_err(polars_error)
    }

    fn csv(&self, out: &mut impl Write) -> std::io::Result<()> {
        let names: Vec<String> = self.columns().iter().map(|name| field(name)).collect();
        writeln!(out, "{}", names.join(","))?;
        for row in 0..self.height() {
            for (i, column) in self.polars_columns().iter().enumerate() {
                let separator = if i == 0 { "" } else { "," };
                match column.get(row) {
                    Ok(AnyValue::Null) | Err(_) => write!(out, "{separator}")?,
                    Ok(value) => write!(out, "{separator}{}", field(&plain(&value)))?,
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn jsonl(&self, out: &mut impl Write) -> std::io::Result<()> {
        for row in 0..self.height() {
            let columns = self.polars_columns().iter();
            // By hand: serde_json's objects forget the order of their fields.
            let field = |name: &str, value| format!("{}:{value}", Value::from(name));
            let fields = columns.map(|column| field(column.name(), json(column.get(row).ok())));
            writeln!(out, "{{{}}}", fields.collect::<Vec<_>>().join(","))?;
        }
        Ok(())
    }
}

fn plain(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => text.to_string(),
        AnyValue::StringOwned(text) => text.to_string(),
        other => other.to_string(),
    }
}

fn json(value: Option<AnyValue>) -> Value {
    match value {
        None | Some(AnyValue::Null) => Value::Null,
        Some(AnyValue::Boolean(value)) => value.into(),
        Some(AnyValue::String(text)) => text.into(),
        Some(value) if value.is_integer() => value.extract::<i64>().map_or(Value::Null, Value::from),
        Some(value) if value.is_float() => value.extract::<f64>().map_or(Value::Null, Value::from),
        Some(value) => plain(&value).into(),
    }
}

/// A field of a CSV, between quotation marks where it has to be.
fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}

fn refused(path: &str, error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::System,
        tr!("La tabla no se pudo guardar en «{path}».", "The table could not be saved to \"{path}\"."),
    )
    .why(error)
}
