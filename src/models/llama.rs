//! Llama (Touvron et al., arXiv 2302.13971) and its relatives: RMSNorm, rotary positions, SwiGLU, grouped-query attention.
//!
//! Names of weights and settings are Hugging Face's (`LlamaForCausalLM`), whose logits and gradients the tests compare.

use candle_core::Tensor;
use serde::Deserialize;

use super::config::{activation, parse, rope_frequencies, unreadable};
use super::{Decoder, KvCache};
use crate::error::Result;
use crate::nn::{module_fields, recomputed, Linear, Param, Pass, Weights};
use crate::ops::{self, Activation, RopeTable};

/// What `config.json` says, under its names there.
#[derive(Clone, Debug, Deserialize)]
pub struct LlamaConfig {
    /// How many tokens the model knows.
    pub vocab_size: usize,
    /// Numbers per position between layers.
    pub hidden_size: usize,
    /// Numbers per position inside a feed-forward layer.
    pub intermediate_size: usize,
    /// How many layers.
    pub num_hidden_layers: usize,
    /// Attention heads per layer.
    pub num_attention_heads: usize,
    /// Heads of keys and values; absent: as many as attention heads.
    pub num_key_value_heads: Option<usize>,
    /// Numbers per head; absent: hidden_size / num_attention_heads.
    pub head_dim: Option<usize>,
    /// The longest text, in tokens.
    pub max_position_embeddings: usize,
    /// Keeps the norm's division away from zero.
    #[serde(default = "default_eps")]
    pub rms_norm_eps: f64,
    /// How fast each pair of a head's numbers turns, in radians a position; read from the settings of the rotation.
    #[serde(skip)]
    pub frequencies: Vec<f64>,
    /// True when the projections of attention have biases.
    #[serde(default)]
    pub attention_bias: bool,
    /// False when, with `attention_bias`, the output projection has none all the same (Qwen2).
    #[serde(skip)]
    pub output_bias: bool,
    /// True when the feed-forward layers have biases.
    #[serde(default)]
    pub mlp_bias: bool,
    /// True when each head's query and key are normalized (Qwen3).
    #[serde(skip)]
    pub head_norms: bool,
    /// True when the output matrix is the embedding.
    #[serde(default)]
    pub tie_word_embeddings: bool,
}

fn default_eps() -> f64 {
    1e-6
}

impl LlamaConfig {
    /// Reads the fields; a setting that this file does not do is an error that names it. `kind` is the family's name.
    pub fn read(config: &serde_json::Value, kind: &str) -> Result<Self> {
        let mut read: Self = parse(config, kind)?;
        if activation(config, kind, "hidden_act", "silu")? != Activation::Silu {
            return Err(unreadable(kind, format!("hidden_act = {}: silu", config["hidden_act"])));
        }
        let (heads, kv_heads) = (read.num_attention_heads, read.kv_heads());
        if heads == 0
            || kv_heads == 0
            || heads % kv_heads != 0
            || (read.head_dim.is_none() && !read.hidden_size.is_multiple_of(heads))
        {
            let (hidden, names) = (read.hidden_size, "num_attention_heads, num_key_value_heads");
            return Err(unreadable(kind, format!("hidden_size, {names} = {hidden}, {heads}, {kv_heads}")));
        }
        read.frequencies = rope_frequencies(config, kind, read.head_dim())?;
        read.output_bias = read.attention_bias;
        Ok(read)
    }

    fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }
}

/// A Llama with its head.
pub struct Llama {
    config: LlamaConfig,
    embed_tokens: Param,
    layers: Vec<Layer>,
    norm: Param,
    lm_head: Option<Param>,
    rope: RopeTable,
}

module_fields!(Llama: embed_tokens, layers, norm, lm_head);

#[derive(Clone)]
struct Layer {
    input_layernorm: Param,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    q_norm: Option<Param>,
    k_norm: Option<Param>,
    post_attention_layernorm: Param,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

module_fields!(Layer:
    input_layernorm, q_proj, k_proj, v_proj, o_proj, q_norm, k_norm,
    post_attention_layernorm, gate_proj, up_proj, down_proj,
);

impl Layer {
    fn new(c: &LlamaConfig, w: &mut Weights, index: usize) -> Result<Self> {
        let std = 0.02;
        // The projections that write into the residual stream start smaller, so that its size does not grow with depth.
        let std_out = std / (2.0 * c.num_hidden_layers as f32).sqrt();
        let (d, wide) = (c.hidden_size, c.intermediate_size);
        let (q, kv) = (c.num_attention_heads * c.head_dim(), c.kv_heads() * c.head_dim());
        let at = |name: &str| format!("model.layers.{index}.{name}");
        let linear = |w: &mut Weights, name: &str, input, output, std, bias| match bias {
            true => w.linear_bias(&at(name), input, output, std),
            false => w.linear(&at(name), input, output, std),
        };
        let head_norm = |w: &mut Weights, name: &str| match c.head_norms {
            true => w.ones(&at(name), c.head_dim()).map(Some),
            false => Ok(None),
        };
        Ok(Self {
            input_layernorm: w.ones(&at("input_layernorm.weight"), d)?,
            q_proj: linear(w, "self_attn.q_proj", d, q, std, c.attention_bias)?,
            k_proj: linear(w, "self_attn.k_proj", d, kv, std, c.attention_bias)?,
            v_proj: linear(w, "self_attn.v_proj", d, kv, std, c.attention_bias)?,
            o_proj: linear(w, "self_attn.o_proj", q, d, std_out, c.output_bias)?,
            q_norm: head_norm(w, "self_attn.q_norm.weight")?,
            k_norm: head_norm(w, "self_attn.k_norm.weight")?,
            post_attention_layernorm: w.ones(&at("post_attention_layernorm.weight"), d)?,
            gate_proj: linear(w, "mlp.gate_proj", d, wide, std, c.mlp_bias)?,
            up_proj: linear(w, "mlp.up_proj", d, wide, std, c.mlp_bias)?,
            down_proj: linear(w, "mlp.down_proj", wide, d, std_out, c.mlp_bias)?,
        })
    }

