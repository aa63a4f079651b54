//! DistilBERT (Sanh et al., arXiv 1910.01108): a BERT of half the layers, without segments, under other names.
//!
//! Names of weights and settings are Hugging Face's (`DistilBertForMaskedLM`, `DistilBertForSequenceClassification`).

use serde::Deserialize;
use serde_json::Value;

use super::config::{activation, labels, parse, unreadable};
use super::encoder::{EncoderConfig, Names};
use crate::error::Result;
use crate::ops::Activation;

static NAMES: Names = Names {
    prefix: "distilbert.",
    layer: "transformer.layer",
    attention: ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"],
    norms: ["sa_layer_norm", "output_layer_norm"],
    feed_forward: ["ffn.lin1", "ffn.lin2"],
    masked: ["vocab_transform", "vocab_layer_norm", "vocab_projector.bias", "vocab_projector.weight"],
    masked_too: None,
    classifier: ["pre_classifier", "classifier"],
    classifier_activation: Activation::Relu,
};

/// What `config.json` says, under its names there.
#[derive(Clone, Debug, Deserialize)]
struct DistilBertConfig {
    vocab_size: usize,
    dim: usize,
    hidden_dim: usize,
    n_layers: usize,
    n_heads: usize,
    max_position_embeddings: usize,
    #[serde(default = "default_dropout")]
    dropout: f64,
    #[serde(default = "default_dropout")]
    attention_dropout: f64,
    #[serde(default = "default_classifier_dropout")]
    seq_classif_dropout: f64,
}

fn default_dropout() -> f64 {
    0.1
}

fn default_classifier_dropout() -> f64 {
    0.2
}

/// Reads the settings of a DistilBERT.
pub fn read(config: &Value) -> Result<EncoderConfig> {
    let kind = "distilbert";
    let read: DistilBertConfig = parse(config, kind)?;
    if read.n_heads == 0 || !read.dim.is_multiple_of(read.n_heads) {
        return Err(unreadable(kind, format!("dim = {}, n_heads = {}", read.dim, read.n_heads)));
    }
    Ok(EncoderConfig {
        names: &NAMES,
        vocab_size: read.vocab_size,
        hidden_size: read.dim,
        intermediate_size: read.hidden_dim,
        layers: read.n_layers,
        heads: read.n_heads,
        positions: read.max_position_embeddings,
        has_positions: true,
        first_position: 0,
        segments: 0,
        eps: 1e-12,
        activation: activation(config, kind, "activation", "gelu")?,
        dropout: read.dropout,
        attention_dropout: read.attention_dropout,
        pooler_dropout: 0.0,
        classifier_dropout: read.seq_classif_dropout,
        tied: config["tie_word_embeddings"].as_bool().unwrap_or(true),
        labels: labels(config).len(),
        distances: None,
    })
}
