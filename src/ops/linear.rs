//! `y = x Wᵀ` with a backward that does only what is asked.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::{floats, room, threads_for, At, Gemm};

/// `y = x Wᵀ`. Shapes: x (..., in), weight (out, in), y (..., out).
///
/// candle's own matmul computes the gradient of both sides always; with `train_weight` false this one computes the
/// input's only, which a frozen layer under LoRA needs. The weight's gradient comes out contiguous, and a strided
/// input is copied first (candle's `Linear` is wrong on one).
pub fn linear(x: &Tensor, weight: &Tensor, train_weight: bool) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = weight.dim(0)?;
    }
    linear_to(x, weight, train_weight, shape)
}

/// As [`linear`] with a result of another shape of as many numbers, such as (batch, time, heads, d): a reshape afterwards
/// would cost a copy of its gradient. The input may be cut differently too: its numbers are read `in` at a time.
pub fn linear_to(x: &Tensor, weight: &Tensor, train_weight: bool, shape: impl Into<Shape>) -> Result<Tensor> {
    let op = Linear { train_weight, shape: shape.into() };
    op.check(x, weight)?;
    x.contiguous()?.apply_op2(&weight.contiguous()?, op)
}

/// `y = residual + x Wᵀ`: the layer that writes into the residual stream. Shapes: residual and y (..., out).
///
/// The product is added where the residual lies, which saves a pass over memory forward and one back.
pub fn linear_add(x: &Tensor, weight: &Tensor, residual: &Tensor, train_weight: bool) -> Result<Tensor> {
    let op = Linear { train_weight, shape: residual.shape().clone() };
    op.check(x, weight)?;
    x.contiguous()?.apply_op3(&weight.contiguous()?, &residual.contiguous()?, op)
}

struct Linear {
    train_weight: bool,
    shape: Shape,
}

impl Linear {
    fn check(&self, x: &Tensor, weight: &Tensor) -> Result<()> {
        let (out, input) = weight.dims2()?;
        if input == 0
            || !x.elem_count().is_multiple_of(input)
            || x.elem_count() / input * out != self.shape.elem_count()
        {
            candle_core::bail!(
                "linear: input {:?}, weight {:?}, result {:?}",
                x.dims(),
                weight.dims(),
                self.shape.dims()
            );
        }
        Ok(())
    }

    /// Writes `x Wᵀ` into `y`, over what is there or added to it.
    fn product(&self, x: &[f32], weight: &[f32], l2: &Layout, y: &mut [f32], add: bool) -> Result<()> {
        let (out, input) = l2.shape().dims2()?;
        let rows = x.len() / input;
        let gemm = Gemm { m: rows, n: out, k: input, threads: threads_for(rows * out * input) };
        gemm.run((y, At::rows(out)), add, (x, At::rows(input)), (weight, At::transposed(input)));
        Ok(())
    }

    fn backward(&self, x: &Tensor, weight: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (out, input) = weight.dims2()?;
        let rows = x.elem_count() / input;
        let dy = dy.contiguous()?;
        // dx (rows, in) = dy (rows, out) · W (out, in), in the shape of x
        let to_x = Product { m: rows, n: input, k: out, transpose_left: false, shape: x.shape().clone() };
        let dx = dy.apply_op2_no_bwd(&weight.detach(), &to_x)?;
        // dW (out, in) = dyᵀ (out, rows) · x (rows, in)
        let to_weight = Product { m: out, n: input, k: rows, transpose_left: true, shape: weight.shape().clone() };
        let dweight = match self.train_weight {
            true => Some(dy.apply_op2_no_bwd(&x.detach(), &to_weight)?),
            false => None,
        };
        Ok((Some(dx), dweight))
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (floats(s1, l1, "linear")?, floats(s2, l2, "linear")?);
        let mut y = room(self.shape.elem_count());
        self.product(x, weight, l2, &mut y, false)?;
        Ok((CpuStorage::F32(y), self.shape.clone()))
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.backward(x, weight, dy)
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear-add"
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
        let (x, weight) = (floats(s1, l1, "linear-add")?, floats(s2, l2, "linear-add")?);
        let mut y = floats(s3, l3, "linear-add")?.to_vec();
        self.product(x, weight, l2, &mut y, true)?;
        Ok((CpuStorage::F32(y), self.shape.clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _residual: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dweight) = self.backward(x, weight, dy)?;
        Ok((dx, dweight, Some(dy.clone())))
    }
}

/// `a · b` or `aᵀ · b`, without a gradient of its own: the two products of a linear layer's backward.
struct Product {
    m: usize,
    n: usize,
    k: usize,
    transpose_left: bool,
    shape: Shape,
}

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "linear-backward"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let Product { m, n, k, .. } = *self;
        let (a, b) = (floats(s1, l1, "linear-backward")?, floats(s2, l2, "linear-backward")?);
        let left = match self.transpose_left {
            true => At::transposed(m),
            false => At::rows(k),
        };
        let mut out = room(m * n);
        let gemm = Gemm { m, n, k, threads: threads_for(m * n * k) };
        gemm.run((&mut out, At::rows(n)), false, (a, left), (b, At::rows(n)));
        Ok((CpuStorage::F32(out), self.shape.clone()))
    }
}