    /// The states after this layer. Shapes: x and result (batch, time, hidden).
    fn forward(
        &self,
        x: &Tensor,
        (c, rope, past): (&LlamaConfig, &RopeTable, usize),
        pass: &Pass,
        cache: Option<(usize, &mut KvCache)>,
    ) -> candle_core::Result<Tensor> {
        let normed = ops::rms_norm(x, &self.input_layernorm.value(), c.rms_norm_eps)?;
        let x = self.attend(x, &normed, (c, rope, past), pass, cache)?;
        let normed = ops::rms_norm(&x, &self.post_attention_layernorm.value(), c.rms_norm_eps)?;
        let wide = (pass.rows(), pass.time, c.intermediate_size);
        let gated = ops::swiglu(&self.gate_proj.forward(&normed, wide)?, &self.up_proj.forward(&normed, wide)?)?;
        self.down_proj.forward_add(&gated, &x)
    }

    /// What attention adds to `x`, added. Shapes: x and normed (batch, time, hidden), result the same.
    fn attend(
        &self,
        x: &Tensor,
        normed: &Tensor,
        (c, rope, past): (&LlamaConfig, &RopeTable, usize),
        pass: &Pass,
        cache: Option<(usize, &mut KvCache)>,
    ) -> candle_core::Result<Tensor> {
        let (batch, time, _) = x.dims3()?;
        let heads = |n: usize| (batch, time, n, c.head_dim());
        let positions = pass.spans.as_ref().map(|_| pass.positions(0));
        let turned = |x: Tensor, norm: &Option<Param>| {
            let x = match norm {
                Some(norm) => ops::rms_norm(&x, &norm.value(), c.rms_norm_eps)?,
                None => x,
            };
            match &positions {
                Some(positions) => ops::rope_at(&x, rope, positions),
                None => ops::rope(&x, rope, past),
            }
        };
        let q = turned(self.q_proj.forward(normed, heads(c.num_attention_heads))?, &self.q_norm)?;
        let k = turned(self.k_proj.forward(normed, heads(c.kv_heads()))?, &self.k_norm)?;
        let v = self.v_proj.forward(normed, heads(c.kv_heads()))?;
        let (k, v) = match cache {
            Some((index, cache)) => cache.append(index, k, v)?,
            None => (k, v),
        };
        let y = match &pass.spans {
            Some(spans) => ops::attention_packed(&q, &k, &v, spans, false, None)?,
            None => ops::attention(&q, &k, &v)?,
        }; // (batch, time, heads, d)
        self.o_proj.forward_add(&y, x)
    }
}

impl Llama {
    /// Builds the model; a weight that is missing, left over or of another shape is listed in the error.
    pub fn new(config: LlamaConfig, mut weights: Weights) -> Result<Self> {
        let (c, w) = (&config, &mut weights);
        let d = c.hidden_size;
        // Rows of length one: were they short, what rare tokens have in common would drown what tells them apart, and
        // the model would not learn to repeat a name.
        let embed_tokens = w.matrix("model.embed_tokens.weight", c.vocab_size, d, (d as f32).sqrt().recip())?;
        let layers = (0..c.num_hidden_layers).map(|i| Layer::new(c, w, i)).collect::<Result<_>>()?;
        let norm = w.ones("model.norm.weight", d)?;
        let lm_head = match c.tie_word_embeddings {
            true => None,
            false => Some(w.matrix("lm_head.weight", c.vocab_size, d, 0.02)?),
        };
        let rope = RopeTable::of(c.max_position_embeddings, &c.frequencies);
        weights.finish(if config.tie_word_embeddings {
            &["rotary_emb.inv_freq", "lm_head.weight"]
        } else {
            &["rotary_emb.inv_freq"]
        })?;
        Ok(Self { config, embed_tokens, layers, norm, lm_head, rope })
    }
}

impl Decoder for Llama {
    fn hidden(&self, pass: &Pass, mut cache: Option<&mut KvCache>) -> candle_core::Result<Tensor> {
        let eps = self.config.rms_norm_eps;
        let past = cache.as_ref().map_or(0, |cache| cache.len());
        let mut x = self.embed_tokens.rows(&pass.ids, pass)?;
        for (i, layer) in self.layers.iter().enumerate() {
            x = match cache.as_deref_mut() {
                Some(cache) => layer.forward(&x, (&self.config, &self.rope, past), pass, Some((i, cache)))?,
                None => {
                    let (layer, c, rope) = (layer.clone(), self.config.clone(), self.rope.clone());
                    recomputed(pass, &x, &[], move |x, _, pass| layer.forward(x, (&c, &rope, 0), pass, None))?
                }
            };
        }
        ops::rms_norm(&x, &self.norm.value(), eps)
    }

    fn head(&self) -> &Param {
        self.lm_head.as_ref().unwrap_or(&self.embed_tokens)
    }

    fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings
    }
}
