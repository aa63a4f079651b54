//! What classifiers learn by, where it is not the plain cross-entropy of `ops`. Their logits are few: candle's own ops do.

use candle_core::{Device, Tensor};

use crate::error::Result;
use crate::ops::IGNORE;

/// Mean binary cross-entropy of `logits` (texts, labels) against 0 or 1 for each, where a label that is there weighs
/// `weights` of its kind (empty: 1), as PyTorch's `BCEWithLogitsLoss` with `pos_weight`.
///
/// `w y max(-x, 0) + (1 - y) max(x, 0) + (w y + 1 - y) ln(1 + e^-|x|)`
pub(super) fn several(logits: &Tensor, labels: &[u32], weights: &[f64]) -> Result<Tensor> {
    let count = logits.dim(1)?;
    let there = |(i, label): (usize, &u32)| {
        let weight = weights.get(i % count).map_or(1.0, |weight| *weight as f32);
        if *label == 1 {
            weight
        } else {
            0.0
        }
    };
    let constant = |values: Vec<f32>| Tensor::from_vec(values, logits.shape(), &Device::Cpu);
    let there = constant(labels.iter().enumerate().map(there).collect())?;
    let absent = constant(labels.iter().map(|label| if *label == 1 { 0.0 } else { 1.0 }).collect())?;
    let soft = ((logits.abs()?.neg()?.exp()? + 1.0)?).log()?;
    let sides = ((logits.neg()?.relu()? * &there)? + (logits.relu()? * &absent)?)?;
    Ok((sides + (soft * (there + absent)?)?)?.mean_all()?)
}

/// Cross-entropy of `logits` (texts, classes) in which each text weighs what its class does, as PyTorch's
/// `CrossEntropyLoss` with `weight` and `label_smoothing`: a sum over the texts, divided by their weights' sum.
pub(super) fn weighted(logits: &Tensor, labels: &[u32], weights: &[f64], smoothing: f64) -> Result<Tensor> {
    let (texts, classes) = logits.dims2()?;
    // What each logarithm of a probability counts in the sum.
    let mut share = vec![0f32; texts * classes];
    let mut all = 0f64;
    for (row, label) in share.chunks_mut(classes).zip(labels).filter(|(_, label)| **label != IGNORE) {
        row.iter_mut().zip(weights).for_each(|(share, w)| *share = (smoothing / classes as f64 * w) as f32);
        let weight = weights.get(*label as usize).copied().unwrap_or(1.0);
        row[*label as usize] += ((1.0 - smoothing) * weight) as f32;
        all += weight;
    }
    // A part of a batch may have texts of no weight alone.
    let scale = if all > 0.0 { -1.0 / all } else { 0.0 };
    let share = Tensor::from_vec(share, (texts, classes), &Device::Cpu)?;
    Ok(((candle_nn::ops::log_softmax(logits, 1)? * share)?.sum_all()? * scale)?)
}

/// Mean squared difference of `logits` (texts, 1) and the numbers that `labels` are the bits of.
pub(super) fn number(logits: &Tensor, labels: &[u32]) -> Result<Tensor> {
    let numbers: Vec<f32> = labels.iter().map(|label| f32::from_bits(*label)).collect();
    let numbers = Tensor::from_vec(numbers, logits.shape(), &Device::Cpu)?;
    Ok((logits - numbers)?.sqr()?.mean_all()?)
}
