//! `lector`, the small encoder that ships: BERT's shape (Devlin et al., arXiv 1810.04805), masked language modelling, and
//! then a head that tells praise from blame.

use std::path::{Path, PathBuf};

use serde_json::{json, Value};

use super::run::Job;
use super::texts::{column_of, Texts, LANGUAGES};
use super::{lector_report, PretrainConfig};
use crate::classifier::Classifier;
use crate::dataset::{Batch, Masking};
use crate::error::Result;
use crate::masked_model::MaskedModel;
use crate::ops::mix;
use crate::sys;
use crate::tokenizer::{Tokenizer, TokenizerKind};
use crate::train::{fine_tune, TrainConfig};

/// Generated reviews of each language that the sentiment is learned from, beside the hand-written ones.
const REVIEWS: u64 = 3_000;
/// Share of the tokens to guess. A small model on little text learns faster with more than BERT's 15 % (Wettig et al.,
/// arXiv 2202.08005).
pub(super) const HIDDEN: f64 = 0.3;
/// How often a hand-written review stands among them: they are few, and they are what real ones look like.
const WRITTEN: usize = 3;
/// The labels, as sentiment models of the Hub name them.
pub(super) const LABELS: [&str; 2] = ["NEGATIVE", "POSITIVE"];

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
        model: &model,
        row: &|i| Ok(model.tokenizer().encode_within(&[texts.text(i)], config.max_tokens)?.remove(0).0),
        batch: &|rows, step| hide(rows, &masking, mix(config.seed, step as u64)),
        held_out: &model.dataset(&texts.held_out(300), config.max_tokens)?,
        weights: &|| model.merged_weights(),
        set_weights: &|weights| model.set_weights(weights),
    };
    let run = job.run()?;
    model.save(&config.out.to_string_lossy())?;
    let sentiment = sentiment_folder(&config.out);
    let classifier = learn_sentiment(config, &texts, data)?;
    classifier.save(&sentiment.to_string_lossy())?;
    lector_report::finish(config, &texts, &model, &classifier, &run)
}

/// Where the classifier goes: beside the encoder.
pub(super) fn sentiment_folder(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!("{name}-sentiment"))
}

/// Rows side by side, some of their tokens hidden.
fn hide(rows: &[Vec<u32>], masking: &Masking, seed: u64) -> Result<Batch> {
    let seeds: Vec<u64> = (0..rows.len() as u64).map(|i| mix(seed, i)).collect();
    let pairs = rows.iter().zip(&seeds).map(|(ids, seed)| masking.hide(ids, *seed));
    let (hidden, labels): (Vec<Vec<u32>>, Vec<Vec<u32>>) = pairs.unzip();
    Batch::labelled(&hidden.iter().map(Vec::as_slice).collect::<Vec<_>>(), &labels, &seeds, true)
}

/// A classifier on the encoder, learned from the reviews of the grammars and the hand-written ones that are for training.
fn learn_sentiment(config: &PretrainConfig, texts: &Texts, data: &Path) -> Result<Classifier> {
    let mut classifier = Classifier::new(&config.out.to_string_lossy(), &LABELS)?;
    let (mut reviews, mut labels) = (Vec::new(), Vec::new());
    let mut add = |text: String, positive: bool| {
        reviews.push(text);
        labels.push(LABELS[usize::from(positive)].to_string());
    };
    for (language, _) in LANGUAGES.iter().enumerate() {
        for i in 0..REVIEWS {
            let review = texts.review(language, i);
            add(review.text, review.positive);
        }
        for (text, positive) in written_reviews(data, language, true)? {
            (0..WRITTEN).for_each(|_| add(text.clone(), positive));
        }
    }
    let all = classifier.dataset(&reviews, &labels, config.max_tokens)?;
    let (train, valid) = all.split(0.95, config.seed)?;
    let settings = TrainConfig { epochs: 3, batch_size: 32, learning_rate: 3e-4, ..TrainConfig::default() };
    fine_tune(&mut classifier, &train, &valid, &settings)?;
    Ok(classifier)
}

/// Hand-written reviews with whether they praise: those for training, or those for testing.
pub(super) fn written_reviews(data: &Path, language: usize, training: bool) -> Result<Vec<(String, bool)>> {
    let (file, text, label, part, parts) = match language {
        0 => ("es/resenas.csv", "texto", "sentimiento", "parte", ["prueba", "entrenar"]),
        _ => ("en/reviews.csv", "text", "sentiment", "split", ["test", "train"]),
    };
    let only = Some((part, parts[usize::from(training)]));
    let texts = column_of(&data.join(file), text, only)?;
    let labels = column_of(&data.join(file), label, only)?;
    Ok(texts.into_iter().zip(labels).map(|(text, label)| (text, label.starts_with("posi"))).collect())
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
