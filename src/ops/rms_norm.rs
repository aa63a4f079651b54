//! Root mean square normalization (Zhang and Sennrich, arXiv 1910.07467).

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, D};
use rayon::prelude::*;

use super::simd::{sum2, vectorized};
use super::{cpu_floats, floats, room};

/// `y = x / sqrt(mean(x²) + eps) * weight` over the last dimension. Shapes: x (..., d), weight (d), y as x.
///
/// candle's `RmsNorm` has no backward for its fused form.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    if x.dim(D::Minus1)? != weight.dims1()? {
        candle_core::bail!("rms_norm: rows of {}, weight of {}", x.dim(D::Minus1)?, weight.dims1()?);
    }
    x.contiguous()?.apply_op2(&weight.contiguous()?, RmsNorm { eps: eps as f32 })
}

struct RmsNorm {
    eps: f32,
}

impl RmsNorm {
    #[inline(always)]
    fn inverse(&self, row: &[f32]) -> f32 {
        (sum2(row, row, |x, _| x * x) / row.len() as f32 + self.eps).sqrt().recip()
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (floats(s1, l1, "rms-norm")?, floats(s2, l2, "rms-norm")?);
        let d = weight.len();
        let mut y = room(x.len());
        let rows = 64 * d;
        y.par_chunks_mut(rows).zip(x.par_chunks(rows)).for_each(|(y, x)| {
            vectorized!({
                for (y, x) in y.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
                    let inverse = self.inverse(x);
                    for i in 0..d {
                        y[i] = x[i] * inverse * weight[i];
                    }
                }
            });
        });
        Ok((CpuStorage::F32(y), l1.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let d = weight.dims1()?;
        let dy = dy.contiguous()?;
        let (xs, ws, dys) = (x.storage_and_layout(), weight.storage_and_layout(), dy.storage_and_layout());
        let x_values = cpu_floats(&xs, "rms-norm")?;
        let weight_values = cpu_floats(&ws, "rms-norm")?;
        let dy_values = cpu_floats(&dys, "rms-norm")?;
        let mut dx = room(x_values.len());
        let rows = 64 * d;
        let dweight = dx
            .par_chunks_mut(rows)
            .zip(x_values.par_chunks(rows).zip(dy_values.par_chunks(rows)))
            .map(|(dx, (x, dy))| self.backward_rows(x, weight_values, dy, dx))
            .collect::<Vec<_>>()
            .into_iter()
            .fold(vec![0f32; d], |mut total, part| {
                total.iter_mut().zip(&part).for_each(|(t, p)| *t += p);
                total
            });
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok((Some(dx), Some(Tensor::from_vec(dweight, d, x.device())?)))
    }
}

impl RmsNorm {
    /// With n = x / rms and g = dy * weight: dx = (g - n * mean(g * n)) / rms; returns this block's sum of dy * n.
    fn backward_rows(&self, x: &[f32], weight: &[f32], dy: &[f32], dx: &mut [f32]) -> Vec<f32> {
        let d = weight.len();
        let mut dweight = vec![0f32; d];
        vectorized!({
            for ((x, dy), dx) in x.chunks_exact(d).zip(dy.chunks_exact(d)).zip(dx.chunks_exact_mut(d)) {
                let inverse = self.inverse(x);
                for i in 0..d {
                    dx[i] = dy[i] * weight[i];
                    dweight[i] += dy[i] * x[i] * inverse;
                }
                let mean = sum2(dx, x, |g, x| g * x) * inverse / d as f32;
                for i in 0..d {
                    dx[i] = (dx[i] - x[i] * inverse * mean) * inverse;
                }
            }
        });
        dweight
    }
}
