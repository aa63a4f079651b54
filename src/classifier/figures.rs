//! How good a classifier is on some data, each as one number: for lessons, and for `TrainConfig { metrics }`.

use super::{Classifier, Task};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::metrics::figure_of_places;
use crate::train::Trainable;

impl Classifier {
    /// The share of labels that the model gets right: of texts, or of all pairs of text and label where there are several.
    pub fn accuracy(&self, data: &Dataset) -> Result<f64> {
        Ok(match self.task {
            Task::Several => 1.0 - self.figure(data, "hamming_loss")?,
            _ => self.figure(data, "accuracy")?,
        })
    }

    /// The mean F1 of the labels, each of which counts the same. For `TrainConfig { metrics }`, as `accuracy`.
    pub fn macro_f1(&self, data: &Dataset) -> Result<f64> {
        self.figure(data, "macro_f1")
    }

    /// F1 over all decisions together: of texts that may have several labels.
    pub fn micro_f1(&self, data: &Dataset) -> Result<f64> {
        self.figure(data, "micro_f1")
    }

    /// A figure of the labels that the model gives, from a probability of 0.5 on where there may be several.
    fn figure(&self, data: &Dataset, name: &str) -> Result<f64> {
        self.must_give(false)?;
        let (mut truth, mut guess) = (Vec::new(), Vec::new());
        let places = |chosen: &dyn Fn(usize) -> bool| (0..self.labels.len()).filter(|i| chosen(*i)).collect::<Vec<_>>();
        data.check(&self.needs())?;
        for rows in data.in_order(32) {
            let batch = data.batch(&rows)?;
            let width = batch.labels.len() / rows.len();
            for (shares, labels) in self.shares(&batch)?.iter().zip(batch.labels.chunks(width)) {
                let best = (0..shares.len()).max_by(|a, b| shares[*a].total_cmp(&shares[*b])).unwrap_or(0);
                truth.push(match self.task {
                    Task::Several => places(&|i| labels[i] == 1),
                    _ => vec![labels[0] as usize],
                });
                guess.push(match self.task {
                    Task::Several => places(&|i| shares[i] > 0.5),
                    _ => vec![best],
                });
            }
        }
        Ok(figure_of_places(&truth, &guess, self.labels.len(), self.task == Task::Several, name))
    }
}
