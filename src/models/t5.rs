//! T5 (Raffel et al., arXiv 1910.10683), with T5 1.1 and mT5 (Xue et al., arXiv 2010.11934): an encoder that reads a text
//! and a decoder that writes another, both with biases by distance in place of positions.
//!
//! Names of weights and settings are Hugging Face's (`T5ForConditionalGeneration`).

use candle_core::Tensor;
use serde::Deserialize;
use serde_json::Value;

use super::config::{activation, parse, unreadable};
use super::{CrossCache, EncoderDecoder, Source};
use crate::error::Result;
use crate::nn::{module_fields, recomputed, Linear, Param, Pass, Weights};
use crate::ops::{self, Activation};

/// What `config.json` says, under its names there.
#[derive(Clone, Debug, Deserialize)]
pub struct T5Config {
    /// How many tokens the model knows.
    pub vocab_size: usize,
    /// Numbers per position between layers.
    pub d_model: usize,
    /// Numbers per position and head.
    pub d_kv: usize,
    /// Numbers per position inside a feed-forward layer.
    pub d_ff: usize,
    /// Layers of the encoder.
    pub num_layers: usize,
    /// Layers of the decoder; absent: as many.
    pub num_decoder_layers: Option<usize>,
    /// Attention heads per layer.
    pub num_heads: usize,
    /// Biases per head, each for some distances.
    #[serde(default = "default_buckets")]
    pub relative_attention_num_buckets: usize,
    /// Distances from here on share a bias.
    #[serde(default = "default_distance")]
    pub relative_attention_max_distance: usize,
    /// Share left out while training.
    #[serde(default = "default_dropout")]
    pub dropout_rate: f64,
    /// Keeps the norm's division away from zero.
    #[serde(default = "default_eps")]
    pub layer_norm_epsilon: f64,
    /// True where the feed-forward layers have a gate (T5 1.1); read from `feed_forward_proj`.
    #[serde(skip)]
    pub gated: bool,
    /// Read from `feed_forward_proj`.
    #[serde(skip, default = "default_activation")]
    pub activation: Activation,
    /// True where the last states are divided by the root of `d_model` before the head.
    #[serde(skip)]
    pub scaled: bool,
    /// True where `config.json` says that the output matrix is the embedding.
    #[serde(skip)]
    pub tied: bool,
}

fn default_buckets() -> usize {
    32
}

fn default_distance() -> usize {
    128
}

fn default_dropout() -> f64 {
    0.1
}

fn default_eps() -> f64 {
    1e-6
}

fn default_activation() -> Activation {
    Activation::Relu
}

impl T5Config {
    /// Reads the fields; a setting that this file does not do is an error that names it. `kind` is `t5` or `mt5`.
    pub fn read(config: &Value, kind: &str) -> Result<Self> {
        let mut read: Self = parse(config, kind)?;
        let default = if kind == "mt5" { "gated-gelu" } else { "relu" };
        let named = config["feed_forward_proj"].as_str().unwrap_or(default);
        read.gated = named.starts_with("gated-");
        // transformers means the approximate form where it writes "gated-gelu".
        let function = if named == "gated-gelu" { "gelu_new" } else { named.trim_start_matches("gated-") };
        let asked = serde_json::json!({ "feed_forward_proj": function });
        read.activation = activation(&asked, kind, "feed_forward_proj", "relu")?;
        read.tied = config["tie_word_embeddings"].as_bool().unwrap_or(kind == "t5");
        // T5 1.1 and mT5 do not scale; transformers 4 told so by untied matrices, 5 by a setting of its own.
        read.scaled = config["scale_decoder_outputs"].as_bool().unwrap_or(kind == "t5" && read.tied);
        let (heads, buckets) = (read.num_heads, read.relative_attention_num_buckets);
        if heads == 0 || buckets < 4 || read.relative_attention_max_distance <= buckets / 2 {
            let names = "num_heads, relative_attention_num_buckets, relative_attention_max_distance";
            let farthest = read.relative_attention_max_distance;
            return Err(unreadable(kind, format!("{names} = {heads}, {buckets}, {farthest}")));
        }
        Ok(read)
    }

