//! A column while it is being read: text first, numbers at the end if every value looks like one.

use polars::prelude::{
    Column, Float64Chunked, Int64Chunked, IntoColumn, NewChunkedArray, StringChunked, StringChunkedBuilder,
};

/// A column that grows value by value.
pub(super) struct Growing {
    name: String,
    values: StringChunkedBuilder,
    rows: usize,
    /// True once a value came that must stay text, whatever it looks like: a JSON string.
    only_text: bool,
}

impl Growing {
    /// An empty column.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), values: StringChunkedBuilder::new(name.into(), 0), rows: 0, only_text: false }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Rows so far.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Adds a value that may turn out to be a number; the empty one is missing.
    pub(super) fn push(&mut self, value: &str) {
        match value.is_empty() {
            true => self.values.append_null(),
            false => self.values.append_value(value),
        }
        self.rows += 1;
    }

    /// Adds a value that is text, even where it looks like a number.
    pub(super) fn push_text(&mut self, value: &str) {
        self.only_text = true;
        self.push(value);
    }

    /// Adds missing values until the column has `rows`.
    pub(super) fn pad(&mut self, rows: usize) {
        for _ in self.rows..rows {
            self.values.append_null();
        }
        self.rows = self.rows.max(rows);
    }

    /// The finished column. With `decimal_comma`, `3,5` is a number too.
    pub(super) fn finish(self, decimal_comma: bool) -> Column {
        let values = self.values.finish();
        match self.only_text {
            true => values.into_column(),
            false => typed(values, decimal_comma),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Decimal,
    Text,
}

fn typed(values: StringChunked, decimal_comma: bool) -> Column {
    let name = values.name().clone();
    match kind_of_all(&values, decimal_comma) {
        Kind::Text => values.into_column(),
        Kind::Whole => {
            let numbers = values.iter().map(|value| value.and_then(|value| value.trim().parse().ok()));
            Int64Chunked::from_iter_options(name, numbers).into_column()
        }
        Kind::Decimal => {
            let number = |value: &str| value.trim().replace(',', ".").parse().ok();
            Float64Chunked::from_iter_options(name, values.iter().map(|value| value.and_then(number))).into_column()
        }
    }
}

fn kind_of_all(values: &StringChunked, decimal_comma: bool) -> Kind {
    let mut kind = None;
    for value in values.iter().flatten() {
        kind = match (kind, kind_of(value.trim(), decimal_comma)) {
            (_, Kind::Text) => return Kind::Text,
            (None | Some(Kind::Whole), Kind::Whole) => Some(Kind::Whole),
            _ => Some(Kind::Decimal),
        };
    }
    kind.unwrap_or(Kind::Text)
}

/// A postal code (`08001`), a telephone (`+34...`) and a number too long for 64 bits are text: as numbers they would
/// lose something.
fn kind_of(value: &str, decimal_comma: bool) -> Kind {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || leading_zero {
        return Kind::Text;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return if value.parse::<i64>().is_ok() { Kind::Whole } else { Kind::Text };
    }
    let parses = match decimal_comma && value.matches(',').count() == 1 && !value.contains('.') {
        true => value.replace(',', ".").parse::<f64>(),
        false => value.parse::<f64>(),
    };
    if parses.is_ok_and(f64::is_finite) {
        Kind::Decimal
    } else {
        Kind::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::DataType;

    fn dtype(values: &[&str], decimal_comma: bool) -> DataType {
        let mut column = Growing::new("c");
        values.iter().for_each(|value| column.push(value));
        column.finish(decimal_comma).dtype().clone()
    }

    #[test]
    fn numbers_become_numbers_and_what_would_lose_something_stays_text() {
        assert_eq!(dtype(&["1", "", "-20"], false), DataType::Int64);
        assert_eq!(dtype(&["1", "2.5", "1e-3"], false), DataType::Float64);
        assert_eq!(dtype(&["3,5", "2"], true), DataType::Float64);
        for text in ["08001", "+34600", "3,5", "nan", "inf", "12345678901234567890", "1 000", "-", "."] {
            assert_eq!(dtype(&["1", text], false), DataType::String, "{text}");
        }
        assert_eq!(dtype(&["", ""], false), DataType::String);
    }
}
