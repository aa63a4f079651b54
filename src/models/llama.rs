//! Llama (Touvron et al., arXiv 2302.13971) and its relatives: RMSNorm, rotary positions, SwiGLU, grouped-query attention.
//!
//! Names of weights and settings are Hugging Face's (`LlamaForCausalLM`), whose logits and gradients the tests compare.

use candle_core::Tensor;
use serde::Deserialize;

use super::{Decoder, KvCache};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::{Linear, Param, Weights};
use crate::ops::{self, RopeTable};

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
    /// The slowest rotation's base.
    #[serde(default = "default_theta")]
    pub rope_theta: f64,
    /// True when the output matrix is the embedding.
    #[serde(default)]
    pub tie_word_embeddings: bool,
}

fn default_eps() -> f64 {
    1e-6
}

fn default_theta() -> f64 {
    10_000.0
}

impl LlamaConfig {
    /// Reads the fields; a setting that this file does not do is an error that names it.
    pub fn read(config: &serde_json::Value) -> Result<Self> {
        let broken = |why: String| {
            Error::new(
                ErrorKind::BadModel,
                tr!(
                    "config.json no describe un modelo llama que pueda leer.",
                    "config.json does not describe a llama model that I can read."
                ),
            )
            .why(why)
            .next(tr!(
                "Elige otro modelo, por ejemplo el que viene con el curso: \"cuentos\".",
                "Choose another model, for example the one that ships with the course: \"cuentos\"."
            ))
        };
        let mut read: Self = serde_json::from_value(config.clone()).map_err(|e| broken(e.to_string()))?;
        // transformers 5 writes the rotation's settings in an object of their own.
        let rope = &config["rope_parameters"];
        read.rope_theta = rope["rope_theta"].as_f64().unwrap_or(read.rope_theta);
        let kind = [&rope["rope_type"], &config["rope_scaling"]["rope_type"], &config["rope_scaling"]["type"]];
        if let Some(kind) = kind.iter().filter_map(|kind| kind.as_str()).find(|kind| *kind != "default") {
            return Err(broken(format!("rope_type = {kind}")));
        }
        for name in ["attention_bias", "mlp_bias"] {
            if config[name].as_bool() == Some(true) {
                return Err(broken(format!("{name} = true")));
            }
        }
        if let Some(act) = config["hidden_act"].as_str().filter(|act| *act != "silu") {
            return Err(broken(format!("hidden_act = {act}")));
        }
        let (heads, kv_heads) = (read.num_attention_heads, read.kv_heads());
        if heads == 0
            || kv_heads == 0
            || heads % kv_heads != 0
            || (read.head_dim.is_none() && !read.hidden_size.is_multiple_of(heads))
        {
            return Err(broken(format!(
                "hidden_size = {}, num_attention_heads = {heads}, num_key_value_heads = {kv_heads}",
                read.hidden_size
            )));
        }
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

struct Layer {
    input_layernorm: Param,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    post_attention_layernorm: Param,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

impl Layer {
    fn linears(&self) -> [&Linear; 7] {
        [&self.q_proj, &self.k_proj, &self.v_proj, &self.o_proj, &self.gate_proj, &self.up_proj, &self.down_proj]
    }

    /// The two norms and the seven linear layers, to change.
    fn parts_mut(&mut self) -> ([&mut Param; 2], [&mut Linear; 7]) {
        let norms = [&mut self.input_layernorm, &mut self.post_attention_layernorm];
        let [q, k, v, o] = [&mut self.q_proj, &mut self.k_proj, &mut self.v_proj, &mut self.o_proj];
        (norms, [q, k, v, o, &mut self.gate_proj, &mut self.up_proj, &mut self.down_proj])
    }
}

impl Llama {
    /// Builds the model; a weight that is missing, left over or of another shape is listed in the error.
    pub fn new(config: LlamaConfig, mut weights: Weights) -> Result<Self> {
        let (c, w) = (&config, &mut weights);
        let std = 0.02;
        // The projections that write into the residual stream start smaller, so that its size does not grow with depth.
        let std_out = std / (2.0 * c.num_hidden_layers as f32).sqrt();
        let (d, q, kv) = (c.hidden_size, c.num_attention_heads * c.head_dim(), c.kv_heads() * c.head_dim());
        // Rows of length one: were they short, what rare tokens have in common would drown what tells them apart, and
        // the model would not learn to repeat a name.
        let embed_tokens = w.matrix("model.embed_tokens.weight", c.vocab_size, d, (d as f32).sqrt().recip())?;
        let mut layers = Vec::new();
        for i in 0..c.num_hidden_layers {
            let at = |name: &str| format!("model.layers.{i}.{name}");
            layers.push(Layer {
                input_layernorm: w.ones(&at("input_layernorm.weight"), d)?,
                q_proj: w.linear(&at("self_attn.q_proj"), d, q, std)?,
                k_proj: w.linear(&at("self_attn.k_proj"), d, kv, std)?,
                v_proj: w.linear(&at("self_attn.v_proj"), d, kv, std)?,
                o_proj: w.linear(&at("self_attn.o_proj"), q, d, std_out)?,
                post_attention_layernorm: w.ones(&at("post_attention_layernorm.weight"), d)?,
                gate_proj: w.linear(&at("mlp.gate_proj"), d, c.intermediate_size, std)?,
                up_proj: w.linear(&at("mlp.up_proj"), d, c.intermediate_size, std)?,
                down_proj: w.linear(&at("mlp.down_proj"), c.intermediate_size, d, std_out)?,
            });
        }
        let norm = w.ones("model.norm.weight", d)?;
        let lm_head = match c.tie_word_embeddings {
            true => None,
            false => Some(w.matrix("lm_head.weight", c.vocab_size, d, std)?),
        };
        let rope = RopeTable::new(c.max_position_embeddings, c.head_dim(), c.rope_theta);
        weights.finish(if config.tie_word_embeddings {
            &["rotary_emb.inv_freq", "lm_head.weight"]
        } else {
            &["rotary_emb.inv_freq"]
        })?;
        Ok(Self { config, embed_tokens, layers, norm, lm_head, rope })
    }

    /// What attention adds to `x`, added. Shapes: x and normed (batch, time, hidden), result the same.
    fn attend(
        &self,
        index: usize,
        x: &Tensor,
        normed: &Tensor,
        cache: Option<&mut KvCache>,
    ) -> candle_core::Result<Tensor> {
        let (layer, c) = (&self.layers[index], &self.config);
        let (batch, time, _) = x.dims3()?;
        let heads = |n: usize| (batch, time, n, c.head_dim());
        let past = cache.as_ref().and_then(|cache| cache.layers.get(index)?.as_ref()?.0.dim(1).ok()).unwrap_or(0);
        let q = ops::rope(&layer.q_proj.forward(normed, heads(c.num_attention_heads))?, &self.rope, past)?;
        let k = ops::rope(&layer.k_proj.forward(normed, heads(c.kv_heads()))?, &self.rope, past)?;
        let v = layer.v_proj.forward(normed, heads(c.kv_heads()))?;
        let (k, v) = match cache {
            Some(cache) => cache.append(index, k, v)?,
            None => (k, v),
        };
        let y = ops::attention(&q, &k, &v)?; // (batch, time, heads, d)
        layer.o_proj.forward_add(&y, x)
    }
}

impl Decoder for Llama {
    fn hidden(&self, ids: &Tensor, mut cache: Option<&mut KvCache>) -> candle_core::Result<Tensor> {
        let eps = self.config.rms_norm_eps;
        let (batch, time) = ids.dims2()?;
        let rows = self.embed_tokens.value().index_select(&ids.flatten_all()?, 0)?;
        let mut x = rows.reshape((batch, time, self.config.hidden_size))?;
        for (i, layer) in self.layers.iter().enumerate() {
            let normed = ops::rms_norm(&x, &layer.input_layernorm.value(), eps)?;
            x = self.attend(i, &x, &normed, cache.as_deref_mut())?;
            let normed = ops::rms_norm(&x, &layer.post_attention_layernorm.value(), eps)?;
            let wide = (batch, time, self.config.intermediate_size);
            let gated = ops::swiglu(&layer.gate_proj.forward(&normed, wide)?, &layer.up_proj.forward(&normed, wide)?)?;
            x = layer.down_proj.forward_add(&gated, &x)?;
        }
        ops::rms_norm(&x, &self.norm.value(), eps)
    }

    fn head(&self) -> &Param {
        self.lm_head.as_ref().unwrap_or(&self.embed_tokens)
    }

    fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings
    }

    fn params(&self) -> Vec<&Param> {
        let mut params = vec![&self.embed_tokens];
        for layer in &self.layers {
            params.extend([&layer.input_layernorm, &layer.post_attention_layernorm]);
            params.extend(layer.linears().into_iter().flat_map(Linear::params));
        }
        params.push(&self.norm);
        params.extend(&self.lm_head);
        params
    }

    fn params_mut(&mut self) -> Vec<&mut Param> {
        let mut params = vec![&mut self.embed_tokens];
        for layer in &mut self.layers {
            let (norms, linears) = layer.parts_mut();
            params.extend(norms);
            params.extend(linears.into_iter().flat_map(Linear::params_mut));
        }
        params.push(&mut self.norm);
        params.extend(&mut self.lm_head);
        params
    }

    fn linears(&self) -> Vec<&Linear> {
        self.layers.iter().flat_map(Layer::linears).collect()
    }

    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        self.layers.iter_mut().flat_map(|layer| layer.parts_mut().1).collect()
    }
}
