//! GPT-2, Qwen2, Qwen3 and Llama with scaled rotations against transformers, on tiny random models; and adapters of
//! peft, on them, on classifiers and on T5.
//!
//! The reference numbers come from the `make.py` of each folder in `tests/fixtures`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use std::collections::HashMap;

use aula::classifier::Classifier;
use aula::dataset::Batch;
use aula::error::ErrorKind;
use aula::generate::GenerateConfig;
use aula::hub::load_weights;
use aula::language_model::{LanguageModel, LoraConfig};
use aula::seq2seq::Seq2Seq;
use aula::train::Trainable;
use candle_core::Tensor;
use reference::{
    adapters_learn, causal_batch, difference, expected, fixture, floats, lengths, path, rows, tensors, texts,
};
use serde_json::json;

const ALL: [&str; 5] = ["gpt2", "qwen2", "qwen3", "llama-rope/llama3", "llama-rope/linear"];

fn load(name: &str) -> LanguageModel {
    LanguageModel::load(&path(name)).unwrap()
}

/// Every test of equality, on one fixture.
fn equals_transformers(name: &str) {
    let (model, expected) = (load(name), expected(name));
    let single = model.logits_of(&rows(&expected["single_input_ids"])[0]).unwrap();
    assert!(difference(&single, &expected["single_logits"].squeeze(0).unwrap()) < 1e-4);
    for (row, (text, length)) in texts(&expected).iter().zip(lengths(&expected)).enumerate() {
        let theirs = expected["logits"].get(row).unwrap().narrow(0, 0, length).unwrap();
        let off = difference(&model.logits_of(text).unwrap(), &theirs);
        assert!(off < 1e-4, "row {row} is off by {off}");
    }
    reference::loss_and_gradients_equal(&model, &causal_batch(&expected), &expected);
    reference::twenty_steps_follow(&model, &causal_batch(&expected), &expected);
}

#[test]
fn gpt2_equals_transformers() {
    equals_transformers("gpt2");
}

#[test]
fn qwen2_equals_transformers() {
    equals_transformers("qwen2");
}

#[test]
fn qwen3_equals_transformers() {
    equals_transformers("qwen3");
}

#[test]
fn llama_with_the_rotation_of_llama3_equals_transformers() {
    equals_transformers("llama-rope/llama3");
}

#[test]
fn llama_with_a_linear_rotation_and_biases_equals_transformers() {
    equals_transformers("llama-rope/linear");
}

#[test]
fn padding_beside_a_text_moves_nothing() {
    for name in ALL.into_iter().chain(["llama"]) {
        let model = load(name);
        let all = texts(&expected(name));
        let long: Vec<u32> = (0..40).map(|i| 4 + i * 7 % 90).collect();
        let short = aula::dataset::Batch::new(&[&all[1]]).unwrap();
        let loss = |batch| reference::floats(&model.loss(batch, true).unwrap())[0];
        let alone = loss(&short);
        let mut padded = aula::dataset::Batch::new(&[&all[1], &long]).unwrap();
        let at = padded.lengths[0];
        padded.labels.iter_mut().skip(at).for_each(|label| *label = aula::ops::IGNORE);
        assert!((loss(&padded) - alone).abs() < 1e-6, "{name}");
    }
}

#[test]
fn adapters_learn_on_every_projection_of_every_family() {
    for name in ALL {
        let mut model = load(name);
        model.add_lora(&LoraConfig::default()).unwrap();
        model.add_lora(&LoraConfig::default()).unwrap(); // run again: replaced, not stacked
        adapters_learn(&model, &causal_batch(&expected(name)), &[]);
        let row = rows(&expected(name)["single_input_ids"])[0].clone();
        let apart = model.logits_of(&row).unwrap();
        model.merge_lora().unwrap();
        assert!(difference(&model.logits_of(&row).unwrap(), &apart) < 1e-4, "{name}");
    }
}

#[test]
fn a_saved_model_opens_again_with_the_same_logits() {
    for name in ALL {
        let mut model = load(name);
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("mi modelo ñ");
        model.add_lora(&LoraConfig::default()).unwrap();
        adapters_learn(&model, &causal_batch(&expected(name)), &[]);
        model.save(&folder.to_string_lossy()).unwrap();
        let again = LanguageModel::load(&folder.to_string_lossy()).unwrap();
        let row = rows(&expected(name)["single_input_ids"])[0].clone();
        assert!(difference(&again.logits_of(&row).unwrap(), &model.logits_of(&row).unwrap()) < 1e-4, "{name}");
        let names = |folder| load_weights(folder).unwrap().into_keys().collect::<Vec<_>>();
        assert_eq!(names(&folder), names(&fixture(name)), "{name}");
    }
}