    /// Which bias belongs to a key that is `distance` positions after its query (before it: less than 0).
    ///
    /// In float32, as transformers computes it: a distance at the edge of two must fall on the same side.
    fn bucket(&self, distance: i64, both_ways: bool) -> u32 {
        let all = self.relative_attention_num_buckets;
        let (all, first) = match both_ways {
            true => (all / 2, if distance > 0 { all / 2 } else { 0 }),
            false => (all, 0),
        };
        let far = if both_ways { distance.unsigned_abs() } else { distance.min(0).unsigned_abs() } as usize;
        let exact = all / 2;
        if far < exact {
            return (first + far) as u32;
        }
        let range = (self.relative_attention_max_distance as f64 / exact as f64).ln() as f32;
        let place = (far as f32 / exact as f32).ln() / range * (all - exact) as f32;
        (first + (exact + place as usize).min(all - 1)) as u32
    }
}

/// A T5 with its head.
pub struct T5 {
    config: T5Config,
    shared: Param,
    encoder: Stack,
    decoder: Stack,
    lm_head: Option<Param>,
}

module_fields!(T5: shared, encoder, decoder, lm_head);

/// One side: its layers, and the biases by distance that they share.
struct Stack {
    relative_attention_bias: Param,
    blocks: Vec<Block>,
    final_layer_norm: Param,
}

module_fields!(Stack: relative_attention_bias, blocks, final_layer_norm);

#[derive(Clone)]
struct Block {
    attention_norm: Param,
    attention: Attention,
    cross_norm: Option<Param>,
    cross: Option<Attention>,
    output_norm: Param,
    wi: Vec<Linear>,
    wo: Linear,
}

module_fields!(Block: attention_norm, attention, cross_norm, cross, output_norm, wi, wo);

#[derive(Clone)]
struct Attention {
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
}

module_fields!(Attention: q, k, v, o);

impl Attention {
    fn new(c: &T5Config, w: &mut Weights, at: &str) -> Result<Self> {
        let (d, inner) = (c.d_model, c.num_heads * c.d_kv);
        let std = |size: usize| (size as f32).sqrt().recip();
        Ok(Self {
            q: w.linear(&format!("{at}.q"), d, inner, std(d * c.d_kv))?,
            k: w.linear(&format!("{at}.k"), d, inner, std(d))?,
            v: w.linear(&format!("{at}.v"), d, inner, std(d))?,
            o: w.linear(&format!("{at}.o"), inner, d, std(inner))?,
        })
    }
}

impl Stack {
    fn new(c: &T5Config, w: &mut Weights, side: &str, layers: usize) -> Result<Self> {
        let name = format!("{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
        let std = (c.d_model as f32).sqrt().recip();
        let relative_attention_bias = w.matrix(&name, c.relative_attention_num_buckets, c.num_heads, std)?;
        let blocks = (0..layers).map(|i| Block::new(c, w, side, i)).collect::<Result<_>>()?;
        let final_layer_norm = w.ones(&format!("{side}.final_layer_norm.weight"), c.d_model)?;
        Ok(Self { relative_attention_bias, blocks, final_layer_norm })
    }

    /// The biases by distance (heads, time + keys - 1) of the last `time` of `keys` positions, as
    /// [`ops::attention_by_distance`] takes them.
    fn biases(&self, c: &T5Config, time: usize, keys: usize, both_ways: bool) -> candle_core::Result<Tensor> {
        let distances = 1 - keys as i64..time as i64;
        let places: Vec<u32> = distances.map(|distance| c.bucket(distance, both_ways)).collect();
        ops::embedding(&self.relative_attention_bias.value(), &places, &[places.len()])?.t()?.contiguous()
    }
}

impl Block {
    fn new(c: &T5Config, w: &mut Weights, side: &str, index: usize) -> Result<Self> {
        let (d, decoder) = (c.d_model, side == "decoder");
        let at = |layer: usize, name: &str| format!("{side}.block.{index}.layer.{layer}.{name}");
        let last = 1 + usize::from(decoder);
        let (attention_norm, attention) =
            (w.ones(&at(0, "layer_norm.weight"), d)?, Attention::new(c, w, &at(0, "SelfAttention"))?);
        let (cross_norm, cross) = match decoder {
            true => {
                (Some(w.ones(&at(1, "layer_norm.weight"), d)?), Some(Attention::new(c, w, &at(1, "EncDecAttention"))?))
            }
            false => (None, None),
        };
        let names: &[&str] = if c.gated { &["wi_0", "wi_1"] } else { &["wi"] };
        let std = |size: usize| (size as f32).sqrt().recip();
        let inner = |name: &&str| w.linear(&at(last, &format!("DenseReluDense.{name}")), d, c.d_ff, std(d));
        let wi = names.iter().map(inner).collect::<Result<_>>()?;
        let wo = w.linear(&at(last, "DenseReluDense.wo"), c.d_ff, d, std(c.d_ff))?;
        let output_norm = w.ones(&at(last, "layer_norm.weight"), d)?;
        Ok(Self { attention_norm, attention, cross_norm, cross, output_norm, wi, wo })
    }

