//! The last steps of a pipeline.

use crate::exercise::{pick, some_numbers, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn answer(logits: &[f64], id2label: &[String]) -> String {
        // ✏️
        String::new()
    }
}

pub mod solution {
    pub fn answer(logits: &[f64], id2label: &[String]) -> String {
        let mut best = 0;
        let mut sum = 0.0;
        for i in 0..logits.len() {
            sum += logits[i].exp();
            if logits[i] > logits[best] {
                best = i;
            }
        }
        let score = logits[best].exp() / sum;
        format!("{} {score:.2}", id2label[best])
    }
}

mod wrong {
    fn best(logits: &[f64]) -> usize {
        (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0)
    }

    pub fn the_logit(logits: &[f64], id2label: &[String]) -> String {
        format!("{} {:.2}", id2label[best(logits)], logits[best(logits)])
    }

    pub fn no_exponential(logits: &[f64], id2label: &[String]) -> String {
        format!("{} {:.2}", id2label[best(logits)], logits[best(logits)] / logits.iter().sum::<f64>())
    }

    pub fn last_label(logits: &[f64], id2label: &[String]) -> String {
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        format!("{} {:.2}", id2label[id2label.len() - 1], logits[best(logits)].exp() / sum)
    }

    pub fn in_percent(logits: &[f64], id2label: &[String]) -> String {
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        format!("{} {:.2}", id2label[best(logits)], 100.0 * logits[best(logits)].exp() / sum)
    }
}

pub const EXERCISE: Exercise = trials!("01f", answer, [the_logit, no_exponential, last_label, in_percent]);

fn draw(rng: &mut Rng) -> Input {
    let labels: &[&str] = pick(rng, &[["NEGATIVE", "POSITIVE"].as_slice(), &["negativo", "neutro", "positivo"]]);
    let logits = some_numbers(rng, (labels.len(), labels.len()), (-3.0, 4.0));
    let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
    vec![logits.into(), labels.into()]
}
