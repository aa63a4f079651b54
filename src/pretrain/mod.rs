//! Pre-training: how the small model that ships with the course is made, and how anyone can make it again.

mod corpus;
mod report;

use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use serde_json::{json, Value};

pub use corpus::Corpus;

use crate::checkpoint::Checkpoint;
use crate::dataset::Batch;
use crate::error::Result;
use crate::language_model::LanguageModel;
use crate::optim::{AdamW, AdamWConfig};
use crate::schedule::Schedule;
use crate::sys;
use crate::tokenizer::Tokenizer;
use crate::train::{evaluate, train_step};

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
    /// Tokens per window, also the longest text that the model reads.
    pub window: usize,
    /// Windows per step.
    pub batch_size: usize,
    /// Steps in all.
    pub steps: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Seed of the first weights.
    pub seed: u64,
}

/// A window after this many steps is measured and a checkpoint written.
const CHECK_EVERY: usize = 250;

/// Trains the model that `config` describes, from its last checkpoint if there is one, and writes it with its card.
pub fn pretrain(config: &PretrainConfig) -> Result<()> {
    let corpus = Corpus::read(&config.stories)?;
    println!("corpus read; learning {} tokens", config.vocab_size);
    let tokenizer = corpus.train_tokenizer(60_000, config.vocab_size)?;
    let model = LanguageModel::random(model_config(config, &tokenizer), tokenizer, config.seed)?;
    let (_, parameters) = model.count_parameters();
    println!("model of {parameters} parameters, {} threads", sys::threads());
    let run = run(config, &corpus, &model)?;
    report::finish(config, &corpus, &model, &run)
}

/// What a finished run tells the card.
struct Run {
    seconds: f64,
    tokens: usize,
}

fn run(config: &PretrainConfig, corpus: &Corpus, model: &LanguageModel) -> Result<Run> {
    let settings = AdamWConfig { beta2: 0.95, weight_decay: 0.1, ..AdamWConfig::default() };
    let (mut optimizer, mut before) = (AdamW::new(settings), 0.0);
    if let Some(checkpoint) = Checkpoint::read(&config.checkpoint, settings)? {
        model.set_weights(&checkpoint.weights)?;
        before = checkpoint.notes["seconds"].as_f64().unwrap_or(0.0);
        optimizer = checkpoint.optimizer;
        println!("going on after step {}", optimizer.steps());
    }
    let held_out = model.dataset(&corpus.held_out(200), config.window)?;
    let begin = Instant::now();
    let (warmup, mut sum) = (200.min(config.steps / 10), 0.0);
    while optimizer.steps() < config.steps {
        let step = optimizer.steps();
        let batch = windows(config, corpus, model, step)?;
        let factor = Schedule::Cosine.factor(step + 1, warmup, config.steps);
        // A tenth of the rate is left at the end: a small model still learns there.
        let learning_rate = config.learning_rate * (0.1 + 0.9 * factor).min(factor.max(0.1));
        sum += train_step(model, &batch, &mut optimizer, learning_rate)?.0;
        let step = step + 1;
        let seconds = before + begin.elapsed().as_secs_f64();
        if step % 25 == 0 {
            println!("step {step}/{} loss {:.3} rate {learning_rate:.2e} {seconds:.0} s", config.steps, sum / 25.0);
            sum = 0.0;
        }
        if step % CHECK_EVERY == 0 || step == config.steps {
            println!("step {step} held-out {}", evaluate(model, &held_out)?);
            let notes = json!({ "seconds": seconds });
            let weights = model.merged_weights()?;
            let checkpoint = Checkpoint { weights, optimizer, notes };
            checkpoint.save(&config.checkpoint)?;
            optimizer = checkpoint.optimizer;
        }
    }
    let tokens = config.steps * config.batch_size * config.window;
    Ok(Run { seconds: before + begin.elapsed().as_secs_f64(), tokens })
}

/// The batch of one step: the same windows whether the run was interrupted or not.
fn windows(config: &PretrainConfig, corpus: &Corpus, model: &LanguageModel, step: usize) -> Result<Batch> {
    let first = (step * config.batch_size) as u64;
    let eos = model.tokenizer().id("</s>").unwrap_or(2);
    let make = |i| corpus.window(first + i, config.window, model.tokenizer(), eos);
    let windows: Result<Vec<Vec<u32>>> = (0..config.batch_size as u64).into_par_iter().map(make).collect();
    Batch::new(&windows?.iter().map(Vec::as_slice).collect::<Vec<_>>())
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
        "max_position_embeddings": config.window,
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
