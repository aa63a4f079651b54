//! The training loop: free functions over anything that has weights and a loss.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::time::Instant;

use candle_core::backprop::GradStore;
use candle_core::Tensor;

use crate::dataset::{Batch, Dataset};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{EpochRecord, History, StepRecord};
use crate::nn::Param;
use crate::ops::mix;
use crate::optim::{AdamW, AdamWConfig};
use crate::schedule::Schedule;
use crate::show::Progress;
use crate::sys::{capped, on_each_core, threads};

/// Steps that the short preset makes.
const SHORT_STEPS: usize = 12;

/// What can be trained.
pub trait Trainable: Sync {
    /// Every weight, in a fixed order.
    fn params(&self) -> Vec<&Param>;

    /// Mean loss of a batch over the positions that count; `training` asks for gradients.
    fn loss(&self, batch: &Batch, training: bool) -> Result<Tensor>;
}

/// Settings of [`fine_tune`]. Change one at a time and compare.
#[derive(Clone, Debug)]
pub struct TrainConfig {
    /// Times that every text is seen (3). More texts, fewer epochs.
    pub epochs: usize,
    /// Size of the steps (2e-4). Try 1e-4 to 1e-3; adapters bear more than whole models.
    pub learning_rate: f64,
    /// Texts per step (16). Fewer need less memory and make noisier steps.
    pub batch_size: usize,
    /// Share of the steps in which the learning rate rises from zero (0.1).
    pub warmup_ratio: f64,
    /// The learning rate's shape after that (cosine).
    pub schedule: Schedule,
    /// Decay of matrices (0.01).
    pub weight_decay: f64,
    /// Longest gradient that is let through (1.0).
    pub max_grad_norm: f64,
    /// Seed of the order of the texts (42): the same seed repeats the run exactly.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 3,
            learning_rate: 2e-4,
            batch_size: 16,
            warmup_ratio: 0.1,
            schedule: Schedule::Cosine,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
            seed: 42,
        }
    }
}

impl TrainConfig {
    /// Names every setting outside its allowed values.
    fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut must = |ok: bool, text: String| {
            if !ok {
                wrong.push(text);
            }
        };
        must(self.epochs >= 1, format!("epochs = {} (1, 2, 3, ...)", self.epochs));
        must(self.batch_size >= 1, format!("batch_size = {} (1, 2, 4, ...)", self.batch_size));
        must(
            self.learning_rate > 0.0 && self.learning_rate < 1.0,
            format!("learning_rate = {} (1e-5 ... 1e-2)", self.learning_rate),
        );
        must((0.0..1.0).contains(&self.warmup_ratio), format!("warmup_ratio = {} (0.0 ... 0.5)", self.warmup_ratio));
        must(self.weight_decay >= 0.0, format!("weight_decay = {} (0.0 ... 0.1)", self.weight_decay));
        must(self.max_grad_norm >= 0.0, format!("max_grad_norm = {} (0.0 ... 5.0)", self.max_grad_norm));
        if wrong.is_empty() {
            return Ok(());
        }
        let list = wrong.join("; ");
        Err(Error::new(
            ErrorKind::BadSetting,
            tr!("TrainConfig tiene valores que no sirven: {list}.", "TrainConfig has values that do not work: {list}."),
        )
        .next(tr!("Entre paréntesis están los que sirven.", "Those that work are in parentheses.")))
    }

    /// The optimizer's settings.
    pub fn optimizer(&self) -> AdamWConfig {
        AdamWConfig { weight_decay: self.weight_decay, max_grad_norm: self.max_grad_norm, ..AdamWConfig::default() }
    }
}

/// Loss and perplexity of a model on some texts, padding excluded.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    /// Mean loss per predicted token, in nats.
    pub loss: f64,
    /// Predicted tokens.
    pub tokens: usize,
}

impl Score {
    /// e to the loss: among how many equally likely tokens the model hesitates.
    pub fn perplexity(&self) -> f64 {
        self.loss.exp()
    }

    /// Shows both numbers.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (loss, perplexity, tokens) = (self.loss, self.perplexity(), self.tokens);
        write!(
            f,
            "{}",
            tr!(
                "perplejidad {perplexity:.1} (pérdida {loss:.3}, {tokens} tokens)",
                "perplexity {perplexity:.1} (loss {loss:.3}, {tokens} tokens)"
            )
        )
    }
}

/// Measures `model` on `data` without changing it.
pub fn evaluate(model: &dyn Trainable, data: &Dataset) -> Result<Score> {
    let batches = data.in_order(32);
    let part = batches.len().div_ceil(threads()).max(1);
    let measure = |rows: &[Vec<usize>]| -> Result<(f64, usize)> {
        let (mut sum, mut tokens) = (0f64, 0usize);
        for rows in rows {
            let batch = data.batch(rows)?;
            let counted = batch.counted();
            sum += f64::from(model.loss(&batch, false)?.to_scalar::<f32>()?) * counted as f64;
            tokens += counted;
        }
        Ok((sum, tokens))
    };
    let measure = &measure;
    let jobs = batches.chunks(part).map(|rows| Box::new(move || measure(rows)) as Box<dyn FnOnce() -> _ + Send>);
    let (mut sum, mut tokens) = (0f64, 0usize);
    for done in on_each_core(jobs.collect()) {
        let (part_sum, part_tokens) = done?;
        sum += part_sum;
        tokens += part_tokens;
    }
    Ok(Score { loss: sum / tokens.max(1) as f64, tokens })
}

