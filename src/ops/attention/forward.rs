//! Weights of one block of queries after the other, and what they make of the values.

use candle_core::{CpuStorage, Shape};
use rayon::prelude::*;

use super::place::{Block, SharedRows};
use super::{Attention, Seen, ROWS};
use crate::ops::simd::{exp_row, vectorized};
use crate::ops::{room, At, Gemm};

impl Attention {
    pub(super) fn forward(&self, q: &[f32], k: &[f32], v: &[f32]) -> (CpuStorage, Shape) {
        let mut out = self.output(self.query_numbers());
        let shared = SharedRows::of(&mut out);
        (0..self.texts() * self.kv_heads).into_par_iter().for_each(|job| self.forward_job(job, q, k, v, &shared));
        (CpuStorage::F32(out), Shape::from((self.batch, self.time, self.heads, self.d)))
    }

    /// The biases of one head by distance, which lie behind the queries.
    fn biases<'a>(&self, q: &'a [f32], head: usize) -> Option<&'a [f32]> {
        self.biased.then(|| &q[self.query_numbers() + head * self.distances()..][..self.distances()])
    }

    /// The weights (rows, seen) of one block of queries; each row sums to one.
    pub(super) fn weights(&self, q: &[f32], k: &[f32], at_k: At, block: Block, p: &mut [f32]) {
        let Block { first, rows, seen, .. } = block;
        let at_q = self.at(self.q, self.time, block.batch, block.head);
        let at_q = At { start: at_q.start + first * at_q.row, ..at_q };
        let keys = At { start: at_k.start, row: 1, column: at_k.row };
        Gemm { m: rows, n: seen, k: self.d, threads: 1 }.run((p, At::rows(seen)), false, (q, at_q), (k, keys));
        let (scale, biases) = (self.scale, self.biases(q, block.head));
        vectorized!({
            for (i, row) in p[..rows * seen].chunks_exact_mut(seen).enumerate() {
                let visible = match self.sight.seen {
                    Seen::Past => seen - rows + i + 1,
                    Seen::Text(_) | Seen::Other(_) => seen,
                };
                let (row, hidden) = row.split_at_mut(visible);
                hidden.fill(0.0);
                row.iter_mut().for_each(|x| *x *= scale);
                if let Some(biases) = biases {
                    let biases = &biases[self.first_distance(first + i)..];
                    row.iter_mut().zip(biases).for_each(|(x, bias)| *x += bias);
                }
                let (sum, _) = exp_row(row);
                let inverse = sum.recip();
                row.iter_mut().for_each(|x| *x *= inverse);
            }
        });
    }

    /// Leaves out weights, or their gradients (rows, seen), by dropout; the same ones each time it is asked.
    pub(super) fn drop(&self, block: Block, p: &mut [f32]) {
        let Some(dropout) = &self.sight.dropout else { return };
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
}
