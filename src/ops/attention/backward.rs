//! The gradients, from weights that are computed again.

use rayon::prelude::*;

use super::place::{Block, SharedRows};
use super::{Attention, ROWS};
use crate::ops::simd::{sum2, vectorized};
use crate::ops::{room, At, Gemm};

#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) q: &'a [f32],
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) dy: &'a [f32],
}

pub(super) struct Gradients {
    pub(super) q: SharedRows,
    pub(super) k: SharedRows,
    pub(super) v: SharedRows,
    /// (texts, heads, distances), one job's share beside the other's; empty without biases.
    pub(super) bias: SharedRows,
}

impl Attention {
    pub(super) fn backward(&self, inputs: &Inputs, gradients: &Gradients) {
        let jobs = (0..self.texts() * self.kv_heads).into_par_iter();
        jobs.for_each(|job| self.backward_job(job, inputs, gradients));
    }

    fn backward_job(&self, job: usize, inputs: &Inputs, gradients: &Gradients) {
        let Inputs { q, k, v, dy } = *inputs;
        let (batch, group) = (job / self.kv_heads, job % self.kv_heads);
        let at_k = self.at(self.k, self.keys, batch, group);
        let at_v = self.at(self.v, self.keys, batch, group);
        let size = ROWS.min(self.time) * self.keys;
        let (mut p, mut dp) = (room(size), room(size));
        let mut dropped = room(if self.sight.dropout.is_some() { size } else { 0 });
        let mut dq = room(ROWS.min(self.time) * self.d);
        let (mut dk, mut dv) = (vec![0f32; self.keys * self.d], vec![0f32; self.keys * self.d]);
        let mut dbias = vec![0f32; if self.biased { self.distances() } else { 0 }];
        let padding = vec![0f32; self.d];
        let repeat = self.heads / self.kv_heads;
        for head in group * repeat..(group + 1) * repeat {
            let (at_q, at_out) = (self.at(self.q, self.time, batch, head), self.out(batch, head));
            dbias.fill(0.0);
            for block in self.blocks(batch, head) {
                let Block { first, rows, seen, .. } = block;
                let here = At { start: at_q.start + first * at_q.row, ..at_q };
                let dy_here = At { start: at_out.start + first * at_out.row, ..at_out };
                self.weights(q, k, at_k, block, &mut p);
                let used = match &self.sight.dropout {
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
                if self.biased {
                    self.add_by_distance(&dp, block, &mut dbias);
                }
                let back = Gemm { m: rows, n: self.d, k: seen, threads: 1 };
                back.run((&mut dq, At::rows(self.d)), false, (&dp, At::rows(seen)), (k, at_k));
                sum.run((&mut dk, At::rows(self.d)), true, (&dp, At::transposed(seen)), (q, here));
                for (i, row) in dq.chunks_exact(self.d).take(rows).enumerate() {
                    gradients.q.write(here.start + i * here.row, row);
                }
            }
            gradients.bias.write((batch * self.heads + head) * dbias.len(), &dbias);
            for i in self.padding(batch) {
                gradients.q.write(at_q.start + i * at_q.row, &padding);
            }
        }
        for (i, (dk, dv)) in dk.chunks_exact(self.d).zip(dv.chunks_exact(self.d)).enumerate().take(self.keys(batch)) {
            gradients.k.write(at_k.start + i * at_k.row, dk);
            gradients.v.write(at_v.start + i * at_v.row, dv);
        }
    }

    /// From the gradient of the weights to that of the scores: p * (dp - sum(p * dp)) * scale.
    fn score_gradients(&self, p: &[f32], dp: &mut [f32], rows: usize, seen: usize) {
        let scale = self.scale;
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

    /// Adds the gradients of scores (rows, seen) up by distance: those of the biases, scores being multiplied with 1.
    fn add_by_distance(&self, ds: &[f32], block: Block, dbias: &mut [f32]) {
        let Block { first, rows, seen, .. } = block;
        vectorized!({
            for (i, row) in ds[..rows * seen].chunks_exact(seen).enumerate() {
                let sums = &mut dbias[self.first_distance(first + i)..];
                sums.iter_mut().zip(row).for_each(|(sum, ds)| *sum += ds);
            }
        });
    }

    /// Adds up what each text says of the biases: from (texts, heads, distances) to (heads, distances).
    ///
    /// In the order of the texts, so that the sum repeats exactly whatever the threads did.
    pub(super) fn sum_over_texts(&self, parts: &[f32], dbias: &mut [f32]) {
        dbias.fill(0.0);
        for part in parts.chunks_exact(dbias.len().max(1)) {
            dbias.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    }
}
