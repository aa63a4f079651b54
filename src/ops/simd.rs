//! Loops that the compiler turns into vector instructions, chosen for the processor at run time.

/// Runs `work` compiled for the best instruction set this processor has (AVX2 and FMA where present).
#[inline(always)]
pub(super) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// The sum of `f(a, b)` over two slices of one length, in sixteen lanes so that it vectorizes.
#[inline(always)]
pub(super) fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0f32; 16];
    let (a_blocks, b_blocks) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f32 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| f(*x, *y)).sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for i in 0..16 {
            lanes[i] += f(x[i], y[i]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// The largest value (negative infinity for an empty slice).
#[inline(always)]
pub(super) fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let blocks = a.chunks_exact(16);
    let rest = blocks.remainder().iter().fold(f32::NEG_INFINITY, |m, x| m.max(*x));
    for x in blocks {
        for i in 0..16 {
            lanes[i] = if x[i] > lanes[i] { x[i] } else { lanes[i] };
        }
    }
    lanes.iter().fold(rest, |m, x| m.max(*x))
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
