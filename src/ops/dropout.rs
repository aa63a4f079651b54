//! Dropout (Srivastava et al., JMLR 15, 2014) whose chance is a function of a seed and a place, so that nothing is kept.

use candle_core::{bail, CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::simd::vectorized;
use super::{floats, room};

/// How much is left out, and a seed for each text of the batch.
///
/// A number stays or goes by its text's seed and its place in the text alone: not by the padding beside it, nor by how
/// the batch is split over cores. The backward asks again instead of keeping a mask.
#[derive(Clone, Debug)]
pub struct Dropout {
    threshold: u32,
    scale: f32,
    seeds: Vec<u64>,
    /// The first position of each text where a row holds several; empty: each row is a text.
    starts: Vec<usize>,
}

impl Dropout {
    /// Leaves out a share `rate` (0 to less than 1) and multiplies the rest by `1 / (1 - rate)`.
    pub fn new(rate: f64, seeds: Vec<u64>) -> Self {
        let rate = rate.clamp(0.0, 0.999);
        Self {
            threshold: (rate * 4_294_967_296.0) as u32,
            scale: (1.0 / (1.0 - rate)) as f32,
            seeds,
            starts: Vec::new(),
        }
    }

    /// For texts one after the other, of which each begins at a position of its own.
    pub fn starting_at(self, starts: Vec<usize>) -> Self {
        Self { starts, ..self }
    }

    /// Applies it to one row of a text; `place` tells the rows of a text apart.
    pub(super) fn apply(&self, text: usize, place: u64, row: &mut [f32]) {
        let seed = mix(self.seeds.get(text).copied().unwrap_or_default(), place);
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        vectorized!({
            for (i, x) in row.iter_mut().enumerate() {
                let keep = scramble((i as u32).wrapping_mul(0x9e37_79b9) ^ low, high) >= self.threshold;
                *x = if keep { *x * self.scale } else { 0.0 };
            }
        });
    }
}

/// Which text a position belongs to, and its place there: by where each text begins, or where that is not told by rows of `time`.
pub fn text_at(starts: &[usize], position: usize, time: usize) -> (usize, usize) {
    match starts.partition_point(|start| *start <= position) {
        0 => (position / time, position % time),
        after => (after - 1, position - starts[after - 1]),
    }
}

/// One seed from two numbers (the finalizer of SplitMix64, Steele et al., OOPSLA 2014).
pub fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 32 well-mixed bits, in arithmetic that vectorizes (the constants are Wellons' "lowbias32", nullprogram.com/blog/2018/07/31).
#[inline(always)]
fn scramble(mut h: u32, salt: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= (h >> 15) ^ salt;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// Leaves out numbers of `x` (batch, time, d) at random, by `dropout`'s seed of each text.
pub fn dropout(x: &Tensor, dropout: &Dropout) -> Result<Tensor> {
    let (batch, ..) = x.dims3()?;
    let texts = if dropout.starts.is_empty() { batch } else { dropout.starts.len() };
    if texts != dropout.seeds.len() {
        bail!("dropout: {texts} texts, {} seeds", dropout.seeds.len());
    }
    x.contiguous()?.apply_op1(Apply(dropout.clone()))
}

struct Apply(Dropout);

impl CustomOp1 for Apply {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = floats(storage, layout, "dropout")?;
        let (_, time, d) = layout.shape().dims3()?;
        let mut y = room(x.len());
        y.par_chunks_mut(d).zip(x.par_chunks(d)).enumerate().with_min_len(32).for_each(|(row, (y, x))| {
            y.copy_from_slice(x);
            let (text, place) = text_at(&self.0.starts, row, time);
            self.0.apply(text, place as u64, y);
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(dy.contiguous()?.apply_op1_no_bwd(&Apply(self.0.clone()))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_asked_share_is_left_out_and_the_mean_stays() {
        let dropout = Dropout::new(0.1, vec![7, 8]);
        let (mut kept, mut sum) = (0usize, 0f64);
        for place in 0..400 {
            let mut row = [1f32; 256];
            dropout.apply(1, place, &mut row);
            kept += row.iter().filter(|x| **x != 0.0).count();
            sum += row.iter().map(|x| f64::from(*x)).sum::<f64>();
        }
        let all = 400.0 * 256.0;
        assert!((kept as f64 / all - 0.9).abs() < 0.005, "{kept} of {all} stay");
        assert!((sum / all - 1.0).abs() < 0.006, "mean {}", sum / all);
    }

    #[test]
    fn texts_places_and_columns_differ_and_the_same_seed_repeats() {
        let row = |seed: u64, place: u64| {
            let mut row = [1f32; 512];
            Dropout::new(0.5, vec![seed]).apply(0, place, &mut row);
            row
        };
        assert_eq!(row(1, 2), row(1, 2));
        for (a, b) in [(row(1, 2), row(1, 3)), (row(1, 2), row(2, 2)), (row(1, 2), row(2, 1))] {
            let same = a.iter().zip(&b).filter(|(a, b)| a == b).count();
            assert!((180..332).contains(&same), "{same} of 512 agree");
        }
    }
}
