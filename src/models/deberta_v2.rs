//! DeBERTa v2 and v3 (He et al., arXiv 2006.03654 and 2111.09543): a BERT without a table of positions, whose attention
//! adds what a token thinks of each distance, and what each distance thinks of a token.
//!
//! Names of weights and settings are Hugging Face's (`DebertaV2ForMaskedLM`, `DebertaV2ForSequenceClassification`). While
//! training, transformers also leaves out numbers of the table of distances; here not: texts share that table, and each
//! text's chance is its own.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde::Deserialize;
use serde_json::Value;

use super::config::{activation, labels, parse, refuse_true, unreadable};
use super::encoder::{EncoderConfig, Names};
use crate::error::Result;
use crate::nn::{module_fields, LayerNorm, Linear, Param, Pass, Weights};
use crate::ops::{self, Activation, Of};

const KIND: &str = "deberta-v2";

const NAMES: Names = Names {
    prefix: "deberta.",
    layer: "encoder.layer",
    attention: [
        "attention.self.query_proj",
        "attention.self.key_proj",
        "attention.self.value_proj",
        "attention.output.dense",
    ],
    norms: ["attention.output.LayerNorm", "output.LayerNorm"],
    feed_forward: ["intermediate.dense", "output.dense"],
    masked: [
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
        "cls.predictions.bias",
        "cls.predictions.decoder.weight",
    ],
    masked_too: Some([
        "lm_predictions.lm_head.dense",
        "lm_predictions.lm_head.LayerNorm",
        "lm_predictions.lm_head.bias",
        "lm_predictions.lm_head.decoder.weight",
    ]),
    classifier: ["pooler.dense", "classifier"],
    classifier_activation: Activation::Gelu,
};

/// The names of a DeBERTa, by what stands between its classifier's two layers.
static WITH_GELU: Names = NAMES;
static WITH_TANH: Names = Names { classifier_activation: Activation::Tanh, ..NAMES };

/// What `config.json` says, under its names there.
#[derive(Clone, Debug, Deserialize)]
struct DebertaConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    #[serde(default)]
    type_vocab_size: usize,
    #[serde(default = "default_eps")]
    layer_norm_eps: f64,
    #[serde(default = "default_dropout")]
    hidden_dropout_prob: f64,
    #[serde(default = "default_dropout")]
    attention_probs_dropout_prob: f64,
    #[serde(default)]
    pooler_dropout: f64,
    cls_dropout: Option<f64>,
    max_relative_positions: Option<i64>,
    position_buckets: Option<i64>,
    #[serde(default)]
    share_att_key: bool,
    #[serde(default = "default_true")]
    position_biased_input: bool,
    norm_rel_ebd: Option<String>,
    #[serde(default)]
    conv_kernel_size: usize,
}

fn default_eps() -> f64 {
    1e-7
}

fn default_dropout() -> f64 {
    0.1
}

fn default_true() -> bool {
    true
}

/// Reads the settings of a DeBERTa; one that this file does not do is an error that names it.
pub fn read(config: &Value) -> Result<EncoderConfig> {
    let read: DebertaConfig = parse(config, KIND)?;
    let (hidden, heads) = (read.hidden_size, read.num_attention_heads);
    if heads == 0 || !hidden.is_multiple_of(heads) {
        return Err(unreadable(KIND, format!("hidden_size = {hidden}, num_attention_heads = {heads}")));
    }
    let sizes = [("embedding_size", hidden), ("pooler_hidden_size", hidden), ("attention_head_size", hidden / heads)];
    for (name, needed) in sizes.into_iter().chain([("conv_groups", 1)]) {
        if config[name].as_u64().is_some_and(|found| found as usize != needed) {
            return Err(unreadable(KIND, format!("{name} = {}", config[name])));
        }
    }
    refuse_true(config, KIND, &["is_decoder"])?;
    Ok(EncoderConfig {
        names: match activation(config, KIND, "pooler_hidden_act", "gelu")? {
            Activation::Gelu => &WITH_GELU,
            Activation::Tanh => &WITH_TANH,
            _ => return Err(unreadable(KIND, format!("pooler_hidden_act = {}", config["pooler_hidden_act"]))),
        },
        vocab_size: read.vocab_size,
        hidden_size: hidden,
        intermediate_size: read.intermediate_size,
        layers: read.num_hidden_layers,
        heads,
        positions: read.max_position_embeddings,
        has_positions: read.position_biased_input,
        first_position: 0,
        segments: read.type_vocab_size,
        eps: read.layer_norm_eps,
        activation: activation(config, KIND, "hidden_act", "gelu")?,
        dropout: read.hidden_dropout_prob,
        attention_dropout: read.attention_probs_dropout_prob,
        pooler_dropout: read.pooler_dropout,
        classifier_dropout: read.cls_dropout.unwrap_or(read.hidden_dropout_prob),
        tied: true,
        labels: labels(config).len(),
        distances: Some(DistanceConfig::read(config, &read)?),
    })
}

