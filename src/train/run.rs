//! The training loop.

use std::collections::BTreeMap;
use std::time::Instant;

use candle_core::Tensor;

use super::memory::check_memory;
use super::resume::{self, Found};
use super::step::train_step_in_parts;
use super::view::{View, Watch};
use super::{TrainConfig, Trainable};
use crate::dataset::{Batch, Dataset};
use crate::error::Result;
use crate::history::{Ended, History, StepRecord};
use crate::nn::{Aside, Param};
use crate::ops::{fingerprint, mix};
use crate::optim::AdamW;
use crate::show::say;
use crate::sys::{capped, short_preset, stopped};

/// Steps that the short preset makes.
const SHORT_STEPS: usize = 12;

/// Trains `model` on `train`, measures it on `valid` before and after each epoch, and tells how it went.
///
/// The trainable weights are those that [`Param::trainable`] marks: all of them, or the adapters after `add_lora`.
/// Stopped by the reader, it ends at the next step: the model keeps what it learned, and the history says where it stopped.
/// With `patience` the model ends with the weights of its best epoch.
pub fn fine_tune(model: &mut dyn Trainable, train: &Dataset, valid: &Dataset, config: &TrainConfig) -> Result<History> {
    run(model, train, valid, config, None)
}

/// As [`fine_tune`]; with a `watch` it has no bar of its own.
pub(super) fn run<'a>(
    model: &'a dyn Trainable,
    train: &'a Dataset,
    valid: &'a Dataset,
    config: &'a TrainConfig,
    watch: Option<&'a mut Watch<'a>>,
) -> Result<History> {
    config.check()?;
    let needs = model.needs();
    config.check_labels(needs.labels)?;
    train.check(&needs)?;
    valid.check(&needs)?;
    needs.too_few(valid.len()).iter().for_each(|line| say(line));
    check_memory(model, train, config)?;
    let mut run = Run::start(model, train, valid, config, watch)?;
    let (mut batches, mut of_epoch) = (Vec::new(), 0);
    while run.made() < run.plan.total {
        if let Some(ended) = run.ended() {
            run.view.history.ended = ended;
            break;
        }
        let epoch = run.made() / run.plan.per_epoch + 1;
        if epoch != of_epoch {
            batches = train.batches(config.batch_size * config.accumulate, config.seed, epoch);
            of_epoch = epoch;
        }
        run.step(&batches[run.made() % run.plan.per_epoch])?;
        let whole = run.made() % run.plan.per_epoch == 0 || run.made() == run.plan.total;
        if whole {
            run.validate(epoch)?;
        }
        if run.checkpoint_is_due(whole) {
            run.save_or_say();
        }
    }
    // As it stands in the middle of an epoch, before the measuring that an uninterrupted run would not do.
    if run.made() < run.plan.total && run.view.history.ended != Ended::NoBetter {
        run.save_or_say();
    }
    let measured = run.view.history.epochs.last().is_some_and(|record| record.step == run.made());
    if !measured && run.made() > 0 {
        run.validate(of_epoch)?;
    }
    run.finish()
}

/// How many steps there are.
struct Plan {
    per_epoch: usize,
    total: usize,
    warmup: usize,
}

impl Plan {
    fn new(train: &Dataset, config: &TrainConfig) -> Self {
        let per_epoch = per_epoch(train, config);
        let total = capped(wanted_steps(train, config), SHORT_STEPS, "pasos", "steps");
        Self { per_epoch, total, warmup: (total as f64 * config.warmup_ratio).round() as usize }
    }
}

fn per_epoch(train: &Dataset, config: &TrainConfig) -> usize {
    train.len().div_ceil(config.batch_size * config.accumulate)
}

fn wanted_steps(train: &Dataset, config: &TrainConfig) -> usize {
    let limit = if config.max_steps > 0 { config.max_steps } else { usize::MAX };
    (per_epoch(train, config) * config.epochs).min(limit)
}

/// Steps that a training with these settings plans to make.
pub(super) fn planned_steps(train: &Dataset, config: &TrainConfig) -> usize {
    wanted_steps(train, config).min(if short_preset() { SHORT_STEPS } else { usize::MAX })
}

/// The best epoch so far.
pub(super) struct Best {
    pub(super) epoch: usize,
    /// What epochs are compared by: less is better.
    pub(super) watched: f64,
    /// The trainable weights as they were then.
    pub(super) weights: BTreeMap<String, Tensor>,
}

/// A training under way.
pub(super) struct Run<'a> {
    pub(super) model: &'a dyn Trainable,
    pub(super) train: &'a Dataset,
    pub(super) valid: &'a Dataset,
    pub(super) config: &'a TrainConfig,
    plan: Plan,
    class_weights: Vec<f64>,
    pub(super) optimizer: AdamW,
    pub(super) view: View<'a>,
    /// A number for each trainable tensor as it was before the first step.
    pub(super) before: Vec<u64>,
    pub(super) best: Option<Best>,
}

impl<'a> Run<'a> {
    /// Begins anew, or goes on from a checkpoint.
    fn start(
        model: &'a dyn Trainable,
        train: &'a Dataset,
        valid: &'a Dataset,
        config: &'a TrainConfig,
        watch: Option<&'a mut Watch<'a>>,
    ) -> Result<Self> {
        let plan = Plan::new(train, config);
        let optimizer = AdamW::new(config.optimizer()).with_groups(config.groups_of(model)?);
        let before = fingerprints(model)?;
        let class_weights = config.class_weights.of(train, model.needs().labels)?;
        let view = View::start(model, plan.total, config, watch);
        let mut run = Self { model, train, valid, config, plan, class_weights, optimizer, view, before, best: None };
        match resume::read(&run)? {
            Some(found) => run.go_on(found)?,
            None => {
                run.validate(0)?;
                // What cannot be written is better known now than after an hour.
                run.save()?;
            }
        }
        Ok(run)
    }

