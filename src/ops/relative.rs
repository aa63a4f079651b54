//! Scores by the distance between two positions, spread over all pairs of positions.

use candle_core::{bail, CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{cpu_floats, floats, room};

/// Which side of a pair a table of scores belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The position that looks.
    Query,
    /// The position that is looked at.
    Key,
}

/// `y[b, h, q, k] = x[h, b, q or k, places[q, k]]`: what a position (the query or the key, as `of` says) thinks of each
/// distance becomes what it thinks of each other position.
///
/// Shapes: x (heads, texts, time, distances), places (time · time) below `distances`, result (texts, heads, time, time).
/// candle's `gather` needs the places repeated for each text and head.
pub fn by_distance(x: &Tensor, places: &[u32], of: Of) -> Result<Tensor> {
    let (.., time, distances) = x.dims4()?;
    if places.len() != time * time || places.iter().any(|place| *place as usize >= distances) {
        bail!("by_distance: scores {:?}, {} places", x.dims(), places.len());
    }
    x.contiguous()?.apply_op1(ByDistance { places: places.to_vec(), of })
}

struct ByDistance {
    places: Vec<u32>,
    of: Of,
}

impl ByDistance {
    /// Calls `each` with every pair's number in a text and head, and that of its score.
    fn pairs(&self, time: usize, distances: usize, mut each: impl FnMut(usize, usize)) {
        for (pair, place) in self.places.iter().enumerate() {
            let position = if self.of == Of::Query { pair / time } else { pair % time };
            each(pair, position * distances + *place as usize);
        }
    }
}

impl CustomOp1 for ByDistance {
    fn name(&self) -> &'static str {
        "by-distance"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = floats(storage, layout, "by-distance")?;
        let (heads, texts, time, distances) = layout.shape().dims4()?;
        let mut y = room(heads * texts * time * time);
        y.par_chunks_mut(time * time).enumerate().for_each(|(i, y)| {
            let (text, head) = (i / heads, i % heads);
            let x = &x[(head * texts + text) * time * distances..][..time * distances];
            self.pairs(time, distances, |pair, score| y[pair] = x[score]);
        });
        Ok((CpuStorage::F32(y), Shape::from((texts, heads, time, time))))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (heads, texts, time, distances) = x.dims4()?;
        let dy = dy.contiguous()?;
        let guard = dy.storage_and_layout();
        let dy = cpu_floats(&guard, "by-distance")?;
        let mut dx = vec![0f32; x.elem_count()];
        dx.par_chunks_mut(time * distances).enumerate().for_each(|(i, dx)| {
            let (head, text) = (i / texts, i % texts);
            let dy = &dy[(text * heads + head) * time * time..][..time * time];
            self.pairs(time, distances, |pair, score| dx[score] += dy[pair]);
        });
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
