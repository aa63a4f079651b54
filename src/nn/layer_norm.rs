//! A layer normalization with its two vectors.

use candle_core::Tensor;

use super::{module_fields, Param};
use crate::ops;

/// `(x - mean) / deviation * weight + bias`, over the last dimension.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// Scale (d).
    pub weight: Param,
    /// Shift (d).
    pub bias: Param,
    /// Keeps the division away from zero.
    pub eps: f64,
}

module_fields!(LayerNorm: weight, bias);

impl LayerNorm {
    /// The normalized rows. Shapes: x (..., d), result the same.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        ops::layer_norm(x, &self.weight.value(), &self.bias.value(), self.eps)
    }

    /// The normalized rows of `x + residual`. Shapes: x, residual and result (..., d).
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor) -> candle_core::Result<Tensor> {
        ops::layer_norm_add(x, residual, &self.weight.value(), &self.bias.value(), self.eps)
    }
}
