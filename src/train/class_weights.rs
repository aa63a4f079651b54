//! How much each class weighs in a loss, where some are rare.

use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::needs::Labels;

/// How much the texts of each class weigh in the loss that a classifier trains on.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClassWeights {
    /// All the same.
    #[default]
    Equal,
    /// The rarer the heavier, by the training texts: texts / (classes · texts of the class), as scikit-learn's `balanced`;
    /// where a text can have several labels, a label that is there weighs texts without it / texts with it.
    Balanced,
    /// A weight for each label, in the model's order, as PyTorch's `weight`; where a text can have several, how much a
    /// label that is there weighs against one that is not, as `pos_weight`.
    Given(Vec<f64>),
}

impl ClassWeights {
    /// The weight of each label of a model that learns `labels` from `data`; none: all the same.
    pub(super) fn of(&self, data: &Dataset, labels: Labels) -> Result<Vec<f64>> {
        let count = match labels {
            Labels::Class(count) | Labels::Several(count) => count,
            _ if *self == Self::Equal => return Ok(Vec::new()),
            _ => {
                return Err(wrong(
                    tr!("este modelo no aprende clases", "this model learns no classes"),
                    tr!("Quita class_weights.", "Take class_weights out."),
                ))
            }
        };
        match self {
            Self::Equal => Ok(Vec::new()),
            Self::Balanced => Ok(balanced(data, labels, count)),
            Self::Given(weights) if weights.len() != count => Err(wrong(
                tr!("hay {} pesos y {count} etiquetas", "there are {} weights and {count} labels", weights.len()),
                tr!("Da uno por etiqueta, en su orden.", "Give one for each label, in their order."),
            )),
            Self::Given(weights) => Ok(weights.clone()),
        }
    }

    /// True where every weight is a number from 0 on, and one is more than 0.
    pub(super) fn valid(&self) -> bool {
        match self {
            Self::Given(weights) => {
                weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0) && weights.iter().any(|w| *w > 0.0)
            }
            _ => true,
        }
    }
}

/// A label that no text has never counts, and weighs 1.
fn balanced(data: &Dataset, labels: Labels, count: usize) -> Vec<f64> {
    let mut found = vec![0usize; count];
    for row in data.labels() {
        match labels {
            Labels::Class(_) => row.iter().for_each(|class| found[*class as usize] += 1),
            _ => found.iter_mut().zip(row).for_each(|(found, label)| *found += *label as usize),
        }
    }
    let texts = data.len() as f64;
    let weight = |found: &usize| match (labels, *found as f64) {
        (_, 0.0) => 1.0,
        (Labels::Class(_), found) => texts / (count as f64 * found),
        (_, found) => (texts - found) / found,
    };
    found.iter().map(weight).collect()
}

fn wrong(why: String, next: String) -> Error {
    Error::new(ErrorKind::BadSetting, tr!("class_weights no sirve: {why}.", "class_weights does not work: {why}."))
        .next(next)
}
