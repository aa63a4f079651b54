//! The last layer and the loss in one, without ever holding the logits of a whole batch.

use std::sync::Mutex;

use candle_core::{bail, CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor};
use half::bf16;
use rayon::prelude::*;

use super::collect::aside;
use super::half::add_product;
use super::simd::{exp_row, vectorized};
use super::{floats, room, threads_for, At, Gemm};

/// The label of a position that does not count: padding, or a part of the prompt.
pub const IGNORE: u32 = u32::MAX;

/// Logits that are held at a time (4 MB), unless that is fewer than [`ROWS`] rows.
const CHUNK: usize = 1024 * 1024;

/// Columns of the bias's gradient that one job adds up.
const COLUMNS: usize = 4096;

/// Rows that are taken at a time at least: each time, the whole weight and its gradient pass through the processor, three
/// times packed anew.
const ROWS: usize = 256;

/// What the backward of [`linear_cross_entropy`] will be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The gradient of the hidden states: false in evaluation.
    pub hidden: bool,
    /// The gradient of the weight: false where it is frozen.
    pub weight: bool,
}

/// Mean cross-entropy of `hidden · weightᵀ + bias` against `labels`, over the positions whose label is not [`IGNORE`].
///
/// Shapes: hidden (rows, d), weight (vocabulary, d), bias (vocabulary) or none, `rows` labels; the result is a scalar (0
/// when no position counts). A share `smoothing` of each label is given to all of the vocabulary alike (Szegedy et al.,
/// arXiv 1512.00567): `(1 - s) · -ln p(label) + s · mean of -ln p`, as PyTorch has it; 0 in most trainings.
/// A weight in bf16 is frozen; it is computed in f32, a part at a time.
/// Logits are computed for labelled positions only, a few megabytes at a time, and the gradients with them, as in Liger
/// Kernel (arXiv 2410.10989); so a second backward through the same result is an error.
pub fn linear_cross_entropy(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    labels: &[u32],
    smoothing: f64,
    wanted: Wanted,
) -> Result<Tensor> {
    if let Some(bias) = bias.filter(|bias| weight.dims().first() != bias.dims().first()) {
        bail!("linear_cross_entropy: weight {:?}, bias {:?}", weight.dims(), bias.dims());
    }
    let op =
        LinearCrossEntropy { smoothing: smoothing as f32, ..LinearCrossEntropy::new(hidden, weight, labels, wanted)? };
    let (hidden, weight) = (hidden.contiguous()?, weight.contiguous()?);
    match (bias.map(Tensor::contiguous).transpose()?, wanted.hidden) {
        (None, true) => hidden.apply_op2(&weight, op),
        (None, false) => hidden.apply_op2_no_bwd(&weight, &op),
        (Some(bias), true) => hidden.apply_op3(&weight, &bias, op),
        (Some(bias), false) => hidden.apply_op3_no_bwd(&weight, &bias, &op),
    }
}

struct LinearCrossEntropy {
    labels: Vec<u32>,
    wanted: Wanted,
    /// Share of each label that goes to all of the vocabulary alike.
    smoothing: f32,
    saved: Mutex<Option<Saved>>,
}

struct Saved {
    dhidden: Vec<f32>,
    dweight: Vec<f32>,
    dbias: Vec<f32>,
}

impl LinearCrossEntropy {
    fn new(hidden: &Tensor, weight: &Tensor, labels: &[u32], wanted: Wanted) -> Result<Self> {
        let ((rows, d), (vocabulary, weight_d)) = (hidden.dims2()?, weight.dims2()?);
        if rows != labels.len() || d != weight_d {
            let (hidden, weight) = (hidden.dims(), weight.dims());
            bail!("linear_cross_entropy: hidden {hidden:?}, weight {weight:?}, {} labels", labels.len());
        }
        if wanted.weight && weight.dtype() != DType::F32 {
            bail!("linear_cross_entropy: a weight in {:?} is frozen", weight.dtype());
        }
        if let Some(label) = labels.iter().find(|label| **label != IGNORE && **label as usize >= vocabulary) {
            bail!("linear_cross_entropy: label {label} in a vocabulary of {vocabulary}");
        }
        Ok(Self { labels: labels.to_vec(), wanted, smoothing: 0.0, saved: Mutex::new(None) })
    }

