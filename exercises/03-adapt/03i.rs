//! A model adapted to a learner's own texts.

use crate::exercise::{other_kind, Exercise, Given, Ideas, Judge, Verdict};
use crate::history::{EpochRecord, History, StepRecord};
use crate::rng::Rng;

/// Fewer steps say nothing about texts of one's own.
const FEW: usize = 10;

pub mod stub {}

pub const EXERCISE: Exercise = Exercise {
    id: "03i",
    text: include_str!("03i.md"),
    code: include_str!("03i.rs"),
    judge: Judge::Own(judge),
    stub: || a_run(0, &[9.0]),
    right: || a_run(30, &[9.0, 5.0, 4.0, 3.8]),
    wrong: || -> Ideas {
        vec![
            ("few_steps", a_run(4, &[9.0, 8.5])),
            ("no_better", a_run(30, &[9.0, 9.2, 9.4])),
            ("overfitted", a_run(60, &[9.0, 5.0, 4.0, 4.6, 5.5])),
        ]
    },
};

/// The history of a run of `steps` steps with these losses on the validation texts, that of before training first.
fn a_run(steps: usize, losses: &[f64]) -> Given {
    let step = |step| StepRecord { step, loss: 3.0, learning_rate: 2e-3, grad_norm: 1.0 };
    let epoch = |(epoch, loss): (usize, &f64)| EpochRecord {
        epoch,
        step: epoch * steps / losses.len().max(1),
        train_loss: Some(*loss),
        valid_loss: *loss,
        seconds: 1.0,
        joules: 1.0,
        metrics: Vec::new(),
    };
    let epochs = losses.iter().enumerate().map(epoch).collect();
    Given::History(Box::new(History { steps: (1..=steps).map(step).collect(), epochs, ..History::default() }))
}

fn judge(given: &Given, _rng: &mut Rng) -> Verdict {
    let Given::History(history) = given else { return other_kind(given, &a_run(0, &[])) };
    let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.valid_loss).collect();
    let (Some(first), Some(last), true) = (losses.first(), losses.last(), losses.len() > 1) else {
        return Verdict::Wrong(tr!("Ese entrenamiento no terminó ninguna época.", "That training ended no epoch."));
    };
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    if history.steps.len() < FEW {
        Verdict::Idea("few_steps")
    } else if last >= first {
        Verdict::Idea("no_better")
    } else if *last > 1.1 * best {
        Verdict::Idea("overfitted")
    } else {
        Verdict::Right
    }
}

#[cfg(test)]
pub mod solution {
    use crate::prelude::*;

    pub fn adapt(path: &str, column: &str) -> Result<History> {
        let texts = Table::read(path)?.texts(column)?;
        let mut model = LanguageModel::load("cuentos")?;
        model.add_lora(&LoraConfig { rank: 8, ..Default::default() })?;
        let (train, valid) = model.dataset(&texts, 96)?.split(0.9, 42)?;
        let config = TrainConfig { epochs: 3, learning_rate: 2e-3, batch_size: 8, ..Default::default() };
        let history = fine_tune(&mut model, &train, &valid, &config)?;
        Ok(history)
    }
}
