//! One step of training: a batch forward and back on all cores, and the weights moved.

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::Tensor;

use super::Trainable;
use crate::dataset::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::needs::nothing_to_predict;
use crate::nn::Param;
use crate::ops::{self, add_gradient, Sums};
use crate::optim::AdamW;
use crate::sys::{on_each_core, threads};

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
    let (loss, gradients) = backward(model, batch, weight(model, &[batch])?)?;
    check_loss(loss, optimizer, learning_rate)?;
    let norm = optimizer.step(&model.params(), &gradients, learning_rate)?;
    Ok((loss, norm))
}

/// As [`train_step`] on a large batch that comes in parts, one after the other: the memory of a part, the step of the whole.
///
/// Every prediction of all parts weighs the same, however many a part has. The gradients are added up between parts, so
/// a model's worth of memory is kept besides.
pub fn train_step_in_parts(
    model: &dyn Trainable,
    parts: &[Batch],
    optimizer: &mut AdamW,
    learning_rate: f64,
) -> Result<(f64, f64)> {
    if let [batch] = parts {
        return train_step(model, batch, optimizer, learning_rate);
    }
    let all = weight(model, &parts.iter().collect::<Vec<_>>())?;
    let params = model.params();
    let params: Vec<&Param> = params.into_iter().filter(|param| param.trainable).collect();
    let mut sums: Vec<Option<Tensor>> = params.iter().map(|_| None).collect();
    let mut loss = 0f64;
    for batch in parts {
        let (part, gradients) = backward(model, batch, all)?;
        loss += part;
        check_loss(loss, optimizer, learning_rate)?;
        for (param, sum) in params.iter().zip(&mut sums) {
            let Some(gradient) = param.gradient(&gradients)? else { continue };
            *sum = Some(match sum.take() {
                Some(sum) => {
                    add_gradient(&sum, &gradient)?;
                    sum
                }
                None => gradient,
            });
        }
    }
    let found = params.into_iter().zip(sums).filter_map(|(param, sum)| Some((param, sum?)));
    let norm = optimizer.apply(&found.collect::<Vec<_>>(), learning_rate)?;
    Ok((loss, norm))
}

/// The batch's part of a mean loss whose predictions weigh `all`, and its gradients, a store for each core's texts.
fn backward(model: &dyn Trainable, batch: &Batch, all: f64) -> Result<(f64, Vec<GradStore>)> {
    let shards = batch.shards(threads())?;
    let sums = Arc::new(Sums::default());
    let backward = |part: usize, shard: &Batch| -> Result<(f64, GradStore)> {
        let loss = (model.loss(shard, true)? * (model.weight(shard) / all))?;
        let mut gradients = ops::backward_part(&loss, &sums, part)?;
        let aside = shard.aside.as_ref().and_then(|aside| Some(std::mem::take(&mut *aside.lock().ok()?)));
        aside.unwrap_or_default().into_iter().try_for_each(|more| gradients.extend(more))?;
        Ok((f64::from(loss.to_scalar::<f32>()?), gradients))
    };
    let backward = &backward;
    let job = |(part, shard)| Box::new(move || backward(part, shard)) as Box<dyn FnOnce() -> _ + Send>;
    let jobs = shards.iter().enumerate().map(job);
    let (mut loss, mut gradients) = (0f64, Vec::new());
    for done in on_each_core(jobs.collect()) {
        let (part, gradient) = done?;
        loss += part;
        gradients.push(gradient);
    }
    if let Some(first) = gradients.first_mut() {
        sums.put_into(first)?;
    }
    Ok((loss, gradients))
}

/// How much the predictions of some parts weigh together; where nothing counts that is an error.
fn weight(model: &dyn Trainable, parts: &[&Batch]) -> Result<f64> {
    let all: f64 = parts.iter().map(|part| model.weight(part)).sum();
    match all > 0.0 {
        true => Ok(all),
        false => Err(nothing_to_predict(parts.iter().map(|part| part.labels.len()).sum())),
    }
}

fn check_loss(loss: f64, optimizer: &AdamW, learning_rate: f64) -> Result<()> {
    if loss.is_finite() {
        return Ok(());
    }
    let step = optimizer.steps() + 1;
    Err(Error::new(
        ErrorKind::Training,
        tr!("La pérdida dejó de ser un número en el paso {step}.", "The loss is no longer a number at step {step}."),
    )
    .why(tr!(
        "los pasos son demasiado grandes (learning_rate {learning_rate:.1e})",
        "the steps are too large (learning_rate {learning_rate:.1e})"
    ))
    .next(tr!(
        "Carga el modelo otra vez y prueba con un learning_rate diez veces menor.",
        "Load the model again and try a learning_rate ten times smaller."
    )))
}
