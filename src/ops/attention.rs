//! Causal softmax attention that never holds the whole matrix of weights (after Dao et al., arXiv 2205.14135).

use candle_core::{bail, CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::simd::{exp_row, sum2, vectorized};
use super::{cpu_floats, floats, room, At, Gemm};

/// Queries that one job scores at a time: their weights (ROWS, keys) stay in the processor's cache.
const ROWS: usize = 64;

/// `softmax(q kᵀ / sqrt(d)) v`, each query seeing the keys up to its own position.
///
/// Shapes: q (batch, time, heads, d), k and v (batch, keys, kv_heads, d), result as q. `heads` is a multiple of
/// `kv_heads` (grouped-query attention); with more keys than queries the queries are the last positions, as in
/// generation with a cache. Text padded on the right needs no mask: no earlier position sees the padding.
/// The backward computes the weights again instead of keeping them.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let ((batch, time, heads, d), (b, keys, kv_heads, kd)) = (q.dims4()?, k.dims4()?);
    if b != batch || kd != d || keys < time || kv_heads == 0 || heads % kv_heads != 0 || v.dims() != k.dims() {
        bail!("attention: q {:?}, k {:?}, v {:?} do not fit together", q.dims(), k.dims(), v.dims());
    }
    let op = Attention { batch, time, keys, heads, kv_heads, d };
    q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

struct Attention {
    batch: usize,
    time: usize,
    keys: usize,
    heads: usize,
    kv_heads: usize,
    d: usize,
}

/// A buffer that jobs on different threads fill, each its own rows.
struct SharedRows(*mut f32, usize);

// SAFETY: jobs write disjoint rows only (see `write`), and the buffer outlives the parallel loop that uses it.
unsafe impl Sync for SharedRows {}

impl SharedRows {
    fn write(&self, start: usize, row: &[f32]) {
        assert!(start + row.len() <= self.1);
        // SAFETY: the row lies inside the buffer, and each (batch, position, head) row belongs to one job.
        unsafe { std::ptr::copy_nonoverlapping(row.as_ptr(), self.0.add(start), row.len()) }
    }
}

impl Attention {
    /// The queries (time, heads, d) of one head in one text.
    fn query(&self, batch: usize, head: usize) -> At {
        let row = self.heads * self.d;
        At { start: (batch * self.time) * row + head * self.d, row, column: 1 }
    }

    /// The keys or values of one group in one text.
    fn key(&self, batch: usize, group: usize) -> At {
        let row = self.kv_heads * self.d;
        At { start: (batch * self.keys) * row + group * self.d, row, column: 1 }
    }

    /// Blocks of queries: first, how many, and how many keys the last of them sees.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let past = self.keys - self.time;
        (0..self.time).step_by(ROWS).map(move |first| {
            let rows = ROWS.min(self.time - first);
            (first, rows, past + first + rows)
        })
    }

    /// The weights (rows, seen) of one block of queries; each row sums to one.
    fn weights(&self, q: &[f32], at_q: At, k: &[f32], at_k: At, block: (usize, usize, usize), p: &mut [f32]) {
        let (first, rows, seen) = block;
        let at_q = At { start: at_q.start + first * at_q.row, ..at_q };
        let keys = At { start: at_k.start, row: 1, column: at_k.row };
        Gemm { m: rows, n: seen, k: self.d, threads: 1 }.run((p, At::rows(seen)), false, (q, at_q), (k, keys));
        let scale = (self.d as f32).sqrt().recip();
        vectorized(|| {
            for (i, row) in p[..rows * seen].chunks_exact_mut(seen).enumerate() {
                let visible = seen - rows + i + 1;
                let (row, hidden) = row.split_at_mut(visible);
                hidden.fill(0.0);
                row.iter_mut().for_each(|x| *x *= scale);
                let (sum, _) = exp_row(row);
                let inverse = sum.recip();
                row.iter_mut().for_each(|x| *x *= inverse);
            }
        });
    }

    fn forward_job(&self, job: usize, q: &[f32], k: &[f32], v: &[f32], out: &SharedRows) {
        let (batch, group) = (job / self.kv_heads, job % self.kv_heads);
        let at_k = self.key(batch, group);
        let mut p = room(ROWS.min(self.time) * self.keys);
        let mut o = room(ROWS.min(self.time) * self.d);
        let repeat = self.heads / self.kv_heads;
        for head in group * repeat..(group + 1) * repeat {
            let at_q = self.query(batch, head);
            for block in self.blocks() {
                let (first, rows, seen) = block;
                self.weights(q, at_q, k, at_k, block, &mut p);
                let product = Gemm { m: rows, n: self.d, k: seen, threads: 1 };
                product.run((&mut o, At::rows(self.d)), false, (&p, At::rows(seen)), (v, at_k));
                for (i, row) in o.chunks_exact(self.d).take(rows).enumerate() {
                    out.write(at_q.start + (first + i) * at_q.row, row);
                }
            }
        }
    }

    fn backward_job(&self, job: usize, inputs: &Inputs, gradients: &Gradients) {
        let Inputs { q, k, v, dy } = *inputs;
        let (batch, group) = (job / self.kv_heads, job % self.kv_heads);
        let at_k = self.key(batch, group);
        let size = ROWS.min(self.time) * self.keys;
        let (mut p, mut dp) = (room(size), room(size));
        let mut dq = room(ROWS.min(self.time) * self.d);
        let (mut dk, mut dv) = (vec![0f32; self.keys * self.d], vec![0f32; self.keys * self.d]);
        let repeat = self.heads / self.kv_heads;
        for head in group * repeat..(group + 1) * repeat {
            let at_q = self.query(batch, head);
            for block in self.blocks() {
                let (first, rows, seen) = block;
                let here = At { start: at_q.start + first * at_q.row, ..at_q };
                self.weights(q, at_q, k, at_k, block, &mut p);
                let values = At { start: at_k.start, row: 1, column: at_k.row };
                let score = Gemm { m: rows, n: seen, k: self.d, threads: 1 };
                score.run((&mut dp, At::rows(seen)), false, (dy, here), (v, values));
                let sum = Gemm { m: seen, n: self.d, k: rows, threads: 1 };
                sum.run((&mut dv, At::rows(self.d)), true, (&p, At::transposed(seen)), (dy, here));
                self.score_gradients(&p, &mut dp, rows, seen);
                let back = Gemm { m: rows, n: self.d, k: seen, threads: 1 };
                back.run((&mut dq, At::rows(self.d)), false, (&dp, At::rows(seen)), (k, at_k));
                sum.run((&mut dk, At::rows(self.d)), true, (&dp, At::transposed(seen)), (q, here));
                for (i, row) in dq.chunks_exact(self.d).take(rows).enumerate() {
                    gradients.q.write(here.start + i * here.row, row);
                }
            }
        }
        for (i, (dk, dv)) in dk.chunks_exact(self.d).zip(dv.chunks_exact(self.d)).enumerate() {
            gradients.k.write(at_k.start + i * at_k.row, dk);
            gradients.v.write(at_k.start + i * at_k.row, dv);
        }
    }

    /// From the gradient of the weights to that of the scores: p * (dp - sum(p * dp)) / sqrt(d).
    fn score_gradients(&self, p: &[f32], dp: &mut [f32], rows: usize, seen: usize) {
        let scale = (self.d as f32).sqrt().recip();
        vectorized(|| {
            let both = p[..rows * seen].chunks_exact(seen).zip(dp[..rows * seen].chunks_exact_mut(seen));
            for (p, dp) in both {
                let mean = sum2(p, dp, |p, dp| p * dp);
                for (p, dp) in p.iter().zip(dp.iter_mut()) {
                    *dp = p * (*dp - mean) * scale;
                }
            }
        });
    }
}

