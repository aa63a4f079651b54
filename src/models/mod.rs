//! Model families, one file each, named as `model_type` in `config.json`.

pub mod llama;

use candle_core::Tensor;

use crate::error::{Error, ErrorKind, Result};
use crate::nn::{Linear, Param, Weights};

/// Keys and values of the positions already read, so that generating a token costs one position and not all.
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    layers: Vec<Option<(Tensor, Tensor)>>,
}

impl KvCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many positions it holds.
    pub fn len(&self) -> usize {
        self.layers.first().and_then(Option::as_ref).and_then(|(k, _)| k.dim(1).ok()).unwrap_or(0)
    }

    /// True before the first token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds new keys and values (batch, time, kv_heads, d) of a layer, and gives all of them.
    fn append(&mut self, layer: usize, k: Tensor, v: Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        if self.layers.len() <= layer {
            self.layers.resize(layer + 1, None);
        }
        let (k, v) = match &self.layers[layer] {
            Some((old_k, old_v)) => (Tensor::cat(&[old_k, &k], 1)?, Tensor::cat(&[old_v, &v], 1)?),
            None => (k, v),
        };
        self.layers[layer] = Some((k.clone(), v.clone()));
        Ok((k, v))
    }
}

/// A model that predicts the next token.
pub trait Decoder: Send + Sync {
    /// The last layer's states. Shapes: ids (batch, time), result (batch, time, hidden).
    ///
    /// With a cache, `ids` are the positions that follow those it holds.
    fn hidden(&self, ids: &Tensor, cache: Option<&mut KvCache>) -> candle_core::Result<Tensor>;

    /// The matrix (vocabulary, hidden) that turns states into logits.
    fn head(&self) -> &Param;

    /// The longest text it can read, in tokens.
    fn max_tokens(&self) -> usize;

    /// Every weight, adapters included, in a fixed order.
    fn params(&self) -> Vec<&Param>;

    /// As [`Decoder::params`], to change.
    fn params_mut(&mut self) -> Vec<&mut Param>;

    /// The linear layers, each of which can carry an adapter.
    fn linears(&self) -> Vec<&Linear>;

    /// As [`Decoder::linears`], to change.
    fn linears_mut(&mut self) -> Vec<&mut Linear>;
}

/// Builds the family that `config` names in `model_type`.
pub fn decoder(config: &serde_json::Value, weights: Weights) -> Result<Box<dyn Decoder>> {
    match config["model_type"].as_str() {
        Some("llama") => Ok(Box::new(llama::Llama::new(llama::LlamaConfig::read(config)?, weights)?)),
        other => {
            let other = other.unwrap_or("?");
            Err(Error::new(
                ErrorKind::BadModel,
                tr!(
                    "No sé leer modelos de tipo {other:?} (model_type en config.json).",
                    "I cannot read models of type {other:?} (model_type in config.json)."
                ),
            )
            .next(tr!("Tipos que sé leer: llama.", "Types I can read: llama.")))
        }
    }
}
