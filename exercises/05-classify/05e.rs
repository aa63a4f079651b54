//! The threshold with the best F1.

use crate::exercise::{uniform, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn best_threshold(probabilities: &[f64], truth: &[bool], thresholds: &[f64]) -> f64 {
        // ✏️
        0.0
    }
}

pub mod solution {
    pub fn best_threshold(probabilities: &[f64], truth: &[bool], thresholds: &[f64]) -> f64 {
        let mut best = thresholds[0];
        let mut best_f1 = 0.0;
        for threshold in thresholds {
            let mut found = 0.0;
            let mut wrong = 0.0;
            for i in 0..truth.len() {
                let guess = probabilities[i] >= *threshold;
                if guess && truth[i] {
                    found += 1.0;
                } else if guess != truth[i] {
                    wrong += 1.0;
                }
            }
            let f1 = 2.0 * found / (2.0 * found + wrong);
            if f1 > best_f1 {
                best_f1 = f1;
                best = *threshold;
            }
        }
        best
    }
}

mod wrong {
    /// True positives, false positives, false negatives and true negatives.
    fn counts(probabilities: &[f64], truth: &[bool], threshold: f64) -> [f64; 4] {
        let mut counts = [0.0; 4];
        for (probability, yes) in probabilities.iter().zip(truth) {
            counts[2 * usize::from(*probability < threshold) + usize::from(!*yes)] += 1.0;
        }
        counts
    }

    /// The first threshold for which `good` is greatest.
    fn first_best(thresholds: &[f64], good: impl Fn(f64) -> f64) -> f64 {
        let better = |best: f64, next: &f64| if good(*next) > good(best) { *next } else { best };
        thresholds.iter().fold(thresholds[0], better)
    }

    pub fn f1(probabilities: &[f64], truth: &[bool], threshold: f64) -> f64 {
        let [found, alarms, missed, _] = counts(probabilities, truth, threshold);
        2.0 * found / (2.0 * found + alarms + missed)
    }

    pub fn always_half(_probabilities: &[f64], _truth: &[bool], _thresholds: &[f64]) -> f64 {
        0.5
    }

    pub fn best_accuracy(probabilities: &[f64], truth: &[bool], thresholds: &[f64]) -> f64 {
        first_best(thresholds, |threshold| {
            let [found, _, _, quiet] = counts(probabilities, truth, threshold);
            found + quiet
        })
    }

    pub fn finds_most(probabilities: &[f64], truth: &[bool], thresholds: &[f64]) -> f64 {
        first_best(thresholds, |threshold| counts(probabilities, truth, threshold)[0])
    }

    pub fn the_f1(probabilities: &[f64], truth: &[bool], thresholds: &[f64]) -> f64 {
        f1(probabilities, truth, first_best(thresholds, |threshold| f1(probabilities, truth, threshold)))
    }
}

pub const EXERCISE: Exercise = trials!("05e", best_threshold, [always_half, best_accuracy, finds_most, the_f1]);

fn draw(rng: &mut Rng) -> Input {
    let thresholds = vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.7];
    loop {
        // A rare label: even where it holds the model is not very sure.
        let truth: Vec<bool> = (0..10 + rng.below(3)).map(|i| i < 2 || rng.below(8) == 0).collect();
        let sure = |yes: &bool| if *yes { uniform(rng, 0.12, 0.75) } else { uniform(rng, 0.02, 0.55) };
        let probabilities: Vec<f64> = truth.iter().map(sure).collect();
        let mut scores: Vec<f64> =
            thresholds.iter().map(|threshold| wrong::f1(&probabilities, &truth, *threshold)).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        // Two that are equally good would make two answers right.
        if scores[0] > scores[1] + 0.01 {
            return vec![probabilities.into(), truth.into(), thresholds.into()];
        }
    }
}
