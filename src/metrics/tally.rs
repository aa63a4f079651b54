//! How often each label was right, missed and wrongly given, and the figures that follow from it.

use super::labels::Coded;

/// The figures that a report has, by name.
pub(super) const METRICS: [&str; 12] = [
    "accuracy",
    "macro_f1",
    "micro_f1",
    "weighted_f1",
    "macro_precision",
    "micro_precision",
    "weighted_precision",
    "macro_recall",
    "micro_recall",
    "weighted_recall",
    "samples_f1",
    "hamming_loss",
];

/// Counts over some rows.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) rows: usize,
    /// Rows with exactly the right labels.
    pub(super) exact: usize,
    /// For each label: rows where it was guessed and right, right, guessed.
    pub(super) hit: Vec<usize>,
    pub(super) right: Vec<usize>,
    pub(super) guessed: Vec<usize>,
    /// The sum of each row's own F1.
    samples: f64,
    several: bool,
}

/// `part` of `all`, 0 where there is none: scikit-learn's `zero_division=0`.
fn share(part: f64, all: f64) -> f64 {
    if all > 0.0 {
        part / all
    } else {
        0.0
    }
}

/// A figure of rows whose labels are places among `labels` of them. 0 where there is no such figure.
pub(crate) fn figure_of_places(
    truth: &[Vec<usize>],
    guess: &[Vec<usize>],
    labels: usize,
    several: bool,
    name: &str,
) -> f64 {
    let names = (0..labels).map(|label| label.to_string()).collect();
    let code = |rows: &[Vec<usize>]| rows.iter().map(|row| row.iter().map(|label| *label as u32).collect()).collect();
    let coded = Coded { names, truth: code(truth), guess: code(guess), several };
    Tally::of(&coded, 0..truth.len()).figure(name, &coded.names).unwrap_or(0.0)
}

impl Tally {
    /// Counts over the given rows, which may come more than once.
    pub(super) fn of(coded: &Coded, rows: impl Iterator<Item = usize>) -> Self {
        let zero = vec![0; coded.names.len()];
        let (hit, right, several) = (zero.clone(), zero.clone(), coded.several);
        let mut tally = Self { rows: 0, exact: 0, hit, right, guessed: zero, samples: 0.0, several };
        for row in rows {
            let (truth, guess) = (&coded.truth[row], &coded.guess[row]);
            let mut hits = 0;
            for label in truth {
                tally.right[*label as usize] += 1;
                if guess.contains(label) {
                    tally.hit[*label as usize] += 1;
                    hits += 1;
                }
            }
            guess.iter().for_each(|label| tally.guessed[*label as usize] += 1);
            tally.rows += 1;
            tally.exact += usize::from(truth == guess);
            tally.samples += share(2.0 * f64::from(hits), (truth.len() + guess.len()) as f64);
        }
        tally
    }

    pub(super) fn precision(&self, label: usize) -> f64 {
        share(self.hit[label] as f64, self.guessed[label] as f64)
    }

    pub(super) fn recall(&self, label: usize) -> f64 {
        share(self.hit[label] as f64, self.right[label] as f64)
    }

    pub(super) fn f1(&self, label: usize) -> f64 {
        share(2.0 * self.hit[label] as f64, (self.guessed[label] + self.right[label]) as f64)
    }

    /// The mean over the labels that stand in these rows, right or guessed.
    fn mean(&self, of: fn(&Self, usize) -> f64) -> f64 {
        let there: Vec<usize> = (0..self.hit.len()).filter(|i| self.right[*i] + self.guessed[*i] > 0).collect();
        share(there.iter().map(|label| of(self, *label)).sum(), there.len() as f64)
    }

    /// The mean over labels, each as often as it is right.
    fn weighted(&self, of: fn(&Self, usize) -> f64) -> f64 {
        let sum: f64 = (0..self.hit.len()).map(|label| of(self, label) * self.right[label] as f64).sum();
        share(sum, self.right.iter().sum::<usize>() as f64)
    }

    /// The figure called `name`, one of [`METRICS`] or `f1/LABEL`, `precision/LABEL`, `recall/LABEL`.
    pub(super) fn figure(&self, name: &str, labels: &[String]) -> Option<f64> {
        let sum = |counts: &[usize]| counts.iter().sum::<usize>() as f64;
        let (hit, right, guessed) = (sum(&self.hit), sum(&self.right), sum(&self.guessed));
        Some(match name {
            "accuracy" => share(self.exact as f64, self.rows as f64),
            "macro_f1" => self.mean(Self::f1),
            "macro_precision" => self.mean(Self::precision),
            "macro_recall" => self.mean(Self::recall),
            "weighted_f1" => self.weighted(Self::f1),
            "weighted_precision" => self.weighted(Self::precision),
            "weighted_recall" => self.weighted(Self::recall),
            "micro_f1" => share(2.0 * hit, right + guessed),
            "micro_precision" => share(hit, guessed),
            "micro_recall" => share(hit, right),
            "samples_f1" => share(self.samples, self.rows as f64),
            "hamming_loss" => self.hamming(right + guessed - 2.0 * hit),
            _ => {
                let (kind, label) = name.split_once('/')?;
                let label = labels.iter().position(|known| known == label)?;
                match kind {
                    "f1" => self.f1(label),
                    "precision" => self.precision(label),
                    "recall" => self.recall(label),
                    _ => return None,
                }
            }
        })
    }

    /// The share of wrong decisions: of pairs of row and label, or of rows where each has one label.
    fn hamming(&self, wrong: f64) -> f64 {
        match self.several {
            true => share(wrong, (self.rows * self.hit.len()) as f64),
            false => share((self.rows - self.exact) as f64, self.rows as f64),
        }
    }
}
