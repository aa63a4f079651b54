//! `y = x Wᵀ` with a backward that does only what is asked.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, D};

use super::{floats, threads_for, At, Gemm};

/// `y = x Wᵀ`. Shapes: x (..., in), weight (out, in), y (..., out).
///
/// candle's own matmul computes the gradient of both sides always; with `train_weight` false this one computes the
/// input's only, which a frozen layer under LoRA needs. The weight's gradient comes out contiguous, and a strided
/// input is copied first (candle's `Linear` is wrong on one).
pub fn linear(x: &Tensor, weight: &Tensor, train_weight: bool) -> Result<Tensor> {
    let (out, input) = weight.dims2()?;
    let mut shape = x.dims().to_vec();
    let rows = x.elem_count() / input;
    let last = shape.len() - 1;
    shape[last] = out;
    if x.dim(D::Minus1)? != input {
        candle_core::bail!("linear: the input ends in {} features, the weight takes {input}", x.dim(D::Minus1)?);
    }
    let x = x.contiguous()?.reshape((rows, input))?;
    x.apply_op2(&weight.contiguous()?, Linear { train_weight })?.reshape(shape)
}

struct Linear {
    train_weight: bool,
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, input) = l1.shape().dims2()?;
        let (out, _) = l2.shape().dims2()?;
        let (x, weight) = (floats(s1, l1, "linear")?, floats(s2, l2, "linear")?);
        let mut y = vec![0f32; rows * out];
        let gemm = Gemm { m: rows, n: out, k: input, threads: threads_for(rows * out * input) };
        gemm.run(&mut y, At::rows(out), false, x, At::rows(input), weight, At::transposed(input));
        Ok((CpuStorage::F32(y), (rows, out).into()))
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        // dx (rows, in) = dy (rows, out) · W (out, in)
        let dx = dy.apply_op2_no_bwd(&weight.detach(), &Product { transpose_left: false })?;
        let dweight = match self.train_weight {
            // dW (out, in) = dyᵀ (out, rows) · x (rows, in)
            true => Some(dy.apply_op2_no_bwd(&x.detach(), &Product { transpose_left: true })?),
            false => None,
        };
        Ok((Some(dx), dweight))
    }
}

/// `a · b` or `aᵀ · b`, without a gradient of its own: the two products of a linear layer's backward.
struct Product {
    transpose_left: bool,
}

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "linear-backward"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (a_rows, a_columns) = l1.shape().dims2()?;
        let (_, n) = l2.shape().dims2()?;
        let (a, b) = (floats(s1, l1, "linear-backward")?, floats(s2, l2, "linear-backward")?);
        let (m, k, left) = match self.transpose_left {
            true => (a_columns, a_rows, At::transposed(a_columns)),
            false => (a_rows, a_columns, At::rows(a_columns)),
        };
        let mut out = vec![0f32; m * n];
        let gemm = Gemm { m, n, k, threads: threads_for(m * n * k) };
        gemm.run(&mut out, At::rows(n), false, a, left, b, At::rows(n));
        Ok((CpuStorage::F32(out), (m, n).into()))
    }
}
