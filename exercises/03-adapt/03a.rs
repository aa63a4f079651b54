//! The next token as what is to be predicted.

use crate::exercise::{Exercise, Input};
use crate::rng::Rng;

pub mod stub {
    pub fn pairs(ids: &[u32]) -> Vec<(u32, u32)> {
        // ✏️
        ids.iter().map(|id| (*id, 0)).collect()
    }
}

pub mod solution {
    pub fn pairs(ids: &[u32]) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        for i in 1..ids.len() {
            let seen = ids[i - 1];
            let next = ids[i];
            found.push((seen, next));
        }
        found
    }
}

mod wrong {
    pub fn same(ids: &[u32]) -> Vec<(u32, u32)> {
        ids.iter().map(|id| (*id, *id)).collect()
    }

    pub fn backward(ids: &[u32]) -> Vec<(u32, u32)> {
        ids.windows(2).map(|pair| (pair[1], pair[0])).collect()
    }
}

pub const EXERCISE: Exercise = trials!("03a", pairs, [same, backward]);

fn draw(rng: &mut Rng) -> Input {
    let count = 2 + rng.below(6);
    let ids: Vec<u32> = (0..count).map(|_| 3 + rng.below(4000) as u32).collect();
    vec![ids.into()]
}
