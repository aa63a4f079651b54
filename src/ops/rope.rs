//! Rotary position embedding (Su et al., arXiv 2104.09864), in Hugging Face's "rotate half" layout.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{floats, room};

/// Cosines and sines of every position, computed once for a model.
#[derive(Clone, Debug)]
pub struct RopeTable {
    cos: Arc<Vec<f32>>,
    sin: Arc<Vec<f32>>,
    half: usize,
}

impl RopeTable {
    /// For `positions` positions and heads of `head_dim` numbers: angle = position / theta^(2i / head_dim).
    pub fn new(positions: usize, head_dim: usize, theta: f64) -> Self {
        let frequency = |i: usize| theta.powf(-2.0 * i as f64 / head_dim as f64);
        Self::of(positions, &(0..head_dim / 2).map(frequency).collect::<Vec<_>>())
    }

    /// For `positions` positions, pair i of each head turning by `frequencies[i]` radians a position.
    pub fn of(positions: usize, frequencies: &[f64]) -> Self {
        let table = |f: fn(f64) -> f64| {
            let row = |position: usize| frequencies.iter().map(move |frequency| f(position as f64 * frequency) as f32);
            Arc::new((0..positions).flat_map(row).collect::<Vec<f32>>())
        };
        Self { cos: table(f64::cos), sin: table(f64::sin), half: frequencies.len() }
    }

    /// How many positions the table knows.
    pub fn positions(&self) -> usize {
        self.cos.len() / self.half.max(1)
    }
}

/// Turns pairs (i, i + d/2) of each head by its position's angle. Shape: x (batch, time, heads, d), first position `offset`.
///
/// At position p, with f_i the frequency of pair i (theta^(-2i / d) unless the model stretches it):
///
/// ```text
/// y_i       = x_i · cos(p · f_i) - x_{i+d/2} · sin(p · f_i)
/// y_{i+d/2} = x_{i+d/2} · cos(p · f_i) + x_i · sin(p · f_i)
/// ```
///
/// so that the product of a turned query and a turned key depends on how far apart they are, and not on where. The way back
/// turns the gradient by the same angle the other way round; candle's fused `rope` has none.
pub fn rope(x: &Tensor, table: &RopeTable, offset: usize) -> Result<Tensor> {
    let (_, time, _, d) = x.dims4()?;
    if d != 2 * table.half || offset + time > table.positions() {
        candle_core::bail!(
            "rope: positions {offset} to {} of heads of {d}, the table has {} of {}",
            offset + time,
            table.positions(),
            2 * table.half
        );
    }
    x.contiguous()?.apply_op1(Rope { table: table.clone(), places: Places::From(offset), sign: 1.0 })
}

/// As [`rope`], with the position p of each of the rows of `x` (batch · time) given: texts packed into a row start anew.
/// Shape: x (batch, time, heads, d).
pub fn rope_at(x: &Tensor, table: &RopeTable, positions: &[u32]) -> Result<Tensor> {
    let (batch, time, _, d) = x.dims4()?;
    let largest = positions.iter().max().map_or(0, |position| *position as usize);
    if d != 2 * table.half || positions.len() != batch * time || largest >= table.positions() {
        let (half, known) = (2 * table.half, table.positions());
        candle_core::bail!(
            "rope: {} positions up to {largest} of {:?}, of {known} of {half}",
            positions.len(),
            x.dims()
        );
    }
    let places = Places::Given(Arc::new(positions.to_vec()));
    x.contiguous()?.apply_op1(Rope { table: table.clone(), places, sign: 1.0 })
}

/// Which position each row has.
#[derive(Clone)]
enum Places {
    /// Each text starts at this one.
    From(usize),
    /// These.
    Given(Arc<Vec<u32>>),
}

struct Rope {
    table: RopeTable,
    places: Places,
    sign: f32,
}

impl CustomOp1 for Rope {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = floats(storage, layout, "rope")?;
        let (_, time, heads, d) = layout.shape().dims4()?;
        let half = d / 2;
        let mut y = room(x.len());
        let row = heads * d;
        y.par_chunks_mut(row).zip(x.par_chunks(row)).enumerate().with_min_len(32).for_each(|(index, (y, x))| {
            let position = match &self.places {
                Places::From(offset) => offset + index % time,
                Places::Given(positions) => positions[index] as usize,
            } * half;
            let cos = &self.table.cos[position..position + half];
            let sin = &self.table.sin[position..position + half];
            for (y, x) in y.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
                let ((y1, y2), (x1, x2)) = (y.split_at_mut(half), x.split_at(half));
                for i in 0..half {
                    let sin = self.sign * sin[i];
                    y1[i] = x1[i] * cos[i] - x2[i] * sin;
                    y2[i] = x2[i] * cos[i] + x1[i] * sin;
                }
            }
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let back = Rope { table: self.table.clone(), places: self.places.clone(), sign: -self.sign };
        Ok(Some(dy.contiguous()?.apply_op1_no_bwd(&back)?))
    }
}
