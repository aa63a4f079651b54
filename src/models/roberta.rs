//! RoBERTa (Liu et al., arXiv 1907.11692) and XLM-RoBERTa (Conneau et al., arXiv 1911.02116): BERTs that count
//! positions from the padding's id on, with heads of their own.
//!
//! Names of weights and settings are Hugging Face's (`RobertaForMaskedLM`, `RobertaForSequenceClassification`).

use serde_json::Value;

use super::bert::BertConfig;
use super::encoder::{EncoderConfig, Names};
use crate::error::Result;
use crate::ops::Activation;

static NAMES: Names = Names {
    prefix: "roberta.",
    layer: "encoder.layer",
    attention: ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"],
    norms: ["attention.output.LayerNorm", "output.LayerNorm"],
    feed_forward: ["intermediate.dense", "output.dense"],
    masked: ["lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder.weight"],
    masked_too: None,
    classifier: ["classifier.dense", "classifier.out_proj"],
    classifier_activation: Activation::Tanh,
};

/// Reads the settings of a RoBERTa; `kind` is `roberta` or `xlm-roberta`.
pub fn read(config: &Value, kind: &str) -> Result<EncoderConfig> {
    let read = BertConfig::read(config, kind)?;
    // The row of the padding's id stands for padding, those before it are never used.
    let first_position = read.pad_token_id.unwrap_or(1) + 1;
    let encoder = read.encoder(config, kind, &NAMES)?;
    Ok(EncoderConfig { first_position, pooler_dropout: encoder.classifier_dropout, ..encoder })
}
