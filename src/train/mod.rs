//! Training: free functions over anything that has weights and a loss.

mod class_weights;
mod config;
mod forgetting;
mod measure;
mod memory;
mod resume;
mod run;
mod step;
mod sweep;
mod view;

use std::any::Any;

use candle_core::Tensor;
use serde_json::Value;

pub use class_weights::ClassWeights;
pub use config::{Metric, ParamGroup, TrainConfig};
pub use forgetting::{forgetting, Forgetting};
pub use measure::{evaluate, perplexity_interval, Score};
pub use memory::{estimate_memory, MemoryEstimate};
pub use run::fine_tune;
pub use step::{train_step, train_step_in_parts};
pub use sweep::{sweep, Sweep, Trial};

use crate::dataset::Batch;
use crate::error::Result;
use crate::needs::Needs;
use crate::nn::{HeadLoss, Param};

/// What can be trained.
pub trait Trainable: Sync + Any {
    /// Every weight, in a fixed order.
    fn params(&self) -> Vec<&Param>;

    /// Mean loss of a batch over the positions that count; `training` asks for gradients.
    fn loss(&self, batch: &Batch, training: bool) -> Result<Tensor>;

    /// What [`Trainable::loss`] is made of where it ends in a product with a whole vocabulary, which a step computes for all of
    /// its texts together; none: in `loss`, each core for its own.
    fn before_head(&self, batch: &Batch, training: bool) -> Result<Option<HeadLoss<'_>>> {
        let _ = (batch, training);
        Ok(None)
    }

    /// What it can read and learn: other data are an error before anything is computed.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The settings that it was built by, where there are some: a training that goes on must find the same.
    fn config(&self) -> Option<&Value> {
        None
    }

    /// How much a batch's mean loss weighs beside another's: by its predictions that count.
    fn weight(&self, batch: &Batch) -> f64 {
        batch.counted() as f64
    }

    /// About how many numbers a training pass over `texts` texts of `time` tokens keeps for the way back; texts to write
    /// have `width` tokens. With `recompute` the layers keep only what goes into them. 0: nobody knows.
    fn kept(&self, texts: usize, time: usize, width: usize, recompute: bool) -> usize {
        let _ = (texts, time, width, recompute);
        0
    }

    /// True when it learns labels of texts and not tokens: then nobody wants to see a perplexity.
    fn learns_labels(&self) -> bool {
        false
    }
}
