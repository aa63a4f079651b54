//! What the reader sees of a training while it runs: a bar, the last step in words, the curve.

use std::time::{Duration, Instant};

use super::measure::measure;
use super::{Score, TrainConfig, Trainable};
use crate::dataset::Dataset;
use crate::energy::{Energy, EnergyMeter};
use crate::error::Result;
use crate::history::{EpochRecord, History, StepRecord};
use crate::show::Progress;
use crate::sys::stopped;

/// After a stop, training measures the model once more if that takes no longer than this.
const LAST_MEASURE: Duration = Duration::from_secs(2);

/// Hears the history at each step of a training that has no bar of its own.
pub(super) type Watch<'a> = dyn FnMut(&History) + Send + 'a;

/// Where a training is seen.
enum Seen<'a> {
    /// In a bar of its own.
    Bar(Box<Progress>),
    /// In that of the work it is a part of.
    By(&'a mut Watch<'a>),
}

/// A training under way: its history, and what is shown of it.
pub(super) struct View<'a> {
    pub(super) history: History,
    seen: Seen<'a>,
    begin: Instant,
    /// What the run took that this one goes on with.
    before: Option<Energy>,
    meter: EnergyMeter,
    /// Time spent in steps, and the tokens of those.
    busy: (Duration, usize),
}

impl<'a> View<'a> {
    pub(super) fn start(
        model: &dyn Trainable,
        planned: usize,
        config: &TrainConfig,
        watch: Option<&'a mut Watch<'a>>,
    ) -> Self {
        let seen = match watch {
            Some(watch) => Seen::By(watch),
            None => {
                let progress = Progress::start(&tr!("Entrenando", "Training"), planned);
                Seen::Bar(Box::new(progress.seen_after(Duration::ZERO).with_energy()))
            }
        };
        let params = model.params();
        let trainable: Vec<_> = params.iter().filter(|param| param.trainable).collect();
        let history = History {
            planned,
            of_labels: model.learns_labels(),
            metrics: config.metrics.iter().map(|metric| metric.name().to_string()).collect(),
            monitored: config.monitored(),
            tensors: params.len(),
            trainable: trainable.len(),
            trainable_parameters: trainable.iter().map(|param| param.count()).sum(),
            ..History::default()
        };
        Self {
            history,
            seen,
            begin: Instant::now(),
            before: None,
            meter: EnergyMeter::start(),
            busy: (Duration::ZERO, 0),
        }
    }

    /// Takes over the history of the run that this one goes on with.
    pub(super) fn go_on(&mut self, steps: Vec<StepRecord>, epochs: Vec<EpochRecord>, tokens: usize, energy: Energy) {
        let step = steps.len();
        self.say(&tr!("Sigo después del paso {step}.", "Going on after step {step}."));
        self.history = History { steps, epochs, tokens, ..std::mem::take(&mut self.history) };
        self.before = Some(energy);
    }

    /// Seconds of training so far, those of the run that this one goes on with included.
    pub(super) fn seconds(&self) -> f64 {
        self.before.as_ref().map_or(0.0, |before| before.seconds) + self.begin.elapsed().as_secs_f64()
    }

    /// The energy so far, as [`Self::seconds`].
    pub(super) fn energy(&self) -> Energy {
        let now = self.meter.so_far();
        let all = self.before.as_ref().map_or(now.clone(), |before| before.plus(&now));
        Energy { seconds: self.seconds(), ..all }
    }

    /// Minutes of this call.
    pub(super) fn minutes(&self) -> f64 {
        self.begin.elapsed().as_secs_f64() / 60.0
    }

    /// Shows a line beside the bar.
    pub(super) fn say(&self, line: &str) {
        match &self.seen {
            Seen::Bar(progress) => progress.say(line),
            Seen::By(_) => println!("{line}"),
        }
    }

    /// Adds a step.
    pub(super) fn add(&mut self, record: StepRecord, tokens: usize, took: Duration) {
        self.history.tokens += tokens;
        self.history.steps.push(record);
        self.busy = (self.busy.0 + took, self.busy.1 + tokens);
        let (history, busy) = (&self.history, self.busy);
        match &mut self.seen {
            Seen::Bar(progress) => progress.update_with(record.step, || (note(history, busy), history.curve())),
            Seen::By(watch) => watch(history),
        }
    }

