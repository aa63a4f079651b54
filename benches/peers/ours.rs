//! Our side: one kind of work, a turn for each line on standard input; what it prints is what `torch_side.py` prints.

use std::path::{Path, PathBuf};
use std::time::Instant;

use aula::classifier::Classifier;
use aula::dataset::{Batch, Dataset};
use aula::embedder::Embedder;
use aula::generate::GenerateConfig;
use aula::language_model::LanguageModel;
use aula::optim::{AdamW, AdamWConfig};
use aula::schedule::Schedule;
use aula::train::{evaluate, fine_tune, train_step, TrainConfig, Trainable};
use candle_core::{DType, Device};
use serde_json::{json, Value};

use super::ceiling::Ceiling;
use super::{kind_of, peak_mb};

const RATE: f64 = 2e-4;
const NEW_TOKENS: usize = 128;

/// Seconds of a unit (a step, an epoch, a token, all sentences), and numbers to compare with the other side's.
pub type Turn = (f64, Vec<f64>);

/// Serves turns until standard input ends.
pub fn serve(work: &str, folder: &Path, ceiling: bool) {
    let mut turn: Box<dyn FnMut() -> Turn> = match (work, ceiling) {
        (_, true) => Ceiling::of(work, folder).into_turns(),
        ("epoch", _) => epoch(folder),
        ("generate", _) => generate(folder),
        ("sentences", _) => sentences(folder),
        _ => steps(work, folder),
    };
    for _ in std::io::stdin().lines() {
        let (seconds, values) = turn();
        let line = json!({
            "seconds": seconds,
            "values": values,
            "threads": aula::sys::threads(),
            "peak_mb": peak_mb(),
            "engine": format!("aula {}", env!("CARGO_PKG_VERSION")),
        });
        println!("{line}");
    }
}

/// How many steps a turn makes.
pub fn steps_a_turn(work: &str) -> usize {
    match work {
        "cuentos" => 8,
        "minilm" => 4,
        _ => 2,
    }
}

/// The model of a kind of work, as it is trained: the adapter is on it where there is one.
pub fn model_of(work: &str, folder: &Path) -> Box<dyn Trainable> {
    let place = path(folder, kind_of(work));
    if work == "minilm" {
        return Box::new(Classifier::load(&place).unwrap());
    }
    let mut model = LanguageModel::load(&place).unwrap();
    if work.ends_with("-lora") {
        model.load_adapter(&path(folder, work)).unwrap();
    }
    Box::new(model)
}

/// The batches of a kind of work, all of full rows.
pub fn batches_of(work: &str, folder: &Path) -> Vec<Batch> {
    let file = PathBuf::from(path(folder, kind_of(work))).join("batches.safetensors");
    let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let ids: Vec<Vec<Vec<u32>>> = tensors["input_ids"].to_dtype(DType::U32).unwrap().to_vec3().unwrap();
    let labels: Option<Vec<Vec<u32>>> =
        tensors.get("labels").map(|labels| labels.to_dtype(DType::U32).unwrap().to_vec2().unwrap());
    let batch = |(i, rows): (usize, &Vec<Vec<u32>>)| {
        let rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        match &labels {
            None => Batch::new(&rows).unwrap(),
            Some(labels) => {
                let labels: Vec<Vec<u32>> = labels[i].iter().map(|label| vec![*label]).collect();
                Batch::labelled(&rows, &labels, &[], false).unwrap()
            }
        }
    };
    ids.iter().enumerate().map(batch).collect()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

fn steps(work: &str, folder: &Path) -> Box<dyn FnMut() -> Turn> {
    let (model, batches, count) = (model_of(work, folder), batches_of(work, folder), steps_a_turn(work));
    let (mut optimizer, mut at) = (AdamW::new(AdamWConfig::default()), 0);
    Box::new(move || {
        let (begin, mut losses) = (Instant::now(), Vec::new());
        for _ in 0..count {
            losses.push(train_step(&*model, &batches[at], &mut optimizer, RATE).unwrap().0);
            at = (at + 1) % batches.len();
        }
        (begin.elapsed().as_secs_f64() / count as f64, losses)
    })
}

/// An epoch of uneven texts with prompts masked, in batches of 8 as the Trainer has them, from the same weights each turn.
fn epoch(folder: &Path) -> Box<dyn FnMut() -> Turn> {
    let rows: Vec<(String, String)> = read(folder, "answers.json");
    let (prompts, answers): (Vec<String>, Vec<String>) = rows.into_iter().unzip();
    let folder = path(folder, "gpt2");
    let data = |model: &LanguageModel, first: usize, last: usize| -> Dataset {
        model.prompt_dataset(&prompts[first..last], &answers[first..last], 256).unwrap()
    };
    let model = LanguageModel::load(&folder).unwrap();
    let (valid, one) = (data(&model, 0, 8), data(&model, 0, 1));
    let train = data(&model, 8, prompts.len());
    drop(model);
    let config = TrainConfig {
        epochs: 1,
        batch_size: 8,
        learning_rate: 5e-5,
        warmup_ratio: 0.0,
        schedule: Schedule::Linear,
        weight_decay: 0.0,
        ..TrainConfig::default()
    };
    Box::new(move || {
        // Read anew: a copy of the first weights would be memory that nobody who trains has.
        let mut model = LanguageModel::load(&folder).unwrap();
        let before = evaluate(&model, &valid).unwrap().loss;
        let begin = Instant::now();
        fine_tune(&mut model, &train, &one, &config).unwrap();
        let seconds = begin.elapsed().as_secs_f64();
        eprintln!("loss after the epoch: {:.4}", evaluate(&model, &valid).unwrap().loss);
        (seconds, vec![before])
    })
}

fn generate(folder: &Path) -> Box<dyn FnMut() -> Turn> {
    let model = LanguageModel::load(&path(folder, "llama")).unwrap();
    let prompt: Vec<u32> = batches_of("llama", folder)[0].ids.to_vec2().unwrap()[0][..16].to_vec();
    let config = GenerateConfig { max_tokens: NEW_TOKENS, temperature: 0.0, ..GenerateConfig::default() };
    Box::new(move || {
        let begin = Instant::now();
        let ids = model.generate_ids(&prompt, &config).unwrap();
        assert_eq!(ids.len(), NEW_TOKENS);
        (begin.elapsed().as_secs_f64() / NEW_TOKENS as f64, ids.iter().map(|id| f64::from(*id)).collect())
    })
}

fn sentences(folder: &Path) -> Box<dyn FnMut() -> Turn> {
    let model = Embedder::load(&path(folder, "all-MiniLM-L6-v2")).unwrap();
    let texts: Vec<String> = read(folder, "sentences.json");
    Box::new(move || {
        let begin = Instant::now();
        let found = model.embed(&texts).unwrap();
        let seconds = begin.elapsed().as_secs_f64();
        (seconds, found.vectors.iter().flat_map(|vector| vector[..4].iter().map(|x| f64::from(*x))).collect())
    })
}

fn read<T: serde::de::DeserializeOwned>(folder: &Path, name: &str) -> T {
    let value: Value = serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap();
    serde_json::from_value(value).unwrap()
}