    /// Logits (rows, vocabulary) become `scale` times d loss / d logits; returns the sum of the rows' losses.
    fn softmax_rows(&self, logits: &mut [f32], labels: &[u32], vocabulary: usize, scale: f32) -> f64 {
        let rows = logits.par_chunks_mut(vocabulary).zip(labels.par_iter());
        let losses: Vec<f64> = rows
            .map(|(row, label)| {
                vectorized!({
                    let label = *label as usize;
                    let mut score = row[label];
                    if self.smoothing > 0.0 {
                        let mean = row.iter().sum::<f32>() / vocabulary as f32;
                        score += self.smoothing * (mean - score);
                    }
                    let (sum, largest) = exp_row(row);
                    let loss = f64::from(sum).ln() + f64::from(largest) - f64::from(score);
                    if self.wanted.hidden {
                        let inverse = scale / sum;
                        row.iter_mut().for_each(|x| *x *= inverse);
                        row[label] -= scale * (1.0 - self.smoothing);
                        if self.smoothing > 0.0 {
                            let share = scale * self.smoothing / vocabulary as f32;
                            row.iter_mut().for_each(|x| *x -= share);
                        }
                    }
                    loss
                })
            })
            .collect();
        // In order, so that the sum repeats exactly whatever the threads did.
        losses.iter().sum()
    }

    /// The loss, and the gradients put aside. Shapes: hidden (rows, d), weight (vocabulary, d), bias (vocabulary) or empty.
    fn forward(&self, hidden: &[f32], weight: Matrix, l2: &Layout, bias: &[f32]) -> Result<(CpuStorage, Shape)> {
        let (vocabulary, d) = l2.shape().dims2()?;
        let counted: Vec<usize> = (0..self.labels.len()).filter(|i| self.labels[*i] != IGNORE).collect();
        let scale = 1.0 / counted.len().max(1) as f32;
        let mut saved = Saved {
            dhidden: vec![0f32; if self.wanted.hidden { hidden.len() } else { 0 }],
            dweight: match self.wanted.weight {
                false => Vec::new(),
                true if counted.is_empty() => vec![0f32; vocabulary * d],
                true => room(vocabulary * d), // the first part's product is written over what is there
            },
            dbias: vec![0f32; if self.wanted.hidden { bias.len() } else { 0 }],
        };
        let chunk = (CHUNK / vocabulary).max(ROWS).min(counted.len().max(1));
        let mut logits = room(chunk * vocabulary);
        let mut dh = room(chunk * d);
        let mut total = 0f64;
        for (first, part) in counted.chunks(chunk).enumerate().map(|(i, part)| (i == 0, part)) {
            let n = part.len();
            let threads = threads_for(n * vocabulary * d);
            let h: Vec<f32> = part.iter().flat_map(|i| &hidden[i * d..(i + 1) * d]).copied().collect();
            let labels: Vec<u32> = part.iter().map(|i| self.labels[*i]).collect();
            let logits = &mut logits[..n * vocabulary];
            if !bias.is_empty() {
                logits.par_chunks_exact_mut(vocabulary).for_each(|row| row.copy_from_slice(bias));
            }
            weight.logits(&h, (vocabulary, d), logits, !bias.is_empty(), threads);
            total += self.softmax_rows(logits, &labels, vocabulary, scale);
            if self.wanted.hidden {
                weight.states(logits, (vocabulary, d), &mut dh[..n * d], threads);
                for (row, i) in dh.chunks_exact(d).zip(part) {
                    saved.dhidden[i * d..(i + 1) * d].copy_from_slice(row);
                }
                saved.dbias.par_chunks_mut(COLUMNS).enumerate().for_each(|(i, sums)| {
                    for row in logits.chunks_exact(vocabulary) {
                        let row = &row[i * COLUMNS..][..sums.len()];
                        vectorized!(sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x));
                    }
                });
            }
            if self.wanted.weight {
                let (logits, sum) =
                    ((&*logits, At::transposed(vocabulary)), Gemm { m: vocabulary, n: d, k: n, threads });
                sum.run((&mut saved.dweight, At::rows(d)), !first, logits, (&h, At::rows(d)));
            }
        }
        if let Ok(mut slot) = self.saved.lock() {
            *slot = Some(saved);
        }
        Ok((CpuStorage::F32(vec![(total * f64::from(scale)) as f32]), Shape::from(())))
    }

    fn backward(&self, dy: &Tensor) -> Result<Saved> {
        let saved = self.saved.lock().ok().and_then(|mut slot| slot.take());
        let Some(mut saved) = saved else {
            bail!("linear-cross-entropy: its gradients were already taken by an earlier backward");
        };
        let factor = dy.to_scalar::<f32>()?;
        if factor != 1.0 {
            let Saved { dhidden, dweight, dbias } = &mut saved;
            for values in [dhidden, dweight, dbias] {
                values.par_iter_mut().with_min_len(COLUMNS).for_each(|x| *x *= factor);
            }
        }
        Ok(saved)
    }

    /// The weight's gradient, where it was asked for.
    fn dweight(&self, dweight: Vec<f32>, weight: &Tensor) -> Result<Option<Tensor>> {
        match self.wanted.weight {
            true => Ok(aside(weight, Tensor::from_vec(dweight, weight.shape(), weight.device())?)),
            false => Ok(None),
        }
    }
}