/// One optimizer step on one batch; returns its loss and the gradient's norm. A loss that is not finite moves nothing.
///
/// Each core takes a part of the batch forward and back; the gradients are added before the step, so that it is the
/// same step as that of the whole batch.
pub fn train_step(
    model: &dyn Trainable,
    batch: &Batch,
    optimizer: &mut AdamW,
    learning_rate: f64,
) -> Result<(f64, f64)> {
    let counted = batch.counted().max(1) as f64;
    let shards = batch.shards(threads())?;
    let backward = |shard: &Batch| -> Result<(f64, GradStore)> {
        let loss = (model.loss(shard, true)? * (shard.counted() as f64 / counted))?;
        Ok((f64::from(loss.to_scalar::<f32>()?), loss.backward()?))
    };
    let backward = &backward;
    let jobs = shards.iter().map(|shard| Box::new(move || backward(shard)) as Box<dyn FnOnce() -> _ + Send>);
    let (mut loss, mut gradients) = (0f64, Vec::new());
    for done in on_each_core(jobs.collect()) {
        let (part, gradient) = done?;
        loss += part;
        gradients.push(gradient);
    }
    let step = optimizer.steps() + 1;
    if !loss.is_finite() {
        return Err(Error::new(
            ErrorKind::Training,
            tr!(
                "La pérdida dejó de ser un número en el paso {step}.",
                "The loss is no longer a number at step {step}."
            ),
        )
        .why(tr!(
            "los pasos son demasiado grandes (learning_rate {learning_rate:.1e})",
            "the steps are too large (learning_rate {learning_rate:.1e})"
        ))
        .next(tr!(
            "Carga el modelo otra vez y prueba con un learning_rate diez veces menor.",
            "Load the model again and try a learning_rate ten times smaller."
        )));
    }
    let norm = optimizer.step(&model.params(), &gradients, learning_rate)?;
    Ok((loss, norm))
}

/// Trains `model` on `train`, measures it on `valid` before and after each epoch, and tells how it went.
///
/// The trainable weights are those that [`Param::trainable`] marks: all of them, or the adapters after `add_lora`.
pub fn fine_tune(model: &mut dyn Trainable, train: &Dataset, valid: &Dataset, config: &TrainConfig) -> Result<History> {
    config.check()?;
    let begin = Instant::now();
    let per_epoch = train.len().div_ceil(config.batch_size);
    let total = capped(per_epoch * config.epochs, SHORT_STEPS, "pasos", "steps");
    let warmup = (total as f64 * config.warmup_ratio).round() as usize;
    let mut optimizer = AdamW::new(config.optimizer());
    let mut history = start_history(model);
    let before = fingerprints(model)?;
    let record = |epoch, step, train_loss, valid_loss| EpochRecord {
        epoch,
        step,
        train_loss,
        valid_loss,
        seconds: begin.elapsed().as_secs_f64(),
    };
    history.epochs.push(record(0, 0, None, evaluate(model, valid)?.loss));
    let mut progress = Progress::start(&tr!("Entrenando", "Training"), total);
    let mut step = 0;
    for epoch in 1..=config.epochs {
        let first = history.steps.len();
        for rows in train.batches(config.batch_size, config.seed, epoch) {
            if step == total {
                break;
            }
            let batch = train.batch_seeded(&rows, mix(config.seed, step as u64))?;
            // The rate of the first step would be zero; counting from one starts a step up the ramp.
            let learning_rate =
                config.learning_rate * config.schedule.factor(step + usize::from(warmup > 0), warmup, total);
            let (loss, grad_norm) = train_step(model, &batch, &mut optimizer, learning_rate)?;
            step += 1;
            history.tokens += batch.counted();
            history.steps.push(StepRecord { step, loss, learning_rate, grad_norm });
            progress.update(step, &tr!("pérdida {loss:.3}", "loss {loss:.3}"));
        }
        let losses = &history.steps[first..];
        if losses.is_empty() {
            break;
        }
        let train_loss = losses.iter().map(|record| record.loss).sum::<f64>() / losses.len() as f64;
        history.epochs.push(record(epoch, step, Some(train_loss), evaluate(model, valid)?.loss));
    }
    history.moved = count_moved(&before, &fingerprints(model)?);
    history.seconds = begin.elapsed().as_secs_f64();
    let (was, is) = history.perplexities();
    progress.finish(&tr!("perplejidad de validación {was:.1} → {is:.1}", "validation perplexity {was:.1} → {is:.1}"));
    println!("{}", history.moved_line());
    Ok(history)
}

fn start_history(model: &dyn Trainable) -> History {
    let params = model.params();
    let trainable: Vec<_> = params.iter().filter(|param| param.trainable).collect();
    History {
        tensors: params.len(),
        trainable: trainable.len(),
        trainable_parameters: trainable.iter().map(|param| param.count()).sum(),
        ..History::default()
    }
}

/// One number per trainable tensor that changes when any of its values does.
fn fingerprints(model: &dyn Trainable) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for param in model.params().into_iter().filter(|param| param.trainable) {
        let mut hasher = DefaultHasher::new();
        for value in param.var().flatten_all()?.to_vec1::<f32>()? {
            hasher.write_u32(value.to_bits());
        }
        all.push(hasher.finish());
    }
    Ok(all)
}

fn count_moved(before: &[u64], after: &[u64]) -> usize {
    before.iter().zip(after).filter(|(before, after)| before != after).count()
}
