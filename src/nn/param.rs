//! One weight tensor of a model, with its name and whether training may move it.

use candle_core::{Tensor, Var};

use crate::error::Result;

/// A named weight. Its name is its key in `model.safetensors`.
#[derive(Clone, Debug)]
pub struct Param {
    /// The key in the weights' file, such as `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// True when training may move it.
    pub trainable: bool,
    var: Var,
}

impl Param {
    /// A weight that training may move; `value` is copied unless it is a variable already.
    pub fn new(name: impl Into<String>, value: &Tensor) -> Result<Self> {
        Ok(Self { name: name.into(), trainable: true, var: Var::from_tensor(value)? })
    }

    /// The value for a computation: tracked where trainable, a constant where frozen. Nothing is copied.
    pub fn value(&self) -> Tensor {
        match self.trainable {
            true => self.var.as_tensor().clone(),
            false => self.var.as_detached_tensor(),
        }
    }

    /// The variable itself, under which a backward pass files the gradient.
    pub fn var(&self) -> &Var {
        &self.var
    }

    /// How many numbers it holds.
    pub fn count(&self) -> usize {
        self.var.elem_count()
    }

    /// Writes new values over the old, in place: whoever holds the tensor sees them.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        Ok(self.var.set(&value.contiguous()?)?)
    }
}