/// How a DeBERTa's attention sees distances.
#[derive(Clone, Debug)]
pub struct DistanceConfig {
    /// The table has this many rows for each direction.
    span: usize,
    /// Distances up to half of this have a row each, larger ones share rows; none: all have a row each.
    buckets: Option<usize>,
    /// The farthest distance that is told from larger ones.
    farthest: usize,
    /// True where a token scores distances.
    c2p: bool,
    /// True where distances score a token.
    p2c: bool,
    /// True where tokens and distances are projected by the same matrices.
    share_att_key: bool,
    norm: bool,
    /// Width and activation of the convolution beside the first layer, where there is one.
    conv: Option<(usize, Activation)>,
}

impl DistanceConfig {
    fn read(config: &Value, read: &DebertaConfig) -> Result<Self> {
        if config["relative_attention"].as_bool() != Some(true) {
            return Err(unreadable(KIND, format!("relative_attention = {}", config["relative_attention"])));
        }
        let listed = |value: &Value| match value {
            Value::String(names) => names.split('|').map(|name| name.trim().to_lowercase()).collect::<Vec<_>>(),
            Value::Array(names) => names.iter().filter_map(|name| Some(name.as_str()?.to_lowercase())).collect(),
            _ => Vec::new(),
        };
        let terms = listed(&config["pos_att_type"]);
        if let Some(other) = terms.iter().find(|name| !["c2p", "p2c", "none", ""].contains(&name.as_str())) {
            return Err(unreadable(KIND, format!("pos_att_type = {other}: c2p, p2c")));
        }
        let positive = |value: Option<i64>| value.filter(|value| *value > 0).map(|value| value as usize);
        let farthest = positive(read.max_relative_positions).unwrap_or(read.max_position_embeddings);
        let buckets = positive(read.position_buckets);
        let conv = match read.conv_kernel_size {
            0 => None,
            width if width % 2 == 1 => Some((width, activation(config, KIND, "conv_act", "tanh")?)),
            width => return Err(unreadable(KIND, format!("conv_kernel_size = {width}: 1, 3, 5"))),
        };
        Ok(Self {
            span: buckets.unwrap_or(farthest),
            buckets,
            farthest,
            c2p: terms.iter().any(|name| name == "c2p"),
            p2c: terms.iter().any(|name| name == "p2c"),
            share_att_key: read.share_att_key,
            norm: read.norm_rel_ebd.as_deref().is_some_and(|names| names.to_lowercase().contains("layer_norm")),
            conv,
        })
    }

    /// The row of a distance, counted from that of distance 0; rows of far ones are spread by the logarithm.
    ///
    /// In float32, as transformers computes it: a distance at the edge of two rows must fall on the same side.
    fn bucket(&self, distance: i64) -> i64 {
        let far = distance.unsigned_abs() as usize;
        let Some(middle) = self.buckets.map(|buckets| buckets / 2).filter(|middle| far > *middle) else {
            return distance;
        };
        let all = ((self.farthest - 1) as f64 / middle as f64) as f32;
        let share = (far as f32 / middle as f32).ln() / all.ln();
        distance.signum() * ((share * (middle - 1) as f32).ceil() as i64 + middle as i64)
    }
}

