//! T5, T5 1.1 and mT5 against transformers, on tiny random models, and beams against its `generate`.
//!
//! The reference numbers come from `tests/fixtures/t5/make.py` and `tests/fixtures/beams/make.py`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use std::collections::HashMap;

use aula::dataset::Batch;
use aula::generate::GenerateConfig;
use aula::language_model::{LanguageModel, LoraConfig};
use aula::ops::IGNORE;
use aula::seq2seq::Seq2Seq;
use aula::train::{fine_tune, TrainConfig, Trainable};
use candle_core::Tensor;
use reference::{difference, expected, fixture, floats, path, rows, texts};
use serde_json::Value;

const ALL: [&str; 3] = ["t5/relu", "t5/gated", "t5/mt5"];

fn load(name: &str) -> Seq2Seq {
    Seq2Seq::load(&path(name)).unwrap()
}

/// Each text's target, without what fills it up.
fn targets(expected: &HashMap<String, Tensor>) -> Vec<Vec<u32>> {
    let width = expected["labels"].dim(1).unwrap();
    let real = |row: &[f64]| row.iter().filter(|label| **label >= 0.0).map(|label| *label as u32).collect();
    floats(&expected["labels"]).chunks(width).map(real).collect()
}

fn batch(sources: &[Vec<u32>], targets: &[Vec<u32>]) -> Batch {
    Batch::labelled(&sources.iter().map(Vec::as_slice).collect::<Vec<_>>(), targets, &[], false).unwrap()
}

fn padded(expected: &HashMap<String, Tensor>) -> Batch {
    batch(&texts(expected), &targets(expected))
}

fn equals_transformers(name: &str) {
    let (model, expected) = (load(name), expected(name));
    let both = model.logits(&padded(&expected)).unwrap();
    for (row, (source, target)) in texts(&expected).iter().zip(targets(&expected)).enumerate() {
        let theirs = expected["logits"].get(row).unwrap().narrow(0, 0, target.len()).unwrap();
        let mine = both.get(row).unwrap().narrow(0, 0, target.len()).unwrap();
        let off = difference(&mine, &theirs);
        assert!(off < 1e-4, "{name}, row {row}: off by {off}");
        let by_itself = model.logits(&batch(std::slice::from_ref(source), &[target])).unwrap().get(0).unwrap();
        // Fewer rows are summed in another order: equal but for rounding, which goes with the size of the numbers.
        let (moved, largest) = (difference(&by_itself, &mine), difference(&mine, &mine.zeros_like().unwrap()));
        assert!(moved < 1e-5 * largest.max(1.0), "{name}, row {row}: padding moves it by {moved} of {largest}");
    }
    let single = batch(&rows(&expected["single_input_ids"]), &[targets(&expected)[0][..5].to_vec()]);
    assert!(difference(&model.logits(&single).unwrap(), &expected["single_logits"]) < 1e-4, "{name}");
    reference::loss_and_gradients_equal(&model, &padded(&expected), &expected);
    reference::twenty_steps_follow(&model, &padded(&expected), &expected);
}

#[test]
fn t5_equals_transformers() {
    equals_transformers("t5/relu");
}

#[test]
fn t5_with_a_gate_and_a_head_of_its_own_equals_transformers() {
    equals_transformers("t5/gated");
}

#[test]
fn mt5_equals_transformers() {
    equals_transformers("t5/mt5");
}

/// The settings of a fixture's generation, and what was given and written.
fn told(told: &Value) -> (GenerateConfig, Vec<u32>, Vec<u32>) {
    let settings = &told["settings"];
    let whole = |name: &str, default: u64| settings[name].as_u64().unwrap_or(default) as usize;
    let number = |name: &str| settings[name].as_f64().unwrap_or(1.0);
    let ids = |name: &str| told[name].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
    let config = GenerateConfig {
        max_tokens: whole("max_new_tokens", 0),
        temperature: 0.0,
        num_beams: whole("num_beams", 1),
        no_repeat_ngram_size: whole("no_repeat_ngram_size", 0),
        length_penalty: number("length_penalty"),
        repetition_penalty: number("repetition_penalty"),
        ..Default::default()
    };
    (config, ids("prompt"), ids("tokens"))
}

fn generations(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(name).join("generation.json")).unwrap()).unwrap()
}

