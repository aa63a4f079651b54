//! `aula bench train`: seconds per step of full fine-tuning on given batches, to set beside PyTorch's.

use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Device};
use serde_json::json;

use crate::dataset::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::language_model::LanguageModel;
use crate::optim::{AdamW, AdamWConfig};
use crate::sys;
use crate::train::train_step;

/// Steps that are not timed: the first ones fetch memory and start threads.
const WARMUP: usize = 3;

/// Trains the model in `folder` on the batches of a file (`input_ids` (steps, batch, len), `lengths` (steps, batch)) and
/// prints one line of JSON in the form of `benches/peers/train_torch.py`.
pub fn bench_train(folder: &str, batches: &Path, steps: usize) -> Result<()> {
    let model = LanguageModel::load(folder)?;
    let batches = read_batches(batches)?;
    let steps = steps.min(batches.len());
    let mut optimizer = AdamW::new(AdamWConfig::default());
    let (mut losses, mut seconds, mut tokens) = (Vec::new(), Vec::new(), 0);
    for (step, batch) in batches.iter().take(steps).enumerate() {
        let begin = Instant::now();
        losses.push(train_step(&model, batch, &mut optimizer, 2e-4)?.0);
        if step >= WARMUP {
            seconds.push(begin.elapsed().as_secs_f64());
            tokens += batch.lengths.iter().sum::<usize>();
        }
    }
    let total: f64 = seconds.iter().sum();
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
    let line = json!({
        "engine": "aula",
        "version": env!("CARGO_PKG_VERSION"),
        "threads": sys::threads(),
        "steps": steps,
        "seconds_per_step_median": median,
        "tokens_per_second": tokens as f64 / total,
        "losses": losses,
    });
    println!("{line}");
    Ok(())
}

fn read_batches(path: &Path) -> Result<Vec<Batch>> {
    let tensors = candle_core::safetensors::load(path, &Device::Cpu)?;
    let get = |name: &str| {
        let missing = || Error::new(ErrorKind::BadData, format!("{}: no tensor {name}", path.display()));
        tensors.get(name).ok_or_else(missing)
    };
    let ids: Vec<Vec<Vec<u32>>> = get("input_ids")?.to_dtype(DType::U32)?.to_vec3()?;
    let lengths: Vec<Vec<u32>> = get("lengths")?.to_dtype(DType::U32)?.to_vec2()?;
    let batch = |(rows, lengths): (&Vec<Vec<u32>>, &Vec<u32>)| {
        Batch::new(&rows.iter().zip(lengths).map(|(row, n)| &row[..*n as usize]).collect::<Vec<_>>())
    };
    ids.iter().zip(&lengths).map(batch).collect()
}