/// The table of distances that the layers share, and the convolution beside the first of them.
pub struct Distances {
    config: DistanceConfig,
    rel_embeddings: Param,
    norm: Option<LayerNorm>,
    conv: Option<Conv>,
}

module_fields!(Distances: rel_embeddings, norm, conv);

/// The distances of one pass.
pub struct Rows {
    /// The rows of the table that its texts use (rows, hidden).
    pub(super) rows: Tensor,
    /// Which of them stands between a query and a key, query after query.
    pub(super) places: Arc<Vec<u32>>,
}

impl Distances {
    pub(super) fn new(config: &DistanceConfig, c: &EncoderConfig, w: &mut Weights) -> Result<Self> {
        let at = |name: &str| format!("{}encoder.{name}", NAMES.prefix);
        let rel_embeddings = w.matrix(&at("rel_embeddings.weight"), 2 * config.span, c.hidden_size, 0.02)?;
        let norm = if config.norm { Some(w.layer_norm(&at("LayerNorm"), c.hidden_size, c.eps)?) } else { None };
        let conv = match config.conv {
            Some((width, activation)) => Some(Conv::new(width, activation, c, w)?),
            None => None,
        };
        Ok(Self { config: config.clone(), rel_embeddings, norm, conv })
    }

    /// The distances that texts of `time` positions have.
    pub(super) fn rows(&self, time: usize) -> candle_core::Result<Rows> {
        let (span, last) = (self.config.span as i64, time as i64 - 1);
        let place = |distance: i64| (self.config.bucket(distance) + span).clamp(0, 2 * span - 1);
        let (low, high) = (place(-last), place(last));
        let pairs = (0..=last).flat_map(|query| (0..=last).map(move |key| query - key));
        let places = pairs.map(|distance| (place(distance) - low) as u32).collect::<Vec<_>>();
        let rows = self.rel_embeddings.value().narrow(0, low as usize, (high - low + 1) as usize)?.contiguous()?;
        let rows = self.norm.as_ref().map_or(Ok(rows.clone()), |norm| norm.forward(&rows))?;
        Ok(Rows { rows, places: Arc::new(places) })
    }

    /// True where texts' neighbours are mixed, and padding must be zero for that.
    pub(super) fn mixes(&self) -> bool {
        self.conv.is_some()
    }

    /// The states after the first layer with the convolution of what it was given. Shapes: all (texts, time, hidden).
    pub(super) fn mix(&self, given: &Tensor, states: Tensor, pass: &Pass, rate: f64) -> candle_core::Result<Tensor> {
        self.conv.as_ref().map_or(Ok(states.clone()), |conv| conv.forward(given, &states, pass, rate))
    }
}

/// A layer's own projections of distances; none where those of tokens are shared.
#[derive(Clone)]
pub struct Terms {
    config: DistanceConfig,
    pos_key_proj: Option<Linear>,
    pos_query_proj: Option<Linear>,
}

module_fields!(Terms: pos_key_proj, pos_query_proj);

impl Terms {
    pub(super) fn new(config: &DistanceConfig, c: &EncoderConfig, w: &mut Weights, index: usize) -> Result<Self> {
        let d = c.hidden_size;
        let mut own = |wanted: bool, name: &str| -> Result<Option<Linear>> {
            let name = format!("{}{}.{index}.attention.self.{name}", NAMES.prefix, NAMES.layer);
            (wanted && !config.share_att_key).then(|| w.linear_bias(&name, d, d, 0.02)).transpose()
        };
        let (pos_key_proj, pos_query_proj) = (own(config.c2p, "pos_key_proj")?, own(config.p2c, "pos_query_proj")?);
        Ok(Self { config: config.clone(), pos_key_proj, pos_query_proj })
    }

