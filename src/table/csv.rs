//! CSV in one pass over the text: separator guessed, quotes honoured, short rows padded, long rows reported by line.
//!
//! A quotation mark means something only where a field begins, so `a 6" nail` is read as it stands.

use super::column::Growing;
use super::header::{looks_like_data, Header};
use super::similar::listed;
use super::Reading;
use crate::error::{Error, ErrorKind, Result};
use crate::show::say;
use polars::prelude::DataFrame;

/// Separators in order of preference.
const SEPARATORS: [u8; 4] = *b",;\t|";
/// A separator that no text has: the whole line is one field.
const NONE: u8 = 0;
/// Rows looked at to guess the separator.
const SAMPLE: usize = 50;

/// The table in `text`; `first` says what its first row is.
///
/// # Errors
/// When rows have more fields than the header, a quotation mark never closes, or there are no rows.
pub(super) fn read(path: &str, text: &str, first: Header) -> Result<DataFrame> {
    // Files from very old Macs end their lines with a lone carriage return.
    let unix;
    let text = match text.contains('\n') || !text.contains('\r') {
        true => text,
        false => {
            unix = text.replace('\r', "\n");
            &unix
        }
    };
    let (separator, text) = separator(text);
    if separator != b',' && separator != NONE {
        let sign = separator as char;
        let name = match separator {
            b'\t' => tr!("el tabulador", "the tab"),
            _ => tr!("«{sign}»", "\"{sign}\""),
        };
        say(&tr!("«{path}»: el separador es {name}.", "\"{path}\": the separator is {name}."));
    }
    let mut parser = Parser { text, separator, position: 0, line: 1 };
    let data = match first {
        Header::Guess => looks_like_data(&sample(text, separator)),
        first => first == Header::Data,
    };
    let mut columns = match data {
        false => header(&mut parser, path)?,
        true => numbered(text, separator),
    };
    if data && first == Header::Guess {
        let names: Vec<&str> = columns.iter().map(Growing::name).collect();
        let names = names.join(", ");
        say(&tr!(
            "«{path}»: la primera fila parece un dato y no los nombres de las columnas, que se llaman {names}. Si son nombres, usa Table::read_with_header.",
            "\"{path}\": the first row looks like data and not like the columns' names, which are {names}. If they are names, use Table::read_with_header."
        ));
    }
    let rows = fill(&mut parser, &mut columns, path)?;
    if rows == 0 {
        return Err(no_rows(path));
    }
    let columns = columns.into_iter().map(|column| column.finish(separator != b',')).collect();
    super::frame(columns)
}

/// The error for a file that has names of columns at most.
pub(super) fn no_rows(path: &str) -> Error {
    Error::new(ErrorKind::BadData, tr!("«{path}» no tiene filas.", "\"{path}\" has no rows.")).next(tr!(
        "La primera línea de un CSV son los nombres de las columnas; los datos van debajo.",
        "The first line of a CSV is the names of the columns; the data go below."
    ))
}

/// The separator under which most rows have as many fields as the header, and the text without a `sep=` line.
fn separator(text: &str) -> (u8, &str) {
    // Excel writes and reads such a first line.
    if let Some(rest) = text.strip_prefix("sep=") {
        if let (Some(&separator), Some((_, rest))) = (rest.as_bytes().first(), rest.split_once('\n')) {
            return (separator, rest);
        }
    }
    let mut best = (0.0, 1, NONE);
    for candidate in SEPARATORS {
        let mut parser = Parser { text, separator: candidate, position: 0, line: 1 };
        let mut counts = Vec::with_capacity(SAMPLE);
        while counts.len() <= SAMPLE {
            match parser.row(|_, _| ()) {
                Ok(Some(fields)) => counts.push(fields),
                _ => break,
            }
        }
        let Some((&header, rows)) = counts.split_first() else { continue };
        let equal = rows.iter().filter(|&&fields| fields == header).count() as f64 / rows.len().max(1) as f64;
        if header > 1 && (equal, header) > (best.0, best.1) {
            best = (equal, header, candidate);
        }
    }
    // A separator that the header has and no row keeps to is still better than none.
    if best.2 == NONE {
        let first = text.lines().find(|line| !line.is_empty()).unwrap_or_default();
        best.2 = SEPARATORS.into_iter().find(|&separator| first.as_bytes().contains(&separator)).unwrap_or(NONE);
    }
    (best.2, text)
}

