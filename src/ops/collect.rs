//! A backward pass in which the gradients of weights go their own way.

use std::cell::RefCell;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor};

use super::adamw::add_gradient;

thread_local! {
    /// Weights with their gradients, while [`backward`] is at work on this thread.
    static COLLECTED: RefCell<Option<Vec<(Tensor, Tensor)>>> = const { RefCell::new(None) };
}

/// As candle's `loss.backward()`. candle adds the first gradient of a weight to zeros that it makes for it: four passes over
/// memory as large as the model for nothing. Ours are put aside as they come, and into the store at the end.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let before = COLLECTED.replace(Some(Vec::new()));
    let store = loss.backward();
    let collected = COLLECTED.replace(before).unwrap_or_default();
    let mut store = store?;
    for (weight, gradient) in collected {
        match store.get(&weight) {
            Some(sum) => add_gradient(sum, &gradient)?,
            None => drop(store.insert(&weight, gradient)),
        }
    }
    Ok(store)
}

/// Puts the gradient of a weight aside where [`backward`] collects them; else gives it back, for candle.
pub(super) fn aside(weight: &Tensor, gradient: Tensor) -> Option<Tensor> {
    if !weight.is_variable() {
        return Some(gradient);
    }
    COLLECTED.with_borrow_mut(|collected| match collected {
        Some(collected) => {
            collected.push((weight.clone(), gradient));
            None
        }
        None => Some(gradient),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{linear, rms_norm};
    use candle_core::{Device, Var};

    #[test]
    fn a_weight_that_is_used_twice_gets_both_gradients_as_from_candle() -> Result<()> {
        let weight = Var::from_vec(vec![1f32, -2.0, 0.5, 3.0], (2, 2), &Device::Cpu)?;
        let norm = Var::from_vec(vec![1f32, 0.5], 2, &Device::Cpu)?;
        let x = Tensor::new(&[[1f32, 2.0], [3.0, -1.0]], &Device::Cpu)?;
        // One use by our op, a second by our op on the first's result, a third by one of candle's.
        let y = linear(&rms_norm(&linear(&x, &weight, true)?, &norm, 1e-6)?, &weight, true)?;
        let loss = (y.sum_all()? + weight.as_tensor().sqr()?.sum_all()?)?;
        let (mine, theirs) = (backward(&loss)?, loss.backward()?);
        for var in [&weight, &norm] {
            let (Some(mine), Some(theirs)) = (mine.get(var), theirs.get(var)) else { candle_core::bail!("missing") };
            let off = (mine - theirs)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
            assert!(off < 1e-5, "{mine} {theirs}");
        }
        Ok(())
    }
}
