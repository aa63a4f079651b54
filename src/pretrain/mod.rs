//! Pre-training: how the small model that ships with the course is made, and how anyone can make it again.

mod corpus;
mod lector;
mod lector_report;
mod report;
mod run;
mod sentiment;
mod texts;

use std::path::{Path, PathBuf};

use serde_json::{json, Value};

pub use corpus::Corpus;
pub use lector::pretrain_lector;
pub use sentiment::pretrain_sentiment;
pub use texts::Texts;

use crate::dataset::Batch;
use crate::error::Result;
use crate::language_model::LanguageModel;
use crate::sys;
use crate::tokenizer::Tokenizer;
use run::{Job, Run, CHECK_EVERY};

/// What `aula pretrain` is told.
#[derive(Clone, Debug)]
pub struct PretrainConfig {
    /// Folder of the grammars and hand-written stories.
    pub stories: PathBuf,
    /// Where the finished model goes.
    pub out: PathBuf,
    /// Where the run writes its checkpoints, and from where it goes on.
    pub checkpoint: PathBuf,
    /// hidden_size of the model.
    pub hidden_size: usize,
    /// num_hidden_layers of the model.
    pub layers: usize,
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// The longest text that the model reads, in tokens.
    pub max_tokens: usize,
    /// Rows per step.
    pub batch_size: usize,
    /// Steps in all.
    pub steps: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Seed of the first weights.
    pub seed: u64,
}

/// Trains the model that `config` describes, from its last checkpoint if there is one, and writes it with its card.
pub fn pretrain(config: &PretrainConfig) -> Result<()> {
    let corpus = Corpus::read(&config.stories)?;
    println!("corpus read; learning {} tokens", config.vocab_size);
    let tokenizer = corpus.train_tokenizer(60_000, config.vocab_size)?;
    let model = LanguageModel::random(model_config(config, &tokenizer), tokenizer, config.seed)?;
    let (_, parameters) = model.count_parameters();
    println!("model of {parameters} parameters, {} threads", sys::threads());
    let eos = model.tokenizer().id("</s>").unwrap_or(2);
    let job = Job {
        config,
        check_every: CHECK_EVERY,
        model: &model,
        row: &|i| corpus.row(i, config.max_tokens, model.tokenizer(), eos),
        batch: &|rows, _| Batch::new(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        held_out: &model.dataset(&corpus.held_out(200), config.max_tokens)?,
        weights: &|| model.merged_weights(),
        set_weights: &|weights| model.set_weights(weights),
    };
    let run = job.run()?;
    report::finish(config, &corpus, &model, &run)
}

/// `config.json` as transformers writes it for a `LlamaForCausalLM`.
fn model_config(config: &PretrainConfig, tokenizer: &Tokenizer) -> Value {
    let heads = (config.hidden_size / 32).max(1);
    let id = |token: &str| tokenizer.id(token).unwrap_or(0);
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        // Two thirds of four times the width, to a multiple of 64: three matrices cost what two of four times would.
        "intermediate_size": (config.hidden_size * 8 / 3).div_ceil(64) * 64,
        "num_hidden_layers": config.layers,
        "num_attention_heads": heads,
        "num_key_value_heads": (heads / 2).max(1),
        "head_dim": 32,
        "max_position_embeddings": config.max_tokens,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": true,
        "hidden_act": "silu",
        "attention_bias": false,
        "mlp_bias": false,
        "initializer_range": 0.02,
        "bos_token_id": id("<s>"),
        "eos_token_id": id("</s>"),
        "pad_token_id": id("<pad>"),
        "torch_dtype": "float32",
    })
}

/// The folder of the grammars in a copy of the project.
pub fn stories_folder(home: &Path) -> PathBuf {
    home.join("data/stories")
}
