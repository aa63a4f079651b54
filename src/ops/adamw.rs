//! AdamW (Loshchilov and Hutter, arXiv 1711.05101) in one pass over memory.

use std::sync::Mutex;

use candle_core::{bail, CpuStorage, InplaceOp2, Layout, Result, Tensor};
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::simd::{sum2, vectorized};
use super::{cpu_floats, floats};

const BLOCK: usize = 32 * 1024;

/// A number that changes when any value of a float32 tensor does: whether a training moved it.
pub fn fingerprint(values: &Tensor) -> Result<u64> {
    let values = values.contiguous()?;
    let guard = values.storage_and_layout();
    Ok(xxh3_64(bytemuck::cast_slice(cpu_floats(&guard, "fingerprint")?)))
}

/// The numbers of one step, as PyTorch's `torch.optim.AdamW` names them.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Keeps the division away from zero.
    pub eps: f64,
    /// Share of the weights (times the learning rate) taken away each step.
    pub weight_decay: f64,
    /// Number of this step, from 1.
    pub step: usize,
    /// The gradient is multiplied by this first: clipping, or one part of an accumulated batch.
    pub gradient_scale: f32,
}

/// Moves `parameter` in place by one AdamW step; `m` and `v` are its running means, zero at first.
///
/// With p the parameter, g the gradient times `gradient_scale` and t the step's number, for each number of the tensor:
///
/// ```text
/// m ← beta1 · m + (1 - beta1) · g
/// v ← beta2 · v + (1 - beta2) · g²
/// p ← p · (1 - rate · decay) - rate · m̂ / (√v̂ + eps),  m̂ = m / (1 - beta1ᵗ),  v̂ = v / (1 - beta2ᵗ)
/// ```
///
/// which is algorithm 2 of the paper as `torch.optim.AdamW` has it; the tests follow twenty of its steps. Shapes: any, the
/// same for the parameter and the gradient; `m` and `v` hold as many numbers.
///
/// candle's optimizer makes a dozen temporaries per tensor, which costs more than the backward pass of a small model.
pub fn adamw_step(parameter: &Tensor, gradient: &Tensor, m: &mut [f32], v: &mut [f32], step: &AdamWStep) -> Result<()> {
    let count = parameter.elem_count();
    if gradient.elem_count() != count || m.len() != count || v.len() != count {
        bail!("adamw: {count} weights, {} gradients, state of {} and {}", gradient.elem_count(), m.len(), v.len());
    }
    let op = AdamW { state: Mutex::new((m, v)), numbers: Numbers::of(step), rows: None };
    parameter.inplace_op2(&gradient.contiguous()?, &op)
}

/// As [`adamw_step`] on a table (count, d) whose gradient is `values` (rows.len(), d) at `rows`, each named once, and zero
/// elsewhere: where a batch used a few rows of many, no gradient as large as the table is made or read.
///
/// The rows without a gradient move too, by what is left of their running means and by the decay, as PyTorch's do. `seen` says
/// which rows ever had one, and learns it of these: the means of the others are zero, and are neither read nor written.
pub fn adamw_step_of_rows(
    parameter: &Tensor,
    (rows, values): (&[u32], &Tensor),
    (m, v, seen): (&mut [f32], &mut [f32], &mut [bool]),
    step: &AdamWStep,
) -> Result<()> {
    let (count, d) = parameter.dims2()?;
    let fits = values.dims() == [rows.len(), d] && rows.iter().all(|row| (*row as usize) < count);
    if !fits || m.len() != count * d || v.len() != count * d || seen.len() != count {
        let (rows, state) = (rows.len(), (m.len(), v.len(), seen.len()));
        bail!("adamw: {count} x {d} weights, {rows} rows of {:?}, state of {state:?}", values.dims());
    }
    let mut places: Vec<Row> = seen.iter().map(|seen| if *seen { Row::Past } else { Row::Never }).collect();
    for (place, row) in rows.iter().enumerate() {
        places[*row as usize] = Row::Now(place);
        seen[*row as usize] = true;
    }
    let op = AdamW { state: Mutex::new((m, v)), numbers: Numbers::of(step), rows: Some((places, d)) };
    parameter.inplace_op2(&values.contiguous()?, &op)
}

struct AdamW<'a> {
    state: Mutex<(&'a mut [f32], &'a mut [f32])>,
    numbers: Numbers,
    /// Of a gradient of some rows: what there is of each row of the table, and how wide a row is.
    rows: Option<(Vec<Row>, usize)>,
}

/// A row of a table in a step.
#[derive(Clone, Copy)]
enum Row {
    /// It has a gradient, which is at this place.
    Now(usize),
    /// It had one in an earlier step.
    Past,
    /// It never had one.
    Never,
}

/// What the formula needs of a step, once for all numbers.
struct Numbers {
    scale: f32,
    beta1: f32,
    beta2: f32,
    keep: f32,
    rate: f32,
    root: f32,
    eps: f32,
}