    /// `x` plus what the feed-forward layers say of it. Shapes: x and result (texts, time, d_model).
    fn feed_forward(&self, x: &Tensor, c: &T5Config, pass: &Pass) -> candle_core::Result<Tensor> {
        let (texts, time, d) = x.dims3()?;
        let normed = ops::rms_norm(x, &self.output_norm.value(), c.layer_norm_epsilon)?;
        let inner = |linear: &Linear| linear.forward(&normed, (texts, time, c.d_ff));
        let [first, gate @ ..] = &self.wi[..] else { candle_core::bail!("t5: no feed-forward layer") };
        let mut wide = ops::activate(&inner(first)?, c.activation)?;
        if let [second] = gate {
            wide = (wide * inner(second)?)?;
        }
        let wide = pass.dropout(wide, c.dropout_rate)?;
        pass.dropout(self.wo.forward(&wide, (texts, time, d))?, c.dropout_rate)?.add(x)
    }

    /// The states after this block. Shapes: x and result (texts, time, d_model), biases (heads, time + keys - 1). A
    /// decoder's block has the source to read, and a cache of its number where it generates.
    fn forward(
        &self,
        c: &T5Config,
        x: &Tensor,
        biases: &Tensor,
        source: Option<&Source>,
        pass: &Pass,
        mut cache: Option<(usize, &mut CrossCache)>,
    ) -> candle_core::Result<Tensor> {
        let (normed, own) = (normed(c, x, &self.attention_norm)?, &self.attention);
        let (k, v) = (heads(c, &own.k, &normed)?, heads(c, &own.v, &normed)?);
        let (k, v) = match &mut cache {
            Some((index, cache)) => cache.append(*index, k, v)?,
            None => (k, v),
        };
        // An encoder sees all of its text, a decoder what it wrote so far.
        let (q, lengths) = (heads(c, &own.q, &normed)?, source.is_none().then_some(&pass.lengths[..]));
        let y = ops::attention_by_distance(&q, &k, &v, biases, lengths, pass.next_dropout(c.dropout_rate))?;
        let x = add(c, x, &y, &own.o, pass)?;
        let x = match source {
            Some(source) => self.cross(c, &x, source, pass, cache)?,
            None => x,
        };
        self.feed_forward(&x, c, pass)
    }

    /// What a decoder's layer reads in the source, added to `x` (texts, time, d_model).
    fn cross(
        &self,
        c: &T5Config,
        x: &Tensor,
        source: &Source,
        pass: &Pass,
        cache: Option<(usize, &mut CrossCache)>,
    ) -> candle_core::Result<Tensor> {
        let (Some(norm), Some(cross)) = (&self.cross_norm, &self.cross) else {
            candle_core::bail!("t5: an encoder's layer reads no source");
        };
        let project = || Ok((heads(c, &cross.k, &source.states)?, heads(c, &cross.v, &source.states)?));
        let (k, v) = match cache {
            Some((index, cache)) => cache.source(index, project)?,
            None => project()?,
        };
        let q = heads(c, &cross.q, &normed(c, x, norm)?)?;
        let (texts, time, heads, d) = q.dims4()?;
        // Several ways to go on, of one source: their queries side by side look at it as one text's.
        let q = if texts == source.lengths.len() { q } else { q.reshape((1, texts * time, heads, d))? };
        let y = ops::attention_across(&q, &k, &v, &source.lengths, pass.next_dropout(c.dropout_rate))?;
        add(c, x, &y, &cross.o, pass)
    }
}

/// What attention found, added to `x` by the matrix `o`. Shapes: x and result (texts, time, d_model), y as many positions of
/// (heads, d_kv).
fn add(c: &T5Config, x: &Tensor, y: &Tensor, o: &Linear, pass: &Pass) -> candle_core::Result<Tensor> {
    pass.dropout(o.forward(y, x.shape())?, c.dropout_rate)?.add(x)
}

/// Heads of `x` (texts, time, d_model) by one of attention's matrices: (texts, time, heads, d_kv).
fn heads(c: &T5Config, linear: &Linear, x: &Tensor) -> candle_core::Result<Tensor> {
    let (texts, time, _) = x.dims3()?;
    linear.forward(x, (texts, time, c.num_heads, c.d_kv))
}

fn normed(c: &T5Config, x: &Tensor, weight: &Param) -> candle_core::Result<Tensor> {
    ops::rms_norm(x, &weight.value(), c.layer_norm_epsilon)
}

impl T5 {
    /// Builds the model; a weight that is missing, left over or of another shape is listed in the error.
    pub fn new(config: T5Config, mut weights: Weights) -> Result<Self> {
        let (c, w) = (&config, &mut weights);
        // A file may repeat the embedding as the head: it is one of its own only where it differs, or is said to be.
        let (head, table) = ("lm_head.weight", "shared.weight");
        let own_head = w.any(&[head]) && (!c.tied || !w.same(head, table)?);
        let shared = w.matrix(table, c.vocab_size, c.d_model, 1.0)?;
        let encoder = Stack::new(c, w, "encoder", c.num_layers)?;
        let decoder = Stack::new(c, w, "decoder", c.num_decoder_layers.unwrap_or(c.num_layers))?;
        let lm_head = if own_head { Some(w.matrix(head, c.vocab_size, c.d_model, 1.0)?) } else { None };
        weights.finish(&["embed_tokens.weight", "lm_head.weight", "EncDecAttention.relative_attention_bias"])?;
        Ok(Self { config, shared, encoder, decoder, lm_head })
    }
}

impl EncoderDecoder for T5 {
    fn encode(&self, pass: &Pass) -> candle_core::Result<Source> {
        if pass.spans.is_some() {
            candle_core::bail!("texts packed into rows: T5's distances do not know where one ends");
        }
        let (c, stack) = (&self.config, &self.encoder);
        let biases = stack.biases(c, pass.time, pass.time, true)?;
        let mut x = pass.dropout(self.shared.rows(&pass.ids, pass)?, c.dropout_rate)?;
        for block in &stack.blocks {
            let (block, c) = (block.clone(), c.clone());
            x = recomputed(pass, &x, &[&biases], move |x, biases, pass| {
                block.forward(&c, x, &biases[0], None, pass, None)
            })?;
        }
        let states = pass.dropout(normed(c, &x, &stack.final_layer_norm)?, c.dropout_rate)?;
        Ok(Source { states, lengths: pass.lengths.clone() })
    }

