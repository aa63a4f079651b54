//! Layer normalization (Ba et al., arXiv 1607.06450).

use std::borrow::Cow;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, D};
use rayon::prelude::*;

use super::simd::{sum2, vectorized};
use super::{cpu_floats, floats, room};

/// Rows that one job takes.
const ROWS: usize = 64;

/// `y = (x - mean) / sqrt(variance + eps) * weight + bias` over the last dimension, the variance divided by d.
///
/// Shapes: x (..., d), weight and bias (d), y as x. candle's fused `LayerNorm` has no backward; written with basic ops
/// the same formula makes eight temporaries. The backward computes mean and variance again instead of keeping them.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let d = x.dim(D::Minus1)?;
    if d == 0 || weight.dims1()? != d || bias.dims1()? != d {
        candle_core::bail!("layer_norm: rows of {d}, weight {:?}, bias {:?}", weight.dims(), bias.dims());
    }
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, LayerNorm { eps: eps as f32 })
}

/// [`layer_norm`] of `x + residual`, whose sum is never in memory as a whole: what stands at the end of BERT's blocks. Shapes: x,
/// residual and y (..., d).
pub fn layer_norm_add(x: &Tensor, residual: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let d = x.dim(D::Minus1)?;
    if d == 0 || weight.dims1()? != d || bias.dims1()? != d || x.dims() != residual.dims() {
        let (weight, bias) = (weight.dims(), bias.dims());
        candle_core::bail!(
            "layer_norm_add: {:?} and {:?}, weight {weight:?}, bias {bias:?}",
            x.dims(),
            residual.dims()
        );
    }
    // candle's ops have three inputs at most.
    let vectors = Tensor::cat(&[weight, bias], 0)?;
    x.contiguous()?.apply_op3(&residual.contiguous()?, &vectors, LayerNormAdd(LayerNorm { eps: eps as f32 }))
}

struct LayerNorm {
    eps: f32,
}

/// The inputs are x, the residual, and weight and bias one after the other (2 d).
struct LayerNormAdd(LayerNorm);

/// What is normalized, and what is added to it before.
struct Rows<'a>(&'a [f32], Option<&'a [f32]>);

impl Rows<'_> {
    /// Block number `number` of `size` numbers.
    fn block(&self, number: usize, size: usize) -> Cow<'_, [f32]> {
        let block = |all: &[f32]| number * size..(number * size + size).min(all.len());
        let x = &self.0[block(self.0)];
        match self.1 {
            None => Cow::Borrowed(x),
            Some(residual) => x.iter().zip(&residual[block(residual)]).map(|(x, residual)| x + residual).collect(),
        }
    }
}

impl LayerNorm {
    /// The mean of a row, and one over its standard deviation.
    #[inline(always)]
    fn moments(&self, row: &[f32]) -> (f32, f32) {
        let d = row.len() as f32;
        let mean = sum2(row, row, |x, _| x) / d;
        let variance = sum2(row, row, |x, _| (x - mean) * (x - mean)) / d;
        (mean, (variance + self.eps).sqrt().recip())
    }

    fn forward(&self, x: &Rows, weight: &[f32], bias: &[f32], count: usize) -> Vec<f32> {
        let d = weight.len();
        let mut y = room(count);
        y.par_chunks_mut(ROWS * d).enumerate().for_each(|(block, y)| {
            let x = x.block(block, ROWS * d);
            vectorized!({
                for (y, x) in y.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
                    let (mean, inverse) = self.moments(x);
                    for i in 0..d {
                        y[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
                    }
                }
            });
        });
        y
    }

    /// dx, and the gradients of weight and bias one after the other (2 d).
    fn backward(&self, x: &Rows, weight: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let d = weight.len();
        let mut dx = room(dy.len());
        let jobs = dx.par_chunks_mut(ROWS * d).zip(dy.par_chunks(ROWS * d)).enumerate();
        let parts: Vec<Vec<f32>> =
            jobs.map(|(block, (dx, dy))| self.backward_rows(&x.block(block, ROWS * d), weight, dy, dx)).collect();
        // In order, so that the sums repeat exactly whatever the threads did.
        let mut sums = vec![0f32; 2 * d];
        for part in &parts {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        (dx, sums)
    }

    /// With n = (x - mean) / deviation and g = dy * weight: dx = (g - mean(g) - n * mean(g * n)) / deviation.
    ///
    /// Returns this block's sums of dy * n and of dy, one after the other.
    fn backward_rows(&self, x: &[f32], weight: &[f32], dy: &[f32], dx: &mut [f32]) -> Vec<f32> {
        let d = weight.len();
        let mut sums = vec![0f32; 2 * d];
        let (dweight, dbias) = sums.split_at_mut(d);
        vectorized!({
            for ((x, dy), dx) in x.chunks_exact(d).zip(dy.chunks_exact(d)).zip(dx.chunks_exact_mut(d)) {
                let (mean, inverse) = self.moments(x);
                for i in 0..d {
                    dx[i] = dy[i] * weight[i];
                    dweight[i] += dy[i] * (x[i] - mean) * inverse;
                    dbias[i] += dy[i];
                }
                let level = sum2(dx, dx, |g, _| g) / d as f32;
                let slope = sum2(dx, x, |g, x| g * (x - mean)) * inverse / d as f32;
                for i in 0..d {
                    dx[i] = (dx[i] - level - (x[i] - mean) * inverse * slope) * inverse;
                }
            }
        });
        sums
    }
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
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
        let name = "layer-norm";
        let (x, weight, bias) = (floats(s1, l1, name)?, floats(s2, l2, name)?, floats(s3, l3, name)?);
        let y = self.forward(&Rows(x, None), weight, bias, x.len());
        Ok((CpuStorage::F32(y), l1.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let d = weight.dims1()?;
        let dy = dy.contiguous()?;
        let guards = [x, weight, &dy].map(Tensor::storage_and_layout);
        let [xs, ws, dys] = [0, 1, 2].map(|i| cpu_floats(&guards[i], "layer-norm"));
        let (xs, ws, dys) = (xs?, ws?, dys?);
        let (dx, sums) = self.backward(&Rows(xs, None), ws, dys);
        let vector = |values: &[f32]| Tensor::from_slice(values, d, x.device()).map(Some);
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok((Some(dx), vector(&sums[..d])?, vector(&sums[d..])?))
    }
}

impl CustomOp3 for LayerNormAdd {
    fn name(&self) -> &'static str {
        "layer-norm-add"
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
        let name = "layer-norm-add";
        let (x, residual, vectors) = (floats(s1, l1, name)?, floats(s2, l2, name)?, floats(s3, l3, name)?);
        let (weight, bias) = vectors.split_at(vectors.len() / 2);
        let y = self.0.forward(&Rows(x, Some(residual)), weight, bias, x.len());
        Ok((CpuStorage::F32(y), l1.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        residual: &Tensor,
        vectors: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let guards = [x, residual, vectors, &dy].map(Tensor::storage_and_layout);
        let [xs, rs, vs, dys] = [0, 1, 2, 3].map(|i| cpu_floats(&guards[i], "layer-norm-add"));
        let (xs, rs, vs, dys) = (xs?, rs?, vs?, dys?);
        let (dx, sums) = self.0.backward(&Rows(xs, Some(rs)), &vs[..vs.len() / 2], dys);
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok((Some(dx.clone()), Some(dx), Some(Tensor::from_vec(sums, vectors.shape(), x.device())?)))
    }
}
