//! Columns of numbers: how they are spread, their extremes, and how they go together.

use super::{headers, number, quantile, shown};
use crate::error::{Error, ErrorKind, Result};
use crate::plot::{heat_map, histogram, log_histogram, Chart};
use crate::show::Html;
use crate::table::Table;

/// The lowest and the highest values of a column, with their rows.
#[derive(Clone, Debug)]
pub struct Extremes {
    /// The column.
    pub column: String,
    /// The rows with the lowest values, the lowest first.
    pub lowest: Table,
    /// The rows with the highest values, the highest first.
    pub highest: Table,
    /// The values below which 1, 25, 50, 75 and 99 of 100 lie.
    pub percentiles: Vec<(u32, f64)>,
}

/// How the columns of numbers go together: Pearson's correlation of each pair.
#[derive(Clone, Debug)]
pub struct Correlations {
    /// The columns.
    pub columns: Vec<String>,
    /// The correlation of column i and column j, from -1 to 1; NaN where one of them has a single value.
    pub matrix: Vec<Vec<f64>>,
}

impl Table {
    /// A histogram of a column of numbers, with its median and its 25 %, 75 % and 99 % marks.
    ///
    /// # Errors
    /// When there is no such column, or it is no column of numbers.
    pub fn histogram(&self, column: &str) -> Result<Chart> {
        let sorted = self.sorted(column)?;
        histogram(&title(column), column, &tr!("filas", "rows"), &sorted, &marks(&sorted))
    }

    /// As [`Table::histogram`] with stretches ten times as wide at ten times the value, for a column with a long tail.
    ///
    /// A scale by powers of ten has no place for 0 and what is below: those rows are left out, counted in the title.
    ///
    /// # Errors
    /// When there is no such column, or it is no column of numbers.
    pub fn log_histogram(&self, column: &str) -> Result<Chart> {
        let sorted = self.sorted(column)?;
        log_histogram(&title(column), column, &tr!("filas", "rows"), &sorted, &marks(&sorted))
    }

    /// The `n` lowest and the `n` highest values of a column of numbers, with their rows.
    ///
    /// # Errors
    /// When there is no such column, or it is no column of numbers.
    pub fn extremes(&self, column: &str, n: usize) -> Result<Extremes> {
        let values = self.numbers(column)?;
        let mut order: Vec<(usize, f64)> =
            values.iter().enumerate().filter_map(|(row, value)| value.map(|value| (row, value))).collect();
        order.sort_by(|a, b| a.1.total_cmp(&b.1));
        let sorted: Vec<f64> = order.iter().map(|(_, value)| *value).collect();
        let first: Vec<usize> = order.iter().take(n).map(|(row, _)| *row).collect();
        let last: Vec<usize> = order.iter().rev().take(n).map(|(row, _)| *row).collect();
        Ok(Extremes {
            column: column.to_string(),
            lowest: self.rows(&first)?,
            highest: self.rows(&last)?,
            percentiles: [1, 25, 50, 75, 99].map(|p| (p, quantile(&sorted, f64::from(p) / 100.0))).to_vec(),
        })
    }

    /// The correlation of each pair of columns of numbers, over the rows where both have a value.
    ///
    /// # Errors
    /// When the table has fewer than two columns of numbers.
    pub fn correlations(&self) -> Result<Correlations> {
        let columns = self.number_columns();
        if columns.len() < 2 {
            let numeric = columns.len();
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "Para correlacionar hacen falta dos columnas de números, y hay {numeric}.",
                    "A correlation needs two columns of numbers, and there is {numeric}."
                ),
            )
            .next(tr!(
                "Puedes añadirlas: Recipe::new(&[Step::lengths(\"texto\"), Step::flag(\"texto\", \"url\")]).apply(&table)?",
                "You can add some: Recipe::new(&[Step::lengths(\"text\"), Step::flag(\"text\", \"url\")]).apply(&table)?"
            )));
        }
        let values: Vec<Vec<Option<f64>>> = columns.iter().map(|name| self.numbers(name)).collect::<Result<_>>()?;
        let matrix = values.iter().map(|a| values.iter().map(|b| pearson(a, b)).collect()).collect();
        Ok(Correlations { columns, matrix })
    }

    fn sorted(&self, column: &str) -> Result<Vec<f64>> {
        let mut sorted: Vec<f64> = self.numbers(column)?.into_iter().flatten().collect();
        sorted.sort_by(f64::total_cmp);
        Ok(sorted)
    }
}

fn title(column: &str) -> String {
    tr!("Valores de «{column}»", "Values of \"{column}\"")
}

fn marks(sorted: &[f64]) -> Vec<(String, f64)> {
    if sorted.is_empty() {
        return Vec::new();
    }
    [25, 50, 75, 99]
        .map(|p| {
            let value = quantile(sorted, f64::from(p) / 100.0);
            (format!("{p} %: {}", number(value)), value)
        })
        .to_vec()
}

/// Pearson's correlation over the rows where both have a value; NaN where one does not vary.
fn pearson(a: &[Option<f64>], b: &[Option<f64>]) -> f64 {
    let pairs: Vec<(f64, f64)> = a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    let n = pairs.len() as f64;
    let (mean_a, mean_b) = pairs.iter().fold((0.0, 0.0), |(x, y), (a, b)| (x + a / n, y + b / n));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        ab += (a - mean_a) * (b - mean_b);
        aa += (a - mean_a).powi(2);
        bb += (b - mean_b).powi(2);
    }
    match aa > 0.0 && bb > 0.0 {
        true => (ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0),
        false => f64::NAN,
    }
}

impl Correlations {
    /// The correlation of two columns, if both are there.
    pub fn between(&self, a: &str, b: &str) -> Option<f64> {
        let place = |name: &str| self.columns.iter().position(|column| column == name);
        Some(self.matrix[place(a)?][place(b)?])
    }

    /// The matrix as a picture: blue below 0, white at 0, orange above, each square with its number.
    pub fn plot(&self) -> Result<Chart> {
        heat_map(&tr!("Correlaciones", "Correlations"), &self.columns, &self.matrix)
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let mut headers = vec![String::new()];
        headers.extend(self.columns.iter().cloned());
        let line = |(name, values): (&String, &Vec<f64>)| {
            let mut row = vec![name.clone()];
            row.extend(values.iter().map(|value| if value.is_finite() { format!("{value:.2}") } else { "—".into() }));
            row
        };
        let rows: Vec<Vec<String>> = self.columns.iter().zip(&self.matrix).map(line).collect();
        let caption = tr!(
            "Correlación de Pearson, de -1 a 1; «—»: una de las dos columnas tiene un solo valor",
            "Pearson's correlation, from -1 to 1; \"—\": one of the two columns has a single value"
        );
        Html::table(&headers, &rows, &caption)
    }
}

shown!(Correlations);

impl Extremes {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let column = &self.column;
        let percentiles = headers(&["parte de las filas", "valor"], &["share of the rows", "value"]);
        let rows: Vec<Vec<String>> =
            self.percentiles.iter().map(|(p, value)| vec![format!("{p} %"), number(*value)]).collect();
        let caption = tr!("Percentiles de «{column}»", "Percentiles of \"{column}\"");
        let parts = [
            Html::table(&percentiles, &rows, &caption),
            self.lowest.html_with(&tr!("Los más bajos", "The lowest")),
            self.highest.html_with(&tr!("Los más altos", "The highest")),
        ];
        Html {
            html: parts.iter().map(|part| part.html.as_str()).collect(),
            plain: parts.map(|part| part.plain).join("\n\n"),
        }
    }
}

shown!(Extremes);
