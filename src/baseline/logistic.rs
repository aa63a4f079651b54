//! Logistic regression: a weight for each feature and label. With two classes one row of weights tells them apart, with
//! more each has its own (softmax), as in scikit-learn: L2, the intercept free, `C = freedom`.

use super::lbfgs::lowest;
use super::tfidf::SparseRow;
use crate::show::Progress;
use crate::sys::stopped;

/// Most steps of the search, and the slope at which it ends.
const STEPS: usize = 1_000;
const SLOPE: f64 = 1e-8;

/// A trained regression.
#[derive(Clone, Debug)]
pub(super) struct Logistic {
    /// For each output the weights of the features, and last the intercept. One output stands for two classes.
    pub(super) weights: Vec<Vec<f64>>,
    pub(super) converged: bool,
}

impl Logistic {
    /// Learns from rows and their classes, numbers from 0 to `classes - 1`.
    pub(super) fn fit(rows: &[SparseRow], classes: &[usize], count: usize, features: usize, freedom: f64) -> Self {
        let outputs = if count == 2 { 1 } else { count };
        let width = features + 1;
        let decay = 1.0 / (freedom * rows.len() as f64);
        let value = |point: &[f64], slope: &mut [f64]| {
            slope.fill(0.0);
            let mut loss = 0.0;
            let mut scores = vec![0.0; outputs];
            for (row, class) in rows.iter().zip(classes) {
                for (o, score) in scores.iter_mut().enumerate() {
                    *score = score_of(&point[o * width..(o + 1) * width], row);
                }
                loss += pull(&mut scores, *class);
                for (o, pull) in scores.iter().enumerate() {
                    let slope = &mut slope[o * width..(o + 1) * width];
                    row.iter().for_each(|(place, value)| slope[*place as usize] += pull * value);
                    slope[features] += pull;
                }
            }
            let all = rows.len() as f64;
            slope.iter_mut().for_each(|slope| *slope /= all);
            let mut squares = 0.0;
            for (o, weights) in point.chunks(width).enumerate() {
                for (i, weight) in weights[..features].iter().enumerate() {
                    squares += weight * weight;
                    slope[o * width + i] += decay * weight;
                }
            }
            loss / all + 0.5 * decay * squares
        };
        let mut progress = Progress::start(&tr!("Regresión logística", "Logistic regression"), 0);
        let found = lowest(vec![0.0; outputs * width], &value, (STEPS, SLOPE), &mut |step, slope| {
            progress.update(step, &tr!("pasos, pendiente {slope:.1e}", "steps, slope {slope:.1e}"));
            !stopped()
        });
        progress.end("");
        Self { weights: found.point.chunks(width).map(<[f64]>::to_vec).collect(), converged: found.converged }
    }

    /// The probability of each class.
    pub(super) fn probabilities(&self, row: &SparseRow) -> Vec<f64> {
        let scores: Vec<f64> = self.weights.iter().map(|weights| score_of(weights, row)).collect();
        if let [score] = scores.as_slice() {
            let second = 1.0 / (1.0 + (-score).exp());
            return vec![1.0 - second, second];
        }
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let sum: f64 = shares.iter().sum();
        shares.iter().map(|share| share / sum).collect()
    }
}

fn score_of(weights: &[f64], row: &SparseRow) -> f64 {
    let intercept = weights.last().copied().unwrap_or(0.0);
    row.iter().map(|(place, value)| weights[*place as usize] * value).sum::<f64>() + intercept
}

/// The loss of a row of `class`; its scores become what they pull at the weights: probability less truth.
fn pull(scores: &mut [f64], class: usize) -> f64 {
    if let [score] = scores {
        let truth = class as f64;
        // ln(1 + e^x) - y x, without overflow.
        let loss = score.max(0.0) + (-score.abs()).exp().ln_1p() - truth * *score;
        *score = 1.0 / (1.0 + (-*score).exp()) - truth;
        return loss;
    }
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let own = scores[class];
    let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
    scores.iter_mut().for_each(|score| *score = (*score - most).exp() / sum);
    scores[class] -= 1.0;
    most + sum.ln() - own
}
