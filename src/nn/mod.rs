//! Layers whose every weight can be trained, frozen or adapted.

mod head_loss;
mod kept;
mod layer_norm;
mod linear;
mod lora;
mod module;
mod param;
mod pass;
mod recompute;
mod weights;

pub use head_loss::{midway, HeadLoss};
pub use kept::{kept_per_position, Untracked};
pub use layer_norm::LayerNorm;
pub use linear::{Linear, Lora};
pub use lora::{add_lora, count_parameters, merge_lora, merged_weights, set_weights, train_all, LoraConfig};
pub(crate) use module::module_fields;
pub use module::{Module, Piece, PieceMut};
pub use param::{Gradient, Param};
pub use pass::Pass;
pub use recompute::{recomputed, Aside};
pub use weights::Weights;
