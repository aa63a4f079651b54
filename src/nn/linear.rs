//! A linear layer, and the low-rank adapter that may sit on it.

use candle_core::{Device, Shape, Tensor};

use super::Param;
use crate::error::Result;
use crate::ops::{self, Activation, Affine};
use crate::rng::Rng;

/// `y = x Wᵀ + b`, plus the adapter's `scale · (x Aᵀ) Bᵀ` where there is one.
#[derive(Clone, Debug)]
pub struct Linear {
    /// Weight (out, in), or (in, out) with `fan_in_fan_out`.
    pub weight: Param,
    /// Bias (out), where the layer has one.
    pub bias: Option<Param>,
    /// True where the weight lies the other way round, as in GPT-2's `Conv1D`.
    pub fan_in_fan_out: bool,
    /// The adapter, if one was added.
    pub lora: Option<Lora>,
}

/// Low-rank adaptation (Hu et al., arXiv 2106.09685): two small matrices trained in place of one large one.
#[derive(Clone, Debug)]
pub struct Lora {
    /// Down-projection A (rank, in), random at first.
    pub a: Param,
    /// Up-projection B (out, rank), zero at first, so that the model starts unchanged.
    pub b: Param,
    /// alpha / rank.
    pub scale: f64,
}

impl Linear {
    /// A layer without bias or adapter.
    pub fn new(weight: Param) -> Self {
        Self { weight, bias: None, fan_in_fan_out: false, lora: None }
    }

    /// How many numbers come out, and how many go in.
    pub fn sizes(&self) -> candle_core::Result<(usize, usize)> {
        let (first, second) = self.weight.var().dims2()?;
        Ok(if self.fan_in_fan_out { (second, first) } else { (first, second) })
    }

    /// The layer's result in `shape`, of as many numbers as (..., out). Shapes: x (..., in).
    pub fn forward(&self, x: &Tensor, shape: impl Into<Shape>) -> candle_core::Result<Tensor> {
        let bias = self.bias.as_ref().map(Param::value);
        let y = match self.weight.is_half() {
            true => ops::linear_half(x, self.weight.var(), self.fan_in_fan_out, bias.as_ref(), None, shape)?,
            false => self.affine().run(x, &self.weight.value(), bias.as_ref(), shape)?,
        };
        self.adapted(x, y)
    }

    /// The layer's result on `function` of `x`, which is not kept for the way back. Shapes: x (..., in), result `shape`.
    pub fn forward_activated(
        &self,
        x: &Tensor,
        function: Activation,
        shape: impl Into<Shape>,
    ) -> candle_core::Result<Tensor> {
        match &self.bias {
            Some(bias) if self.lora.is_none() && !self.weight.is_half() => {
                ops::linear_activated(self.affine(), function, x, &self.weight.value(), &bias.value(), shape)
            }
            _ => self.forward(&ops::activate(x, function)?, shape), // an adapter reads it too
        }
    }

    /// `residual` plus the layer's result. Shapes: x (..., in), residual and result (..., out).
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor) -> candle_core::Result<Tensor> {
        if self.bias.is_some() {
            return self.forward(x, residual.shape())?.add(residual);
        }
        let y = match self.weight.is_half() {
            true => {
                ops::linear_half(x, self.weight.var(), self.fan_in_fan_out, None, Some(residual), residual.shape())?
            }
            false => self.affine().run(x, &self.weight.value(), Some(residual), residual.shape())?,
        };
        self.adapted(x, y)
    }

    fn affine(&self) -> Affine {
        Affine { train_weight: self.weight.trainable, fan_in_fan_out: self.fan_in_fan_out }
    }

    /// `y` plus what the adapter says of `x`.
    fn adapted(&self, x: &Tensor, y: Tensor) -> candle_core::Result<Tensor> {
        let Some(lora) = &self.lora else { return Ok(y) };
        let (rank, input) = lora.a.var().dims2()?;
        let low = ops::linear_to(x, &lora.a.value(), lora.a.trainable, (x.elem_count() / input, rank))?;
        // The scale is on the narrow side, where it costs least.
        ops::linear_add(&(low * lora.scale)?, &lora.b.value(), &y, lora.b.trainable)
    }

    /// Puts a fresh adapter on the layer and freezes its weight and bias; an adapter that was there is replaced.
    ///
    /// A is uniform in ±1/sqrt(in), as peft draws it; B is zero.
    pub fn add_lora(&mut self, rank: usize, alpha: f64, rng: &mut Rng) -> Result<()> {
        let (output, input) = self.sizes()?;
        let bound = 1.0 / (input as f32).sqrt();
        let a: Vec<f32> = (0..rank * input).map(|_| (2.0 * rng.uniform() - 1.0) * bound).collect();
        let stem = self.weight.name.trim_end_matches(".weight").to_string();
        let a = Tensor::from_vec(a, (rank, input), &Device::Cpu)?;
        let b = Tensor::zeros((output, rank), candle_core::DType::F32, &Device::Cpu)?;
        self.weight.trainable = false;
        if let Some(bias) = &mut self.bias {
            bias.trainable = false;
        }
        self.lora = Some(Lora {
            a: Param::new(format!("{stem}.lora_A.weight"), &a)?,
            b: Param::new(format!("{stem}.lora_B.weight"), &b)?,
            scale: alpha / rank as f64,
        });
        Ok(())
    }

    /// The weight with the adapter added in; none where there is no adapter.
    pub fn merged(&self) -> Result<Option<Tensor>> {
        let Some(lora) = &self.lora else { return Ok(None) };
        let (a, b) = (lora.a.var().as_detached_tensor(), lora.b.var().as_detached_tensor());
        let delta = (b.matmul(&a)? * lora.scale)?; // (out, rank) (rank, in)
        let delta = if self.fan_in_fan_out { delta.t()?.contiguous()? } else { delta };
        Ok(Some(self.weight.var().as_detached_tensor().to_dtype(delta.dtype())?.add(&delta)?))
    }

    /// Adds the adapter into the weight and takes it off: the same numbers come out, with one product instead of three.
    pub fn merge_lora(&mut self) -> Result<()> {
        if let Some(merged) = self.merged()? {
            self.weight.widen()?;
            self.weight.set(&merged)?;
            self.lora = None;
        }
        Ok(())
    }

    /// The layer's weights, the adapter's included.
    pub fn params(&self) -> Vec<&Param> {
        let mut params = vec![&self.weight];
        params.extend(&self.bias);
        params.extend(self.lora.iter().flat_map(|lora| [&lora.a, &lora.b]));
        params
    }

    /// As [`Linear::params`], to change.
    pub fn params_mut(&mut self) -> Vec<&mut Param> {
        let mut params = vec![&mut self.weight];
        params.extend(&mut self.bias);
        params.extend(self.lora.iter_mut().flat_map(|lora| [&mut lora.a, &mut lora.b]));
        params
    }
}