#[derive(Clone, Copy)]
struct Inputs<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    dy: &'a [f32],
}

struct Gradients {
    q: SharedRows,
    k: SharedRows,
    v: SharedRows,
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (floats(s1, l1, "attention")?, floats(s2, l2, "attention")?, floats(s3, l3, "attention")?);
        let mut out = room(q.len());
        let shared = SharedRows(out.as_mut_ptr(), out.len());
        (0..self.batch * self.kv_heads).into_par_iter().for_each(|job| self.forward_job(job, q, k, v, &shared));
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let guards = [q, k, v, &dy].map(Tensor::storage_and_layout);
        let [q_values, k_values, v_values, dy_values] = [0, 1, 2, 3].map(|i| cpu_floats(&guards[i], "attention"));
        let inputs = Inputs { q: q_values?, k: k_values?, v: v_values?, dy: dy_values? };
        let mut dq = room(inputs.q.len());
        let (mut dk, mut dv) = (room(inputs.k.len()), room(inputs.k.len()));
        let gradients = Gradients {
            q: SharedRows(dq.as_mut_ptr(), dq.len()),
            k: SharedRows(dk.as_mut_ptr(), dk.len()),
            v: SharedRows(dv.as_mut_ptr(), dv.len()),
        };
        let jobs = (0..self.batch * self.kv_heads).into_par_iter();
        jobs.for_each(|job| self.backward_job(job, &inputs, &gradients));
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device()).map(Some);
        Ok((tensor(dq, q)?, tensor(dk, k)?, tensor(dv, v)?))
    }
}
