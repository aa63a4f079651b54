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
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::show::{Html, Progress};
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

/// After this many steps the model is measured and a checkpoint written.
const CHECK_EVERY: usize = 250;

/// Steps whose rows are sorted by length together.
const GROUP: usize = 8;

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
    let settings = AdamWConfig { beta2: 0.95, weight_decay: 0.01, ..AdamWConfig::default() };
    let (mut optimizer, mut before, mut tokens) = (AdamW::new(settings), 0.0, 0);
    if let Some(checkpoint) = Checkpoint::read(&config.checkpoint, settings)? {
        model.set_weights(&checkpoint.weights)?;
        before = checkpoint.notes["seconds"].as_f64().unwrap_or(0.0);
        tokens = checkpoint.notes["tokens"].as_u64().unwrap_or(0) as usize;
        optimizer = checkpoint.optimizer;
        println!("going on after step {}", optimizer.steps());
    }
    let held_out = model.dataset(&corpus.held_out(200), config.max_tokens)?;
    let (begin, mut group) = (Instant::now(), Group::default());
    let (warmup, mut losses) = (200.min(config.steps / 10), Vec::new());
    let mut progress = Progress::start("step", config.steps);
    while optimizer.steps() < config.steps {
        let step = optimizer.steps();
        let rows = group.rows(config, corpus, model, step)?;
        tokens += rows.iter().map(Vec::len).sum::<usize>();
        let batch = Batch::new(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let factor = Schedule::Cosine.factor(step + 1, warmup, config.steps);
        // A tenth of the rate is left at the end: a small model still learns there.
        let learning_rate = config.learning_rate * (0.1 + 0.9 * factor).min(factor.max(0.1));
        losses.push(train_step(model, &batch, &mut optimizer, learning_rate)?.0);
        let step = step + 1;
        let seconds = before + begin.elapsed().as_secs_f64();
        progress.update_with(step, || {
            let mean = losses.iter().sum::<f64>() / losses.len() as f64;
            losses.clear();
            (format!("loss {mean:.3} rate {learning_rate:.2e}"), Html::new("", ""))
        });
        let stop = sys::stopped();
        if step % CHECK_EVERY == 0 || step == config.steps || stop {
            if !stop {
                progress.say(&format!("step {step} held-out {} · {seconds:.0} s", evaluate(model, &held_out)?));
            }
            let notes = json!({ "seconds": seconds, "tokens": tokens });
            let weights = model.merged_weights()?;
            let checkpoint = Checkpoint { weights, optimizer, notes };
            checkpoint.save(&config.checkpoint)?;
            optimizer = checkpoint.optimizer;
        }
        if stop {
            return Err(sys::stopped_error(
                tr!("Parado en el paso {step} de {}.", "Stopped at step {step} of {}.", config.steps),
                tr!("La misma orden sigue donde se quedó.", "The same command goes on from there."),
            ));
        }
    }
    progress.finish("");
    Ok(Run { seconds: before + begin.elapsed().as_secs_f64(), tokens })
}

/// The rows of eight steps, sorted by length and dealt out: rows of like length share a batch, so little is padding.
#[derive(Default)]
struct Group {
    number: Option<usize>,
    batches: Vec<Vec<Vec<u32>>>,
}

impl Group {
    /// The rows of one step, the same whether the run was interrupted or not.
    fn rows(
        &mut self,
        config: &PretrainConfig,
        corpus: &Corpus,
        model: &LanguageModel,
        step: usize,
    ) -> Result<&[Vec<u32>]> {
        let number = step / GROUP;
        if self.number != Some(number) {
            let eos = model.tokenizer().id("</s>").unwrap_or(2);
            let count = (GROUP * config.batch_size) as u64;
            let make = |i| corpus.row(number as u64 * count + i, config.max_tokens, model.tokenizer(), eos);
            let rows: Result<Vec<Vec<u32>>> = (0..count).into_par_iter().map(make).collect();
            let mut rows = rows?;
            rows.sort_by_key(Vec::len);
            self.batches = rows.chunks(config.batch_size).map(<[Vec<u32>]>::to_vec).collect();
            Rng::stream(config.seed, number as u64).shuffle(&mut self.batches);
            self.number = Some(number);
        }
        Ok(&self.batches[step % GROUP])
    }
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
