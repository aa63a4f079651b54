//! Rows of a table by their numbers: tokens or positions to vectors.

use candle_core::{bail, CpuStorage, CustomOp1, DType, InplaceOp1, Layout, Result, Shape, Tensor};
use half::bf16;
use rayon::prelude::*;

use super::half::widen;
use super::{cpu_floats, floats, room};

/// `y[i] = table[ids[i]]`. Shapes: table (rows, d), ids of `shape` (...), result (..., d).
///
/// The backward adds up the rows that the batch used, one after the other in the same order always. candle keeps a
/// gradient as large as the table all the same, so a table that is trained is looked up by way of [`distinct`]. A frozen
/// table may be held in bf16: its rows come out in f32.
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

/// The different ids of a batch in order, and for each of its ids which of them it is.
///
/// A variable of those rows alone takes the table's place while a batch is computed: then its gradient costs what the
/// batch costs and not what the vocabulary costs, until [`add_rows`] puts it where it belongs.
pub fn distinct(ids: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut rows = ids.to_vec();
    rows.sort_unstable();
    rows.dedup();
    // Each id is in `rows`, so the number of smaller ones is its place.
    let places = ids.iter().map(|id| rows.partition_point(|row| row < id) as u32).collect();
    (rows, places)
}

/// `table[rows[i]] += values[i]`, in place. Shapes: table (rows, d), values (rows.len(), d).
pub fn add_rows(table: &Tensor, rows: &[u32], values: &Tensor) -> Result<()> {
    let (count, d) = table.dims2()?;
    if values.dims() != [rows.len(), d] || rows.iter().any(|row| *row as usize >= count) {
        bail!("add_rows: {} rows of {:?} into {:?}", rows.len(), values.dims(), table.dims());
    }
    let values = values.contiguous()?;
    let guard = values.storage_and_layout();
    table.inplace_op1(&AddRows { rows, values: cpu_floats(&guard, "add-rows")?, d })
}

struct AddRows<'a> {
    rows: &'a [u32],
    values: &'a [f32],
    d: usize,
}

impl InplaceOp1 for AddRows<'_> {
    fn name(&self) -> &'static str {
        "add-rows"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let Some((first, _)) = layout.contiguous_offsets() else { bail!("add-rows needs a contiguous table") };
        let CpuStorage::F32(table) = storage else { bail!("add-rows needs a float32 table") };
        for (row, values) in self.rows.iter().zip(self.values.chunks_exact(self.d)) {
            let start = first + *row as usize * self.d;
            table[start..start + self.d].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        Ok(())
    }
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
        let (_, d) = layout.shape().dims2()?;
        let mut y = room(self.ids.len() * d);
        let rows = y.par_chunks_mut(d).zip(&self.ids).with_min_len(64);
        let start = |id: &u32| *id as usize * d;
        if let (CpuStorage::BF16(table), Some((first, end))) = (storage, layout.contiguous_offsets()) {
            let table: &[bf16] = &table[first..end];
            rows.for_each(|(y, id)| widen(&table[start(id)..start(id) + d], y));
        } else {
            let table = floats(storage, layout, "embedding")?;
            rows.for_each(|(y, id)| y.copy_from_slice(&table[start(id)..start(id) + d]));
        }
        let mut shape = self.shape.clone();
        shape.push(d);
        Ok((CpuStorage::F32(y), Shape::from(shape)))
    }

    fn bwd(&self, table: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (rows, d) = table.dims2()?;
        if table.dtype() != DType::F32 {
            bail!("embedding: a table in {:?} is frozen", table.dtype());
        }
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
