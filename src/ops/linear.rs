//! `y = x Wᵀ` with a backward that does only what is asked.

use candle_core::{bail, CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::activation::{Activate, Activation};
use super::collect::aside;
use super::few_rows::{self, FEW};
use super::half::linear_half;
use super::simd::vectorized;
use super::{cpu_floats, floats, room, threads_for, At, Gemm};

/// Rows that one job of a bias's gradient adds up.
const ROWS: usize = 64;

/// `y = x Wᵀ`. Shapes: x (..., in), weight (out, in), y (..., out).
///
/// candle's own matmul computes the gradient of both sides always; with `train_weight` false this one computes the
/// input's only, which a frozen layer under LoRA needs. The weight's gradient comes out contiguous, and a strided
/// input is copied first (candle's `Linear` is wrong on one). A weight in bf16 is frozen: see [`linear_half`].
pub fn linear(x: &Tensor, weight: &Tensor, train_weight: bool) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = weight.dim(0)?;
    }
    if weight.dtype() == DType::BF16 {
        return linear_half(x, weight, false, None, None, shape);
    }
    linear_to(x, weight, train_weight, shape)
}

/// As [`linear`] with a result of another shape of as many numbers, such as (batch, time, heads, d): a reshape afterwards
/// would cost a copy of its gradient. The input may be cut differently too: its numbers are read `in` at a time.
pub fn linear_to(x: &Tensor, weight: &Tensor, train_weight: bool, shape: impl Into<Shape>) -> Result<Tensor> {
    Affine { train_weight, fan_in_fan_out: false }.run(x, weight, None, shape)
}

/// `y = residual + x Wᵀ`: the layer that writes into the residual stream. Shapes: residual and y (..., out).
///
/// The product is added where the residual lies, which saves a pass over memory forward and one back.
pub fn linear_add(x: &Tensor, weight: &Tensor, residual: &Tensor, train_weight: bool) -> Result<Tensor> {
    let shape = residual.shape().clone();
    Affine { train_weight, fan_in_fan_out: false }.run(x, weight, Some(residual), shape)
}

/// `y = f(x) Wᵀ + b`: an activation and the layer after it, the second half of a feed-forward block. Shapes: as [`Affine::run`]'s.
///
/// `f(x)` is the widest thing in a block, and it is not kept: the backward, which needs `f'(x)` anyway, computes it again from
/// x. What a step of GPT-2 keeps for each position is a quarter less.
pub fn linear_activated(
    how: Affine,
    function: Activation,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    shape: impl Into<Shape>,
) -> Result<Tensor> {
    how.run_on(Some(function), x, weight, Some(bias), shape)
}

/// `y = x Wᵀ` and its relatives: how the weight lies, and whether it is trained.
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    /// False where the weight is frozen: its gradient is not computed.
    pub train_weight: bool,
    /// True where the weight is stored (in, out), as GPT-2's `Conv1D` does, and its gradient with it.
    pub fan_in_fan_out: bool,
}

impl Affine {
    /// `x Wᵀ` in `shape`, plus `addend`: a bias (out) or a residual of the result's shape, told apart by the rank.
    pub fn run(self, x: &Tensor, weight: &Tensor, addend: Option<&Tensor>, shape: impl Into<Shape>) -> Result<Tensor> {
        self.run_on(None, x, weight, addend, shape)
    }

    /// As [`Affine::run`], of a function of x where there is one.
    fn run_on(
        self,
        function: Option<Activation>,
        x: &Tensor,
        weight: &Tensor,
        addend: Option<&Tensor>,
        shape: impl Into<Shape>,
    ) -> Result<Tensor> {
        let op = Linear { how: self, function, shape: shape.into() };
        let (out, input) = op.sizes(weight.shape())?;
        let (count, fits) = (op.shape.elem_count(), |x: &Tensor| match x.rank() {
            1 => x.elem_count() == out,
            _ => x.elem_count() == op.shape.elem_count(),
        });
        let rows = x.elem_count().checked_div(input).unwrap_or(0);
        if rows * input != x.elem_count() || rows * out != count || !addend.is_none_or(fits) {
            let (x, weight, addend) = (x.dims(), weight.dims(), addend.map(Tensor::dims));
            bail!("linear: input {x:?}, weight {weight:?}, addend {addend:?}, result {:?}", op.shape.dims());
        }
        let (x, weight) = (x.contiguous()?, weight.contiguous()?);
        match addend {
            None => x.apply_op2(&weight, op),
            Some(addend) => x.apply_op3(&weight, &addend.contiguous()?, op),
        }
    }
}

struct Linear {
    how: Affine,
    /// What is done to each number of x first, and not kept.
    function: Option<Activation>,
    shape: Shape,
}

impl Linear {
    /// How many numbers come out, and how many go in.
    fn sizes(&self, weight: &Shape) -> Result<(usize, usize)> {
        let (first, second) = weight.dims2()?;
        Ok(if self.how.fan_in_fan_out { (second, first) } else { (first, second) })
    }