/// The weight (vocabulary, d), as it is held.
#[derive(Clone, Copy)]
enum Matrix<'a> {
    Full(&'a [f32]),
    Half(&'a [bf16]),
}

impl<'a> Matrix<'a> {
    fn of(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        match (storage, layout.contiguous_offsets()) {
            (CpuStorage::BF16(values), Some((start, end))) => Ok(Self::Half(&values[start..end])),
            _ => Ok(Self::Full(floats(storage, layout, "linear-cross-entropy")?)),
        }
    }

    /// Writes `h Wᵀ` into `logits` (rows, vocabulary), over what is there or added to it. Shape: h (rows, d).
    fn logits(self, h: &[f32], (vocabulary, d): (usize, usize), logits: &mut [f32], add: bool, threads: usize) {
        match self {
            Self::Full(weight) => Gemm { m: h.len() / d, n: vocabulary, k: d, threads }.run(
                (logits, At::rows(vocabulary)),
                add,
                (h, At::rows(d)),
                (weight, At::transposed(d)),
            ),
            Self::Half(weight) => {
                if !add {
                    logits.fill(0.0);
                }
                add_product(weight, (vocabulary, d), h, false, logits);
            }
        }
    }

    /// Writes `logits W` into `dh` (rows, d): the way back.
    fn states(self, logits: &[f32], (vocabulary, d): (usize, usize), dh: &mut [f32], threads: usize) {
        match self {
            Self::Full(weight) => Gemm { m: dh.len() / d, n: d, k: vocabulary, threads }.run(
                (dh, At::rows(d)),
                false,
                (logits, At::rows(vocabulary)),
                (weight, At::rows(d)),
            ),
            Self::Half(weight) => {
                dh.fill(0.0);
                add_product(weight, (vocabulary, d), logits, true, dh);
            }
        }
    }
}

impl CustomOp2 for LinearCrossEntropy {
    fn name(&self) -> &'static str {
        "linear-cross-entropy"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let name = "linear-cross-entropy";
        self.forward(floats(s1, l1, name)?, Matrix::of(s2, l2)?, l2, &[])
    }

    fn bwd(&self, h: &Tensor, w: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let saved = self.backward(dy)?;
        Ok((Some(Tensor::from_vec(saved.dhidden, h.shape(), h.device())?), self.dweight(saved.dweight, w)?))
    }
}

impl CustomOp3 for LinearCrossEntropy {
    fn name(&self) -> &'static str {
        "linear-bias-cross-entropy"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let name = "linear-bias-cross-entropy";
        self.forward(floats(s1, l1, name)?, Matrix::of(s2, l2)?, l2, floats(s3, l3, name)?)
    }

    fn bwd(
        &self,
        h: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let saved = self.backward(dy)?;
        let dhidden = Tensor::from_vec(saved.dhidden, h.shape(), h.device())?;
        let dbias = Tensor::from_vec(saved.dbias, b.shape(), b.device())?;
        Ok((Some(dhidden), self.dweight(saved.dweight, w)?, aside(b, dbias)))
    }
}