    fn decode(&self, pass: &Pass, source: &Source, mut cache: Option<&mut CrossCache>) -> candle_core::Result<Tensor> {
        let (c, stack) = (&self.config, &self.decoder);
        let past = cache.as_ref().map_or(0, |cache| cache.len());
        let keys = past + pass.time;
        let biases = stack.biases(c, pass.time, keys, false)?;
        let mut x = pass.dropout(self.shared.rows(&pass.ids, pass)?, c.dropout_rate)?;
        for (i, block) in stack.blocks.iter().enumerate() {
            x = match cache.as_deref_mut() {
                Some(cache) => block.forward(c, &x, &biases, Some(source), pass, Some((i, cache)))?,
                None => {
                    let (block, c, lengths) = (block.clone(), c.clone(), source.lengths.clone());
                    recomputed(pass, &x, &[&biases, &source.states], move |x, shared, pass| {
                        let source = Source { states: shared[1].clone(), lengths: lengths.clone() };
                        block.forward(&c, x, &shared[0], Some(&source), pass, None)
                    })?
                }
            };
        }
        let states = pass.dropout(normed(c, &x, &stack.final_layer_norm)?, c.dropout_rate)?;
        if c.scaled {
            return states * (c.d_model as f64).sqrt().recip();
        }
        Ok(states)
    }

    fn head(&self) -> &Param {
        self.lm_head.as_ref().unwrap_or(&self.shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(more: Value) -> Value {
        let mut config =
            json!({"vocab_size": 96, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    }

    #[test]
    fn both_generations_of_transformers_tell_whether_the_head_is_scaled() {
        let scaled = |more, kind| T5Config::read(&config(more), kind).unwrap().scaled;
        assert!(scaled(json!({}), "t5") && scaled(json!({"tie_word_embeddings": true}), "t5"));
        assert!(!scaled(json!({"tie_word_embeddings": false}), "t5"));
        assert!(!scaled(json!({"tie_word_embeddings": true, "scale_decoder_outputs": false}), "t5"));
        assert!(!scaled(json!({}), "mt5") && !scaled(json!({"tie_word_embeddings": true}), "mt5"));
    }

    #[test]
    fn an_unknown_feed_forward_layer_lists_the_known_functions() {
        let error = T5Config::read(&config(json!({"feed_forward_proj": "gated-mish"})), "t5").unwrap_err().to_string();
        assert!(error.contains("mish") && error.contains("gelu_new"), "{error}");
        assert!(T5Config::read(&config(json!({"feed_forward_proj": "gated-silu"})), "t5").unwrap().gated);
    }
}
