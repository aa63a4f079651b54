//! Activation recomputation (Chen et al., arXiv 1604.06174): a block keeps what went into it and nothing else, and is
//! computed a second time when its gradients are asked for.

use std::sync::{Arc, Mutex};

use candle_core::backprop::GradStore;
use candle_core::{bail, CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, Var};

use super::{midway, Pass, Untracked};

/// Gradients of the weights of blocks that were computed again: they are found beside the main way back.
pub type Aside = Arc<Mutex<Vec<GradStore>>>;

/// A block: `x`, what blocks share, and the pass; it owns its weights, which are handles.
type Block = dyn Fn(&Tensor, &[Tensor], &Pass) -> Result<Tensor> + Send + Sync;

/// `block(x, shared, pass)`; where the pass recomputes, only `x` and the result are kept, and the rest is computed again on
/// the way back, with the same dropout: the same numbers come out, bit for bit where nothing is `shared`.
///
/// `shared` are at most two tensors that other blocks read too: a table of biases, the states of a source. Their gradients
/// are added up in another order then. The gradients of the block's weights go into the pass's [`Aside`].
pub fn recomputed(
    pass: &Pass,
    x: &Tensor,
    shared: &[&Tensor],
    block: impl Fn(&Tensor, &[Tensor], &Pass) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    let owned: Vec<Tensor> = shared.iter().copied().cloned().collect();
    let Some(aside) = &pass.aside else { return block(x, &owned, pass) };
    // Dropout draws by its place in the pass: the second time begins at this one.
    let mut again = pass.clone();
    again.aside = None;
    let y = {
        let _nothing_kept = Untracked::begin();
        let constants: Vec<Tensor> = owned.iter().map(Tensor::detach).collect();
        block(&x.detach(), &constants, pass)?
    };
    // Where everything before it is frozen nothing would ask for the block's own gradients.
    let x = if x.track_op() { x.contiguous()? } else { Var::from_tensor(x)?.as_tensor().clone() };
    let op =
        Recomputed { block: Box::new(block), pass: Mutex::new(again), aside: aside.clone(), y: Mutex::new(Some(y)) };
    match &owned[..] {
        [] => x.apply_op1(op),
        [one] => x.apply_op2(&one.contiguous()?, op),
        [one, two] => x.apply_op3(&one.contiguous()?, &two.contiguous()?, op),
        more => bail!("recomputed: {} shared tensors", more.len()),
    }
}

struct Recomputed {
    block: Box<Block>,
    pass: Mutex<Pass>,
    aside: Aside,
    /// What the block made the first time, until it is handed over.
    y: Mutex<Option<Tensor>>,
}

impl Recomputed {
    fn forward(&self) -> Result<(CpuStorage, Shape)> {
        let y = self.y.lock().ok().and_then(|mut y| y.take());
        let Some(y) = y else { bail!("recomputed: its result was handed over already") };
        Ok((CpuStorage::F32(y.flatten_all()?.to_vec1()?), y.shape().clone()))
    }

    /// The gradients of the block's inputs; those of its weights are put aside.
    fn backward(&self, inputs: &[&Tensor], dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let fresh: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(&x.detach())).collect::<Result<_>>()?;
        let shared: Vec<Tensor> = fresh
            .iter()
            .zip(inputs)
            .skip(1)
            .map(|(fresh, x)| if x.track_op() { fresh.as_tensor().clone() } else { x.detach() })
            .collect();
        let Ok(pass) = self.pass.lock() else { bail!("recomputed: a thread left its pass locked") };
        let y = (self.block)(&fresh[0], &shared, &pass.clone())?;
        let mut gradients = midway(&y, dy.clone())?.backward()?;
        let found = fresh.iter().map(|x| gradients.remove(x)).collect();
        if let Ok(mut aside) = self.aside.lock() {
            aside.push(gradients);
        }
        Ok(found)
    }
}

impl CustomOp1 for Recomputed {
    fn name(&self) -> &'static str {
        "recomputed"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward()
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        Ok(self.backward(&[x], dy)?.remove(0))
    }
}

impl CustomOp2 for Recomputed {
    fn name(&self) -> &'static str {
        "recomputed"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward()
    }

    fn bwd(&self, x: &Tensor, one: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut found = self.backward(&[x, one], dy)?;
        Ok((found[0].take(), found[1].take()))
    }
}

impl CustomOp3 for Recomputed {
    fn name(&self) -> &'static str {
        "recomputed"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward()
    }

    fn bwd(
        &self,
        x: &Tensor,
        one: &Tensor,
        two: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut found = self.backward(&[x, one, two], dy)?;
        Ok((found[0].take(), found[1].take(), found[2].take()))
    }
}
