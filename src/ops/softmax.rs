//! Softmax of attention scores that were made elsewhere: those with terms of their own for each text, as DeBERTa's.

use candle_core::{bail, CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::simd::{exp_row, sum2, vectorized};
use super::{cpu_floats, floats, room, Dropout};

/// `softmax(scores)` over the real keys of each text, of which there are `lengths`; zero at the padding to their right.
/// Shapes: scores (texts, heads, time, keys), result the same.
///
/// [`super::attention`] never holds this matrix and is quicker; this one takes scores with whatever was added to them.
/// `dropout` leaves out some of the weights. The backward computes them again instead of keeping them.
pub fn attention_weights(scores: &Tensor, lengths: &[usize], dropout: Option<Dropout>) -> Result<Tensor> {
    let (texts, _, _, keys) = scores.dims4()?;
    if lengths.len() != texts || lengths.iter().any(|real| *real > keys) {
        bail!("attention_weights: scores {:?} with texts of {lengths:?} keys", scores.dims());
    }
    scores.contiguous()?.apply_op1(Weights { lengths: lengths.to_vec(), dropout })
}

struct Weights {
    /// How many keys of each text are real.
    lengths: Vec<usize>,
    dropout: Option<Dropout>,
}

/// Where a row of scores lies.
struct Row {
    text: usize,
    /// Which dropout it has in its text.
    place: u64,
    /// How many keys it sees.
    visible: usize,
}

impl Weights {
    fn row(&self, index: usize, shape: &Shape) -> Result<Row> {
        let (_, heads, time, _) = shape.dims4()?;
        let (text, head, query) = (index / time / heads, index / time % heads, index % time);
        Ok(Row { text, place: ((head as u64) << 32) + query as u64, visible: self.lengths[text] })
    }

    /// Scores become weights that add up to one.
    fn softmax(&self, row: &Row, scores: &mut [f32]) {
        let (seen, hidden) = scores.split_at_mut(row.visible);
        hidden.fill(0.0);
        vectorized!({
            let (sum, _) = exp_row(seen);
            let inverse = sum.recip();
            seen.iter_mut().for_each(|x| *x *= inverse);
        });
    }

    fn drop(&self, row: &Row, weights: &mut [f32]) {
        if let Some(dropout) = &self.dropout {
            dropout.apply(row.text, row.place, weights);
        }
    }
}

impl CustomOp1 for Weights {
    fn name(&self) -> &'static str {
        "attention-weights"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (scores, shape) = (floats(storage, layout, "attention-weights")?, layout.shape());
        let keys = shape.dims4()?.3;
        let mut weights = room(scores.len());
        let rows = weights.par_chunks_mut(keys).zip(scores.par_chunks(keys)).enumerate().with_min_len(16);
        rows.try_for_each(|(i, (weights, scores))| -> Result<()> {
            let row = self.row(i, shape)?;
            weights.copy_from_slice(scores);
            self.softmax(&row, weights);
            self.drop(&row, weights);
            Ok(())
        })?;
        Ok((CpuStorage::F32(weights), shape.clone()))
    }

    /// With p the weights before dropout and g what dropout lets through of dy: p * (g - sum(p * g)).
    fn bwd(&self, scores: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (dy, shape) = (dy.contiguous()?, scores.shape());
        let keys = shape.dims4()?.3;
        let (guard, dy_guard) = (scores.storage_and_layout(), dy.storage_and_layout());
        let (x, dy) = (cpu_floats(&guard, "attention-weights")?, cpu_floats(&dy_guard, "attention-weights")?);
        let mut dx = room(x.len());
        let rows =
            dx.par_chunks_mut(keys).zip(x.par_chunks(keys).zip(dy.par_chunks(keys))).enumerate().with_min_len(16);
        rows.try_for_each(|(i, (dx, (x, dy)))| -> Result<()> {
            let row = self.row(i, shape)?;
            let mut p = x.to_vec();
            self.softmax(&row, &mut p);
            dx.copy_from_slice(dy);
            self.drop(&row, dx);
            vectorized!({
                let mean = sum2(&p, dx, |p, g| p * g);
                dx.iter_mut().zip(&p).for_each(|(dx, p)| *dx = p * (*dx - mean));
            });
            Ok(())
        })?;
        Ok(Some(Tensor::from_vec(dx, shape, scores.device())?))
    }
}
