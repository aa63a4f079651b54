//! A backward pass in which the gradients of weights go their own way.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use candle_core::backprop::GradStore;
use candle_core::{bail, Result, Tensor, TensorId};

use super::adamw::add_gradient;

thread_local! {
    /// Where the gradients of weights go while [`backward`] is at work on this thread.
    static COLLECTED: RefCell<Option<Collected>> = const { RefCell::new(None) };
}

/// As candle's `loss.backward()`. candle adds the first gradient of a weight to zeros that it makes for it: four passes over
/// memory as large as the model for nothing. Ours are put aside as they come, and into the store at the end.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let sums = Arc::new(Sums::default());
    let mut store = backward_part(loss, &sums, 0)?;
    sums.put_into(&mut store)?;
    Ok(store)
}

/// As [`backward`] for one of several parts of a loss, each on a core of its own: the gradients of a weight are added up
/// as soon as two parts have one, so that there is about one model's worth of them and not one for each part.
///
/// They are in `sums` and not in the store. They are added in the order of the parts, whichever is first, so that the
/// sum repeats exactly.
pub fn backward_part(loss: &Tensor, sums: &Arc<Sums>, part: usize) -> Result<GradStore> {
    let before = COLLECTED.replace(Some(Collected { sums: sums.clone(), part, uses: HashMap::new(), failed: None }));
    let store = loss.backward();
    let collected = COLLECTED.replace(before);
    if let Some(error) = collected.and_then(|collected| collected.failed) {
        return Err(error);
    }
    store
}

/// Puts the gradient of a weight aside where [`backward`] collects them; else gives it back, for candle.
pub(super) fn aside(weight: &Tensor, gradient: Tensor) -> Option<Tensor> {
    if !weight.is_variable() {
        return Some(gradient);
    }
    COLLECTED.with_borrow_mut(|collected| match collected {
        Some(collected) => {
            collected.add(weight, gradient);
            None
        }
        None => Some(gradient),
    })
}

/// What one thread collects.
struct Collected {
    sums: Arc<Sums>,
    part: usize,
    /// How often each weight had a gradient.
    uses: HashMap<TensorId, usize>,
    failed: Option<candle_core::Error>,
}

impl Collected {
    fn add(&mut self, weight: &Tensor, gradient: Tensor) {
        let uses = self.uses.entry(weight.id()).or_default();
        if let Err(error) = self.sums.add(weight, *uses, self.part, gradient) {
            self.failed.get_or_insert(error);
        }
        *uses += 1;
    }
}

/// The gradients of weights, added up over the parts of a batch: one sum for each use of each weight.
#[derive(Default)]
pub struct Sums(Mutex<HashMap<Use, Arc<Mutex<Sum>>>>);

/// A weight, and how many uses of it came before.
type Use = (TensorId, usize);

struct Sum {
    weight: Tensor,
    /// Of the parts before `next`.
    sum: Option<Tensor>,
    next: usize,
    /// Those that came before their turn.
    waiting: BTreeMap<usize, Tensor>,
}

impl Sum {
    fn add(&mut self, gradient: Tensor) -> Result<()> {
        match &self.sum {
            Some(sum) => add_gradient(sum, &gradient),
            None => {
                self.sum = Some(gradient);
                Ok(())
            }
        }
    }
}

impl Sums {
    fn add(&self, weight: &Tensor, uses: usize, part: usize, gradient: Tensor) -> Result<()> {
        let sum = {
            let Ok(mut all) = self.0.lock() else { bail!("a thread left the gradients locked") };
            let new = || Sum { weight: weight.clone(), sum: None, next: 0, waiting: BTreeMap::new() };
            all.entry((weight.id(), uses)).or_insert_with(|| Arc::new(Mutex::new(new()))).clone()
        };
        let Ok(mut sum) = sum.lock() else { bail!("a thread left a gradient locked") };
        sum.waiting.insert(part, gradient);
        loop {
            let next = sum.next;
            let Some(gradient) = sum.waiting.remove(&next) else { return Ok(()) };
            sum.add(gradient)?;
            sum.next += 1;
        }
    }

    /// Adds the sums to what a store has of each weight, once all parts are done.
    pub fn put_into(&self, store: &mut GradStore) -> Result<()> {
        let Ok(mut all) = self.0.lock() else { bail!("a thread left the gradients locked") };
        let mut all: Vec<_> = std::mem::take(&mut *all).into_iter().collect();
        all.sort_by_key(|((_, uses), _)| *uses);
        for (_, sum) in all {
            let Ok(mut sum) = sum.lock() else { bail!("a thread left a gradient locked") };
            // A part that did not use the weight kept the later ones waiting.
            for (_, gradient) in std::mem::take(&mut sum.waiting) {
                sum.add(gradient)?;
            }
            let Some(gradient) = sum.sum.take() else { continue };
            match store.get(&sum.weight) {
                Some(before) => add_gradient(before, &gradient)?,
                None => drop(store.insert(&sum.weight, gradient)),
            }
        }
        Ok(())
    }
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

    #[test]
    fn parts_are_added_in_their_order_whichever_comes_first() -> Result<()> {
        let weight = Var::from_vec(vec![0f32; 2], 2, &Device::Cpu)?;
        // In another order the large numbers would swallow the small one.
        let parts = [[1f32, 1e8], [1.0, -1e8], [1e-3, 1e-3]];
        let sum = |order: [usize; 3]| -> Result<Vec<f32>> {
            let (sums, loss) = (Sums::default(), weight.as_tensor().sum_all()?);
            for part in order {
                sums.add(&weight, 0, part, Tensor::new(&parts[part], &Device::Cpu)?)?;
            }
            let mut store = loss.detach().backward()?;
            sums.put_into(&mut store)?;
            store.get(&weight).map_or(Ok(Vec::new()), Tensor::to_vec1)
        };
        let wanted = vec![1.0 + 1.0 + 1e-3, 1e-3];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            assert_eq!(sum(order)?, wanted, "{order:?}");
        }
        Ok(())
    }
}