#[test]
fn greedy_and_beams_write_what_generate_of_transformers_writes() {
    for name in ALL {
        let model = load(name);
        let all = generations(name);
        assert!(all.as_array().unwrap().len() > 40);
        for one in all.as_array().unwrap() {
            let (config, prompt, tokens) = told(one);
            assert_eq!(model.generate_ids(&prompt, &config).unwrap(), tokens, "{name}: {one}");
        }
    }
}

#[test]
fn decoders_search_with_beams_as_generate_of_transformers_does() {
    let all = generations("beams");
    for name in ["gpt2", "llama", "qwen3"] {
        let home = tempfile::tempdir().unwrap();
        for file in ["model.safetensors", "tokenizer.json"] {
            std::fs::copy(fixture(name).join(file), home.path().join(file)).unwrap();
        }
        let config = std::fs::read_to_string(fixture(name).join("config.json")).unwrap();
        let mut config: Value = serde_json::from_str(&config).unwrap();
        config["eos_token_id"] = all["ends"].clone();
        std::fs::write(home.path().join("config.json"), config.to_string()).unwrap();
        let model = LanguageModel::load(&home.path().to_string_lossy()).unwrap();
        for one in all[name].as_array().unwrap() {
            let (config, prompt, tokens) = told(one);
            assert_eq!(model.generate_ids(&prompt, &config).unwrap(), tokens, "{name}: {one}");
        }
    }
}

#[test]
fn sampling_repeats_by_its_seed_and_beams_do_not_depend_on_it() {
    let model = load("t5/relu");
    let write = |seed, num_beams| {
        let config = GenerateConfig { seed, num_beams, temperature: 1.5, max_tokens: 12, ..Default::default() };
        model.generate_ids(&[7, 8, 9, 2], &config).unwrap()
    };
    assert_eq!(write(1, 1), write(1, 1));
    assert!((2..12).any(|seed| write(seed, 1) != write(1, 1)));
    assert_eq!(write(1, 4), write(2, 4));
}

/// Texts whose other text is one of its words, which a tiny model learns to pick.
fn pairs() -> (Vec<String>, Vec<String>) {
    let words = ["perro", "gato", "luna", "niña"];
    let source = |i: usize| format!("El {} duerme en la cama.", words[i % 4]);
    ((0..48).map(source).collect(), (0..48).map(|i| format!("la {}", words[i % 4])).collect())
}

#[test]
fn it_learns_pairs_of_texts_by_adapters_and_saves_them() {
    for name in ALL {
        let mut model = load(name);
        model.add_lora(&LoraConfig { rank: 16, alpha: 32.0, ..Default::default() }).unwrap();
        model.add_lora(&LoraConfig { rank: 16, alpha: 32.0, ..Default::default() }).unwrap(); // replaced, not stacked
        reference::adapters_learn(&model, &padded(&expected(name)), &[]);
        let (sources, others) = pairs();
        let data = model.dataset(&sources, &others, 24, 12).unwrap();
        let (train, valid) = data.split(0.8, 1).unwrap();
        let before = model.evaluate(&valid).unwrap().loss;
        let config = TrainConfig { epochs: 12, learning_rate: 2e-2, batch_size: 8, ..Default::default() };
        let history = fine_tune(&mut model, &train, &valid, &config).unwrap();
        assert_eq!(history.moved, history.trainable, "{name}");
        let after = model.evaluate(&valid).unwrap().loss;
        assert!(after < before - 1.0, "{name}: loss {before} to {after}");

        let logits = |model: &Seq2Seq| model.logits(&padded(&expected(name))).unwrap();
        let place = |what: &str| format!("{}/{}-{what} ñ", env!("CARGO_TARGET_TMPDIR"), name.replace('/', "-"));
        model.save_adapter(&place("adapter")).unwrap(); // for tests/peers/open_seq2seq.py
        let mut again = load(name);
        again.load_adapter(&place("adapter")).unwrap();
        assert!(difference(&logits(&again), &logits(&model)) < 1e-6, "{name}");
        let saved = place("pairs"); // for tests/peers/open_seq2seq.py
        model.save(&saved).unwrap();
        let kept: HashMap<String, Tensor> = [("logits".to_string(), logits(&model))].into();
        candle_core::safetensors::save(&kept, format!("{saved}.safetensors")).unwrap();
        let again = Seq2Seq::load(&saved).unwrap();
        assert!(difference(&logits(&again), &logits(&model)) < 1e-4, "{name}");
        let names = |folder: &std::path::Path| aula::hub::load_weights(folder).unwrap().into_keys().collect::<Vec<_>>();
        assert_eq!(names(std::path::Path::new(&saved)), names(&fixture(name)), "{name}");
        let apart = logits(&model);
        model.merge_lora().unwrap();
        assert!(difference(&logits(&model), &apart) < 1e-4, "{name}");
    }
}

