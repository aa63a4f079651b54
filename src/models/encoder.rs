//! The encoder that BERT and its relatives share: each layer attends in both directions and normalizes what it made.
//!
//! A family's file says what its weights and settings are called; what is computed is here, once.

use candle_core::{Device, Tensor};

use super::deberta_v2::{self, DistanceConfig, Distances, Rows, Terms};
use crate::error::Result;
use crate::nn::{kept_per_position, module_fields, recomputed, LayerNorm, Linear, Param, Pass, Weights};
use crate::ops::{self, Activation};

/// The sizes and habits of an encoder, whatever its family calls them.
#[derive(Clone, Debug)]
pub struct EncoderConfig {
    /// What the family calls its weights.
    pub names: &'static Names,
    /// How many tokens the model knows.
    pub vocab_size: usize,
    /// Numbers per position between layers.
    pub hidden_size: usize,
    /// Numbers per position inside a feed-forward layer.
    pub intermediate_size: usize,
    /// How many layers.
    pub layers: usize,
    /// Attention heads per layer.
    pub heads: usize,
    /// The longest text, which is the rows of the table of positions where there is one.
    pub positions: usize,
    /// False where there is no table of positions.
    pub has_positions: bool,
    /// The row of a text's first position (RoBERTa leaves the first two unused).
    pub first_position: usize,
    /// Rows of the table of segments; 0: there is none. Every text here is segment 0.
    pub segments: usize,
    /// Keeps the norms' divisions away from zero.
    pub eps: f64,
    /// Between the two feed-forward layers.
    pub activation: Activation,
    /// Share left out of what each layer adds while training.
    pub dropout: f64,
    /// Share left out of the attention's weights while training.
    pub attention_dropout: f64,
    /// Share left out before a classifier's first layer while training.
    pub pooler_dropout: f64,
    /// Share left out before a classifier's last layer while training.
    pub classifier_dropout: f64,
    /// True when the masked-language head's matrix is the embedding.
    pub tied: bool,
    /// Numbers that a classifier gives.
    pub labels: usize,
    /// How attention sees distances (DeBERTa); none: it does not.
    pub distances: Option<DistanceConfig>,
}

