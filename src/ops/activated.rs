//! A function of each number and a linear layer in one: the second half of a feed-forward block.

use candle_core::{bail, CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::linear::Linear;
use super::{cpu_floats, floats, Activation, Affine};

/// `y = f(x) Wᵀ + b`. Shapes: x (..., in), weight as `how` says, bias (out), y `shape`, of as many numbers as (..., out).
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
    let linear = Linear { how, shape: shape.into() };
    let (out, input) = linear.sizes(weight.shape())?;
    let rows = x.elem_count().checked_div(input).unwrap_or(0);
    if rows * input != x.elem_count() || rows * out != linear.shape.elem_count() || bias.dims() != [out] {
        let (x, weight, bias) = (x.dims(), weight.dims(), bias.dims());
        bail!("linear_activated: input {x:?}, weight {weight:?}, bias {bias:?}, result {:?}", linear.shape.dims());
    }
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Activated { linear, function })
}

struct Activated {
    linear: Linear,
    function: Activation,
}

impl CustomOp3 for Activated {
    fn name(&self) -> &'static str {
        "linear-activated"
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
        let name = "linear-activated";
        let (x, weight, bias) = (floats(s1, l1, name)?, floats(s2, l2, name)?, floats(s3, l3, name)?);
        let mut y = bias.repeat(self.linear.shape.elem_count() / bias.len().max(1));
        self.linear.product(&self.function.of(x), weight, l2, &mut y, true)?;
        Ok((CpuStorage::F32(y), self.linear.shape.clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let guard = x.storage_and_layout();
        let values = cpu_floats(&guard, "linear-activated")?;
        let active = Tensor::from_vec(self.function.of(values), x.shape(), x.device())?;
        let (dactive, dweight) = self.linear.backward(&active, weight, dy)?;
        drop(active);
        let Some(dactive) = dactive else { return Ok((None, dweight, None)) };
        let dguard = dactive.storage_and_layout();
        let dx = self.function.back(values, cpu_floats(&dguard, "linear-activated")?);
        let dbias = self.linear.dbias(bias, dy)?;
        Ok((Some(Tensor::from_vec(dx, x.shape(), x.device())?), dweight, dbias))
    }
}
