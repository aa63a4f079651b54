//! Which label is taken for which: rows of the right label, columns of the guessed one.

use super::labels::{inspect, with_warnings, Coded};
use crate::error::Result;
use crate::look::shown;
use crate::plot::{confusion_chart, Chart};
use crate::show::Html;
use crate::table::count;

/// Labels that have a row and a column of their own; more would not be read.
const SHOWN: usize = 20;

/// How many rows of each right label got each guess.
#[derive(Clone, Debug)]
pub struct ConfusionMatrix {
    /// The labels, by name.
    pub labels: Vec<String>,
    /// `counts[i][j]`: rows whose right label is number `i` and whose guess is number `j`.
    pub counts: Vec<Vec<usize>>,
    warnings: Vec<String>,
}

/// Counts which label is taken for which.
///
/// # Errors
/// When there is not one guess for each row, or what is in the rows are no classes.
pub fn confusion_matrix(truth: &[String], guess: &[String]) -> Result<ConfusionMatrix> {
    let coded = Coded::single(truth, guess)?;
    let warnings = inspect(truth, truth.len())?.warnings;
    let mut counts = vec![vec![0; coded.names.len()]; coded.names.len()];
    for (truth, guess) in coded.truth.iter().zip(&coded.guess) {
        counts[truth[0] as usize][guess[0] as usize] += 1;
    }
    Ok(ConfusionMatrix { labels: coded.names, counts, warnings })
}

impl ConfusionMatrix {
    /// Rows of the right label `truth` that were taken for `guess`; 0 where there is no such label.
    pub fn count(&self, truth: &str, guess: &str) -> usize {
        let place = |name: &str| self.labels.iter().position(|label| label == name);
        place(truth).zip(place(guess)).map_or(0, |(i, j)| self.counts[i][j])
    }

    /// The mistakes with their rows, the most frequent first: right label, guess, rows.
    pub fn mistakes(&self) -> Vec<(String, String, usize)> {
        let mut mistakes = Vec::new();
        for (i, row) in self.counts.iter().enumerate() {
            for (j, rows) in row.iter().enumerate().filter(|(j, rows)| *j != i && **rows > 0) {
                mistakes.push((self.labels[i].clone(), self.labels[j].clone(), *rows));
            }
        }
        mistakes.sort_by_key(|mistake| std::cmp::Reverse(mistake.2));
        mistakes
    }

    /// The matrix as squares, each darker the larger its share of the right label's rows is.
    pub fn plot(&self) -> Result<Chart> {
        let short = self.short();
        let title = tr!("Matriz de confusión", "Confusion matrix");
        confusion_chart(&title, &tr!("correcta", "right"), &tr!("predicha", "guessed"), &short.labels, &short.counts)
    }

    /// The same, where there are too many labels, with the least frequent ones joined in one.
    fn short(&self) -> Self {
        if self.labels.len() <= SHOWN {
            return self.clone();
        }
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(self.counts[*i].iter().sum::<usize>()));
        let mut kept = order[..SHOWN - 1].to_vec();
        kept.sort_unstable();
        let place = |label: usize| kept.iter().position(|kept| *kept == label).unwrap_or(SHOWN - 1);
        let mut counts = vec![vec![0; SHOWN]; SHOWN];
        for (i, row) in self.counts.iter().enumerate() {
            row.iter().enumerate().for_each(|(j, rows)| counts[place(i)][place(j)] += rows);
        }
        let mut labels: Vec<String> = kept.iter().map(|label| self.labels[*label].clone()).collect();
        let joined = self.labels.len() - (SHOWN - 1);
        labels.push(tr!("las otras {joined}", "the other {joined}"));
        Self { labels, counts, warnings: self.warnings.clone() }
    }

    /// As a page shows it, and in plain text: the table, and below it the picture.
    pub fn html(&self) -> Html {
        let short = self.short();
        let mut headers = vec![tr!("correcta ↓ predicha →", "right ↓ guessed →")];
        headers.extend(short.labels.iter().cloned());
        let row = |(label, counts): (&String, &Vec<usize>)| {
            std::iter::once(label.clone()).chain(counts.iter().map(|rows| count(*rows))).collect()
        };
        let rows: Vec<Vec<String>> = short.labels.iter().zip(&short.counts).map(row).collect();
        let all: usize = self.counts.iter().flatten().sum();
        let right: usize = (0..self.labels.len()).map(|i| self.counts[i][i]).sum();
        let caption =
            tr!("{} de {} filas bien: la diagonal", "{} of {} rows right: the diagonal", count(right), count(all));
        let mut table = Html::table(&headers, &rows, &caption);
        if let Ok(chart) = self.plot() {
            table.html += &chart.html().html;
        }
        with_warnings(table, &self.warnings)
    }
}

shown!(ConfusionMatrix);
