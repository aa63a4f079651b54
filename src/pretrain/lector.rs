//! `lector`, the small encoder that ships: BERT's shape (Devlin et al., arXiv 1810.04805), masked language modelling.

use std::path::Path;

use serde_json::{json, Value};

use super::run::{Job, CHECK_EVERY};
use super::sentiment::pretrain_sentiment;
use super::texts::Texts;
use super::{lector_report, PretrainConfig};
use crate::dataset::{Batch, Masking};
use crate::error::Result;
use crate::masked_model::MaskedModel;
use crate::ops::mix;
use crate::sys;
use crate::tokenizer::{Tokenizer, TokenizerKind};

/// Share of the tokens to guess. A small model on little text learns faster with more than BERT's 15 % (Wettig et al.,
/// arXiv 2202.08005).
pub(super) const HIDDEN: f64 = 0.3;

/// Trains `lector` from its last checkpoint if there is one, writes it with its card, and the sentiment beside it.
pub fn pretrain_lector(config: &PretrainConfig) -> Result<()> {
    let data = config.stories.parent().unwrap_or(Path::new("data"));
    let texts = Texts::read(data)?;
    println!("texts read; learning {} tokens", config.vocab_size);
    let tokenizer = Tokenizer::train(&texts.for_tokenizer(40_000), TokenizerKind::WordPiece, config.vocab_size)?;
    let model = MaskedModel::random(model_config(config, &tokenizer), tokenizer, config.seed)?;
    let (_, parameters) = model.count_parameters();
    println!("model of {parameters} parameters, {} threads", sys::threads());
    let masking = Masking { rate: HIDDEN, ..model.masking() };
    let job = Job {
        config,
        check_every: CHECK_EVERY,
        model: &model,
        row: &|i| Ok(model.tokenizer().encode_within(&[texts.text(i)], config.max_tokens)?.remove(0).0),
        batch: &|rows, step| hide(rows, &masking, mix(config.seed, step as u64)),
        held_out: &model.dataset(&texts.held_out(300), config.max_tokens)?,
        weights: &|| model.merged_weights(),
        set_weights: &|weights| model.set_weights(weights),
    };
    let run = job.run()?;
    model.save(&config.out.to_string_lossy())?;
    lector_report::finish(config, &texts, &model, &run)?;
    let name = config.out.file_name().unwrap_or_default().to_string_lossy();
    pretrain_sentiment(&config.out, &config.out.with_file_name(format!("{name}-sentiment")), data, config.seed)
}

/// Rows side by side, some of their tokens hidden.
fn hide(rows: &[Vec<u32>], masking: &Masking, seed: u64) -> Result<Batch> {
    let seeds: Vec<u64> = (0..rows.len() as u64).map(|i| mix(seed, i)).collect();
    let pairs = rows.iter().zip(&seeds).map(|(ids, seed)| masking.hide(ids, *seed));
    let (hidden, labels): (Vec<Vec<u32>>, Vec<Vec<u32>>) = pairs.unzip();
    Batch::labelled(&hidden.iter().map(Vec::as_slice).collect::<Vec<_>>(), &labels, &seeds, true)
}

/// `config.json` as transformers writes it for a `BertForMaskedLM`.
fn model_config(config: &PretrainConfig, tokenizer: &Tokenizer) -> Value {
    json!({
        "architectures": ["BertForMaskedLM"],
        "model_type": "bert",
        "vocab_size": tokenizer.vocab_size(),
        "hidden_size": config.hidden_size,
        "intermediate_size": 4 * config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": (config.hidden_size / 32).max(1),
        "max_position_embeddings": config.max_tokens,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        // A small model that reads much forgets little: dropout would only slow it down. Fine-tuning keeps it off too.
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout": 0.1,
        "initializer_range": 0.02,
        "position_embedding_type": "absolute",
        "pad_token_id": tokenizer.id("[PAD]").unwrap_or(0),
        "tie_word_embeddings": true,
        "torch_dtype": "float32",
    })
}