#[test]
fn all_weights_learn_and_the_text_that_comes_out_is_another_one() {
    let mut model = load("t5/relu");
    let (sources, others) = pairs();
    let data = model.dataset(&sources, &others, 24, 12).unwrap();
    let (train, valid) = data.split(0.8, 1).unwrap();
    let config = TrainConfig { epochs: 20, learning_rate: 1e-2, batch_size: 8, ..Default::default() };
    let history = fine_tune(&mut model, &train, &valid, &config).unwrap();
    assert_eq!(history.moved, history.trainable);
    for num_beams in [1, 4] {
        let config = GenerateConfig { temperature: 0.0, num_beams, max_tokens: 12, ..Default::default() };
        let texts = model.generate_all(&[&sources[0], &sources[2]], &config).unwrap();
        assert_eq!(texts[0].text.trim(), others[0], "{num_beams} beams");
        assert_eq!(texts[1].text.trim(), others[2], "{num_beams} beams");
        assert!(texts[0].ended && texts[0].full_text() == texts[0].text);
        assert!(texts[0].to_string().contains("→"), "{}", texts[0]);
    }
}

#[test]
fn a_step_on_parts_of_a_batch_is_the_step_on_the_whole() {
    let (model, expected) = (load("t5/relu"), expected("t5/relu"));
    let whole = padded(&expected);
    let sum: f64 = whole
        .shards(2)
        .unwrap()
        .iter()
        .map(|part| floats(&model.loss(part, true).unwrap())[0] * part.counted() as f64)
        .sum();
    assert!((sum / whole.counted() as f64 - floats(&expected["loss"])[0]).abs() < 1e-5);
    let labels = whole.labels.iter().filter(|label| **label == IGNORE).count();
    assert_eq!(labels, 2, "the shorter target is filled up");
}

#[test]
fn dropout_repeats_by_its_seed_and_does_not_see_the_padding_or_the_split() {
    for name in ALL {
        let home = tempfile::tempdir().unwrap();
        for file in ["config.json", "tokenizer.json", "model.safetensors"] {
            std::fs::copy(fixture(name).join(file), home.path().join(file)).unwrap();
        }
        let config = std::fs::read_to_string(home.path().join("config.json")).unwrap();
        let config = config.replace("\"dropout_rate\": 0.0", "\"dropout_rate\": 0.2");
        std::fs::write(home.path().join("config.json"), config).unwrap();
        let model = Seq2Seq::load(&home.path().to_string_lossy()).unwrap();
        let mut batch = padded(&expected(name));
        let loss = |batch: &Batch| floats(&model.loss(batch, true).unwrap())[0];
        let first = loss(&batch);
        assert_eq!(first, loss(&batch), "{name}: the same seed");
        let parts = batch.shards(2).unwrap();
        let sum: f64 = parts.iter().map(|part| loss(part) * part.counted() as f64).sum();
        assert!((sum / batch.counted() as f64 - first).abs() < 1e-5, "{name}");
        batch.seeds = vec![11, 12];
        assert!((loss(&batch) - first).abs() > 1e-3, "{name}: another seed");
        let quiet = |model: &Seq2Seq| floats(&model.loss(&batch, false).unwrap())[0];
        assert_eq!(quiet(&model), quiet(&load(name)), "{name}: measuring leaves nothing out");
    }
}

#[test]
fn what_cannot_be_done_is_told() {
    let model = load("t5/relu");
    let texts = vec!["el gato".to_string(); 3];
    let error = model.dataset(&texts, &texts[..2], 20, 20).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains('3') && error.contains('2') && error.contains("→"), "{error}");
    let wrong = GenerateConfig { num_beams: 0, ..Default::default() };
    assert!(model.generate("el gato", &wrong).unwrap_err().to_string().contains("num_beams"));
    let error = Seq2Seq::load(&path("llama")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("llama") && error.contains("t5") && error.contains("→"), "{error}");
    let error = LanguageModel::load(&path("t5/relu")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("\"t5\"") && error.contains("qwen2"), "{error}");
}
