//! Softmax attention that never holds the whole matrix of weights (after Dao et al., arXiv 2205.14135).

use candle_core::{bail, CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::simd::{exp_row, sum2, vectorized};
use super::{cpu_floats, floats, room, At, Dropout, Gemm};

/// Where a text lies in a batch whose rows hold several: its first position, counted over the rows, and how many.
pub type Span = (usize, usize);

/// Queries that one job scores at a time: their weights (ROWS, keys) stay in the processor's cache.
const ROWS: usize = 64;

/// `softmax(q kᵀ / sqrt(d)) v`, each query seeing the keys up to its own position.
///
/// Shapes: q (batch, time, heads, d), k and v (batch, keys, kv_heads, d), result as q. `heads` is a multiple of
/// `kv_heads` (grouped-query attention); with more keys than queries the queries are the last positions, as in
/// generation with a cache. Text padded on the right needs no mask: no earlier position sees the padding.
/// The backward computes the weights again instead of keeping them.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    attend(q, k, v, Seen::Past, None, None)
}

/// As [`attention`], each query seeing all keys of its own text, before and after: what an encoder does.
///
/// `lengths` holds the real length of each text; padding to their right is neither seen nor computed, and the result
/// there is zero. `dropout` leaves out some of the weights, as BERT is trained.
pub fn attention_within(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    lengths: &[usize],
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    let (batch, time, ..) = q.dims4()?;
    if lengths.len() != batch || k.dim(1)? != time || lengths.iter().any(|length| *length > time) {
        bail!("attention: {:?} with texts of {lengths:?} tokens", q.dims());
    }
    attend(q, k, v, Seen::Text(lengths.to_vec()), dropout, None)
}

/// As [`attention`] in rows of several texts each, none of which sees another; positions in no span are zero.
///
/// A query sees the keys of its span up to its own position, or with `both_ways` all of them. `dropout` has a seed for
/// each span.
pub fn attention_packed(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    spans: &[Span],
    both_ways: bool,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    let (batch, time, ..) = q.dims4()?;
    let mut end = 0;
    for (first, length) in spans {
        let whole = *length > 0 && *first >= end && first / time == (first + length - 1) / time;
        end = first + length;
        if !whole || end > batch * time || k.dim(1)? != time {
            bail!("attention: texts {spans:?} in rows {:?}", q.dims());
        }
    }
    let seen = if both_ways { Seen::Text(spans.iter().map(|span| span.1).collect()) } else { Seen::Past };
    attend(q, k, v, seen, dropout, Some(spans.to_vec()))
}

/// As [`attention`], with queries, keys and values side by side as GPT-2's one projection gives them, so that nothing
/// is cut apart and put together again. Shapes: qkv (batch, time, 3 · heads · d), result (batch, time, heads, d).
pub fn attention_fused(qkv: &Tensor, heads: usize, dropout: Option<Dropout>) -> Result<Tensor> {
    let (batch, time, width) = qkv.dims3()?;
    if heads == 0 || width % (3 * heads) != 0 {
        bail!("attention: {width} numbers a position, {heads} heads");
    }
    let (d, row) = (width / 3 / heads, width);
    let side = |part: usize| Side { row, offset: part * heads * d };
    let (q, k, v) = (side(0), side(1), side(2));
    let op = Attention {
        batch,
        time,
        keys: time,
        heads,
        kv_heads: heads,
        d,
        q,
        k,
        v,
        seen: Seen::Past,
        dropout,
        spans: None,
    };
    qkv.contiguous()?.apply_op1(op)
}