#[test]
fn generation_with_the_cache_says_what_the_whole_text_would() {
    for name in ALL {
        let model = load(name);
        let config = GenerateConfig { temperature: 0.0, max_tokens: 12, ..Default::default() };
        let mut ids = model.tokenizer().encode("el gato").unwrap();
        let told = model.generate("el gato", &config).unwrap();
        for _ in 0..told.tokens {
            let logits = model.logits_of(&ids).unwrap();
            let last: Vec<f32> = logits.get(ids.len() - 1).unwrap().to_vec1().unwrap();
            ids.push((0..last.len()).max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap() as u32);
        }
        assert_eq!(told.full_text(), model.tokenizer().decode(&ids).unwrap(), "{name}");
    }
}

#[test]
fn an_adapter_of_peft_on_conv1d_gives_pefts_logits_and_gradients() {
    let mut model = load("gpt2");
    let modules = ["c_attn", "c_proj", "c_fc"].map(String::from).to_vec();
    model
        .add_lora(&LoraConfig { rank: 4, alpha: 6.0, target_modules: modules, seed: 1, ..LoraConfig::default() })
        .unwrap();
    let (adapters, expected) = (tensors("gpt2-lora", "adapter_model.safetensors"), expected("gpt2-lora"));
    let mut set = 0;
    for param in model.params().into_iter().filter(|param| param.trainable) {
        param.set(&adapters[&format!("base_model.model.{}", param.name)]).unwrap();
        set += 1;
    }
    assert_eq!(set, adapters.len());
    let row = rows(&expected["input_ids"])[0].clone();
    let unmerged = model.logits_of(&row).unwrap();
    assert!(difference(&unmerged, &expected["logits"].squeeze(0).unwrap()) < 1e-4);
    let batch = aula::dataset::Batch::new(&[&row]).unwrap();
    let gradients = model.loss(&batch, true).unwrap().backward().unwrap();
    for param in model.params().into_iter().filter(|param| param.trainable) {
        let theirs = &expected[&format!("grad.base_model.model.{}", param.name)];
        let error = reference::relative(gradients.get(param.var()).unwrap(), theirs);
        assert!(error < 1e-3, "{} is off by {error}", param.name);
    }
    model.merge_lora().unwrap();
    assert!(difference(&model.logits_of(&row).unwrap(), &unmerged) < 1e-4);
}

