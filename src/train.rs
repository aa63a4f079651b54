//! The training loop: free functions over anything that has weights and a loss.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

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
use crate::sys::{capped, on_each_core, stopped, threads};

/// Steps that the short preset makes.
const SHORT_STEPS: usize = 12;
/// Texts that are measured side by side.
const MEASURED: usize = 32;
/// After a stop, training measures the model once more if that takes no longer than this.
const LAST_MEASURE: Duration = Duration::from_secs(2);

/// What can be trained.
pub trait Trainable: Sync {
    /// Every weight, in a fixed order.
    fn params(&self) -> Vec<&Param>;

    /// Mean loss of a batch over the positions that count; `training` asks for gradients.
    fn loss(&self, batch: &Batch, training: bool) -> Result<Tensor>;

    /// True when it learns labels of texts and not tokens: then nobody wants to see a perplexity.
    fn learns_labels(&self) -> bool {
        false
    }
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
    /// Texts that were measured.
    pub texts: usize,
    /// Texts that there are: more than `texts` when the reader stopped the measuring.
    pub of: usize,
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
        let stopped = match self.texts < self.of {
            true => tr!("; parado en {} de {} textos", "; stopped at {} of {} texts", self.texts, self.of),
            false => String::new(),
        };
        write!(
            f,
            "{}",
            tr!(
                "perplejidad {perplexity:.1} (pérdida {loss:.3}, {tokens} tokens{stopped})",
                "perplexity {perplexity:.1} (loss {loss:.3}, {tokens} tokens{stopped})"
            )
        )
    }
}

/// Measures `model` on `data` without changing it. Stopped by the reader, it tells what it has.
pub fn evaluate(model: &dyn Trainable, data: &Dataset) -> Result<Score> {
    let mut progress = Progress::start(&tr!("Midiendo", "Measuring"), data.len());
    let score = measure(model, data, &stopped, &mut |texts| progress.update(texts, &tr!("textos", "texts")))?;
    progress.end(&tr!("textos", "texts"));
    if score.texts < score.of {
        println!("{score}");
    }
    Ok(score)
}

