//! Model families, one file each, named as `model_type` in `config.json`.

pub mod bert;
mod config;
pub mod deberta_v2;
pub mod distilbert;
mod encoder;
pub mod gpt2;
pub mod llama;
pub mod qwen2;
pub mod qwen3;
pub mod roberta;
mod span;
pub mod t5;
pub mod vit;

pub use config::labels;
pub use encoder::{ClassifierEncoder, Encoder, EncoderConfig, MaskedEncoder, CLASSIFIER};
pub use span::SpanEncoder;

use candle_core::Tensor;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::nn::{Module, Param, Pass, Weights};

/// Keys and values of the positions already read, so that generating a token costs one position and not all.
#[derive(Debug, Default)]
pub struct KvCache {
    layers: Vec<Option<Kept>>,
}

/// A layer's keys and values (batch, room, kv_heads, d), of which the first `len` positions are filled.
#[derive(Debug)]
struct Kept {
    k: Tensor,
    v: Tensor,
    len: usize,
}

/// Positions that a cache makes room for at a time: what it holds is moved only when they are filled.
const ROOM: usize = 128;

impl Kept {
    /// Room for `more` positions after those of `before`; shapes as those of `like`.
    fn new(before: Option<Self>, like: &Tensor, more: usize) -> candle_core::Result<Self> {
        let (batch, _, heads, d) = like.dims4()?;
        let len = before.as_ref().map_or(0, |before| before.len);
        let room =
            || Tensor::zeros((batch, (len + more).next_multiple_of(ROOM), heads, d), like.dtype(), like.device());
        let new = Self { k: room()?, v: room()?, len };
        if let Some(before) = before {
            let (k, v) = before.filled()?;
            new.k.slice_set(&k.contiguous()?, 1, 0)?;
            new.v.slice_set(&v.contiguous()?, 1, 0)?;
        }
        Ok(new)
    }

    /// What is filled (batch, len, kv_heads, d).
    fn filled(&self) -> candle_core::Result<(Tensor, Tensor)> {
        Ok((self.k.narrow(1, 0, self.len)?, self.v.narrow(1, 0, self.len)?))
    }
}

impl KvCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many positions it holds.
    pub fn len(&self) -> usize {
        self.layers.first().and_then(Option::as_ref).map_or(0, |kept| kept.len)
    }

    /// True before the first token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps these of its texts, in this order; one may be kept more than once.
    pub fn pick(&mut self, rows: &[u32]) -> candle_core::Result<()> {
        let rows = Tensor::new(rows, &candle_core::Device::Cpu)?;
        for kept in self.layers.iter_mut().flatten() {
            (kept.k, kept.v) = (kept.k.index_select(&rows, 0)?, kept.v.index_select(&rows, 0)?);
        }
        Ok(())
    }

    /// Adds new keys and values (batch, time, kv_heads, d) of a layer, and gives all of them.
    fn append(&mut self, layer: usize, k: Tensor, v: Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        if self.layers.len() <= layer {
            self.layers.resize_with(layer + 1, || None);
        }
        let time = k.dim(1)?;
        let mut kept = match self.layers[layer].take() {
            Some(kept) if kept.len + time <= kept.k.dim(1)? => kept,
            before => Kept::new(before, &k, time)?,
        };
        kept.k.slice_set(&k.contiguous()?, 1, kept.len)?;
        kept.v.slice_set(&v.contiguous()?, 1, kept.len)?;
        kept.len += time;
        let all = kept.filled()?;
        self.layers[layer] = Some(kept);
        Ok(all)
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

/// What an encoder made of some texts, for a decoder to read.
pub struct Source {
    /// The encoder's states (texts, time, hidden); at padding they mean nothing.
    pub states: Tensor,
    /// The real length of each text.
    pub lengths: Vec<usize>,
}

/// What generation keeps of a decoder that reads a source: its own past, and the source as each layer sees it.
#[derive(Debug, Default)]
pub struct CrossCache {
    own: KvCache,
    source: Vec<(Tensor, Tensor)>,
}

impl CrossCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many positions of its own it holds.
    pub fn len(&self) -> usize {
        self.own.len()
    }

    /// True before the first token.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// As [`KvCache::pick`]; the source stays.
    pub fn pick(&mut self, rows: &[u32]) -> candle_core::Result<()> {
        self.own.pick(rows)
    }

    fn append(&mut self, layer: usize, k: Tensor, v: Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        self.own.append(layer, k, v)
    }

    /// Keys and values of the source in a layer, made the first time that they are asked for.
    fn source(
        &mut self,
        layer: usize,
        project: impl FnOnce() -> candle_core::Result<(Tensor, Tensor)>,
    ) -> candle_core::Result<(Tensor, Tensor)> {
        if self.source.len() == layer {
            self.source.push(project()?);
        }
        match self.source.get(layer) {
            Some((k, v)) => Ok((k.clone(), v.clone())),
            None => candle_core::bail!("layer {layer} asked for its source before those below it"),
        }
    }
}

