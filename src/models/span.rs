//! An encoder that finds an answer in a text: two numbers for each token, how likely it begins and ends there.
//!
//! Names of weights are Hugging Face's (`BertForQuestionAnswering` and its relatives).

use candle_core::Tensor;

use super::encoder::{Encoder, EncoderConfig, HEADS, IGNORED, STD};
use crate::error::Result;
use crate::nn::{module_fields, Linear, Pass, Weights};

/// An encoder with a head that marks spans.
pub struct SpanEncoder {
    /// What reads.
    pub encoder: Encoder,
    qa_outputs: Linear,
    dropout: f64,
}

module_fields!(SpanEncoder: encoder, qa_outputs);

/// The head's name.
const HEAD: &str = "qa_outputs";

impl SpanEncoder {
    /// The beginning of the names of its head.
    pub const NAMES: &[&str] = &["qa_outputs."];

    /// Builds the model with the head in its file; a weight that is missing, left over or of another shape is an error.
    ///
    /// `dropout`: the share left out before the head while training.
    pub fn new(config: EncoderConfig, weights: Weights, dropout: f64) -> Result<Self> {
        let mut weights = weights.named_as_today(config.names.prefix, HEADS);
        let hidden = config.hidden_size;
        let encoder = Encoder::read(config, &mut weights)?;
        let qa_outputs = weights.linear_bias(HEAD, hidden, 2, STD)?;
        weights.finish(IGNORED)?;
        Ok(Self { encoder, qa_outputs, dropout })
    }

    /// Builds the model with a new head, drawn by `seed`, whatever head its file has.
    pub fn with_new_head(config: EncoderConfig, weights: Weights, dropout: f64, seed: u64) -> Result<Self> {
        Self::new(config, weights.without(Self::NAMES).drawing(Self::NAMES, seed), dropout)
    }

    /// The names of the head's layers: they are trained in full where the rest carries adapters.
    pub fn head(&self) -> Vec<&'static str> {
        vec![HEAD]
    }

    /// The logits (texts, time, 2) that an answer begins and ends at each token; at padding they mean nothing.
    pub fn logits(&self, pass: &Pass) -> candle_core::Result<Tensor> {
        let states = pass.dropout(self.encoder.hidden(pass)?, self.dropout)?;
        let (texts, time, _) = states.dims3()?;
        self.qa_outputs.forward(&states, (texts, time, 2))
    }
}
