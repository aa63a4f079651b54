//! Objects inside a column: JSON within JSON, opened into columns of their own.

use super::column::Growing;
use super::Table;
use crate::error::{Error, ErrorKind, Result};
use serde_json::Value;

impl Table {
    /// The table with the objects of a column opened: `author` with `{"name": "Ana", "age": 30}` becomes `author.name` and
    /// `author.age`. Lists, and objects within the objects, stay JSON text; open those again by their new names.
    ///
    /// # Errors
    /// When there is no such column, or a value of it is no JSON object.
    pub fn unnest(&self, column: &str) -> Result<Table> {
        let mut opened: Vec<Growing> = Vec::new();
        let texts = self.strings(column)?;
        for (row, text) in texts.iter().enumerate() {
            let Some(text) = text else { continue };
            let object = serde_json::from_str::<Value>(text).ok();
            let Some(Value::Object(object)) = object else { return Err(no_object(column, row, text)) };
            for (key, value) in object {
                let name = format!("{column}.{key}");
                let at = opened.iter().position(|known| known.name() == name).unwrap_or_else(|| {
                    opened.push(Growing::new(&name));
                    opened.len() - 1
                });
                let cell = &mut opened[at];
                cell.pad(row);
                match value {
                    Value::Null => cell.push(""),
                    Value::Number(number) => cell.push(&number.to_string()),
                    Value::String(text) => cell.push_text(&text),
                    other => cell.push_text(&other.to_string()),
                }
            }
        }
        let mut table = self.clone();
        for mut cell in opened {
            cell.pad(texts.len());
            let name = cell.name().to_string();
            table = table.with_column(cell.finish(false))?;
            table.lineage_mut().made(&name, column);
        }
        match table.width() > 1 {
            true => table.drop(&[column]),
            false => Ok(table),
        }
    }
}

fn no_object(column: &str, row: usize, text: &str) -> Error {
    let text = crate::show::cut(text, 60);
    Error::new(
        ErrorKind::BadData,
        tr!(
            "La columna «{column}» no son objetos JSON: en la fila {row} dice {text}",
            "The column \"{column}\" is not JSON objects: row {row} says {text}"
        ),
    )
    .next(tr!("Un objeto se ve así: {{\"nombre\": \"Ana\"}}", "An object looks like this: {{\"name\": \"Ana\"}}"))
}