impl Numbers {
    fn of(s: &AdamWStep) -> Self {
        Self {
            scale: s.gradient_scale,
            beta1: s.beta1 as f32,
            beta2: s.beta2 as f32,
            keep: (1.0 - s.learning_rate * s.weight_decay) as f32,
            rate: (s.learning_rate / (1.0 - s.beta1.powi(s.step as i32))) as f32,
            root: (1.0 - s.beta2.powi(s.step as i32)).sqrt().recip() as f32,
            eps: s.eps as f32,
        }
    }

    /// Moves as many weights as there are gradients.
    fn apply(&self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let Self { scale, beta1: b1, beta2: b2, keep, rate, root, eps } = *self;
        vectorized!({
            for i in 0..p.len() {
                let g = g[i] * scale;
                m[i] = b1 * m[i] + (1.0 - b1) * g;
                v[i] = b2 * v[i] + (1.0 - b2) * g * g;
                p[i] = p[i] * keep - rate * m[i] / (v[i].sqrt() * root + eps);
            }
        });
    }
}

impl InplaceOp2 for AdamW<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let gradient = floats(s2, l2, "adamw")?;
        let Some((start, end)) = l1.contiguous_offsets() else { bail!("adamw needs a contiguous parameter") };
        let CpuStorage::F32(values) = s1 else { bail!("adamw needs a float32 parameter") };
        let Ok(mut state) = self.state.lock() else { bail!("adamw: an earlier step failed") };
        let (m, v) = &mut *state;
        let values = &mut values[start..end];
        let Some((places, d)) = &self.rows else {
            let state = m.par_chunks_mut(BLOCK).zip(v.par_chunks_mut(BLOCK));
            let blocks = values.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK)).zip(state);
            blocks.for_each(|((p, g), (m, v))| self.numbers.apply(p, g, m, v));
            return Ok(());
        };
        let (d, none) = (*d, vec![0f32; *d]);
        let state = m.par_chunks_mut(d).zip(v.par_chunks_mut(d)).zip(places);
        values.par_chunks_mut(d).zip(state).with_min_len(BLOCK.div_ceil(d)).for_each(|(p, ((m, v), row))| match row {
            Row::Now(place) => self.numbers.apply(p, &gradient[place * d..(place + 1) * d], m, v),
            Row::Past => self.numbers.apply(p, &none, m, v),
            Row::Never if self.numbers.keep == 1.0 => {}
            Row::Never => p.iter_mut().for_each(|p| *p *= self.numbers.keep),
        });
        Ok(())
    }
}

/// The length of all gradients taken as one vector: what clipping compares with its limit.
///
/// With g over every number of every gradient:
///
/// ```text
/// norm = √(Σ g²)
/// ```
///
/// Shapes: any number of tensors, each of any shape; without any it is 0. A number that is not finite makes the norm so.
/// A step multiplies all gradients by limit / norm where the norm is past the limit ([`AdamWStep::gradient_scale`]): one
/// factor for all, so that the step is shorter and its direction stays (Pascanu et al., arXiv 1211.5063;
/// `torch.nn.utils.clip_grad_norm_`). The tests hold it to PyTorch's over twenty steps.
///
/// Blocks are summed in float32 and the blocks' sums in float64: a model has more squares than float32 can add up well.
pub fn gradient_norm(gradients: &[&Tensor]) -> Result<f64> {
    let mut total = 0f64;
    for gradient in gradients {
        let gradient = gradient.contiguous()?;
        let guard = gradient.storage_and_layout();
        let values = cpu_floats(&guard, "gradient-norm")?;
        let sums: Vec<f32> = values.par_chunks(BLOCK).map(|part| vectorized!(sum2(part, part, |x, _| x * x))).collect();
        total += sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
    }
    Ok(total.sqrt())
}

/// `sum += gradient`, in place.
///
/// For each number of the tensor `sum ← sum + gradient`. Shapes: any, the same for both; others are an error. `sum` is
/// contiguous; a gradient that is not is copied first.
///
/// The loss of a large batch is a sum over its parts, and so is its gradient: where parts are computed one after the other
/// (`accumulate`), theirs are added up here. In place, because a new tensor for each sum would hold the gradients of the
/// whole model once more.
pub fn add_gradient(sum: &Tensor, gradient: &Tensor) -> Result<()> {
    if sum.dims() != gradient.dims() {
        bail!("add-gradient: {:?} to {:?}", gradient.dims(), sum.dims());
    }
    sum.inplace_op2(&gradient.contiguous()?, &Add)
}

struct Add;

impl InplaceOp2 for Add {
    fn name(&self) -> &'static str {
        "add-gradient"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let gradient = floats(s2, l2, "add-gradient")?;
        let Some((start, end)) = l1.contiguous_offsets() else { bail!("add-gradient needs a contiguous sum") };
        let CpuStorage::F32(sum) = s1 else { bail!("add-gradient needs float32") };
        sum[start..end].par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK)).for_each(|(sum, gradient)| {
            vectorized!(sum.iter_mut().zip(gradient).for_each(|(a, b)| *a += b));
        });
        Ok(())
    }
}
