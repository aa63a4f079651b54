//! Training: free functions over anything that has weights and a loss.

mod config;
mod measure;
mod resume;
mod run;
mod step;
mod view;

use std::any::Any;

use candle_core::Tensor;

pub use config::{Metric, ParamGroup, TrainConfig};
pub use measure::{evaluate, Score};
pub use run::fine_tune;
pub use step::{train_step, train_step_in_parts};

use crate::dataset::Batch;
use crate::error::Result;
use crate::needs::Needs;
use crate::nn::Param;

/// What can be trained.
pub trait Trainable: Sync + Any {
    /// Every weight, in a fixed order.
    fn params(&self) -> Vec<&Param>;

    /// Mean loss of a batch over the positions that count; `training` asks for gradients.
    fn loss(&self, batch: &Batch, training: bool) -> Result<Tensor>;

    /// What it can read and learn: other data are an error before anything is computed.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// True when it learns labels of texts and not tokens: then nobody wants to see a perplexity.
    fn learns_labels(&self) -> bool {
        false
    }
}
