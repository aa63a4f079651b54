//! One step of training: a batch forward and back on all cores, and the weights moved.

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::Tensor;

use super::Trainable;
use crate::dataset::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::needs::nothing_to_predict;
use crate::nn::{midway, Gradient, HeadLoss, Param};
use crate::ops::{self, add_gradient, Sums};
use crate::optim::AdamW;
use crate::sys::{on_each_core, on_worker, threads};

/// One optimizer step on one batch; returns its loss and the gradient's norm. A loss that is not finite moves nothing.
///
/// Each core takes a part of the batch forward and back, and both together the last layer of a model that guesses tokens; the
/// gradients are added before the step, so that it is the same step as that of the whole batch.
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
    let found = params.into_iter().zip(sums).filter_map(|(param, sum)| Some((param, Gradient::Whole(sum?))));
    let norm = optimizer.apply(&found.collect::<Vec<_>>(), learning_rate)?;
    Ok((loss, norm))
}

/// The batch's part of a mean loss whose predictions weigh `all`, and its gradients, a store for each core's texts.
fn backward(model: &dyn Trainable, batch: &Batch, all: f64) -> Result<(f64, Vec<GradStore>)> {
    let shards = if model.needs().packs { batch.shards_in_rows(threads()) } else { batch.shards(threads()) }?;
    let heads = each(shards.iter().collect(), |_, shard| model.before_head(shard, true))?;
    if let Some(heads) = heads.into_iter().collect::<Option<Vec<HeadLoss>>>() {
        return backward_from_head(heads, &shards, model.weight(batch) / all);
    }
    let sums = Arc::new(Sums::default());
    let done = each(shards.iter().collect(), |part, shard| {
        let loss = (model.loss(shard, true)? * (model.weight(shard) / all))?;
        let gradients = backward_of_part(&loss, &sums, part, shard)?;
        Ok((f64::from(loss.to_scalar::<f32>()?), gradients))
    })?;
    let (losses, mut gradients): (Vec<f64>, Vec<GradStore>) = done.into_iter().unzip();
    if let Some(first) = gradients.first_mut() {
        sums.put_into(first)?;
    }
    Ok((losses.iter().sum(), gradients))
}

/// As [`backward`] once each core has the last states of its texts: the loss of all together, then each core's way back.
fn backward_from_head(heads: Vec<HeadLoss>, shards: &[Batch], share: f64) -> Result<(f64, Vec<GradStore>)> {
    let (loss, mut gradients, states) = on_worker(|| -> Result<_> {
        let Some((joined, states)) = HeadLoss::joined(&heads)? else { return Err(nothing_to_predict(0)) };
        let loss = (joined.loss()? * share)?;
        Ok((f64::from(loss.to_scalar::<f32>()?), ops::backward(&loss)?, states))
    })?;
    let Some(to_states) = gradients.remove(&states).filter(|_| loss.is_finite()) else {
        return Ok((loss, vec![gradients])); // a loss of no number moves nothing
    };
    drop(states);
    let mut first = 0;
    let parts = heads.into_iter().zip(shards).map(|(head, shard)| {
        let rows = head.states.dim(0)?;
        first += rows;
        Ok((head.states, to_states.narrow(0, first - rows, rows)?, shard))
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    let sums = Arc::new(Sums::default());
    let mut back = each(parts, |part, (states, gradient, shard)| {
        backward_of_part(&midway(&states, gradient)?, &sums, part, shard)
    })?;
    if let Some(first) = back.first_mut() {
        sums.put_into(first)?;
    }
    back.insert(0, gradients);
    Ok((loss, back))
}

/// The way back of one core's texts: the gradients of weights go into `sums`.
fn backward_of_part(loss: &Tensor, sums: &Arc<Sums>, part: usize, shard: &Batch) -> Result<GradStore> {
    let mut gradients = ops::backward_part(loss, sums, part)?;
    let aside = shard.aside.as_ref().and_then(|aside| Some(std::mem::take(&mut *aside.lock().ok()?)));
    aside.unwrap_or_default().into_iter().try_for_each(|more| gradients.extend(more))?;
    Ok(gradients)
}

/// What `work` makes of each part, on a core of its own, in the parts' order.
fn each<P: Send, T: Send>(parts: Vec<P>, work: impl Fn(usize, P) -> Result<T> + Sync) -> Result<Vec<T>> {
    let work = &work;
    let job = |(i, part)| Box::new(move || work(i, part)) as Box<dyn FnOnce() -> _ + Send>;
    on_each_core(parts.into_iter().enumerate().map(job).collect()).into_iter().collect()
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
