//! Models that give a text a number in place of a label: how warm, how hard, how many stars.

use super::{Classifier, Task};
use crate::dataset::{Dataset, Targets};
use crate::error::{Error, ErrorKind, Result};

impl Classifier {
    /// A model with a new head that gives a text a number (regression); see [`Classifier::new`] for the kinds of models.
    ///
    /// It learns soonest where the numbers are about as large as 1: divide stars or grades by their largest.
    pub fn for_numbers(name: &str) -> Result<Self> {
        Self::with_new_head(name, &["LABEL_0"], Task::Number)
    }

    /// Texts with a number each as data for training or measuring, at most `max_tokens` tokens a text.
    pub fn number_dataset(&self, texts: &[String], numbers: &[f64], max_tokens: usize) -> Result<Dataset> {
        self.must_give(true)?;
        if texts.len() != numbers.len() {
            let (texts, numbers) = (texts.len(), numbers.len());
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("Hay {texts} textos y {numbers} números.", "There are {texts} texts and {numbers} numbers."),
            )
            .next(tr!("Tiene que haber uno por texto.", "There must be one for each text.")));
        }
        if let Some(row) = numbers.iter().position(|number| !(*number as f32).is_finite()) {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "La fila {} no tiene un número que se pueda aprender: {}.",
                    "Row {} has no number that can be learned: {}.",
                    row + 1,
                    numbers[row]
                ),
            )
            .next(tr!("Quita esas filas antes.", "Take such rows out first.")));
        }
        let targets = Targets::Labels(numbers.iter().map(|number| vec![(*number as f32).to_bits()]).collect());
        Dataset::for_encoder(texts, self.tokenizer(), max_tokens.min(self.max_tokens()), targets)
    }

    /// The number that the model gives each text, in their order; a text longer than the model reads is cut.
    pub fn predict_numbers(&self, texts: &[String]) -> Result<Vec<f64>> {
        self.must_give(true)?;
        Ok(self.shares_all(texts)?.iter().map(|numbers| f64::from(numbers[0])).collect())
    }

    /// Fails where a number is asked of a model that gives labels, or the other way round.
    pub(super) fn must_give(&self, number: bool) -> Result<()> {
        let error = |what: String, next: String| Err(Error::new(ErrorKind::BadSetting, what).next(next));
        match (number, self.task == Task::Number) {
            (true, false) => error(
                tr!("Este modelo pone etiquetas, no números.", "This model puts labels, not numbers."),
                tr!(
                    "Usa dataset y predict; o Classifier::for_numbers.",
                    "Use dataset and predict; or Classifier::for_numbers."
                ),
            ),
            (false, true) => error(
                tr!("Este modelo da un número, no etiquetas.", "This model gives a number, not labels."),
                tr!("Usa number_dataset y predict_numbers.", "Use number_dataset and predict_numbers."),
            ),
            _ => Ok(()),
        }
    }
}
