//! `y = x Wᵀ` for the few rows of `x` that generating a token has: the time is that of reading the weight, once.
//!
//! A general product packs the weight first, which here costs more than the arithmetic, and `gemm` multiplies a single row
//! on one core, which alone cannot draw all that the memory gives.

use rayon::prelude::*;

use super::simd::{sum2, vectorized};

/// Rows of `x` that are few.
pub(super) const FEW: usize = 8;

/// Numbers of the weight that a core reads at a time.
const JOB: usize = 64 * 1024;

/// Writes `x Wᵀ` into `y`, over what is there or added to it. Shapes: x (rows, in), weight (out, in), y (rows, out).
pub(super) fn by_rows(x: &[f32], input: usize, weight: &[f32], y: &mut [f32], add: bool) {
    let rows = x.len() / input;
    if rows == 1 {
        return sums(x, input, weight, y, add);
    }
    let out = y.len() / rows;
    let mut sum = vec![0f32; y.len()]; // (out, rows)
    sums(x, input, weight, &mut sum, false);
    for (r, y) in y.chunks_exact_mut(out).enumerate() {
        for (y, sum) in y.iter_mut().zip(sum.iter().skip(r).step_by(rows)) {
            *y = if add { *y + sum } else { *sum };
        }
    }
}

/// `W xᵀ`: y (out, rows).
fn sums(x: &[f32], input: usize, weight: &[f32], y: &mut [f32], add: bool) {
    let rows = x.len() / input;
    let some = (JOB / input).max(1);
    let job = |(y, weight): (&mut [f32], &[f32])| {
        vectorized!(for i in 0..y.len() {
            let (weight, x) = (&weight[i / rows * input..][..input], &x[i % rows * input..][..input]);
            let sum = sum2(weight, x, |weight, x| weight * x);
            y[i] = if add { y[i] + sum } else { sum };
        });
    };
    match weight.len() > some * input {
        true => y.par_chunks_mut(some * rows).zip(weight.par_chunks(some * input)).for_each(job),
        false => job((y, weight)),
    }
}

/// As [`by_rows`] for a single row, with the weight stored (in, out): each job sums some of its rows, scaled, and the jobs' sums
/// are added in their order, so that the result repeats exactly whatever the threads did.
pub(super) fn by_columns(x: &[f32], weight: &[f32], y: &mut [f32], add: bool) {
    let out = y.len();
    let some = (JOB / out).max(1);
    let job = |(weight, x): (&[f32], &[f32])| {
        let mut sum = vec![0f32; out];
        vectorized!(for (i, x) in x.iter().enumerate() {
            let row = &weight[i * out..][..out];
            for j in 0..out {
                sum[j] += x * row[j];
            }
        });
        sum
    };
    let parts: Vec<Vec<f32>> = match weight.len() > some * out {
        true => weight.par_chunks(some * out).zip(x.par_chunks(some)).map(job).collect(),
        false => vec![job((weight, x))],
    };
    if !add {
        y.fill(0.0);
    }
    for part in &parts {
        y.iter_mut().zip(part).for_each(|(y, part)| *y += part);
    }
}
