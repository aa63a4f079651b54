//! JSON: one object per line (JSONL, NDJSON), or one list of objects.

use super::column::Growing;
use super::similar::listed;
use super::{text_column, Reading};
use crate::error::{Error, ErrorKind, Result};
use crate::show::say;
use polars::prelude::DataFrame;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// The table in `text`.
///
/// # Errors
/// When a line is no JSON object (with its number), or there are no rows.
pub(super) fn read(path: &str, text: &str) -> Result<DataFrame> {
    let mut columns = Columns::default();
    if text.trim_start().starts_with('[') {
        let rows: Vec<Row> = serde_json::from_str(text).map_err(|error| broken_list(path, &error))?;
        rows.into_iter().for_each(|row| columns.push(row));
    } else {
        lines(path, text, &mut columns)?;
    }
    if columns.rows == 0 || columns.all.is_empty() {
        return Err(Error::new(ErrorKind::BadData, tr!("«{path}» no tiene filas.", "\"{path}\" has no rows.")));
    }
    columns.finish()
}

fn lines(path: &str, text: &str, columns: &mut Columns) -> Result<()> {
    let (mut broken, mut first) = (Vec::new(), None);
    let (mut reading, mut position) = (Reading::start(path, text.len()), 0);
    for (i, line) in text.lines().enumerate() {
        reading.at(i, position)?;
        position += line.len() + 1;
        if line.trim_start().is_empty() {
            continue;
        }
        match serde_json::from_str::<Row>(line) {
            Ok(row) => columns.push(row),
            Err(error) => {
                first.get_or_insert_with(|| (error.to_string(), crate::show::cut(line, 80)));
                broken.push((i + 1).to_string());
            }
        }
    }
    reading.end();
    let Some((why, line)) = first else { return Ok(()) };
    if columns.rows == 0 {
        // A single object over many lines: each line alone is broken, the whole is not.
        if let Ok(row) = serde_json::from_str::<Row>(text) {
            let keys: Vec<String> = row.0.into_iter().map(|(key, _)| key.0.into_owned()).collect();
            return Err(one_object(path, &listed(&keys, 6)));
        }
    }
    let numbers = listed(&broken, 5);
    Err(Error::new(
        ErrorKind::BadData,
        tr!(
            "«{path}» tiene líneas que no son un objeto JSON: {numbers}",
            "\"{path}\" has lines that are no JSON object: {numbers}"
        ),
    )
    .why(format!("{why}: {line}"))
    .next(tr!(
        "Cada línea debe ser un objeto entero, como {{\"texto\": \"Hola\"}}.",
        "Each line must be one whole object, like {{\"text\": \"Hello\"}}."
    )))
}

fn one_object(path: &str, keys: &str) -> Error {
    Error::new(
        ErrorKind::BadData,
        tr!(
            "«{path}» es un solo objeto JSON, no una lista de filas. Sus claves: {keys}",
            "\"{path}\" is one single JSON object, not a list of rows. Its keys: {keys}"
        ),
    )
    .next(tr!(
        "Guarda solo la lista: [{{...}}, {{...}}], o un objeto por línea.",
        "Save the list alone: [{{...}}, {{...}}], or one object per line."
    ))
}

fn broken_list(path: &str, error: &serde_json::Error) -> Error {
    let line = error.line();
    Error::new(
        ErrorKind::BadData,
        tr!(
            "«{path}» no es una lista JSON de objetos: falla en la línea {line}.",
            "\"{path}\" is no JSON list of objects: it breaks on line {line}."
        ),
    )
    .why(error)
    .next(tr!(
        "Debe verse así: [{{\"texto\": \"Hola\"}}, {{\"texto\": \"Adiós\"}}]",
        "It should look like this: [{{\"text\": \"Hello\"}}, {{\"text\": \"Bye\"}}]"
    ))
}

/// One object's fields in the order of the file; a bare string is a row with one text.
struct Row<'a>(Vec<(Word<'a>, Cell<'a>)>);

/// A text that is copied only where JSON's escapes make it differ from the file.
struct Word<'a>(Cow<'a, str>);

enum Cell<'a> {
    Missing,
    Number(String),
    Text(Cow<'a, str>),
    /// An object within the row, as JSON.
    Object(String),
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Row<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("{...}")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Row<'de>, M::Error> {
        let mut fields = Vec::with_capacity(8);
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Row(fields))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Row<'de>, E> {
        Ok(Row(vec![(Word(text_column().into()), Cell::Text(Cow::Owned(text.to_string())))]))
    }
}

impl<'de> Deserialize<'de> for Row<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(RowVisitor)
    }
}

struct WordVisitor;

impl<'de> Visitor<'de> for WordVisitor {
    type Value = Word<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("\"...\"")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Word<'de>, E> {
        Ok(Word(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Word<'de>, E> {
        Ok(Word(Cow::Owned(text.to_string())))
    }
}

impl<'de> Deserialize<'de> for Word<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_str(WordVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Cell<'de>, E> {
        Ok(Cell::Missing)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(if value { "true" } else { "false" })))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Cell<'de>, E> {
        Ok(Cell::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Cell<'de>, E> {
        Ok(Cell::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Cell<'de>, E> {
        // With its point or exponent, so that 2.0 and 1e20 stay decimals.
        Ok(Cell::Number(format!("{value:?}")))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(text.to_string())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> std::result::Result<Cell<'de>, S::Error> {
        let list = Value::deserialize(SeqAccessDeserializer::new(seq))?;
        Ok(Cell::Text(Cow::Owned(list.to_string())))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> std::result::Result<Cell<'de>, M::Error> {
        let object = Value::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Cell::Object(object.to_string()))
    }
}

impl<'de> Deserialize<'de> for Cell<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

#[derive(Default)]
struct Columns {
    all: Vec<Growing>,
    rows: usize,
    /// Columns that hold objects.
    nested: Vec<usize>,
}

impl Columns {
    fn push(&mut self, row: Row) {
        for (i, (Word(name), value)) in row.0.into_iter().enumerate() {
            let at = self.find(i, &name);
            let rows = self.rows;
            let Some(column) = self.all.get_mut(at) else { continue };
            // A key said twice in one object counts once.
            if column.len() > rows {
                continue;
            }
            column.pad(rows);
            match value {
                Cell::Missing => column.push(""),
                Cell::Number(number) => column.push(&number),
                Cell::Text(text) => column.push_text(&text),
                Cell::Object(json) => {
                    column.push_text(&json);
                    if !self.nested.contains(&at) {
                        self.nested.push(at);
                    }
                }
            }
        }
        self.rows += 1;
    }

    /// Where the column `name` is: most often at the place it has in the row.
    fn find(&mut self, guess: usize, name: &str) -> usize {
        if self.all.get(guess).is_some_and(|column| column.name() == name) {
            return guess;
        }
        self.all.iter().position(|column| column.name() == name).unwrap_or_else(|| {
            self.all.push(Growing::new(name));
            self.all.len() - 1
        })
    }

    fn finish(mut self) -> Result<DataFrame> {
        self.all.iter_mut().for_each(|column| column.pad(self.rows));
        for name in self.nested.iter().filter_map(|at| self.all.get(*at)).map(Growing::name) {
            say(&tr!(
                "La columna «{name}» lleva objetos dentro: table.unnest(\"{name}\")? los abre en columnas.",
                "The column \"{name}\" has objects inside: table.unnest(\"{name}\")? opens them into columns."
            ));
        }
        super::frame(self.all.into_iter().map(|column| column.finish(false)).collect())
    }
}
