//! One weight tensor of a model, with its name and whether training may move it.

use std::sync::{Arc, Mutex};

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};

use super::{Pass, Untracked};
use crate::error::Result;
use crate::ops;

/// Rows of a table, and the variable that stood for them in a pass.
type LookedUp = (Vec<u32>, Var);

/// What a loss says of a weight.
#[derive(Clone, Debug)]
pub enum Gradient {
    /// Of the whole weight, in its shape.
    Whole(Tensor),
    /// Of the rows of a table that were looked up, each once (rows, d); of the others it is zero.
    Rows(Vec<u32>, Tensor),
}

impl Gradient {
    /// What there is of it.
    pub fn values(&self) -> &Tensor {
        match self {
            Self::Whole(values) | Self::Rows(_, values) => values,
        }
    }
}

/// A named weight. Its name is its key in `model.safetensors`.
#[derive(Clone, Debug)]
pub struct Param {
    /// The key in the weights' file, such as `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// True when training may move it.
    pub trainable: bool,
    var: Var,
    /// Rows that training passes looked up since the last step, each set with the variable that stood for it.
    looked_up: Arc<Mutex<Vec<LookedUp>>>,
}

impl Param {
    /// A weight that training may move; `value` is copied unless it is a variable already.
    pub fn new(name: impl Into<String>, value: &Tensor) -> Result<Self> {
        let var = Var::from_tensor(value)?;
        Ok(Self { name: name.into(), trainable: true, var, looked_up: Arc::default() })
    }

    /// The value for a computation: tracked where trainable, a constant where frozen or while an [`Untracked`] lives.
    /// Nothing is copied, unless it is held in bf16: then this is a copy in f32.
    pub fn value(&self) -> Tensor {
        let value = self.held();
        match self.is_half() {
            true => value.to_dtype(DType::F32).unwrap_or(value), // the op that gets it says what is wrong with it
            false => value,
        }
    }

    /// As [`Param::value`] in the type in which it is held, for the ops that read bf16: [`ops::linear`],
    /// [`ops::linear_half`], [`ops::embedding`], [`ops::linear_cross_entropy`].
    pub fn held(&self) -> Tensor {
        match self.trainable && !Untracked::now() {
            true => self.var.as_tensor().clone(),
            false => self.var.as_detached_tensor(),
        }
    }

    /// The rows (texts, time, d) of this table that `ids` name, one for each position of the pass.
    ///
    /// While training, a variable of the rows in use stands for the table (see [`ops::distinct`]), so its gradient is found
    /// by [`Param::gradient`] only.
    pub fn rows(&self, ids: &[u32], pass: &Pass) -> candle_core::Result<Tensor> {
        let shape = [pass.rows(), pass.time];
        let largest = ids.iter().max().map_or(0, |id| *id as usize);
        if !self.trainable || !pass.is_training() || largest >= self.var.dim(0)? {
            return ops::embedding(&self.held(), ids, &shape); // which says so where an id is past the table
        }
        let (rows, places) = ops::distinct(ids);
        let stand_in = Var::from_tensor(&ops::embedding(&self.var.as_detached_tensor(), &rows, &[rows.len()])?)?;
        let found = ops::embedding(&stand_in, &places, &shape)?;
        if let Ok(mut looked_up) = self.looked_up.lock() {
            looked_up.push((rows, stand_in));
        }
        Ok(found)
    }

    /// The sum of this weight's gradients in the parts of a batch, in the weight's shape; none where no part has one.
    ///
    /// As [`Param::gradient_or_rows`], with zeros where nothing was looked up.
    pub fn gradient(&self, parts: &[GradStore]) -> Result<Option<Tensor>> {
        Ok(match self.gradient_or_rows(parts)? {
            Some(Gradient::Rows(rows, values)) => {
                let whole = Tensor::zeros(self.var.shape(), DType::F32, self.var.device())?;
                ops::add_rows(&whole, &rows, &values)?;
                Some(whole)
            }
            Some(Gradient::Whole(whole)) => Some(whole),
            None => None,
        })
    }

    /// The sum of this weight's gradients in the parts of a batch; none where no part has one.
    ///
    /// The sum is made in the first part's place, and it takes what was looked up since it was asked last: ask once for each
    /// backward pass.
    pub fn gradient_or_rows(&self, parts: &[GradStore]) -> Result<Option<Gradient>> {
        let dense: Vec<&Tensor> = parts.iter().filter_map(|part| part.get(&self.var)).collect();
        let sum = match &dense[..] {
            [] => None,
            [first, others @ ..] => {
                // Into a store's own gradient where it can be: a copy would be as large as the model.
                let first = if first.is_contiguous() { (*first).clone() } else { first.contiguous()? };
                for other in others {
                    ops::add_gradient(&first, other)?;
                }
                Some(first)
            }
        };
        let looked_up = self.looked_up.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default();
        // By part, so that the sum repeats exactly whichever thread looked up first.
        let in_part =
            |part| looked_up.iter().filter_map(move |(rows, stand_in)| Some((rows, GradStore::get(part, stand_in)?)));
        let of_rows: Vec<(&Vec<u32>, &Tensor)> = parts.iter().flat_map(in_part).collect();
        if let Some(sum) = sum {
            of_rows.iter().try_for_each(|(rows, values)| ops::add_rows(&sum, rows, values))?;
            return Ok(Some(Gradient::Whole(sum)));
        }
        let named: Vec<u32> = of_rows.iter().flat_map(|(rows, _)| rows.iter().copied()).collect();
        if named.is_empty() {
            return Ok(None);
        }
        let (rows, places) = ops::distinct(&named);
        let values = Tensor::zeros((rows.len(), self.var.dim(1)?), DType::F32, self.var.device())?;
        let mut first = 0;
        for (rows, gradient) in of_rows {
            ops::add_rows(&values, &places[first..first + rows.len()], gradient)?;
            first += rows.len();
        }
        Ok(Some(Gradient::Rows(rows, values)))
    }

    /// Holds the weight in bf16 from now on, half the memory, rounded once; for one that is frozen.
    pub(super) fn narrow(&mut self) -> candle_core::Result<()> {
        self.hold(DType::BF16)
    }

    /// Holds the weight in f32 again.
    pub(crate) fn widen(&mut self) -> candle_core::Result<()> {
        self.hold(DType::F32)
    }

    fn hold(&mut self, dtype: DType) -> candle_core::Result<()> {
        if self.var.dtype() != dtype {
            self.var = Var::from_tensor(&self.var.as_detached_tensor().to_dtype(dtype)?)?;
        }
        Ok(())
    }

    /// True where it is held in bf16.
    pub fn is_half(&self) -> bool {
        self.var.dtype() == DType::BF16
    }

    /// The variable itself, under which a backward pass files the gradient (but see [`Param::rows`]).
    pub fn var(&self) -> &Var {
        &self.var
    }

    /// How many numbers it holds.
    pub fn count(&self) -> usize {
        self.var.elem_count()
    }

    /// Writes new values over the old, in place: whoever holds the tensor sees them.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        Ok(self.var.set(&value.to_dtype(self.var.dtype())?.contiguous()?)?)
    }
}
