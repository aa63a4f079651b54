//! Differentiable building blocks for candle: fused, multi-threaded, each with its own backward.
//!
//! candle's own fused ops (`candle_nn::RmsNorm`, `rope`, `softmax_last_dim`, `sdpa`) cut the gradient without a word,
//! and the same formulas written with basic ops make many temporaries, which cost more than the arithmetic on a CPU.
//! Every op here works on float32 on the CPU; each is tested against finite differences and the composite form.

mod activation;
mod adamw;
mod attention;
mod collect;
mod cross_entropy;
mod dropout;
mod embedding;
mod few_rows;
mod half;
mod layer_norm;
mod linear;
mod relative;
mod rms_norm;
mod rope;
mod simd;
mod softmax;
mod swiglu;

pub use self::half::linear_half;
pub use activation::{activate, Activation, ACTIVATIONS};
pub use adamw::{adamw_step, adamw_step_of_rows, add_gradient, fingerprint, gradient_norm, AdamWStep};
pub use attention::{
    attention, attention_across, attention_by_distance, attention_fused, attention_packed, attention_within, Span,
};
pub use collect::{backward, backward_part, Sums};
pub use cross_entropy::{linear_cross_entropy, Wanted, IGNORE};
pub use dropout::{dropout, mix, text_at, Dropout};
pub use embedding::{add_rows, distinct, embedding};
pub use layer_norm::{layer_norm, layer_norm_add};
pub use linear::{linear, linear_activated, linear_add, linear_to, Affine};
pub use relative::{by_distance, Of};
pub use rms_norm::rms_norm;
pub use rope::{rope, rope_at, RopeTable};
pub use softmax::attention_weights;
pub use swiglu::swiglu;

use candle_core::{bail, CpuStorage, Layout, Result};

/// The values of a contiguous float32 tensor.
fn floats<'a>(storage: &'a CpuStorage, layout: &Layout, op: &'static str) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("{op} needs contiguous tensors"),
    }
}

/// `dst (m, n) = alpha * dst + lhs (m, k) * rhs (k, n)`, each matrix a slice with its row and column stride.
struct Gemm {
    m: usize,
    n: usize,
    k: usize,
    threads: usize,
}

/// A matrix inside a slice: where it starts and the strides of its rows and columns, in numbers.
#[derive(Clone, Copy)]
struct At {
    start: usize,
    row: usize,
    column: usize,
}

impl At {
    fn rows(row: usize) -> Self {
        Self { start: 0, row, column: 1 }
    }

    fn transposed(row: usize) -> Self {
        Self { start: 0, row: 1, column: row }
    }

    fn last(&self, rows: usize, columns: usize) -> usize {
        self.start + rows.saturating_sub(1) * self.row + columns.saturating_sub(1) * self.column
    }
}

impl Gemm {
    /// Each matrix is a slice and where it lies in it; `add` keeps what is in `dst`.
    fn run(&self, dst: (&mut [f32], At), add: bool, lhs: (&[f32], At), rhs: (&[f32], At)) {
        let ((dst, d), (lhs, l), (rhs, r)) = (dst, lhs, rhs);
        let Gemm { m, n, k, threads } = *self;
        if m == 0 || n == 0 {
            return;
        }
        assert!(d.last(m, n) < dst.len() && (k == 0 || l.last(m, k) < lhs.len() && r.last(k, n) < rhs.len()));
        let parallelism = match threads {
            1 => gemm::Parallelism::None,
            threads => gemm::Parallelism::Rayon(threads),
        };
        // SAFETY: the assertion above keeps every element of the three matrices inside its slice; dst is borrowed
        // alone, and its strides address each element once.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                dst.as_mut_ptr().add(d.start),
                d.column as isize,
                d.row as isize,
                add,
                lhs.as_ptr().add(l.start),
                l.column as isize,
                l.row as isize,
                rhs.as_ptr().add(r.start),
                r.column as isize,
                r.row as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
    }
}

/// Room for `count` numbers that the caller overwrites, every one, before anybody reads them.
///
/// Zeroing them first costs a pass over memory per op, a tenth of a training step.
fn room(count: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(count);
    // SAFETY: any bits are a valid f32, the capacity is there, and every caller writes all `count` numbers:
    // a product with `add` false, or a loop over the whole slice.
    #[allow(clippy::uninit_vec)]
    unsafe {
        values.set_len(count);
    }
    values
}

/// How many threads an op of `work` multiply-adds deserves: small ones are quicker on one.
fn threads_for(work: usize) -> usize {
    match work < 100_000 {
        true => 1,
        false => rayon::current_num_threads(),
    }
}

/// The values of a contiguous float32 tensor that is held by its guard.
fn cpu_floats<'a, G>(guard: &'a (G, &'a Layout), op: &'static str) -> Result<&'a [f32]>
where
    G: std::ops::Deref<Target = candle_core::Storage>,
{
    match &*guard.0 {
        candle_core::Storage::Cpu(storage) => floats(storage, guard.1, op),
        _ => bail!("{op} works on the CPU only"),
    }
}
