//! Loops that the compiler turns into vector instructions, chosen for the processor at run time.

/// Runs some code compiled for AVX-512 or for AVX2 where this processor has them, and as it is where not. The results are the
/// same to the bit: the order of every sum is written in the code.
///
/// A macro, because the code must be compiled in place: as a closure with several callers (`pulp::Arch::dispatch` has three)
/// it was not, and kept the instructions that every processor has.
macro_rules! vectorized {
    ($work:expr) => {{
        #[cfg(target_arch = "x86_64")]
        match (pulp::x86::V4::try_new(), pulp::x86::V3::try_new()) {
            (Some(avx512), _) => avx512.vectorize(|| $work),
            (None, Some(avx2)) => avx2.vectorize(|| $work),
            (None, None) => $work,
        }
        #[cfg(not(target_arch = "x86_64"))]
        $work
    }};
}
pub(super) use vectorized;

/// The sum of `f(a, b)` over two slices of one length, in sixteen lanes so that it vectorizes.
///
/// Over arrays, not `chunks_exact`: that one's iterator is not always compiled in place, and then nothing vectorizes.
#[inline(always)]
pub(super) fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0f32; 16];
    let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for i in 0..16 {
            lanes[i] += f(x[i], y[i]);
        }
    }
    let mut sum = 0.0;
    for (x, y) in a_rest.iter().zip(b_rest) {
        sum += f(*x, *y);
    }
    for lane in lanes {
        sum += lane;
    }
    sum
}

/// The largest value (negative infinity for an empty slice).
#[inline(always)]
pub(super) fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (blocks, rest) = a.as_chunks::<16>();
    for x in blocks {
        for i in 0..16 {
            lanes[i] = if x[i] > lanes[i] { x[i] } else { lanes[i] };
        }
    }
    let mut largest = f32::NEG_INFINITY;
    for x in rest.iter().chain(&lanes) {
        largest = if *x > largest { *x } else { largest };
    }
    largest
}

/// `e^x` to about 1e-7 relative (Cephes' polynomial): unlike the library's, a loop over it vectorizes.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // Adding and removing 1.5 * 2^23 rounds to the nearest whole number, which stays in the low bits of `shifted`.
    const SHIFT: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let whole = shifted - SHIFT;
    let r = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let mut p = 1.987_569_2e-4f32;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + c;
    }
    let p = p * r * r + r + 1.0;
    let exponent = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    f32::from_bits(exponent) * p
}

/// Turns scores into `e^(score - largest)` and gives their sum and the largest score.
#[inline(always)]
pub(super) fn exp_row(row: &mut [f32]) -> (f32, f32) {
    let largest = max(row);
    for x in row.iter_mut() {
        *x = exp(*x - largest);
    }
    (sum2(row, row, |x, _| x), largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_right_to_a_few_units_in_the_last_place() {
        for i in -870..=880 {
            let x = i as f32 / 10.0;
            let right = f64::from(x).exp();
            let error = (f64::from(exp(x)) - right).abs() / right;
            assert!(error < 3e-7, "exp({x}) is off by {error:e}");
        }
    }

    #[test]
    fn sums_and_maxima_count_the_rest_of_a_row() {
        let row: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(sum2(&row, &row, |x, _| x), 666.0);
        assert_eq!(max(&row), 36.0);
    }
}
