//! The rows that a model gets wrong, the surest first: what an average does not tell.

use super::{check_same_length, Prediction};
use crate::error::Result;
use crate::look::{headers, shown};
use crate::show::Html;
use crate::table::count;

/// Mistakes that are shown at a time.
const PAGE: usize = 10;

/// A row that the model gets wrong.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// The row, the first being 0.
    pub row: usize,
    /// The text.
    pub text: String,
    /// The right label.
    pub truth: String,
    /// The label that the model gave.
    pub guess: String,
    /// How sure it was: the probability it gave its label.
    pub score: f32,
}

/// The rows that a model gets wrong, the surest first.
#[derive(Clone, Debug)]
pub struct Mistakes {
    /// The mistakes.
    pub all: Vec<Mistake>,
    /// Rows that were looked at.
    pub rows: usize,
    page: usize,
}

/// The rows where the likeliest label is not the right one, the surest first; a cell shows ten of them.
///
/// # Errors
/// When there is not one prediction for each right label.
pub fn mistakes(truth: &[String], predictions: &[Prediction]) -> Result<Mistakes> {
    check_same_length(truth.len(), predictions.len())?;
    let wrong = truth.iter().zip(predictions).enumerate().filter(|(_, (truth, said))| **truth != said.label);
    let mistake = |(row, (truth, said)): (usize, (&String, &Prediction))| Mistake {
        row,
        text: said.text.clone(),
        truth: truth.clone(),
        guess: said.label.clone(),
        score: said.score,
    };
    let mut all: Vec<Mistake> = wrong.map(mistake).collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(Mistakes { all, rows: truth.len(), page: 1 })
}

impl Mistakes {
    /// The same mistakes, of which a cell shows page `number`, ten a page, the first being 1.
    pub fn page(&self, number: usize) -> Self {
        Self { page: number.clamp(1, self.pages()), ..self.clone() }
    }

    fn pages(&self) -> usize {
        self.all.len().div_ceil(PAGE).max(1)
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(&["seguro", "dijo", "era", "texto"], &["sure", "said", "was", "text"]);
        let row = |wrong: &Mistake| {
            let sure = format!("{:.0} %", 100.0 * wrong.score);
            vec![sure, wrong.guess.clone(), wrong.truth.clone(), wrong.text.clone()]
        };
        let rows: Vec<Vec<String>> = self.all.iter().skip(PAGE * (self.page - 1)).take(PAGE).map(row).collect();
        let (wrong, all, page, pages) = (count(self.all.len()), count(self.rows), self.page, self.pages());
        let caption = tr!(
            "{wrong} errores en {all} filas, el más seguro primero; página {page} de {pages}",
            "{wrong} mistakes in {all} rows, the surest first; page {page} of {pages}"
        );
        Html::table(&headers, &rows, &caption)
    }
}

shown!(Mistakes);
