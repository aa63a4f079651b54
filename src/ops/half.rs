//! Products with a frozen weight that is held in bf16 and computed in f32, a part of it at a time.

use candle_core::{bail, CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use half::bf16;
use rayon::prelude::*;

use super::{cpu_floats, floats, threads_for, At, Gemm};

/// Numbers of the weight that are f32 at a time (1 MB): they stay in the processor's cache.
const CHUNK: usize = 256 * 1024;

/// Numbers that one job widens.
const BLOCK: usize = 32 * 1024;

/// `x Wᵀ` in `shape`, plus a bias (out) or a residual of the result's shape, or both. Only `x` and the residual get gradients.
///
/// Shapes: x (..., in), weight (out, in), or (in, out) with `fan_in_fan_out`. bf16 has the range of f32 and 3 digits: a
/// weight takes half the memory and is rounded once; sums are made in f32. It exists because candle's matmul asks for both
/// sides in one type, and a whole copy in f32 would take back what bf16 saves.
pub fn linear_half(
    x: &Tensor,
    weight: &Tensor,
    fan_in_fan_out: bool,
    bias: Option<&Tensor>,
    residual: Option<&Tensor>,
    shape: impl Into<Shape>,
) -> Result<Tensor> {
    let bias = bias.map(|bias| bias.detach().contiguous()?.to_vec1::<f32>()).transpose()?.unwrap_or_default();
    let op = HalfLinear { weight: weight.detach().contiguous()?, fan_in_fan_out, bias, shape: shape.into() };
    let (out, input) = op.sizes()?;
    let rows = x.elem_count().checked_div(input).unwrap_or(0);
    let added = residual.map_or(rows * out, Tensor::elem_count);
    if rows * input != x.elem_count() || [added, op.shape.elem_count()] != [rows * out; 2] {
        bail!("linear_half: input {:?}, weight {:?}, result {:?}", x.dims(), weight.dims(), op.shape.dims());
    }
    let x = x.contiguous()?;
    match residual {
        None => x.apply_op1(op),
        Some(residual) => x.apply_op2(&residual.contiguous()?, op),
    }
}

struct HalfLinear {
    weight: Tensor,
    fan_in_fan_out: bool,
    bias: Vec<f32>,
    shape: Shape,
}

impl HalfLinear {
    /// How many numbers come out, and how many go in.
    fn sizes(&self) -> Result<(usize, usize)> {
        let (first, second) = self.weight.dims2()?;
        Ok(if self.fan_in_fan_out { (second, first) } else { (first, second) })
    }

    /// As [`add_product`] with the layer's weight.
    fn add_product(&self, x: &[f32], along: bool, z: &mut [f32]) -> Result<()> {
        let guard = self.weight.storage_and_layout();
        let (candle_core::Storage::Cpu(storage), Some((start, end))) = (&*guard.0, guard.1.contiguous_offsets()) else {
            bail!("linear_half needs a contiguous weight on the CPU");
        };
        add_product(&storage.as_slice::<bf16>()?[start..end], self.weight.dims2()?, x, along, z);
        Ok(())
    }

    /// `start` plus the bias plus the product.
    fn forward(&self, x: &[f32], start: Option<&[f32]>) -> Result<(CpuStorage, Shape)> {
        let mut y = start.map_or_else(|| vec![0f32; self.shape.elem_count()], <[f32]>::to_vec);
        if !self.bias.is_empty() {
            for row in y.chunks_exact_mut(self.bias.len()) {
                row.iter_mut().zip(&self.bias).for_each(|(y, bias)| *y += bias);
            }
        }
        self.add_product(x, self.fan_in_fan_out, &mut y)?;
        Ok((CpuStorage::F32(y), self.shape.clone()))
    }

    fn dx(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let dy = dy.contiguous()?;
        let guard = dy.storage_and_layout();
        let mut dx = vec![0f32; x.elem_count()];
        self.add_product(cpu_floats(&guard, "linear-half")?, !self.fan_in_fan_out, &mut dx)?;
        Tensor::from_vec(dx, x.shape(), x.device())
    }
}

/// Adds `x W` to `z` where `along`, and `x Wᵀ` where not. Shapes: W (first, second), x and z (rows, first or second).
pub(super) fn add_product(weight: &[bf16], (first, second): (usize, usize), x: &[f32], along: bool, z: &mut [f32]) {
    let rows = x.len() / if along { first } else { second };
    let step = (CHUNK / second.max(1)).clamp(1, first.max(1));
    let mut part = vec![0f32; step * second];
    for (i, values) in weight.chunks(step * second).enumerate() {
        part.par_chunks_mut(BLOCK).zip(values.par_chunks(BLOCK)).for_each(|(wide, values)| widen(values, wide));
        let (part, count) = (&part[..values.len()], values.len() / second);
        let at = At { start: i * step, row: first, column: 1 }; // these columns of what lies along the first side
        let threads = threads_for(rows * values.len());
        match along {
            true => Gemm { m: rows, n: second, k: count, threads }.run(
                (z, At::rows(second)),
                true,
                (x, at),
                (part, At::rows(second)),
            ),
            false => Gemm { m: rows, n: count, k: second, threads }.run(
                (z, at),
                true,
                (x, At::rows(second)),
                (part, At::transposed(second)),
            ),
        }
    }
}

/// The same numbers in f32, into the beginning of `wide`: bf16 is the upper half of an f32.
pub(super) fn widen(values: &[bf16], wide: &mut [f32]) {
    wide.iter_mut().zip(values).for_each(|(wide, value)| *wide = f32::from_bits(u32::from(value.to_bits()) << 16));
}

impl CustomOp1 for HalfLinear {
    fn name(&self) -> &'static str {
        "linear-half"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward(floats(s1, l1, "linear-half")?, None)
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        self.dx(x, dy).map(Some)
    }
}

impl CustomOp2 for HalfLinear {
    fn name(&self) -> &'static str {
        "linear-half-add"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward(floats(s1, l1, "linear-half")?, Some(floats(s2, l2, "linear-half")?))
    }

    fn bwd(&self, x: &Tensor, _r: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(self.dx(x, dy)?), Some(dy.clone())))
    }
}
