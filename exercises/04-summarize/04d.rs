//! The sentence nearest to the middle of a text.

use crate::exercise::{Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn central(counts: &[Vec<u32>]) -> usize {
        // ✏️
        0
    }
}

pub mod solution {
    pub fn central(counts: &[Vec<u32>]) -> usize {
        let mut best = 0;
        let mut nearest = f64::INFINITY;
        for i in 0..counts.len() {
            let mut distance = 0.0;
            for word in 0..counts[i].len() {
                let mut sum = 0.0;
                for row in counts {
                    sum += row[word] as f64;
                }
                let difference = counts[i][word] as f64 - sum / counts.len() as f64;
                distance += difference * difference;
            }
            if distance < nearest {
                nearest = distance;
                best = i;
            }
        }
        best
    }
}

mod wrong {
    /// How far each sentence is from the mean, its differences taken as `each` says.
    pub fn distances(counts: &[Vec<u32>], each: fn(f64) -> f64) -> Vec<f64> {
        let mean = |word: usize| counts.iter().map(|row| f64::from(row[word])).sum::<f64>() / counts.len() as f64;
        let far = |row: &Vec<u32>| row.iter().enumerate().map(|(i, count)| each(f64::from(*count) - mean(i))).sum();
        counts.iter().map(far).collect()
    }

    fn least(values: &[f64]) -> usize {
        (0..values.len()).fold(0, |best, i| if values[i] < values[best] - 1e-9 { i } else { best })
    }

    pub fn farthest(counts: &[Vec<u32>]) -> usize {
        least(&distances(counts, |difference| -difference * difference))
    }

    pub fn longest(counts: &[Vec<u32>]) -> usize {
        let words: Vec<f64> = counts.iter().map(|row| -f64::from(row.iter().sum::<u32>())).collect();
        least(&words)
    }

    pub fn signs_kept(counts: &[Vec<u32>]) -> usize {
        least(&distances(counts, |difference| difference))
    }
}

pub const EXERCISE: Exercise = trials!("04d", central, [farthest, longest, signs_kept]);

fn draw(rng: &mut Rng) -> Input {
    loop {
        let (sentences, words) = (4 + rng.below(3), 4 + rng.below(3));
        let counts: Vec<Vec<u32>> = (0..sentences).map(|_| (0..words).map(|_| rng.below(3) as u32).collect()).collect();
        let mut distances = wrong::distances(&counts, |difference| difference * difference);
        distances.sort_by(f64::total_cmp);
        // Two that are equally near would make two answers right.
        if distances[1] > distances[0] + 0.01 {
            return vec![counts.into()];
        }
    }
}