/// What a family calls its weights.
#[derive(Debug)]
pub struct Names {
    /// Before every name of the encoder, with its dot.
    pub prefix: &'static str,
    /// The layers; layer i is `LAYER.i`.
    pub layer: &'static str,
    /// In each layer: query, key, value, and what writes attention's result.
    pub attention: [&'static str; 4],
    /// In each layer: the norm after attention, and the norm at its end.
    pub norms: [&'static str; 2],
    /// In each layer: the two feed-forward layers.
    pub feed_forward: [&'static str; 2],
    /// The masked-language head: its linear layer, its norm, the bias of the logits, and their matrix if it is not tied.
    pub masked: [&'static str; 4],
    /// Other names of the same that published models have; where the file has them, they count.
    pub masked_too: Option<[&'static str; 4]>,
    /// The classifier's two linear layers.
    pub classifier: [&'static str; 2],
    /// What is between those two.
    pub classifier_activation: Activation,
}

/// Tensors of other heads, and constants that older files carry along: they may be left over.
pub(super) const IGNORED: &[&str] = &[
    "position_ids",
    "pooler.",
    "cls.",
    "lm_head.",
    "lm_predictions.",
    "mask_predictions.",
    "vocab_transform.",
    "vocab_layer_norm.",
    "vocab_projector.",
    "classifier.",
    "qa_outputs.",
    "sop_classifier.",
];

/// Beginnings of names of heads, which never have the encoder's prefix.
pub(super) const HEADS: &[&str] = &[
    "cls.",
    "lm_head.",
    "lm_predictions.",
    "mask_predictions.",
    "vocab_transform.",
    "vocab_layer_norm.",
    "vocab_projector.",
    "classifier.",
    "pre_classifier.",
    "qa_outputs.",
];

/// An encoder without a head.
pub struct Encoder {
    config: EncoderConfig,
    word_embeddings: Param,
    position_embeddings: Option<Param>,
    token_type_embeddings: Option<Param>,
    norm: LayerNorm,
    distances: Option<Distances>,
    layers: Vec<Layer>,
}

module_fields!(Encoder: word_embeddings, position_embeddings, token_type_embeddings, norm, distances, layers);

#[derive(Clone)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    terms: Option<Terms>,
    output: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    output_norm: LayerNorm,
}

module_fields!(Layer: query, key, value, terms, output, attention_norm, up, down, output_norm);

/// The spread of newly drawn weights, as in the paper on BERT.
pub(super) const STD: f32 = 0.02;

impl Layer {
    fn new(c: &EncoderConfig, w: &mut Weights, index: usize) -> Result<Self> {
        let (d, wide, names) = (c.hidden_size, c.intermediate_size, c.names);
        let at = |name: &str| format!("{}{}.{index}.{name}", names.prefix, names.layer);
        let [query, key, value, output] = names.attention;
        let ([attention_norm, output_norm], [up, down]) = (names.norms, names.feed_forward);
        Ok(Self {
            query: w.linear_bias(&at(query), d, d, STD)?,
            key: w.linear_bias(&at(key), d, d, STD)?,
            value: w.linear_bias(&at(value), d, d, STD)?,
            terms: c.distances.as_ref().map(|distances| Terms::new(distances, c, w, index)).transpose()?,
            output: w.linear_bias(&at(output), d, d, STD)?,
            attention_norm: w.layer_norm(&at(attention_norm), d, c.eps)?,
            up: w.linear_bias(&at(up), d, wide, STD)?,
            down: w.linear_bias(&at(down), wide, d, STD)?,
            output_norm: w.layer_norm(&at(output_norm), d, c.eps)?,
        })
    }

    /// The states after this layer. Shapes: x and result (texts, time, hidden).
    fn forward(&self, x: &Tensor, c: &EncoderConfig, rows: Option<&Rows>, pass: &Pass) -> candle_core::Result<Tensor> {
        let (texts, time, d) = x.dims3()?;
        let heads = (texts, time, c.heads, d / c.heads);
        let (q, k, v) = (self.query.forward(x, heads)?, self.key.forward(x, heads)?, self.value.forward(x, heads)?);
        let y = match (&self.terms, rows, &pass.spans) {
            (Some(terms), Some(rows), _) => {
                terms.attend(rows, [&q, &k, &v], (&self.query, &self.key), pass, c.attention_dropout)?
            }
            (_, _, Some(spans)) => {
                ops::attention_packed(&q, &k, &v, spans, true, pass.attention_dropout(c.attention_dropout))?
            }
            _ => ops::attention_within(&q, &k, &v, &pass.lengths, pass.attention_dropout(c.attention_dropout))?,
        };
        let y = pass.dropout(self.output.forward(&y, (texts, time, d))?, c.dropout)?;
        let x = self.attention_norm.forward_add(&y, x)?;
        let wide = self.up.forward(&x, (texts, time, c.intermediate_size))?;
        let y = pass.dropout(self.down.forward_activated(&wide, c.activation, (texts, time, d))?, c.dropout)?;
        self.output_norm.forward_add(&y, &x)
    }
}

impl Encoder {
    /// The encoder alone; heads that the file holds are set aside.
    pub fn new(config: EncoderConfig, weights: Weights) -> Result<Self> {
        let mut weights = weights.named_as_today(config.names.prefix, HEADS);
        let encoder = Self::read(config, &mut weights)?;
        weights.finish(IGNORED)?;
        Ok(encoder)
    }

    /// Reads its weights and leaves the others, for a head to take.
    pub(super) fn read(config: EncoderConfig, w: &mut Weights) -> Result<Self> {
        let (c, d) = (&config, config.hidden_size);
        let at = |name: &str| format!("{}embeddings.{name}", c.names.prefix);
        let word_embeddings = w.matrix(&at("word_embeddings.weight"), c.vocab_size, d, STD)?;
        let position_embeddings = match c.has_positions {
            true => Some(w.matrix(&at("position_embeddings.weight"), c.positions, d, STD)?),
            false => {
                w.set_aside(&at("position_embeddings.weight")); // published DeBERTas hold it all the same
                None
            }
        };
        let token_type_embeddings = match c.segments {
            0 => None,
            segments => Some(w.matrix(&at("token_type_embeddings.weight"), segments, d, STD)?),
        };
        let norm = w.layer_norm(&at("LayerNorm"), d, c.eps)?;
        let distances = c.distances.as_ref().map(|distances| Distances::new(distances, c, w)).transpose()?;
        let layers = (0..c.layers).map(|i| Layer::new(c, w, i)).collect::<Result<_>>()?;
        Ok(Self { config, word_embeddings, position_embeddings, token_type_embeddings, norm, distances, layers })
    }

    /// The last layer's states (texts, time, hidden); at padding they mean nothing.
    pub fn hidden(&self, pass: &Pass) -> candle_core::Result<Tensor> {
        let c = &self.config;
        if pass.spans.is_some() && !self.reads_packed() {
            candle_core::bail!("texts packed into rows: this family's distances do not know where one ends");
        }
        let places = pass.positions(c.first_position);
        let mut x = match &pass.vectors {
            Some(vectors) => vectors.clone(),
            None => self.vectors(pass)?,
        };
        if let Some(positions) = &self.position_embeddings {
            x = (x + positions.rows(&places, pass)?)?;
        }
        if let Some(segments) = &self.token_type_embeddings {
            // What was packed or stands alone is segment 0, and the second of two texts segment 1.
            let types = if pass.token_types.is_empty() { &vec![0; places.len()] } else { &pass.token_types };
            x = (x + segments.rows(types, pass)?)?;
        }
        let mut x = pass.dropout(self.norm.forward(&x)?, c.dropout)?;
        let rows = self.distances.as_ref().map(|distances| distances.rows(pass.time)).transpose()?;
        let mixing = self.distances.as_ref().filter(|distances| distances.mixes());
        if mixing.is_some() {
            x = x.broadcast_mul(&deberta_v2::real(pass)?)?;
        }
        for (i, layer) in self.layers.iter().enumerate() {
            let (layer, config, places) = (layer.clone(), c.clone(), rows.as_ref().map(|rows| rows.places.clone()));
            let table: Vec<&Tensor> = rows.iter().map(|rows| &rows.rows).collect();
            let states = recomputed(pass, &x, &table, move |x, table, pass| {
                let rows = table.first().zip(places.clone()).map(|(rows, places)| Rows { rows: rows.clone(), places });
                layer.forward(x, &config, rows.as_ref(), pass)
            })?;
            x = match mixing.filter(|_| i == 0) {
                Some(distances) => distances.mix(&x, states, pass, c.dropout)?,
                None => states,
            };
        }
        Ok(x)
    }

    /// The tokens' vectors (texts, time, hidden) as the table has them, before anything is done to them.
    pub fn vectors(&self, pass: &Pass) -> candle_core::Result<Tensor> {
        self.word_embeddings.rows(&pass.ids, pass)
    }

    /// The longest text it can read, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.config.positions - self.config.first_position
    }

    /// About how many numbers a training pass keeps of a text of `time` tokens.
    pub fn kept(&self, time: usize, recompute: bool) -> usize {
        let c = &self.config;
        let layers = if recompute { 1 } else { c.layers };
        // With distances the scores are held, and what each position says of each distance.
        let scores = if self.distances.is_some() { 8 * layers * c.heads * time * time } else { 0 };
        // What the activation makes of the widest numbers is not kept, here and in the block that is under way.
        let active = (layers + 1) * c.intermediate_size;
        time * kept_per_position(self, "", recompute).saturating_sub(active) + scores
    }

    /// How many tokens it knows.
    pub fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    /// True when it knows texts apart that share a row: DeBERTa's distances do not know where one ends.
    pub fn reads_packed(&self) -> bool {
        self.distances.is_none()
    }

    /// True when it tells the second of two texts from the first (BERT): other families go by the marks between them.
    pub fn tells_segments(&self) -> bool {
        self.config.segments > 1
    }
}

/// An encoder that guesses hidden tokens.
pub struct MaskedEncoder {
    /// What reads.
    pub encoder: Encoder,
    dense: Linear,
    norm: LayerNorm,
    bias: Param,
    decoder: Option<Param>,
}

module_fields!(MaskedEncoder: encoder, dense, norm, bias, decoder);

impl MaskedEncoder {
    /// Builds the model; a weight that is missing, left over or of another shape is listed in the error.
    pub fn new(config: EncoderConfig, weights: Weights) -> Result<Self> {
        let mut weights = weights.named_as_today(config.names.prefix, HEADS);
        let (c, w, d) = (config.clone(), &mut weights, config.hidden_size);
        let other = c.names.masked_too.filter(|names| w.any(&names[..1]));
        let [dense, norm, bias, decoder] = other.unwrap_or(c.names.masked);
        let model = Self {
            encoder: Encoder::read(config, w)?,
            dense: w.linear_bias(dense, d, d, STD)?,
            norm: w.layer_norm(norm, d, c.eps)?,
            bias: w.zeros(bias, c.vocab_size)?,
            decoder: if c.tied { None } else { Some(w.matrix(decoder, c.vocab_size, d, STD)?) },
        };
        weights.finish(IGNORED)?;
        Ok(model)
    }

    /// What the matrix of the logits is applied to. Shapes: states and result (rows, hidden).
    pub fn transformed(&self, states: &Tensor) -> candle_core::Result<Tensor> {
        let dense = self.dense.forward(states, states.shape())?;
        self.norm.forward(&ops::activate(&dense, self.encoder.config.activation)?)
    }

    /// Matrix (vocabulary, hidden) and bias (vocabulary) of the logits.
    pub fn decoder(&self) -> (&Param, &Param) {
        (self.decoder.as_ref().unwrap_or(&self.encoder.word_embeddings), &self.bias)
    }
}

/// An encoder that gives each text some numbers: one for each of its labels.
pub struct ClassifierEncoder {
    /// What reads.
    pub encoder: Encoder,
    dense: Linear,
    /// The last layer.
    pub out: Linear,
}

module_fields!(ClassifierEncoder: encoder, dense, out);

/// Beginnings of names of a classifier's head.
pub const CLASSIFIER: &[&str] = &["classifier.", "pre_classifier."];

impl ClassifierEncoder {
    /// Builds the model with the head in its file; a weight that is missing, left over or of another shape is an error.
    pub fn new(config: EncoderConfig, weights: Weights) -> Result<Self> {
        Self::read(config, weights, |weights| weights)
    }

    /// Builds the model with a new head, drawn by `seed`, whatever head its file has.
    pub fn with_new_head(config: EncoderConfig, weights: Weights, seed: u64) -> Result<Self> {
        let pooler = format!("{}pooler.", config.names.prefix);
        let drawn = [CLASSIFIER, &[&pooler, "pooler."]].concat();
        Self::read(config, weights, |weights| weights.without(CLASSIFIER).drawing(&drawn, seed))
    }

    fn read(config: EncoderConfig, weights: Weights, head: impl FnOnce(Weights) -> Weights) -> Result<Self> {
        let mut weights = head(weights.named_as_today(config.names.prefix, HEADS));
        let (c, w, d) = (config.clone(), &mut weights, config.hidden_size);
        let [dense, out] = c.names.classifier;
        let model = Self {
            encoder: Encoder::read(config, w)?,
            dense: w.linear_bias(dense, d, d, STD)?,
            out: w.linear_bias(out, d, c.labels, STD)?,
        };
        weights.finish(IGNORED)?;
        Ok(model)
    }

    /// The names of the head's layers: they are trained in full where the rest carries adapters.
    pub fn head(&self) -> Vec<&'static str> {
        let names = self.encoder.config.names;
        names.classifier.into_iter().filter(|name| !name.starts_with(names.prefix)).collect()
    }

    /// What the last layer is applied to (texts, hidden): each text's first state, through the head's first layer.
    pub fn pooled(&self, pass: &Pass) -> candle_core::Result<Tensor> {
        let c = &self.encoder.config;
        let starts: Vec<u32> = pass.texts_at().iter().map(|(first, _)| *first as u32).collect();
        let starts = Tensor::new(starts, &Device::Cpu)?;
        let first = self.encoder.hidden(pass)?.flatten(0, 1)?.index_select(&starts, 0)?.unsqueeze(1)?; // (texts, 1, hidden)
        let pass = &pass.one_position_each();
        let first = pass.dropout(first, c.pooler_dropout)?;
        let dense = self.dense.forward(&first, first.shape())?;
        let pooled = ops::activate(&dense, c.names.classifier_activation)?;
        pass.dropout(pooled, c.classifier_dropout)?.squeeze(1)
    }
}