/// The first rows, for a look at them.
fn sample(text: &str, separator: u8) -> Vec<Vec<String>> {
    let mut parser = Parser { text, separator, position: 0, line: 1 };
    let mut rows = Vec::new();
    while rows.len() <= SAMPLE {
        let mut row = Vec::new();
        match parser.row(|_, field| row.push(field.to_string())) {
            Ok(Some(_)) => rows.push(row),
            _ => break,
        }
    }
    rows
}

/// Columns without names, as many as the first row has.
fn numbered(text: &str, separator: u8) -> Vec<Growing> {
    let width = sample(text, separator).first().map_or(0, Vec::len);
    (1..=width).map(|number| Growing::new(&tr!("columna_{number}", "column_{number}"))).collect()
}

fn header(parser: &mut Parser, path: &str) -> Result<Vec<Growing>> {
    let mut names: Vec<String> = Vec::new();
    parser.row(|_, field| names.push(field.trim().to_string())).map_err(|line| never_closes(path, line))?;
    if names.is_empty() {
        return Err(no_rows(path));
    }
    let mut unique: Vec<String> = Vec::with_capacity(names.len());
    for (i, name) in names.into_iter().enumerate() {
        let number = i + 1;
        let base = if name.is_empty() { tr!("columna_{number}", "column_{number}") } else { name };
        let mut name = base.clone();
        let mut copy = 2;
        while unique.contains(&name) {
            name = format!("{base}_{copy}");
            copy += 1;
        }
        unique.push(name);
    }
    Ok(unique.iter().map(|name| Growing::new(name)).collect())
}

fn fill(parser: &mut Parser, columns: &mut [Growing], path: &str) -> Result<usize> {
    let width = columns.len();
    let (mut rows, mut too_long, mut too_short, mut widest) = (0, Vec::new(), Vec::new(), width);
    let mut reading = Reading::start(path, parser.text.len());
    loop {
        reading.at(rows, parser.position)?;
        parser.skip_blank_lines();
        let line = parser.line;
        let mut used = 0;
        let row = parser.row(|i, field| {
            if let Some(column) = columns.get_mut(i) {
                column.push(field);
            }
            // Separators at the end of a line, with nothing after them, do no harm.
            if !field.is_empty() {
                used = i + 1;
            }
        });
        let Some(fields) = row.map_err(|line| never_closes(path, line))? else { break };
        if used > width {
            too_long.push(line.to_string());
            widest = widest.max(used);
        }
        rows += 1;
        if fields < width {
            too_short.push(line.to_string());
            columns.iter_mut().skip(fields).for_each(|column| column.pad(rows));
        }
    }
    reading.end();
    if too_long.is_empty() {
        if !too_short.is_empty() {
            let (short, lines) = (too_short.len(), listed(&too_short, 5));
            say(&tr!(
                "«{path}»: {short} de {rows} filas tienen menos campos que columnas ({width}); lo que falta queda vacío. Líneas: {lines}",
                "\"{path}\": {short} of {rows} rows have fewer fields than there are columns ({width}); what is missing stays empty. Lines: {lines}"
            ));
        }
        return Ok(rows);
    }
    let (long, lines, separator) = (too_long.len(), listed(&too_long, 5), parser.separator as char);
    Err(Error::new(
        ErrorKind::BadData,
        tr!(
            "«{path}» tiene {width} columnas, pero {long} de {rows} filas tienen más campos (hasta {widest}). Líneas: {lines}",
            "\"{path}\" has {width} columns, but {long} of {rows} rows have more fields (up to {widest}). Lines: {lines}"
        ),
    )
    .next(tr!(
        "Un texto que lleva el separador «{separator}» dentro va entre comillas: \"así{separator} entero\".",
        "A text that has the separator \"{separator}\" inside goes between quotation marks: \"like{separator} this\"."
    )))
}

