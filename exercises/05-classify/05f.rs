//! Early stopping: the epoch that is kept.

use crate::exercise::{uniform, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn kept_epoch(losses: &[f64], patience: usize) -> usize {
        // ✏️
        0
    }
}

pub mod solution {
    pub fn kept_epoch(losses: &[f64], patience: usize) -> usize {
        let mut best = 0;
        for epoch in 1..losses.len() {
            if losses[epoch] < losses[best] {
                best = epoch;
            } else if epoch - best >= patience {
                return best;
            }
        }
        best
    }
}

mod wrong {
    pub fn no_stop(losses: &[f64], _patience: usize) -> usize {
        (0..losses.len()).fold(0, |best, epoch| if losses[epoch] < losses[best] { epoch } else { best })
    }

    pub fn where_it_stopped(losses: &[f64], patience: usize) -> usize {
        let mut best = 0;
        for epoch in 1..losses.len() {
            if losses[epoch] < losses[best] {
                best = epoch;
            } else if epoch - best >= patience {
                return epoch;
            }
        }
        losses.len() - 1
    }

    pub fn not_in_a_row(losses: &[f64], patience: usize) -> usize {
        let (mut best, mut worse) = (0, 0);
        for epoch in 1..losses.len() {
            if losses[epoch] < losses[best] {
                best = epoch;
            } else {
                worse += 1;
            }
            if worse >= patience {
                break;
            }
        }
        best
    }

    pub fn at_the_first_rise(losses: &[f64], _patience: usize) -> usize {
        (1..losses.len()).find(|epoch| losses[*epoch] >= losses[epoch - 1]).unwrap_or(losses.len()) - 1
    }
}

pub const EXERCISE: Exercise = trials!("05f", kept_epoch, [no_stop, where_it_stopped, not_in_a_row, at_the_first_rise]);

fn draw(rng: &mut Rng) -> Input {
    let patience = 2 + rng.below(2);
    let (mut loss, mut losses) = (3.0, vec![3.0]);
    // It falls with a stumble here and there, then rises for good; at times it is lowest after training has ended.
    for _ in 0..patience {
        loss -= uniform(rng, 0.2, 0.5);
        losses.push(loss);
        if rng.below(3) > 0 {
            losses.push(loss + uniform(rng, 0.02, 0.15));
        }
    }
    loss -= uniform(rng, 0.2, 0.5);
    losses.push(loss);
    for _ in 0..patience + rng.below(2) {
        loss += uniform(rng, 0.05, 0.2);
        losses.push(loss);
    }
    if rng.below(2) == 0 {
        losses.push(losses.iter().copied().fold(loss, f64::min) - 0.1);
    }
    vec![losses.into(), patience.into()]
}
