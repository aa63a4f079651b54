//! A model that learns one small batch by heart.

use crate::exercise::{other_kind, Exercise, Given, Ideas, Judge, Verdict};
use crate::history::{History, StepRecord};
use crate::rng::Rng;

/// A loss below this is one of texts known by heart.
const BY_HEART: f64 = 0.5;
/// Fewer steps are no trial.
const FEW: usize = 30;

pub mod stub {}

pub const EXERCISE: Exercise = Exercise {
    id: "03d",
    text: include_str!("03d.md"),
    code: include_str!("03d.rs"),
    judge: Judge::Own(judge),
    stub: || a_run(0, 9.0),
    right: || a_run(60, 0.1),
    wrong: || -> Ideas { vec![("few_steps", a_run(10, 4.0)), ("not_learned", a_run(80, 3.0))] },
};

/// The history of a run of `steps` steps whose loss falls from 9 to `last`.
fn a_run(steps: usize, last: f64) -> Given {
    let loss = |step: usize| 9.0 + (last - 9.0) * step as f64 / steps.max(1) as f64;
    let record = |step| StepRecord { step, loss: loss(step), learning_rate: 2e-3, grad_norm: 1.0 };
    Given::History(Box::new(History { steps: (1..=steps).map(record).collect(), planned: steps, ..History::default() }))
}

fn judge(given: &Given, _rng: &mut Rng) -> Verdict {
    let Given::History(history) = given else { return other_kind(given, &a_run(0, 0.0)) };
    let Some(last) = history.steps.last() else {
        return Verdict::Wrong(tr!("Ese entrenamiento no dio ningún paso.", "That training made no step."));
    };
    match (last.loss < BY_HEART, history.steps.len() < FEW) {
        (true, _) => Verdict::Right,
        (false, true) => Verdict::Idea("few_steps"),
        (false, false) => Verdict::Idea("not_learned"),
    }
}

#[cfg(test)]
pub mod solution {
    use crate::prelude::*;

    pub fn by_heart(texts: &[String]) -> Result<History> {
        let mut model = LanguageModel::load("cuentos")?;
        let few = model.dataset(&texts[..8], 64)?;
        let config = TrainConfig { epochs: 100, learning_rate: 2e-3, batch_size: 8, ..Default::default() };
        let history = fine_tune(&mut model, &few, &few, &config)?;
        Ok(history)
    }
}