/// A model that reads a text and writes another.
pub trait EncoderDecoder: Module + Send + Sync {
    /// What the encoder makes of the texts of a pass.
    fn encode(&self, pass: &Pass) -> candle_core::Result<Source>;

    /// The decoder's last states (texts, time, hidden) for the texts that are written, each with its source. With a cache,
    /// the pass is over the positions that follow those it holds, and one source will do for several texts.
    fn decode(&self, pass: &Pass, source: &Source, cache: Option<&mut CrossCache>) -> candle_core::Result<Tensor>;

    /// The matrix (vocabulary, hidden) that turns the decoder's states into logits.
    fn head(&self) -> &Param;
}

/// Builds the family that `config` names in `model_type`.
pub fn encoder_decoder(config: &Value, weights: Weights) -> Result<Box<dyn EncoderDecoder>> {
    match config["model_type"].as_str() {
        Some(kind @ ("t5" | "mt5")) => Ok(Box::new(t5::T5::new(t5::T5Config::read(config, kind)?, weights)?)),
        other => Err(unknown_family(other, "mt5, t5")),
    }
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
        Some("deberta-v2") => deberta_v2::read(config),
        Some("distilbert") => distilbert::read(config),
        Some(kind @ ("roberta" | "xlm-roberta")) => roberta::read(config, kind),
        other => Err(unknown_family(other, "bert, deberta-v2, distilbert, roberta, xlm-roberta")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_gives_all_that_was_put_into_it_as_it_grows() -> candle_core::Result<()> {
        let device = candle_core::Device::Cpu;
        let mut cache = KvCache::new();
        let mut all: Option<Tensor> = None;
        // Past the room made at first, and at once past the room made next.
        for (i, time) in [100, 1, 40, 300].into_iter().enumerate() {
            let count = 2 * time * 3 * 4;
            let values: Vec<f32> = (0..count).map(|j| (1000 * i + j) as f32).collect();
            let new = Tensor::from_vec(values, (2, time, 3, 4), &device)?;
            all = Some(match all {
                Some(all) => Tensor::cat(&[&all, &new], 1)?,
                None => new.clone(),
            });
            let (k, v) = cache.append(0, new.clone(), new.neg()?)?;
            let expected = all.as_ref().map(|all| all.flatten_all()?.to_vec1::<f32>()).transpose()?.unwrap_or_default();
            assert_eq!(k.flatten_all()?.to_vec1::<f32>()?, expected);
            assert_eq!(v.neg()?.flatten_all()?.to_vec1::<f32>()?, expected);
        }
        assert_eq!(cache.len(), 441);
        cache.pick(&[1, 1, 0])?;
        let (k, _) = cache.append(
            0,
            Tensor::zeros((3, 1, 3, 4), candle_core::DType::F32, &device)?,
            Tensor::zeros((3, 1, 3, 4), candle_core::DType::F32, &device)?,
        )?;
        assert_eq!(k.dims(), [3, 442, 3, 4]);
        Ok(())
    }
}
