//! How good a model is on some texts, without changing it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use super::Trainable;
use crate::batch::in_turns;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::metrics::{bootstrap_with, BootstrapConfig, Interval};
use crate::needs::nothing_to_predict;
use crate::nn::Untracked;
use crate::show::Progress;
use crate::sys::{on_each_core, stopped, threads};

/// Texts that are measured side by side.
const MEASURED: usize = 32;

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
    data.check(&model.needs())?;
    let mut progress = Progress::start(&tr!("Midiendo", "Measuring"), data.len());
    let score = measure(model, data, &stopped, &mut |texts| progress.update(texts, &tr!("textos", "texts")))?;
    progress.end(&tr!("textos", "texts"));
    if score.texts < score.of {
        println!("{score}");
    }
    Ok(score)
}

/// As [`evaluate`]; `halt` ends it early, when each core has measured something, and `tell` hears how many texts are done.
pub(super) fn measure(
    model: &dyn Trainable,
    data: &Dataset,
    halt: &(dyn Fn() -> bool + Sync),
    tell: &mut (dyn FnMut(usize) + Send),
) -> Result<Score> {
    let batches = data.in_order(MEASURED);
    let part = batches.len().div_ceil(threads()).max(1);
    let (texts, tell) = (AtomicUsize::new(0), Mutex::new(tell));
    let measure = |rows: &[Vec<usize>]| -> Result<(f64, usize)> {
        let _nothing_kept = Untracked::begin();
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
    if tokens == 0 && !batches.is_empty() {
        return Err(nothing_to_predict(data.tokens()));
    }
    let texts = texts.load(Ordering::Relaxed);
    Ok(Score { loss: sum / tokens.max(1) as f64, tokens, texts, of: data.len() })
}

/// The perplexity of `model` on `data` and between what values it would move with other texts of the same kind: the texts are
/// drawn again and again, with replacement. Each is read by itself, so the last digits may differ from [`evaluate`]'s.
///
/// # Errors
/// As [`evaluate`]'s, and when the reader stops it: part of the texts would be another figure.
pub fn perplexity_interval(model: &dyn Trainable, data: &Dataset, config: &BootstrapConfig) -> Result<Interval> {
    data.check(&model.needs())?;
    // Of each text, the sum of its losses and how many tokens were predicted.
    let losses = in_turns(&tr!("Midiendo", "Measuring"), data.len(), data.len(), |text| {
        let batch = data.batch(&[text])?;
        let loss = f64::from(model.loss(&batch, false)?.to_scalar::<f32>()?);
        Ok(vec![(loss * batch.counted() as f64, batch.counted())])
    })?;
    let losses: Vec<(f64, usize)> = losses.into_iter().flatten().collect();
    let perplexity = |texts: &[usize]| {
        let (sum, tokens) = texts.iter().fold((0f64, 0), |(sum, all), i| (sum + losses[*i].0, all + losses[*i].1));
        (sum / tokens as f64).exp()
    };
    if losses.iter().all(|(_, tokens)| *tokens == 0) {
        return Err(nothing_to_predict(data.tokens()));
    }
    let interval = bootstrap_with(losses.len(), &perplexity, config)?;
    Ok(Interval { name: tr!("perplejidad", "perplexity"), ..interval })
}
