//! Model families, one file each, named as `model_type` in `config.json`.

pub mod bert;
mod config;
pub mod distilbert;
mod encoder;
pub mod gpt2;
pub mod llama;
pub mod qwen2;
pub mod qwen3;
pub mod roberta;

pub use config::labels;
pub use encoder::{ClassifierEncoder, Encoder, EncoderConfig, MaskedEncoder, CLASSIFIER};

use candle_core::Tensor;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::nn::{Module, Param, Pass, Weights};

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
pub trait Decoder: Module + Send + Sync {
    /// The last layer's states (texts, time, hidden). With a cache, the pass is over the positions that follow those it holds.
    fn hidden(&self, pass: &Pass, cache: Option<&mut KvCache>) -> candle_core::Result<Tensor>;

    /// The matrix (vocabulary, hidden) that turns states into logits.
    fn head(&self) -> &Param;

    /// The longest text it can read, in tokens.
    fn max_tokens(&self) -> usize;
}

/// Builds the family that `config` names in `model_type`.
pub fn decoder(config: &Value, weights: Weights) -> Result<Box<dyn Decoder>> {
    match config["model_type"].as_str() {
        Some("gpt2") => Ok(Box::new(gpt2::Gpt2::new(gpt2::Gpt2Config::read(config)?, weights)?)),
        Some("llama") => Ok(Box::new(llama::Llama::new(llama::LlamaConfig::read(config, "llama")?, weights)?)),
        Some("qwen2") => Ok(Box::new(llama::Llama::new(qwen2::read(config)?, weights)?)),
        Some("qwen3") => Ok(Box::new(llama::Llama::new(qwen3::read(config)?, weights)?)),
        other => Err(unknown_family(other, "gpt2, llama, qwen2, qwen3")),
    }
}

/// Reads the settings of the encoder that `config` names in `model_type`.
///
/// [`Encoder::new`], [`MaskedEncoder::new`] and [`ClassifierEncoder::new`] build it, each for its task.
pub fn encoder_config(config: &Value) -> Result<EncoderConfig> {
    match config["model_type"].as_str() {
        Some("bert") => bert::read(config),
        Some("distilbert") => distilbert::read(config),
        Some(kind @ ("roberta" | "xlm-roberta")) => roberta::read(config, kind),
        other => Err(unknown_family(other, "bert, distilbert, roberta, xlm-roberta")),
    }
}

/// A `model_type` that is not among those that can do what was asked.
fn unknown_family(found: Option<&str>, known: &str) -> Error {
    let found = found.unwrap_or("?");
    Error::new(
        ErrorKind::BadModel,
        tr!(
            "Para esto no sé leer modelos de tipo {found:?} (model_type en config.json).",
            "For this I cannot read models of type {found:?} (model_type in config.json)."
        ),
    )
    .next(tr!("Tipos que sé leer: {known}.", "Types I can read: {known}."))
}
