//! Rows of a table by their numbers: tokens or positions to vectors.

use candle_core::{bail, CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{cpu_floats, floats, room};

/// `y[i] = table[ids[i]]`. Shapes: table (rows, d), ids of `shape` (...), result (..., d).
///
/// The backward adds up the rows that the batch used, one after the other in the same order always; the rest of the
/// table's gradient is memory that the system hands out as zeros and that this op never touches.
pub fn embedding(table: &Tensor, ids: &[u32], shape: &[usize]) -> Result<Tensor> {
    let (rows, _) = table.dims2()?;
    if shape.iter().product::<usize>() != ids.len() {
        bail!("embedding: {} ids in the shape {shape:?}", ids.len());
    }
    if let Some(id) = ids.iter().find(|id| **id as usize >= rows) {
        bail!("embedding: id {id} in a table of {rows} rows");
    }
    table.contiguous()?.apply_op1(Embedding { ids: ids.to_vec(), shape: shape.to_vec() })
}

struct Embedding {
    ids: Vec<u32>,
    shape: Vec<usize>,
}

impl CustomOp1 for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let table = floats(storage, layout, "embedding")?;
        let (_, d) = layout.shape().dims2()?;
        let mut y = room(self.ids.len() * d);
        y.par_chunks_mut(d).zip(&self.ids).with_min_len(64).for_each(|(y, id)| {
            let start = *id as usize * d;
            y.copy_from_slice(&table[start..start + d]);
        });
        let mut shape = self.shape.clone();
        shape.push(d);
        Ok((CpuStorage::F32(y), Shape::from(shape)))
    }

    fn bwd(&self, table: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (rows, d) = table.dims2()?;
        let dy = dy.contiguous()?;
        let guard = dy.storage_and_layout();
        let dy = cpu_floats(&guard, "embedding")?;
        let mut gradient = vec![0f32; rows * d];
        for (id, dy) in self.ids.iter().zip(dy.chunks_exact(d)) {
            let start = *id as usize * d;
            gradient[start..start + d].iter_mut().zip(dy).for_each(|(sum, dy)| *sum += dy);
        }
        Ok(Some(Tensor::from_vec(gradient, (rows, d), table.device())?))
    }
}
