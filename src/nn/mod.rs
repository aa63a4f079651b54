//! Layers whose every weight can be trained, frozen or adapted.

mod linear;
mod param;
mod weights;

pub use linear::{Linear, Lora};
pub use param::Param;
pub use weights::Weights;
