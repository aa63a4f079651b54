//! BERT (Devlin et al., arXiv 1810.04805). MiniLM's sentence encoders are BERTs too.
//!
//! Names of weights and settings are Hugging Face's (`BertForMaskedLM`, `BertForSequenceClassification`).

use serde::Deserialize;
use serde_json::Value;

use super::config::{activation, labels, parse, refuse_true, unreadable};
use super::encoder::{EncoderConfig, Names};
use crate::error::Result;
use crate::ops::Activation;

static NAMES: Names = Names {
    prefix: "bert.",
    layer: "encoder.layer",
    attention: ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"],
    norms: ["attention.output.LayerNorm", "output.LayerNorm"],
    feed_forward: ["intermediate.dense", "output.dense"],
    masked: [
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
        "cls.predictions.bias",
        "cls.predictions.decoder.weight",
    ],
    masked_too: None,
    classifier: ["bert.pooler.dense", "classifier"],
    classifier_activation: Activation::Tanh,
};

/// What `config.json` says, under its names there; RoBERTa's says the same.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct BertConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    #[serde(default = "default_eps")]
    layer_norm_eps: f64,
    #[serde(default = "default_dropout")]
    hidden_dropout_prob: f64,
    #[serde(default = "default_dropout")]
    attention_probs_dropout_prob: f64,
    classifier_dropout: Option<f64>,
    pub(super) pad_token_id: Option<usize>,
}

fn default_eps() -> f64 {
    1e-12
}

fn default_dropout() -> f64 {
    0.1
}

impl BertConfig {
    /// Reads the fields; a setting that the encoder does not do is an error that names it.
    pub(super) fn read(config: &Value, kind: &str) -> Result<Self> {
        refuse_true(config, kind, &["is_decoder", "add_cross_attention"])?;
        if let Some(other) = config["position_embedding_type"].as_str().filter(|name| *name != "absolute") {
            return Err(unreadable(kind, format!("position_embedding_type = {other}")));
        }
        let read: Self = parse(config, kind)?;
        let (hidden, heads) = (read.hidden_size, read.num_attention_heads);
        if heads == 0 || !hidden.is_multiple_of(heads) {
            return Err(unreadable(kind, format!("hidden_size = {hidden}, num_attention_heads = {heads}")));
        }
        Ok(read)
    }

    /// The encoder that it describes, with the weights' names of its family.
    pub(super) fn encoder(self, config: &Value, kind: &str, names: &'static Names) -> Result<EncoderConfig> {
        Ok(EncoderConfig {
            names,
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            positions: self.max_position_embeddings,
            has_positions: true,
            first_position: 0,
            segments: self.type_vocab_size,
            eps: self.layer_norm_eps,
            activation: activation(config, kind, "hidden_act", "gelu")?,
            dropout: self.hidden_dropout_prob,
            attention_dropout: self.attention_probs_dropout_prob,
            pooler_dropout: 0.0,
            classifier_dropout: self.classifier_dropout.unwrap_or(self.hidden_dropout_prob),
            tied: config["tie_word_embeddings"].as_bool().unwrap_or(true),
            labels: labels(config).len(),
            distances: None,
        })
    }
}

/// Reads the settings of a BERT.
pub fn read(config: &Value) -> Result<EncoderConfig> {
    BertConfig::read(config, "bert")?.encoder(config, "bert", &NAMES)
}