/// As [`evaluate`]; `halt` ends it early, when each core has measured something, and `tell` hears how many texts are done.
fn measure(
    model: &dyn Trainable,
    data: &Dataset,
    halt: &(dyn Fn() -> bool + Sync),
    tell: &mut (dyn FnMut(usize) + Send),
) -> Result<Score> {
    let batches = data.in_order(MEASURED);
    let part = batches.len().div_ceil(threads()).max(1);
    let (texts, tell) = (AtomicUsize::new(0), Mutex::new(tell));
    let measure = |rows: &[Vec<usize>]| -> Result<(f64, usize)> {
        let (mut sum, mut tokens) = (0f64, 0usize);
        for rows in rows {
            let batch = data.batch(rows)?;
            let counted = batch.counted();
            sum += f64::from(model.loss(&batch, false)?.to_scalar::<f32>()?) * counted as f64;
            tokens += counted;
            let done = texts.fetch_add(rows.len(), Ordering::Relaxed) + rows.len();
            // Another core is telling: it will do for both.
            if let Ok(mut tell) = tell.try_lock() {
                tell(done);
            }
            if halt() {
                break;
            }
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
    let texts = texts.load(Ordering::Relaxed);
    Ok(Score { loss: sum / tokens.max(1) as f64, tokens, texts, of: data.len() })
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
/// Stopped by the reader, it ends at the next step: the model keeps what it learned, and the history says where it stopped.
pub fn fine_tune(model: &mut dyn Trainable, train: &Dataset, valid: &Dataset, config: &TrainConfig) -> Result<History> {
    config.check()?;
    let per_epoch = train.len().div_ceil(config.batch_size);
    let total = capped(per_epoch * config.epochs, SHORT_STEPS, "pasos", "steps");
    let warmup = (total as f64 * config.warmup_ratio).round() as usize;
    let mut optimizer = AdamW::new(config.optimizer());
    let before = fingerprints(model)?;
    let mut run = Run::start(model, total);
    run.validate(model, valid, 0, None)?;
    for epoch in 1..=config.epochs {
        let first = run.history.steps.len();
        for rows in train.batches(config.batch_size, config.seed, epoch) {
            let step = run.history.steps.len();
            if step == total || stopped() {
                break;
            }
            let begin = Instant::now();
            let batch = train.batch_seeded(&rows, mix(config.seed, step as u64))?;
            // The rate of the first step would be zero; counting from one starts a step up the ramp.
            let learning_rate =
                config.learning_rate * config.schedule.factor(step + usize::from(warmup > 0), warmup, total);
            let (loss, grad_norm) = train_step(model, &batch, &mut optimizer, learning_rate)?;
            let record = StepRecord { step: step + 1, loss, learning_rate, grad_norm };
            run.add(record, batch.counted(), begin.elapsed());
        }
        let losses = &run.history.steps[first..];
        if losses.is_empty() {
            break;
        }
        let train_loss = losses.iter().map(|record| record.loss).sum::<f64>() / losses.len() as f64;
        run.validate(model, valid, epoch, Some(train_loss))?;
    }
    let moved = count_moved(&before, &fingerprints(model)?);
    Ok(run.finish(moved))
}

/// A training under way: its history, and what the reader sees of it.
struct Run {
    history: History,
    progress: Progress,
    begin: Instant,
    /// Time spent in steps.
    busy: Duration,
}

impl Run {
    fn start(model: &dyn Trainable, total: usize) -> Self {
        let progress = Progress::start(&tr!("Entrenando", "Training"), total).seen_after(Duration::ZERO);
        let history = History { planned: total, ..start_history(model) };
        Self { history, progress, begin: Instant::now(), busy: Duration::ZERO }
    }

    /// Adds a step.
    fn add(&mut self, record: StepRecord, tokens: usize, took: Duration) {
        self.history.tokens += tokens;
        self.history.steps.push(record);
        self.busy += took;
        let (history, busy) = (&self.history, self.busy);
        self.progress.update_with(record.step, || (note(history, busy), history.curve()));
    }

    /// Measures the model and adds the epoch. After a stop it must not take long: what is not done soon is left out.
    fn validate(
        &mut self,
        model: &dyn Trainable,
        valid: &Dataset,
        epoch: usize,
        train_loss: Option<f64>,
    ) -> Result<()> {
        let (begin, step) = (Instant::now(), self.history.steps.len());
        let (history, progress, all) = (&self.history, &mut self.progress, valid.len());
        let mut tell = |texts: usize| {
            let note = || tr!("midiendo: {texts} de {all} textos", "measuring: {texts} of {all} texts");
            progress.update_with(step, || (note(), history.curve()));
        };
        let score = measure(model, valid, &|| stopped() && begin.elapsed() > LAST_MEASURE, &mut tell)?;
        if score.texts == score.of {
            let seconds = self.begin.elapsed().as_secs_f64();
            self.history.epochs.push(EpochRecord { epoch, step, train_loss, valid_loss: score.loss, seconds });
        }
        Ok(())
    }

    /// The history, and the last state that the reader sees: the curve and the table stay.
    fn finish(mut self, moved: usize) -> History {
        self.history.moved = moved;
        self.history.seconds = self.begin.elapsed().as_secs_f64();
        let (was, is) = self.history.perplexities();
        let mut notes: Vec<String> = self.history.stopped_line().into_iter().collect();
        if self.history.of_labels && was.is_finite() {
            let (was, is) = (was.ln(), is.ln());
            notes.push(tr!("pérdida de validación {was:.3} → {is:.3}", "validation loss {was:.3} → {is:.3}"));
        } else if was.is_finite() {
            notes.push(tr!("perplejidad de validación {was:.1} → {is:.1}", "validation perplexity {was:.1} → {is:.1}"));
        }
        if !self.progress.finish_with(&notes.join(" · "), &self.history.curve_and_table()) {
            println!("{}", self.history.moved_line());
        }
        self.history
    }
}

/// The last step in words.
fn note(history: &History, busy: Duration) -> String {
    let loss = history.steps.last().map_or(f64::NAN, |record| record.loss);
    let (perplexity, speed) = (loss.exp(), history.tokens as f64 / busy.as_secs_f64().max(1e-9));
    if history.of_labels {
        return tr!("pérdida {loss:.3} · {speed:.0} etiquetas/s", "loss {loss:.3} · {speed:.0} labels/s");
    }
    tr!(
        "pérdida {loss:.3} · perplejidad {perplexity:.1} · {speed:.0} tokens/s",
        "loss {loss:.3} · perplexity {perplexity:.1} · {speed:.0} tokens/s"
    )
}

fn start_history(model: &dyn Trainable) -> History {
    let params = model.params();
    let trainable: Vec<_> = params.iter().filter(|param| param.trainable).collect();
    History {
        of_labels: model.learns_labels(),
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
