//! aula: learn, fine-tune, evaluate and share small language models on your own machine.

#[macro_use]
pub mod lang;
pub mod error;
pub mod models;
pub mod nn;
pub mod ops;
pub mod rng;
pub mod stories;