    /// Measures the model and adds the epoch; true when it did. After a stop it must not take long: what is not done soon
    /// is left out.
    pub(super) fn validate(
        &mut self,
        model: &dyn Trainable,
        valid: &Dataset,
        epoch: usize,
        config: &TrainConfig,
    ) -> Result<bool> {
        let (begin, step) = (Instant::now(), self.history.steps.len());
        let score = self.measure(model, valid, step)?;
        let late = || stopped() && begin.elapsed() > LAST_MEASURE;
        let mut metrics = Vec::new();
        for metric in &config.metrics {
            if late() {
                return Ok(false);
            }
            metrics.push(metric.measure(model, valid)?);
        }
        if score.texts < score.of {
            return Ok(false);
        }
        let first = self.history.epochs.last().map_or(0, |record| record.step);
        let losses = &self.history.steps[first.min(step)..];
        let train_loss = match losses.len() {
            0 => None,
            count => Some(losses.iter().map(|record| record.loss).sum::<f64>() / count as f64),
        };
        let (seconds, joules) = (self.seconds(), self.energy().joules);
        let record = EpochRecord { epoch, step, train_loss, valid_loss: score.loss, seconds, joules, metrics };
        self.history.epochs.push(record);
        Ok(true)
    }

    fn measure(&mut self, model: &dyn Trainable, valid: &Dataset, step: usize) -> Result<Score> {
        let (history, seen, all) = (&self.history, &mut self.seen, valid.len());
        let begin = Instant::now();
        let mut tell = |texts: usize| {
            let note = || tr!("midiendo: {texts} de {all} textos", "measuring: {texts} of {all} texts");
            match seen {
                Seen::Bar(progress) => progress.update_with(step, || (note(), history.curve())),
                Seen::By(watch) => watch(history),
            }
        };
        measure(model, valid, &|| stopped() && begin.elapsed() > LAST_MEASURE, &mut tell)
    }

    /// The history, and the last state that the reader sees: the curve and the table stay.
    pub(super) fn finish(mut self, moved: usize) -> History {
        self.history.moved = moved;
        self.history.seconds = self.seconds();
        self.history.energy = Some(self.energy());
        let notes: Vec<String> = self.history.stopped_line().into_iter().chain(result(&self.history)).collect();
        let Seen::Bar(progress) = self.seen else { return self.history };
        if !progress.finish_with(&notes.join(" · "), &self.history.curve_and_table()) {
            self.history.best_line().into_iter().for_each(|line| println!("{line}"));
            println!("{}", self.history.moved_line());
            self.history.energy_line().into_iter().for_each(|line| println!("{line}"));
        }
        self.history
    }
}

/// What the training did to what it was judged by, where that was measured.
fn result(history: &History) -> Option<String> {
    let of = |record: Option<&EpochRecord>| history.watched(record?).map(|(_, value)| value);
    if let (Some(name), Some(was), Some(is)) = (&history.monitored, of(history.epochs.first()), of(history.kept())) {
        return Some(tr!("{name} en validación {was:.3} → {is:.3}", "{name} on validation {was:.3} → {is:.3}"));
    }
    let (was, is) = history.perplexities();
    if !was.is_finite() {
        return None;
    }
    Some(if history.of_labels {
        let (was, is) = (was.ln(), is.ln());
        tr!("pérdida de validación {was:.3} → {is:.3}", "validation loss {was:.3} → {is:.3}")
    } else {
        tr!("perplejidad de validación {was:.1} → {is:.1}", "validation perplexity {was:.1} → {is:.1}")
    })
}

/// The last step in words.
fn note(history: &History, (busy, tokens): (Duration, usize)) -> String {
    let loss = history.steps.last().map_or(f64::NAN, |record| record.loss);
    let (perplexity, speed) = (loss.exp(), tokens as f64 / busy.as_secs_f64().max(1e-9));
    if history.of_labels {
        return tr!("pérdida {loss:.3} · {speed:.0} etiquetas/s", "loss {loss:.3} · {speed:.0} labels/s");
    }
    tr!(
        "pérdida {loss:.3} · perplejidad {perplexity:.1} · {speed:.0} tokens/s",
        "loss {loss:.3} · perplexity {perplexity:.1} · {speed:.0} tokens/s"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_note_tells_the_monitored_metric_and_else_the_loss() {
        let epoch = |epoch: usize, valid_loss: f64, macro_f1: f64| EpochRecord {
            epoch,
            step: epoch,
            train_loss: None,
            valid_loss,
            seconds: 0.0,
            joules: 0.0,
            metrics: vec![macro_f1],
        };
        assert_eq!(result(&History::default()), None);
        let mut history = History {
            of_labels: true,
            best: Some(1),
            metrics: vec!["macro_f1".into()],
            epochs: vec![epoch(0, 0.5, 0.25), epoch(1, 0.75, 0.648), epoch(2, 1.5, 0.5)],
            ..History::default()
        };
        let note = result(&history).unwrap();
        assert!(note.contains("0.500 → 0.750") && !note.contains("macro_f1"), "{note}");
        history.monitored = Some("macro_f1".into());
        let note = result(&history).unwrap();
        assert!(note.contains("macro_f1") && note.contains("0.250 → 0.648"), "{note}");
    }
}
