//! The last layer of a model that guesses tokens, and its loss.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, Var};

use super::Param;
use crate::ops::{self, Wanted};

/// The last states of some texts, and the layer that makes a loss of them: a product with a whole vocabulary.
///
/// A step computes it for all of its texts together. In parts, each core would pack the vocabulary's matrix anew and hold a
/// gradient as large as it, 154 MB for GPT-2's.
pub struct HeadLoss<'a> {
    /// What the layer is applied to (positions, hidden).
    pub states: Tensor,
    /// The matrix (vocabulary, hidden).
    pub head: &'a Param,
    /// What is added to each token's score (vocabulary), if anything.
    pub bias: Option<&'a Param>,
    /// What to guess at each position, or [`ops::IGNORE`].
    pub labels: Vec<u32>,
    /// Share of each label that is given to all tokens alike.
    pub smoothing: f64,
    /// True where gradients are asked for.
    pub training: bool,
}

impl HeadLoss<'_> {
    /// The mean loss over the positions that count, a scalar.
    pub fn loss(&self) -> Result<Tensor> {
        let wanted = Wanted { hidden: self.training, weight: self.training && self.head.trainable };
        let states = if self.training { self.states.clone() } else { self.states.detach() };
        let bias = self.bias.map(Param::value);
        ops::linear_cross_entropy(&states, &self.head.held(), bias.as_ref(), &self.labels, self.smoothing, wanted)
    }

    /// Several as one, over a variable that stands for all their states; none where there is none.
    pub fn joined(parts: &[Self]) -> Result<Option<(Self, Var)>> {
        let Some(first) = parts.first() else { return Ok(None) };
        let states: Vec<Tensor> = parts.iter().map(|part| part.states.detach()).collect();
        let states = Var::from_tensor(&Tensor::cat(&states, 0)?)?;
        let labels = parts.iter().flat_map(|part| part.labels.iter().copied()).collect();
        Ok(Some((Self { states: states.as_tensor().clone(), labels, ..*first }, states)))
    }
}

/// A scalar from which a way back begins in the middle: `x` gets `gradient`, of its shape.
pub fn midway(x: &Tensor, gradient: Tensor) -> Result<Tensor> {
    x.apply_op1(Midway(gradient))
}

/// A scalar whose gradient is the one it holds.
struct Midway(Tensor);

impl CustomOp1 for Midway {
    fn name(&self) -> &'static str {
        "from-gradient"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, _dy: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}