    /// Attention with the terms of distances. Shapes: q, k, v and result (texts, time, heads, d).
    ///
    /// `shared` are the layer's projections to queries and keys.
    pub(super) fn attend(
        &self,
        rows: &Rows,
        [q, k, v]: [&Tensor; 3],
        shared: (&Linear, &Linear),
        pass: &Pass,
        dropout: f64,
    ) -> candle_core::Result<Tensor> {
        let (texts, time, heads, d) = q.dims4()?;
        let terms = 1 + usize::from(self.config.c2p) + usize::from(self.config.p2c);
        let scale = ((d * terms) as f64).sqrt().recip();
        let q = (q * scale)?;
        let by_head = |x: &Tensor| x.transpose(1, 2)?.contiguous(); // (texts, heads, time, d)
        let mut scores = by_head(&q)?.matmul(&by_head(k)?.t()?)?; // (texts, heads, time, time)

        // What some positions say of each distance: (heads, texts, time, rows).
        let say = |x: &Tensor, linear: &Linear| -> candle_core::Result<Tensor> {
            let count = rows.rows.dim(0)?;
            let table = linear.forward(&rows.rows, (count, heads, d))?.permute((1, 2, 0))?.contiguous()?;
            let x = x.permute((2, 0, 1, 3))?.contiguous()?.reshape((heads, texts * time, d))?;
            x.matmul(&table)?.reshape((heads, texts, time, count))
        };
        if self.config.c2p {
            let said = say(&q, self.pos_key_proj.as_ref().unwrap_or(shared.1))?;
            scores = (scores + ops::by_distance(&said, &rows.places, Of::Query)?)?;
        }
        if self.config.p2c {
            let said = say(&(k * scale)?, self.pos_query_proj.as_ref().unwrap_or(shared.0))?;
            scores = (scores + ops::by_distance(&said, &rows.places, Of::Key)?)?;
        }
        let weights = ops::attention_weights(&scores, &pass.lengths, pass.next_dropout(dropout))?;
        weights.matmul(&by_head(v)?)?.transpose(1, 2)?.contiguous()
    }
}

/// A convolution over each position's neighbours, beside the first layer.
struct Conv {
    width: usize,
    activation: Activation,
    weight: Param,
    bias: Param,
    norm: LayerNorm,
}

module_fields!(Conv: weight, bias, norm);

impl Conv {
    fn new(width: usize, activation: Activation, c: &EncoderConfig, w: &mut Weights) -> Result<Self> {
        let (at, d) = (|name: &str| format!("{}encoder.conv.{name}", NAMES.prefix), c.hidden_size);
        Ok(Self {
            width,
            activation,
            weight: w.tensor(&at("conv.weight"), &[d, d, width], 0.02)?,
            bias: w.zeros(&at("conv.bias"), d)?,
            norm: w.layer_norm(&at("LayerNorm"), d, c.eps)?,
        })
    }

    /// Shapes: given, states and result (texts, time, hidden); `given` is zero at padding.
    fn forward(&self, given: &Tensor, states: &Tensor, pass: &Pass, rate: f64) -> candle_core::Result<Tensor> {
        let (time, d) = (pass.time, given.dim(2)?);
        let padded = given.pad_with_zeros(1, self.width / 2, self.width / 2)?;
        let shifted = (0..self.width).map(|i| padded.narrow(1, i, time)).collect::<candle_core::Result<Vec<_>>>()?;
        let beside = Tensor::cat(&shifted, 2)?; // (texts, time, width * hidden)
        let weight = self.weight.value().permute((0, 2, 1))?.contiguous()?.reshape((d, self.width * d))?;
        let out = ops::linear(&beside, &weight, true)?.broadcast_add(&self.bias.value())?;
        let out = pass.dropout(out.broadcast_mul(&real(pass)?)?, rate)?;
        self.norm.forward_add(&ops::activate(&out, self.activation)?, states)
    }
}

/// 1 at a text's positions, 0 at padding: (texts, time, 1).
pub(super) fn real(pass: &Pass) -> candle_core::Result<Tensor> {
    let ones = |length: &usize| (0..pass.time).map(|i| f32::from(u8::from(i < *length))).collect::<Vec<_>>();
    Tensor::from_vec(pass.lengths.iter().flat_map(ones).collect(), (pass.rows(), pass.time, 1), &Device::Cpu)
}
