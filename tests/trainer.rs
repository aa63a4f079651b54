//! The same fine-tuning as transformers' Trainer, from the same weights and on the same rows: does it learn as much?
//!
//! `tests/peers/trainer.py` says how to make its side; then
//! `cargo test --release --test trainer -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use aula::classifier::Classifier;
use aula::metrics::{classification_report, guesses};
use aula::schedule::Schedule;
use aula::train::{fine_tune, TrainConfig};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The texts and labels of a part of a run's rows.
fn rows(run: &Value, part: &str) -> (Vec<String>, Vec<String>) {
    serde_json::from_value::<Vec<(String, String)>>(run[part].clone()).unwrap().into_iter().unzip()
}

/// Macro-F1 of the Trainer in `folder`, and ours.
fn both(folder: &Path) -> (f64, f64) {
    let run: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("run.json")).unwrap()).unwrap();
    let number = |name: &str| run[name].as_u64().unwrap() as usize;
    let ((texts, labels), (test, truth)) = (rows(&run, "train"), rows(&run, "test"));
    let mut model = Classifier::load(&folder.to_string_lossy()).unwrap();
    let data = model.dataset(&texts, &labels, number("max_tokens")).unwrap();
    let valid = model.dataset(&texts[..8], &labels[..8], number("max_tokens")).unwrap();
    let config = TrainConfig {
        epochs: number("epochs"),
        batch_size: number("batch_size"),
        learning_rate: run["learning_rate"].as_f64().unwrap(),
        warmup_ratio: 0.0,
        schedule: Schedule::Linear,
        weight_decay: 0.0,
        patience: 0,
        ..TrainConfig::default()
    };
    fine_tune(&mut model, &data, &valid, &config).unwrap();
    let ours = classification_report(&truth, &guesses(&model.predict_all(&test).unwrap())).unwrap().macro_f1;
    (run["macro_f1"].as_f64().unwrap(), ours)
}

#[test]
#[ignore = "needs what tests/peers/trainer.py makes"]
fn we_learn_as_much_as_transformers_trainer() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tmp/trainer");
    let pairs: Vec<(f64, f64)> = ["1", "2", "3"].iter().map(|seed| both(&folder.join(seed))).collect();
    pairs.iter().for_each(|(theirs, ours)| println!("macro-F1: Trainer {theirs:.3}, aula {ours:.3}"));
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
    let (theirs, ours) = (mean(|pair| pair.0), mean(|pair| pair.1));
    println!("mean of {}: Trainer {theirs:.3}, aula {ours:.3}", pairs.len());
    assert!(ours > theirs - 0.02, "Trainer {theirs:.3}, aula {ours:.3}");
}