    /// Writes `x Wᵀ` into `y`, over what is there or added to it.
    fn product(&self, x: &[f32], weight: &[f32], l2: &Layout, y: &mut [f32], add: bool) -> Result<()> {
        let (out, input) = self.sizes(l2.shape())?;
        let active = self.function.map(|function| function.of(x));
        let x = active.as_deref().unwrap_or(x);
        let rows = x.len() / input;
        if rows == 1 && self.how.fan_in_fan_out {
            few_rows::by_columns(x, weight, y, add);
            return Ok(());
        }
        if (1..=FEW).contains(&rows) && !self.how.fan_in_fan_out {
            few_rows::by_rows(x, input, weight, y, add);
            return Ok(());
        }
        let at = if self.how.fan_in_fan_out { At::rows(out) } else { At::transposed(input) };
        let gemm = Gemm { m: rows, n: out, k: input, threads: threads_for(rows * out * input) };
        gemm.run((y, At::rows(out)), add, (x, At::rows(input)), (weight, at));
        Ok(())
    }

    /// The gradients of x and of the weight.
    fn backward(&self, x: &Tensor, weight: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (out, input) = self.sizes(weight.shape())?;
        let rows = x.elem_count() / input;
        let (dy, fixed, mut x) = (dy.contiguous()?, weight.detach(), x.detach());
        // dx (rows, in) = dy (rows, out) · W (out, in), in the shape of x
        let at = if self.how.fan_in_fan_out { At::transposed(out) } else { At::rows(input) };
        let to_x = Product { m: rows, n: input, k: out, left: At::rows(out), right: at, shape: x.shape().clone() };
        let mut dx = dy.apply_op2_no_bwd(&fixed, &to_x)?;
        if let Some(function) = self.function {
            dx = function.back(&x, &dx)?;
        }
        if !self.how.train_weight {
            return Ok((Some(dx), None));
        }
        if let Some(function) = self.function {
            x = x.apply_op1_no_bwd(&Activate(function))?;
        }
        // dW (out, in) = dyᵀ (out, rows) · x (rows, in), or its transpose: xᵀ (in, rows) · dy (rows, out)
        let (left, m, right, n) = if self.how.fan_in_fan_out { (&x, input, &dy, out) } else { (&dy, out, &x, input) };
        let shape = weight.shape().clone();
        let to_weight = Product { m, n, k: rows, left: At::transposed(m), right: At::rows(n), shape };
        Ok((Some(dx), aside(weight, left.apply_op2_no_bwd(right, &to_weight)?)))
    }

    /// The gradient of a bias, where it is trained.
    fn dbias(&self, bias: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        match bias.track_op() {
            true => Ok(aside(bias, self.bias_gradient(bias, dy)?)),
            false => Ok(None),
        }
    }

    /// The gradient of a bias: the sum of dy (rows, out) over its rows.
    fn bias_gradient(&self, bias: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let out = bias.elem_count();
        let dy = dy.contiguous()?;
        let guard = dy.storage_and_layout();
        let blocks = cpu_floats(&guard, "linear-add")?.par_chunks(ROWS * out);
        let parts: Vec<Vec<f32>> = blocks
            .map(|block| {
                let mut sum = vec![0f32; out];
                vectorized!({
                    for row in block.chunks_exact(out) {
                        sum.iter_mut().zip(row).for_each(|(sum, dy)| *sum += dy);
                    }
                });
                sum
            })
            .collect();
        // In order, so that the sum repeats exactly whatever the threads did.
        let mut sum = vec![0f32; out];
        for part in &parts {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        Tensor::from_vec(sum, bias.shape(), bias.device())
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
        let addend = floats(s3, l3, "linear-add")?;
        let mut y = match l3.shape().rank() {
            1 => addend.repeat(self.shape.elem_count() / addend.len().max(1)),
            _ => addend.to_vec(),
        };
        self.product(x, weight, l2, &mut y, true)?;
        Ok((CpuStorage::F32(y), self.shape.clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        addend: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dweight) = self.backward(x, weight, dy)?;
        let daddend = match addend.rank() {
            1 => self.dbias(addend, dy)?,
            _ => Some(dy.clone()),
        };
        Ok((dx, dweight, daddend))
    }
}

/// `a · b`, without a gradient of its own: the two products of a linear layer's backward.
struct Product {
    m: usize,
    n: usize,
    k: usize,
    left: At,
    right: At,
    shape: Shape,
}

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "linear-backward"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let Product { m, n, k, left, right, .. } = *self;
        let (a, b) = (floats(s1, l1, "linear-backward")?, floats(s2, l2, "linear-backward")?);
        let mut out = room(m * n);
        let gemm = Gemm { m, n, k, threads: threads_for(m * n * k) };
        gemm.run((&mut out, At::rows(n)), false, (a, left), (b, right));
        Ok((CpuStorage::F32(out), self.shape.clone()))
    }
}