    fn go_on(&mut self, found: Found) -> Result<()> {
        set_trained(self.model, &found.weights)?;
        let groups = self.config.groups_of(self.model)?;
        (self.optimizer, self.before) = (found.optimizer.with_groups(groups), found.before);
        self.view.go_on(found.steps, found.epochs, found.tokens, found.energy);
        if let Some((epoch, weights)) = found.best {
            let record = self.view.history.epochs.iter().find(|record| record.epoch == epoch);
            let watched = record.map_or(f64::INFINITY, |r| self.config.watched(r.valid_loss, &r.metrics));
            self.best = Some(Best { epoch, watched, weights });
        }
        Ok(())
    }

    /// Steps made.
    fn made(&self) -> usize {
        self.view.history.steps.len()
    }

    /// Why training is to end here, if it is.
    fn ended(&self) -> Option<Ended> {
        let (config, epochs) = (self.config, &self.view.history.epochs);
        let waited = match (&self.best, epochs.last()) {
            (Some(best), Some(last)) => last.epoch - best.epoch,
            _ => 0,
        };
        if stopped() {
            Some(Ended::ByReader)
        } else if config.max_minutes > 0.0 && self.view.minutes() >= config.max_minutes {
            Some(Ended::ByTime)
        } else if config.patience > 0 && waited >= config.patience {
            Some(Ended::NoBetter)
        } else {
            None
        }
    }

    /// One step on the texts `rows`, `batch_size` of them at a time.
    fn step(&mut self, rows: &[usize]) -> Result<()> {
        let (config, step, begin) = (self.config, self.made(), Instant::now());
        let batch = |rows: &[usize]| -> Result<Batch> {
            let mut batch = self.train.batch_seeded(rows, mix(config.seed, step as u64))?;
            batch.smoothing = config.label_smoothing;
            batch.aside = config.recompute.then(Aside::default);
            batch.class_weights.clone_from(&self.class_weights);
            Ok(batch)
        };
        let parts: Vec<Batch> = rows.chunks(config.batch_size).map(batch).collect::<Result<_>>()?;
        // The rate of the first step would be zero; counting from one starts a step up the ramp.
        let Plan { total, warmup, .. } = self.plan;
        let factor = config.schedule.factor(step + usize::from(warmup > 0), warmup, total);
        let learning_rate = config.learning_rate * factor;
        let (loss, grad_norm) = train_step_in_parts(self.model, &parts, &mut self.optimizer, learning_rate)?;
        let record = StepRecord { step: step + 1, loss, learning_rate, grad_norm };
        self.view.add(record, parts.iter().map(Batch::counted).sum(), begin.elapsed());
        Ok(())
    }

    /// Measures the model at the end of an epoch, and keeps its weights if it is the best one.
    fn validate(&mut self, epoch: usize) -> Result<()> {
        let measured = self.view.validate(self.model, self.valid, epoch, self.config)?;
        let Some(record) = self.view.history.epochs.last().filter(|_| measured && self.config.patience > 0) else {
            return Ok(());
        };
        let watched = self.config.watched(record.valid_loss, &record.metrics);
        // What is no number is better than nothing only.
        if self.best.as_ref().is_none_or(|best| watched < best.watched || best.watched.is_nan()) {
            self.best = Some(Best { epoch, watched, weights: copies(self.model)? });
        }
        Ok(())
    }

    fn checkpoint_is_due(&self, whole_epoch: bool) -> bool {
        match self.config.checkpoint_steps {
            0 => whole_epoch,
            every => self.made().is_multiple_of(every) || self.made() == self.plan.total,
        }
    }

    fn save(&self) -> Result<()> {
        match self.config.checkpoint.is_empty() {
            true => Ok(()),
            false => resume::save(self),
        }
    }

    /// Writes a checkpoint. Where that fails training goes on: what was learned is worth more.
    fn save_or_say(&self) {
        if let Err(error) = self.save() {
            self.view.say(&error.to_string());
        }
    }

    /// Puts the best weights back, where they were looked for, and closes the history.
    fn finish(mut self) -> Result<History> {
        if let Some(best) = &self.best {
            set_trained(self.model, &best.weights)?;
            self.view.history.best = Some(best.epoch);
        }
        let moved = count_moved(&self.before, &fingerprints(self.model)?);
        Ok(self.view.finish(moved))
    }
}

fn trained(model: &dyn Trainable) -> Vec<&Param> {
    model.params().into_iter().filter(|param| param.trainable).collect()
}

/// The trainable weights by name; training does not move these copies.
pub(super) fn copies(model: &dyn Trainable) -> Result<BTreeMap<String, Tensor>> {
    let copy = |param: &Param| Ok((param.name.clone(), param.var().as_detached_tensor().copy()?));
    trained(model).into_iter().map(copy).collect()
}

/// Writes the trainable weights, in place.
pub(super) fn set_trained(model: &dyn Trainable, weights: &BTreeMap<String, Tensor>) -> Result<()> {
    for param in trained(model) {
        if let Some(value) = weights.get(&param.name) {
            param.set(value)?;
        }
    }
    Ok(())
}

/// One number per trainable tensor that changes when any of its values does.
fn fingerprints(model: &dyn Trainable) -> Result<Vec<u64>> {
    trained(model).into_iter().map(|param| Ok(fingerprint(param.var())?)).collect()
}

fn count_moved(before: &[u64], after: &[u64]) -> usize {
    before.iter().zip(after).filter(|(before, after)| before != after).count()
}
