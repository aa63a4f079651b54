//! GPT-2 (Radford et al., 2019, "Language Models are Unsupervised Multitask Learners"): learned positions, layer
//! norms with biases, one projection for queries, keys and values, and weights stored the other way round.
//!
//! Names of weights and settings are Hugging Face's (`GPT2LMHeadModel`), whose logits and gradients the tests compare.

use candle_core::Tensor;
use serde::Deserialize;
use serde_json::Value;

use super::config::{activation, parse, refuse_true, unreadable};
use super::{Decoder, KvCache};
use crate::error::Result;
use crate::nn::{module_fields, recomputed, LayerNorm, Linear, Param, Pass, Weights};
use crate::ops::{self, Activation};

/// What `config.json` says, under its names there.
#[derive(Clone, Debug, Deserialize)]
pub struct Gpt2Config {
    /// How many tokens the model knows.
    pub vocab_size: usize,
    /// Numbers per position between layers.
    pub n_embd: usize,
    /// How many layers.
    pub n_layer: usize,
    /// Attention heads per layer.
    pub n_head: usize,
    /// The longest text, in tokens.
    pub n_positions: usize,
    /// Numbers per position inside a feed-forward layer; absent: four times n_embd.
    pub n_inner: Option<usize>,
    /// Keeps the norm's division away from zero.
    #[serde(default = "default_eps")]
    pub layer_norm_epsilon: f64,
    /// Share left out of the embeddings while training.
    #[serde(default = "default_dropout")]
    pub embd_pdrop: f64,
    /// Share left out of the attention's weights while training.
    #[serde(default = "default_dropout")]
    pub attn_pdrop: f64,
    /// Share left out of what each layer adds while training.
    #[serde(default = "default_dropout")]
    pub resid_pdrop: f64,
    /// Read from `activation_function`.
    #[serde(skip, default = "default_activation")]
    pub activation: Activation,
}

fn default_eps() -> f64 {
    1e-5
}

fn default_dropout() -> f64 {
    0.1
}

fn default_activation() -> Activation {
    Activation::GeluTanh
}

impl Gpt2Config {
    /// Reads the fields; a setting that this file does not do is an error that names it.
    pub fn read(config: &Value) -> Result<Self> {
        let kind = "gpt2";
        refuse_true(config, kind, &["scale_attn_by_inverse_layer_idx", "add_cross_attention"])?;
        for (name, needed) in [("scale_attn_weights", true), ("tie_word_embeddings", true)] {
            if config[name].as_bool().unwrap_or(needed) != needed {
                return Err(unreadable(kind, format!("{name} = {}", config[name])));
            }
        }
        let mut read: Self = parse(config, kind)?;
        read.activation = activation(config, kind, "activation_function", "gelu_new")?;
        if read.n_head == 0 || !read.n_embd.is_multiple_of(read.n_head) {
            return Err(unreadable(kind, format!("n_embd = {}, n_head = {}", read.n_embd, read.n_head)));
        }
        Ok(read)
    }

    fn inner(&self) -> usize {
        self.n_inner.unwrap_or(4 * self.n_embd)
    }
}

/// A GPT-2 with its head, which is the embedding.
pub struct Gpt2 {
    config: Gpt2Config,
    wte: Param,
    wpe: Param,
    h: Vec<Layer>,
    ln_f: LayerNorm,
}

module_fields!(Gpt2: wte, wpe, h, ln_f);

#[derive(Clone)]
struct Layer {
    ln_1: LayerNorm,
    c_attn: Linear,
    attn_c_proj: Linear,
    ln_2: LayerNorm,
    c_fc: Linear,
    mlp_c_proj: Linear,
}

module_fields!(Layer: ln_1, c_attn, attn_c_proj, ln_2, c_fc, mlp_c_proj);

impl Layer {
    fn new(c: &Gpt2Config, w: &mut Weights, index: usize) -> Result<Self> {
        let (d, eps, std) = (c.n_embd, c.layer_norm_epsilon, 0.02);
        // As in the paper: what writes into the residual stream starts smaller, by the number of such layers.
        let std_out = std / (2.0 * c.n_layer as f32).sqrt();
        let at = |name: &str| format!("transformer.h.{index}.{name}");
        Ok(Self {
            ln_1: w.layer_norm(&at("ln_1"), d, eps)?,
            c_attn: w.conv1d(&at("attn.c_attn"), d, 3 * d, std)?,
            attn_c_proj: w.conv1d(&at("attn.c_proj"), d, d, std_out)?,
            ln_2: w.layer_norm(&at("ln_2"), d, eps)?,
            c_fc: w.conv1d(&at("mlp.c_fc"), d, c.inner(), std)?,
            mlp_c_proj: w.conv1d(&at("mlp.c_proj"), c.inner(), d, std_out)?,
        })
    }