fn never_closes(path: &str, line: usize) -> Error {
    Error::new(
        ErrorKind::BadData,
        tr!(
            "En «{path}», las comillas que se abren en la línea {line} no se cierran nunca.",
            "In \"{path}\", the quotation mark opened on line {line} never closes."
        ),
    )
    .next(tr!(
        "Cierra el texto con comillas (\"), o quita las del comienzo; unas comillas dentro se escriben dos veces (\"\").",
        "Close the text with a quotation mark (\"), or take away the first; one inside is written twice (\"\")."
    ))
}

struct Parser<'a> {
    text: &'a str,
    separator: u8,
    position: usize,
    /// The line that `position` is on, from 1.
    line: usize,
}

impl<'a> Parser<'a> {
    fn skip_blank_lines(&mut self) {
        let bytes = self.text.as_bytes();
        loop {
            // A file may end without a line end: then the position is one past it.
            match bytes.get(self.position..).unwrap_or_default() {
                [b'\n', ..] => self.position += 1,
                [b'\r', b'\n', ..] => self.position += 2,
                _ => return,
            }
            self.line += 1;
        }
    }

    /// Hands each field of the next row to `each` with its number; returns how many there were, `None` at the end.
    ///
    /// The error is the line where a quotation mark opened that never closes.
    fn row(&mut self, mut each: impl FnMut(usize, &str)) -> std::result::Result<Option<usize>, usize> {
        self.skip_blank_lines();
        if self.position >= self.text.len() {
            return Ok(None);
        }
        let bytes = self.text.as_bytes();
        let mut fields = 0;
        loop {
            match bytes.get(self.position) {
                Some(b'"') => self.quoted(fields, &mut each)?,
                _ => {
                    let start = self.position;
                    let end = self.end_of_field(start);
                    each(fields, self.slice(start, end));
                }
            }
            fields += 1;
            let at = bytes.get(self.position).copied();
            // The last line of a file need not end.
            self.position += usize::from(at.is_some());
            if at != Some(self.separator) {
                self.line += 1;
                return Ok(Some(fields));
            }
        }
    }

    /// Moves to the separator, line end or text end at or after `from`, and gives where the field before it ends.
    fn end_of_field(&mut self, from: usize) -> usize {
        let bytes = self.text.as_bytes();
        let separator = self.separator;
        let length = bytes[from..].iter().position(|&byte| byte == separator || byte == b'\n');
        self.position = length.map_or(bytes.len(), |length| from + length);
        let at_line_end = bytes.get(self.position) != Some(&separator);
        let carriage_return = at_line_end && self.position > from && bytes[self.position - 1] == b'\r';
        self.position - usize::from(carriage_return)
    }

    fn quoted(&mut self, number: usize, each: &mut impl FnMut(usize, &str)) -> std::result::Result<(), usize> {
        let bytes = self.text.as_bytes();
        let (opened_on, start) = (self.line, self.position);
        let (mut at, mut doubled) = (start + 1, false);
        loop {
            let Some(length) = bytes[at..].iter().position(|&byte| byte == b'"' || byte == b'\n') else {
                return Err(opened_on);
            };
            at += length + 1;
            match (bytes[at - 1], bytes.get(at)) {
                (b'\n', _) => self.line += 1,
                (_, Some(b'"')) => {
                    doubled = true;
                    at += 1;
                }
                _ => break,
            }
        }
        let end = self.end_of_field(at);
        let inside = self.slice(start + 1, at - 1);
        match (end > at, doubled) {
            // Words after the closing mark: the marks were part of the text.
            (true, _) => each(number, self.slice(start, end)),
            (false, true) => each(number, &inside.replace("\"\"", "\"")),
            (false, false) => each(number, inside),
        }
        Ok(())
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }
}