fn attend(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    seen: Seen,
    dropout: Option<Dropout>,
    spans: Option<Vec<Span>>,
) -> Result<Tensor> {
    let ((batch, time, heads, d), (b, keys, kv_heads, kd)) = (q.dims4()?, k.dims4()?);
    if b != batch || kd != d || keys < time || kv_heads == 0 || heads % kv_heads != 0 || v.dims() != k.dims() {
        bail!("attention: q {:?}, k {:?}, v {:?} do not fit together", q.dims(), k.dims(), v.dims());
    }
    let side = |heads: usize| Side { row: heads * d, offset: 0 };
    let (at_q, at_k, at_v) = (side(heads), side(kv_heads), side(kv_heads));
    let op = Attention { batch, time, keys, heads, kv_heads, d, q: at_q, k: at_k, v: at_v, seen, dropout, spans };
    q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

/// Which keys a query sees.
enum Seen {
    /// Those up to its own position.
    Past,
    /// Those of its text, whose lengths these are.
    Text(Vec<usize>),
}

/// Where queries, keys or values lie: numbers from one position to the next, and before the first head.
#[derive(Clone, Copy)]
struct Side {
    row: usize,
    offset: usize,
}

struct Attention {
    batch: usize,
    time: usize,
    keys: usize,
    heads: usize,
    kv_heads: usize,
    d: usize,
    q: Side,
    k: Side,
    v: Side,
    seen: Seen,
    dropout: Option<Dropout>,
    /// Where each text lies; none: one in each row, from its start.
    spans: Option<Vec<Span>>,
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

/// Some queries of one head in one text.
#[derive(Clone, Copy)]
struct Block {
    batch: usize,
    head: usize,
    /// The first query, and how many.
    first: usize,
    rows: usize,
    /// How many keys the last of them sees.
    seen: usize,
}

impl Attention {
    /// One head of a text at `side`, `length` positions a text.
    fn at(&self, side: Side, length: usize, batch: usize, head: usize) -> At {
        let first = self.spans.as_ref().map_or(batch * length, |spans| spans[batch].0);
        At { start: first * side.row + side.offset + head * self.d, row: side.row, column: 1 }
    }

    /// How many texts there are.
    fn texts(&self) -> usize {
        self.spans.as_ref().map_or(self.batch, Vec::len)
    }

    /// How many keys of a text there are, padding included.
    fn keys(&self, batch: usize) -> usize {
        self.spans.as_ref().map_or(self.keys, |spans| spans[batch].1)
    }

    /// Positions to the right of a text that belong to no other.
    fn padding(&self, batch: usize) -> std::ops::Range<usize> {
        match &self.spans {
            None => self.queries(batch)..self.time,
            Some(_) => 0..0,
        }
    }

    /// Room for numbers of which those of the texts are written, and with padding all.
    fn output(&self, count: usize) -> Vec<f32> {
        match self.spans {
            None => room(count),
            Some(_) => vec![0f32; count],
        }
    }

    /// The result (time, heads, d) of one head in one text.
    fn out(&self, batch: usize, head: usize) -> At {
        self.at(Side { row: self.heads * self.d, offset: 0 }, self.time, batch, head)
    }

    /// How many queries of a text are no padding.
    fn queries(&self, batch: usize) -> usize {
        match (&self.spans, &self.seen) {
            (Some(spans), _) => spans[batch].1,
            (None, Seen::Past) => self.time,
            (None, Seen::Text(lengths)) => lengths[batch],
        }
    }

    /// The queries of one head in one text, in blocks.
    fn blocks(&self, batch: usize, head: usize) -> impl Iterator<Item = Block> + '_ {
        let queries = self.queries(batch);
        (0..queries).step_by(ROWS).map(move |first| {
            let rows = ROWS.min(queries - first);
            let seen = match self.seen {
                Seen::Past => self.keys - self.time + first + rows,
                Seen::Text(_) => queries,
            };
            Block { batch, head, first, rows, seen }
        })
    }

    /// The weights (rows, seen) of one block of queries; each row sums to one.
    fn weights(&self, q: &[f32], k: &[f32], at_k: At, block: Block, p: &mut [f32]) {
        let Block { first, rows, seen, .. } = block;
        let at_q = self.at(self.q, self.time, block.batch, block.head);
        let at_q = At { start: at_q.start + first * at_q.row, ..at_q };
        let keys = At { start: at_k.start, row: 1, column: at_k.row };
        Gemm { m: rows, n: seen, k: self.d, threads: 1 }.run((p, At::rows(seen)), false, (q, at_q), (k, keys));
        let scale = (self.d as f32).sqrt().recip();
        vectorized!({
            for (i, row) in p[..rows * seen].chunks_exact_mut(seen).enumerate() {
                let visible = match self.seen {
                    Seen::Past => seen - rows + i + 1,
                    Seen::Text(_) => seen,
                };
                let (row, hidden) = row.split_at_mut(visible);
                hidden.fill(0.0);
                row.iter_mut().for_each(|x| *x *= scale);
                let (sum, _) = exp_row(row);
                let inverse = sum.recip();
                row.iter_mut().for_each(|x| *x *= inverse);
            }
        });
    }

    /// Leaves out weights, or their gradients (rows, seen), by dropout; the same ones each time it is asked.
    fn drop(&self, block: Block, p: &mut [f32]) {
        let Some(dropout) = &self.dropout else { return };
        for (i, row) in p[..block.rows * block.seen].chunks_exact_mut(block.seen).enumerate() {
            let place = ((block.head as u64) << 32) + (block.first + i) as u64;
            dropout.apply(block.batch, place, row);
        }
    }

    fn forward_job(&self, job: usize, q: &[f32], k: &[f32], v: &[f32], out: &SharedRows) {
        let (batch, group) = (job / self.kv_heads, job % self.kv_heads);
        let at_k = self.at(self.k, self.keys, batch, group);
        let at_v = self.at(self.v, self.keys, batch, group);
        let mut p = room(ROWS.min(self.time) * self.keys);
        let mut o = room(ROWS.min(self.time) * self.d);
        let padding = vec![0f32; self.d];
        let repeat = self.heads / self.kv_heads;
        for head in group * repeat..(group + 1) * repeat {
            let at_out = self.out(batch, head);
            for block in self.blocks(batch, head) {
                let Block { first, rows, seen, .. } = block;
                self.weights(q, k, at_k, block, &mut p);
                self.drop(block, &mut p);
                let product = Gemm { m: rows, n: self.d, k: seen, threads: 1 };
                product.run((&mut o, At::rows(self.d)), false, (&p, At::rows(seen)), (v, at_v));
                for (i, row) in o.chunks_exact(self.d).take(rows).enumerate() {
                    out.write(at_out.start + (first + i) * at_out.row, row);
                }
            }
            for i in self.padding(batch) {
                out.write(at_out.start + i * at_out.row, &padding);
            }
        }
    }

    fn backward_job(&self, job: usize, inputs: &Inputs, gradients: &Gradients) {
        let Inputs { q, k, v, dy } = *inputs;
        let (batch, group) = (job / self.kv_heads, job % self.kv_heads);
        let at_k = self.at(self.k, self.keys, batch, group);
        let at_v = self.at(self.v, self.keys, batch, group);
        let size = ROWS.min(self.time) * self.keys;
        let (mut p, mut dp) = (room(size), room(size));
        let mut dropped = room(if self.dropout.is_some() { size } else { 0 });
        let mut dq = room(ROWS.min(self.time) * self.d);
        let (mut dk, mut dv) = (vec![0f32; self.keys * self.d], vec![0f32; self.keys * self.d]);
        let padding = vec![0f32; self.d];
        let repeat = self.heads / self.kv_heads;
        for head in group * repeat..(group + 1) * repeat {
            let (at_q, at_out) = (self.at(self.q, self.time, batch, head), self.out(batch, head));
            for block in self.blocks(batch, head) {
                let Block { first, rows, seen, .. } = block;
                let here = At { start: at_q.start + first * at_q.row, ..at_q };
                let dy_here = At { start: at_out.start + first * at_out.row, ..at_out };
                self.weights(q, k, at_k, block, &mut p);
                let used = match &self.dropout {
                    None => &p,
                    Some(_) => {
                        dropped[..rows * seen].copy_from_slice(&p[..rows * seen]);
                        self.drop(block, &mut dropped);
                        &dropped
                    }
                };
                let values = At { start: at_v.start, row: 1, column: at_v.row };
                let score = Gemm { m: rows, n: seen, k: self.d, threads: 1 };
                score.run((&mut dp, At::rows(seen)), false, (dy, dy_here), (v, values));
                let sum = Gemm { m: seen, n: self.d, k: rows, threads: 1 };
                sum.run((&mut dv, At::rows(self.d)), true, (used, At::transposed(seen)), (dy, dy_here));
                self.drop(block, &mut dp);
                self.score_gradients(&p, &mut dp, rows, seen);
                let back = Gemm { m: rows, n: self.d, k: seen, threads: 1 };
                back.run((&mut dq, At::rows(self.d)), false, (&dp, At::rows(seen)), (k, at_k));
                sum.run((&mut dk, At::rows(self.d)), true, (&dp, At::transposed(seen)), (q, here));
                for (i, row) in dq.chunks_exact(self.d).take(rows).enumerate() {
                    gradients.q.write(here.start + i * here.row, row);
                }
            }
            for i in self.padding(batch) {
                gradients.q.write(at_q.start + i * at_q.row, &padding);
            }
        }
        for (i, (dk, dv)) in dk.chunks_exact(self.d).zip(dv.chunks_exact(self.d)).enumerate().take(self.keys(batch)) {
            gradients.k.write(at_k.start + i * at_k.row, dk);
            gradients.v.write(at_v.start + i * at_v.row, dv);
        }
    }

    /// From the gradient of the weights to that of the scores: p * (dp - sum(p * dp)) / sqrt(d).
    fn score_gradients(&self, p: &[f32], dp: &mut [f32], rows: usize, seen: usize) {
        let scale = (self.d as f32).sqrt().recip();
        vectorized!({
            let both = p[..rows * seen].chunks_exact(seen).zip(dp[..rows * seen].chunks_exact_mut(seen));
            for (p, dp) in both {
                let mean = sum2(p, dp, |p, dp| p * dp);
                for (p, dp) in p.iter().zip(dp.iter_mut()) {
                    *dp = p * (*dp - mean) * scale;
                }
            }
        });
    }

    fn forward(&self, q: &[f32], k: &[f32], v: &[f32]) -> (CpuStorage, Shape) {
        let mut out = self.output(self.batch * self.time * self.heads * self.d);
        let shared = SharedRows(out.as_mut_ptr(), out.len());
        (0..self.texts() * self.kv_heads).into_par_iter().for_each(|job| self.forward_job(job, q, k, v, &shared));
        (CpuStorage::F32(out), Shape::from((self.batch, self.time, self.heads, self.d)))
    }

    fn backward(&self, inputs: &Inputs, gradients: &Gradients) {
        let jobs = (0..self.texts() * self.kv_heads).into_par_iter();
        jobs.for_each(|job| self.backward_job(job, inputs, gradients));
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
        Ok(self.forward(q, k, v))
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
        let mut dq = self.output(inputs.q.len());
        let (mut dk, mut dv) = (self.output(inputs.k.len()), self.output(inputs.k.len()));
        let gradients = Gradients {
            q: SharedRows(dq.as_mut_ptr(), dq.len()),
            k: SharedRows(dk.as_mut_ptr(), dk.len()),
            v: SharedRows(dv.as_mut_ptr(), dv.len()),
        };
        self.backward(&inputs, &gradients);
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device()).map(Some);
        Ok((tensor(dq, q)?, tensor(dk, k)?, tensor(dv, v)?))
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention-fused"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let qkv = floats(storage, layout, "attention-fused")?;
        Ok(self.forward(qkv, qkv, qkv))
    }

    fn bwd(&self, qkv: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let (guard, dy_guard) = (qkv.storage_and_layout(), dy.storage_and_layout());
        let (all, dy) = (cpu_floats(&guard, "attention-fused")?, cpu_floats(&dy_guard, "attention-fused")?);
        let mut gradient = room(all.len());
        // Three views of one buffer: the rows of queries, keys and values do not overlap, and together they fill it.
        let view = SharedRows(gradient.as_mut_ptr(), gradient.len());
        let part = || SharedRows(view.0, view.1);
        self.backward(&Inputs { q: all, k: all, v: all, dy }, &Gradients { q: part(), k: part(), v: part() });
        Ok(Some(Tensor::from_vec(gradient, qkv.shape(), qkv.device())?))
    }
}
