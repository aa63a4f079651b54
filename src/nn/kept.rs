//! What a forward pass keeps for the way back, and a switch for passes that keep nothing.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::{Linear, Module};

thread_local! {
    static UNTRACKED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, weights are constants in this thread's computations: nothing is kept for a backward pass that nobody
/// will ask for, and measuring or generating takes no more memory than a layer.
pub struct Untracked {
    before: bool,
}

impl Untracked {
    /// Begins; it ends when it is dropped.
    pub fn begin() -> Self {
        Self { before: UNTRACKED.replace(true) }
    }

    /// True while one lives in this thread.
    pub(super) fn now() -> bool {
        UNTRACKED.get()
    }
}

impl Drop for Untracked {
    fn drop(&mut self) {
        UNTRACKED.set(self.before);
    }
}

/// How many numbers a training pass keeps for each position that it computes, until its gradients are there.
///
/// Counted by shape: what goes into each linear layer and what comes out of it, a result more for each adapter, and for
/// each block three times what goes into it (norms, residuals, dropout). With `recompute` only what goes into each block,
/// and the inside of the largest. As much as that one again are the gradients that are under way at a time, for the cores come to
/// their widest moment together.
pub fn kept_per_position(model: &dyn Module, part: &str, recompute: bool) -> usize {
    let linears = model.linears().into_iter().filter(|linear| linear.weight.name.starts_with(part));
    let mut blocks: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut outside = 0;
    for linear in linears {
        match block_of(&linear.weight.name) {
            Some(block) => blocks.entry(block).or_default().extend([input(linear), kept(linear)]),
            None => outside += kept(linear),
        }
    }
    let inside = |sizes: &Vec<usize>| 3 * sizes[0] + sizes.iter().skip(1).step_by(2).sum::<usize>();
    let largest = blocks.values().map(inside).max().unwrap_or(0);
    let blocks = match recompute {
        false => blocks.values().map(inside).sum(),
        true => largest + blocks.values().map(|sizes| sizes[0]).sum::<usize>(),
    };
    outside + blocks + largest
}

fn input(linear: &Linear) -> usize {
    linear.sizes().map_or(0, |(_, input)| input)
}

fn kept(linear: &Linear) -> usize {
    let (output, input) = linear.sizes().unwrap_or((0, 0));
    let adapter = linear.lora.as_ref().map_or(0, |lora| output + 2 * lora.a.var().dims()[0]);
    input + output + adapter
}

/// The block that a weight belongs to: its name up to the first number.
fn block_of(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let at = parts.iter().position(|part| part.parse::<usize>().is_ok())?;
    Some(parts[..=at].join("."))
}