    /// The states after this layer. Shapes: x and result (batch, time, n_embd).
    fn forward(
        &self,
        x: &Tensor,
        c: &Gpt2Config,
        pass: &Pass,
        cache: Option<(usize, &mut KvCache)>,
    ) -> candle_core::Result<Tensor> {
        let (batch, time) = (pass.rows(), pass.time);
        let qkv = self.c_attn.forward(&self.ln_1.forward(x)?, (batch, time, 3 * c.n_embd))?;
        let y = Self::attend(&qkv, c, pass, cache)?;
        let x = pass.dropout(self.attn_c_proj.forward(&y, x.shape())?, c.resid_pdrop)?.add(x)?;
        let inner = self.c_fc.forward(&self.ln_2.forward(&x)?, (batch, time, c.inner()))?;
        let y = self.mlp_c_proj.forward_activated(&inner, c.activation, x.shape())?;
        pass.dropout(y, c.resid_pdrop)?.add(&x)
    }

    /// Attention's result (batch, time, heads, d) from queries, keys and values side by side (batch, time, 3 · n_embd).
    fn attend(
        qkv: &Tensor,
        c: &Gpt2Config,
        pass: &Pass,
        cache: Option<(usize, &mut KvCache)>,
    ) -> candle_core::Result<Tensor> {
        let heads = c.n_head;
        let dropout = pass.attention_dropout(c.attn_pdrop);
        let Some((index, cache)) = cache else {
            return ops::attention_fused(qkv, heads, pass.spans.as_deref(), dropout);
        };
        let (batch, time, width) = qkv.dims3()?;
        let parts = qkv.reshape((batch, time, 3, heads, width / 3 / heads))?;
        let part = |i: usize| parts.narrow(2, i, 1)?.squeeze(2)?.contiguous();
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let (k, v) = cache.append(index, k, v)?;
        ops::attention(&q, &k, &v)
    }
}

impl Gpt2 {
    /// Builds the model; a weight that is missing, left over or of another shape is listed in the error.
    pub fn new(config: Gpt2Config, weights: Weights) -> Result<Self> {
        let mut weights = weights.named_as_today("transformer.", &["lm_head."]);
        let (c, w) = (&config, &mut weights);
        let wte = w.matrix("transformer.wte.weight", c.vocab_size, c.n_embd, 0.02)?;
        let wpe = w.matrix("transformer.wpe.weight", c.n_positions, c.n_embd, 0.01)?;
        let h = (0..c.n_layer).map(|i| Layer::new(c, w, i)).collect::<Result<_>>()?;
        let ln_f = w.layer_norm("transformer.ln_f", c.n_embd, c.layer_norm_epsilon)?;
        // Older files carry the causal mask along as tensors.
        weights.finish(&[".attn.bias", ".attn.masked_bias", "lm_head.weight"])?;
        Ok(Self { config, wte, wpe, h, ln_f })
    }
}

impl Decoder for Gpt2 {
    fn hidden(&self, pass: &Pass, mut cache: Option<&mut KvCache>) -> candle_core::Result<Tensor> {
        let c = &self.config;
        let past = cache.as_ref().map_or(0, |cache| cache.len());
        let places = pass.positions(past);
        let tokens = self.wte.rows(&pass.ids, pass)?;
        let x = (tokens + self.wpe.rows(&places, pass)?)?;
        let mut x = pass.dropout(x, c.embd_pdrop)?; // (batch, time, n_embd)
        for (i, layer) in self.h.iter().enumerate() {
            x = match cache.as_deref_mut() {
                Some(cache) => layer.forward(&x, c, pass, Some((i, cache)))?,
                None => {
                    let (layer, c) = (layer.clone(), c.clone());
                    recomputed(pass, &x, &[], move |x, _, pass| layer.forward(x, &c, pass, None))?
                }
            };
        }
        self.ln_f.forward(&x)
    }

    fn head(&self) -> &Param {
        &self.wte
    }

    fn max_tokens(&self) -> usize {
        self.config.n_positions
    }
}
