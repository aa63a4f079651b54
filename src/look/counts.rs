//! How often each value of a column occurs.

use super::{headers, percent, shown};
use crate::error::Result;
use crate::plot::{bar_chart, Chart};
use crate::show::{cut, Html};
use crate::table::{count, Table};
use std::collections::HashMap;

/// Lines that a cell shows.
const SHOWN: usize = 20;
/// Bars that a chart shows.
const BARS: usize = 20;

/// How often each value of a column occurs, the most frequent first.
#[derive(Clone, Debug)]
pub struct ValueCounts {
    /// The column.
    pub column: String,
    /// How many rows there are.
    pub rows: usize,
    /// Rows with no value.
    pub missing: usize,
    /// Each value and how often it occurs.
    pub values: Vec<Count>,
}

/// A value and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The value, as text.
    pub value: String,
    /// Rows that have it.
    pub rows: usize,
}

impl Table {
    /// How often each value of a column occurs, the most frequent first; equal counts go by the value.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn value_counts(&self, column: &str) -> Result<ValueCounts> {
        let texts = self.string_column(column)?;
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for text in texts.iter().flatten() {
            *counts.entry(text).or_default() += 1;
        }
        let missing = texts.len() - counts.values().sum::<usize>();
        let mut values: Vec<Count> =
            counts.into_iter().map(|(value, rows)| Count { value: value.to_string(), rows }).collect();
        values.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.value.cmp(&b.value)));
        Ok(ValueCounts { column: column.to_string(), rows: texts.len(), missing, values })
    }
}

impl ValueCounts {
    /// How many rows have this value.
    pub fn count(&self, value: &str) -> usize {
        self.values.iter().find(|count| count.value == value).map_or(0, |count| count.rows)
    }

    /// The most frequent values as bars.
    pub fn plot(&self) -> Result<Chart> {
        let bars: Vec<(String, f64)> =
            self.values.iter().take(BARS).map(|count| (cut(&count.value, 60), count.rows as f64)).collect();
        bar_chart(&tr!("Valores de «{}»", "Values of \"{}\"", self.column), &tr!("filas", "rows"), "", &bars)
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(&["valor", "filas", "parte"], &["value", "rows", "share"]);
        let row = |value: String, rows: usize| vec![value, count(rows), percent(rows, self.rows)];
        let mut rows: Vec<Vec<String>> =
            self.values.iter().take(SHOWN).map(|count| row(count.value.clone(), count.rows)).collect();
        let others = &self.values[self.values.len().min(SHOWN)..];
        if !others.is_empty() {
            let (values, sum) = (count(others.len()), others.iter().map(|count| count.rows).sum());
            rows.push(row(tr!("(otros {values})", "({values} others)"), sum));
        }
        if self.missing > 0 {
            rows.push(row(tr!("(sin valor)", "(missing)"), self.missing));
        }
        let (column, distinct, all) = (&self.column, count(self.values.len()), count(self.rows));
        let caption = tr!(
            "«{column}»: {distinct} valores distintos en {all} filas",
            "\"{column}\": {distinct} different values in {all} rows"
        );
        Html::table(&headers, &rows, &caption)
    }
}

shown!(ValueCounts);