#[test]
fn adapters_are_read_and_written_as_peft_does() {
    for (base, adapter, conv1d) in [("gpt2", "gpt2-lora", true), ("llama", "llama-lora", false)] {
        let expected = expected(adapter);
        let row = rows(&expected["input_ids"])[0].clone();
        let equals = |model: &LanguageModel| {
            let off = difference(&model.logits_of(&row).unwrap(), &expected["logits"].squeeze(0).unwrap());
            assert!(off < 1e-4, "{adapter} is off by {off}");
        };
        let mut model = load(base);
        model.add_lora(&LoraConfig::default()).unwrap(); // to be replaced
        model.load_adapter(&path(adapter)).unwrap();
        equals(&model);
        // tests/peers/open_in_peft.py opens this folder.
        let out = format!("{}/{adapter}-of-ours", env!("CARGO_TARGET_TMPDIR"));
        model.save_adapter(&out).unwrap();
        let config = std::fs::read_to_string(format!("{out}/adapter_config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["fan_in_fan_out"], conv1d);
        let theirs = std::fs::read_to_string(fixture(adapter).join("adapter_config.json")).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&theirs).unwrap();
        for name in ["r", "target_modules", "task_type", "fan_in_fan_out"] {
            assert_eq!(config[name], theirs[name], "{name}");
        }
        let mut again = load(base);
        again.load_adapter(&out).unwrap();
        equals(&again);
        let mut other = load("qwen2");
        let before = other.logits_of(&row).unwrap();
        let error = other.load_adapter(&path("gpt2-lora")).unwrap_err().to_string();
        assert!(error.contains("c_attn"), "{error}");
        assert_eq!(difference(&before, &other.logits_of(&row).unwrap()), 0.0, "a refused adapter moves nothing");
        assert!(load(base).save_adapter(&out).unwrap_err().to_string().contains("add_lora"));
    }
}

/// The labels of each text: its class, or what is to be written, without what fills it up.
fn labels(given: &HashMap<String, Tensor>) -> Vec<Vec<u32>> {
    let all = floats(&given["labels"]);
    let real = |row: &[f64]| row.iter().filter(|label| **label >= 0.0).map(|label| *label as u32).collect();
    all.chunks(all.len() / lengths(given).len()).map(real).collect()
}

/// The padded batch with the labels of each text.
fn labelled(given: &HashMap<String, Tensor>) -> Batch {
    let texts = texts(given);
    Batch::labelled(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>(), &labels(given), &[], false).unwrap()
}

/// The loss is peft's, and what can be trained is what peft trains, by the same gradients.
fn learns_as_in_peft(adapter: &str, model: &dyn Trainable, batch: &Batch) {
    let expected = expected(adapter);
    let loss = model.loss(batch, true).unwrap();
    let off = (floats(&loss)[0] - floats(&expected["loss"])[0]).abs();
    assert!(off < 1e-5, "{adapter}: the loss is off by {off}");
    let gradients = [loss.backward().unwrap()];
    let mut trained = 0;
    for param in model.params().into_iter().filter(|param| param.trainable) {
        let mine = param.gradient(&gradients).unwrap().unwrap_or_else(|| panic!("{} has no gradient", param.name));
        let Some(theirs) = expected.get(&format!("grad.base_model.model.{}", param.name)) else {
            panic!("{adapter}: peft does not train {}", param.name)
        };
        let error = reference::relative(&mine, theirs);
        assert!(error < 1e-3, "{adapter}: {} is off by {error}", param.name);
        trained += 1;
    }
    assert_eq!(trained, expected.keys().filter(|name| name.starts_with("grad.")).count(), "{adapter}");
}

#[test]
fn adapters_of_peft_on_classifiers_bring_what_it_saves_whole_and_give_its_logits() {
    for (base, adapter) in [
        ("bert/classify", "lora/bert"),
        ("bert/classify", "lora/bert-pooler"),
        ("distilbert/classify", "lora/distilbert"),
    ] {
        let (batch, theirs) = (labelled(&expected(base)), expected(adapter)["logits"].clone());
        let mut model = Classifier::load(&path(base)).unwrap();
        model.add_lora(&LoraConfig::default()).unwrap(); // to be replaced
        model.load_adapter(&path(adapter)).unwrap();
        let off = difference(&model.logits(&batch).unwrap(), &theirs);
        assert!(off < 1e-4, "{adapter} is off by {off}");
        learns_as_in_peft(adapter, &model, &batch);
        if adapter == "lora/bert-pooler" {
            // "bert" would have peft take the adapters off that are in it.
            let saved = tempfile::tempdir().unwrap();
            model.save_adapter(&saved.path().to_string_lossy()).unwrap();
            let config = std::fs::read_to_string(saved.path().join("adapter_config.json")).unwrap();
            let config: serde_json::Value = serde_json::from_str(&config).unwrap();
            assert_eq!(config["modules_to_save"], serde_json::json!(["bert.pooler.dense", "classifier"]));
        }
        model.merge_lora().unwrap();
        assert!(difference(&model.logits(&batch).unwrap(), &theirs) < 1e-4, "{adapter}, merged");
    }
}

#[test]
fn an_adapter_of_peft_on_both_sides_of_t5_gives_its_logits() {
    let (given, theirs) = (expected("t5/relu"), expected("lora/t5"));
    let batch = labelled(&given);
    let equals = |model: &Seq2Seq, how: &str| {
        let mine = model.logits(&batch).unwrap();
        for (row, target) in labels(&given).iter().enumerate() {
            // Past its end a target's logits mean nothing.
            let real = |logits: &Tensor| logits.get(row).unwrap().narrow(0, 0, target.len()).unwrap();
            let off = difference(&real(&mine), &real(&theirs["logits"]));
            assert!(off < 1e-4, "{how}, row {row}: off by {off}");
        }
    };
    let mut model = Seq2Seq::load(&path("t5/relu")).unwrap();
    model.add_lora(&LoraConfig::default()).unwrap(); // to be replaced
    model.load_adapter(&path("lora/t5")).unwrap();
    equals(&model, "apart");
    learns_as_in_peft("lora/t5", &model, &batch);
    model.merge_lora().unwrap();
    equals(&model, "merged");
}

/// A copy of peft's adapter of the tiny Llama, which a test may break.
fn adapter_copy() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(fixture("llama-lora").join(file), home.path().join(file)).unwrap();
    }
    home
}

/// The adapter in `home` is refused with each of `parts` and what to do next, and the model stays without.
fn adapter_is_refused(home: &std::path::Path, kind: ErrorKind, parts: &[&str]) {
    let mut model = load("llama");
    let error = model.load_adapter(&home.to_string_lossy()).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for part in parts.iter().chain(&["✗ ", "→"]) {
        assert!(error.to_string().contains(part), "{part} is not in: {error}");
    }
    assert!(model.params().iter().all(|param| !param.name.contains(".lora_")), "a refused adapter is not put on");
}

#[test]
fn an_adapter_whose_weights_are_cut_or_missing_names_the_file_and_the_cause() {
    let home = adapter_copy();
    let file = home.path().join("adapter_model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    for length in [bytes.len() / 2, 4, 0] {
        std::fs::write(&file, &bytes[..length]).unwrap();
        adapter_is_refused(home.path(), ErrorKind::BadModel, &["adapter_model.safetensors", "\n  Caus"]);
    }
    std::fs::remove_file(&file).unwrap();
    adapter_is_refused(home.path(), ErrorKind::NotFound, &["adapter_model.safetensors", "\n  Caus"]);
    std::fs::write(&file, &bytes).unwrap();
    load("llama").load_adapter(&home.path().to_string_lossy()).unwrap();
}

#[test]
fn settings_of_an_adapter_that_are_not_done_are_told_by_name_and_value() {
    let home = adapter_copy();
    let file = home.path().join("adapter_config.json");
    let config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    for (setting, value) in [
        ("peft_type", json!("IA3")),
        ("use_dora", json!(true)),
        ("lora_bias", json!(true)),
        ("rank_pattern", json!({ "q_proj": 8 })),
        ("alpha_pattern", json!({ "q_proj": 8 })),
        ("trainable_token_indices", json!([1, 2])),
        ("megatron_config", json!({ "hidden_size": 32 })),
        ("bias", json!("all")),
        ("r", json!(0)),
        ("lora_alpha", json!(null)),
    ] {
        let mut config = config.clone();
        config[setting] = value.clone();
        std::fs::write(&file, config.to_string()).unwrap();
        adapter_is_refused(home.path(), ErrorKind::BadModel, &[&format!("{setting} = {value}")]);
    }
    std::fs::write(&file, config.to_string()).unwrap();
    load("llama").load_adapter(&home.path().to_string_lossy()).unwrap();
}

#[test]
fn gpt2_opens_without_the_prefix_and_with_the_masks_of_older_files() {
    let home = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json"] {
        std::fs::copy(fixture("gpt2").join(file), home.path().join(file)).unwrap();
    }
    let mut old: std::collections::HashMap<String, candle_core::Tensor> = load_weights(&fixture("gpt2"))
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| (name.trim_start_matches("transformer.").to_string(), tensor))
        .collect();
    let mask = candle_core::Tensor::ones((1, 1, 64, 64), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
    old.insert("h.0.attn.bias".into(), mask);
    candle_core::safetensors::save(&old, home.path().join("model.safetensors")).unwrap();
    let (one, other) = (load("gpt2"), LanguageModel::load(&home.path().to_string_lossy()).unwrap());
    assert_eq!(aula::language_model::logits_difference(&one, &other, "el gato duerme").unwrap(), 0.0);
}

#[test]
fn dropout_repeats_by_its_seed_and_does_not_see_the_padding_or_the_split() {
    let home = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(fixture("gpt2").join(file), home.path().join(file)).unwrap();
    }
    let config = std::fs::read_to_string(home.path().join("config.json")).unwrap();
    std::fs::write(home.path().join("config.json"), config.replace("_pdrop\": 0.0", "_pdrop\": 0.2")).unwrap();
    let model = LanguageModel::load(&home.path().to_string_lossy()).unwrap();
    let texts = texts(&expected("gpt2"));
    let mut batch = causal_batch(&expected("gpt2"));
    let loss = |batch: &aula::dataset::Batch| reference::floats(&model.loss(batch, true).unwrap())[0];
    let first = loss(&batch);
    assert_eq!(first, loss(&batch), "the same seed");
    // Each text by itself, with its seed, weighs as it did beside the other.
    let parts = batch.shards(2).unwrap();
    let sum: f64 = parts.iter().map(|part| loss(part) * part.counted() as f64).sum();
    assert!((sum / batch.counted() as f64 - first).abs() < 1e-5, "{texts:?}");
    batch.seeds = vec![11, 12];
    assert!((loss(&batch) - first).abs() > 1e-3, "another seed");
    assert_eq!(load("gpt2").loss(&batch, false).unwrap().dims(), model.loss(&batch, false).unwrap().dims());
    let quiet = |model: &LanguageModel| reference::floats(&model.loss(&batch, false).unwrap())[0];
    assert_eq!(quiet(&model), quiet(&load("gpt2")), "measuring leaves nothing out");
}
