//! Models in half precision and in several files, as transformers writes and reads them.
//!
//! What is left in the target's `tmp/saves` is for `tests/peers/open_in_transformers.py` (its head says how).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aula::classifier::Classifier;
use aula::language_model::LanguageModel;
use aula::save::SaveOptions;
use candle_core::{DType, Device, Tensor};
use reference::{floats, path};
use serde_json::Value;

fn home(name: &str) -> (PathBuf, String) {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("saves").join(name);
    let _ = std::fs::remove_dir_all(&home);
    let text = home.to_string_lossy().into_owned();
    (home, text)
}

fn options(dtype: &str, max_shard_bytes: usize) -> SaveOptions {
    SaveOptions { dtype: dtype.into(), max_shard_bytes }
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The logits of some ids, for the program that compares them with transformers'.
fn write_expected(model: &LanguageModel, file: &Path) {
    let ids = [5u32, 17, 42, 8, 90, 3];
    let logits = model.logits_of(&ids).unwrap().unsqueeze(0).unwrap();
    let ids = Tensor::new(&ids[..], &Device::Cpu).unwrap().to_dtype(DType::I64).unwrap().unsqueeze(0).unwrap();
    let tensors = BTreeMap::from([("input_ids", ids), ("logits", logits)]);
    std::fs::write(file, safetensors::serialize(tensors, None).unwrap()).unwrap();
}

#[test]
fn half_precision_rounds_each_number_and_says_so_in_the_config() {
    let model = LanguageModel::load(&path("llama")).unwrap();
    for (dtype, named, width) in [("bf16", "bfloat16", DType::BF16), ("f16", "float16", DType::F16)] {
        let (folder, text) = home(dtype);
        model.save_with(&text, &options(dtype, 0)).unwrap();
        assert_eq!(json(&folder.join("config.json"))["dtype"], named);
        let saved = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu).unwrap();
        let again = LanguageModel::load(&text).unwrap().merged_weights().unwrap();
        for (name, weight) in model.merged_weights().unwrap() {
            assert_eq!(saved[&name].dtype(), width);
            let rounded = weight.to_dtype(width).unwrap();
            assert_eq!(floats(&again[&name]), floats(&rounded), "{name}");
            assert_ne!(floats(&again[&name]), floats(&weight), "{name}");
        }
        let sizes = |folder: &str| std::fs::metadata(Path::new(folder).join("model.safetensors")).unwrap().len();
        assert!(sizes(&text) * 10 < sizes(&path("llama")) * 6);
        write_expected(&LanguageModel::load(&text).unwrap(), &folder.with_extension("expected.safetensors"));
    }
    // In full again, the config no longer says half.
    let (folder, text) = home("again");
    LanguageModel::load(&home_of("bf16")).unwrap().save(&text).unwrap();
    assert_eq!(json(&folder.join("config.json"))["dtype"], "float32");
}

fn home_of(name: &str) -> String {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("saves").join(name).to_string_lossy().into_owned()
}

#[test]
fn shards_hold_every_weight_once_and_no_more_than_asked() {
    let model = LanguageModel::load(&path("gpt2")).unwrap();
    let (folder, text) = home("shards");
    let limit = 14_000;
    model.save_with(&text, &options("f32", limit)).unwrap();
    let index = json(&folder.join("model.safetensors.index.json"));
    let weights = model.merged_weights().unwrap();
    let total: usize = weights.values().map(|weight| 4 * weight.elem_count()).sum();
    assert_eq!(index["metadata"]["total_size"], total);
    let places = index["weight_map"].as_object().unwrap();
    assert_eq!(places.keys().collect::<Vec<_>>(), weights.keys().collect::<Vec<_>>());
    let files: BTreeSet<&str> = places.values().map(|file| file.as_str().unwrap()).collect();
    let count = files.len();
    assert!(count > 4 && !folder.join("model.safetensors").exists());
    let mut found = 0;
    for (i, file) in files.iter().enumerate() {
        assert_eq!(*file, format!("model-{:05}-of-{count:05}.safetensors", i + 1));
        let shard = candle_core::safetensors::load(folder.join(file), &Device::Cpu).unwrap();
        let bytes: usize = shard.values().map(|weight| 4 * weight.elem_count()).sum();
        assert!(bytes <= limit || shard.len() == 1, "{file}: {bytes}");
        assert!(shard.keys().all(|name| places[name] == *file));
        found += shard.len();
    }
    assert_eq!(found, weights.len());
    let again = LanguageModel::load(&text).unwrap();
    assert_eq!(aula::language_model::logits_difference(&model, &again, "el gato").unwrap(), 0.0);
    write_expected(&again, &folder.with_extension("expected.safetensors"));
    // Saved anew, other files take their place; somebody else's are not touched.
    model.save_with(&text, &options("bf16", 60_000)).unwrap();
    LanguageModel::load(&text).unwrap();
    let left = std::fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .filter(|file| file.file_name().to_string_lossy().starts_with("model-"));
    assert!(left.count() < count);
    model.save_with(&text, &options("f32", limit)).unwrap();
    std::fs::write(folder.join("model-notes.txt"), "years of work").unwrap();
    assert!(model.save(&text).unwrap_err().to_string().contains("model-notes.txt"));
    std::fs::remove_file(folder.join("model-notes.txt")).unwrap();
}

#[test]
fn a_number_that_half_precision_cannot_hold_and_an_unknown_width_are_told() {
    let model = LanguageModel::load(&path("llama")).unwrap();
    let (folder, text) = home("large");
    let error = model.save_with(&text, &options("int8", 0)).unwrap_err().to_string();
    assert!(error.contains("int8") && error.contains("bf16"), "{error}");
    use aula::train::Trainable;
    let norm = model.params().into_iter().find(|param| param.name == "model.norm.weight").unwrap();
    norm.set(&Tensor::full(70_000f32, norm.var().shape(), &Device::Cpu).unwrap()).unwrap();
    let error = model.save_with(&text, &options("f16", 0)).unwrap_err().to_string();
    assert!(error.contains("model.norm.weight") && error.contains("70000") && error.contains("bf16"), "{error}");
    assert!(!folder.exists(), "nothing is left of it");
    model.save_with(&text, &options("bf16", 0)).unwrap();
}

#[test]
fn other_kinds_of_models_are_saved_in_half_too() {
    let model = Classifier::load(&path("bert/classify")).unwrap();
    let (_, text) = home("classifier");
    model.save_with(&text, &options("bf16", 20_000)).unwrap();
    let again = Classifier::load(&text).unwrap();
    let (one, other) = (model.predict("la luna").unwrap(), again.predict("la luna").unwrap());
    assert_eq!(one.label, other.label);
    assert!((one.score - other.score).abs() < 0.05);
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_fills_while_a_model_is_saved_leaves_the_old_one_whole_and_says_what_to_do() {
    const FOLDER: &str = "AULA_TEST_SAVE";
    if let Ok(folder) = std::env::var(FOLDER) {
        println!("{}", LanguageModel::load(&path("llama")).unwrap().save(&folder).unwrap_err());
        return;
    }
    let (folder, text) = home("a full disk ñ");
    LanguageModel::load(&path("llama")).unwrap().save(&text).unwrap();
    let logits = || floats(&LanguageModel::load(&text).unwrap().logits_of(&[5, 17, 42]).unwrap());
    let before = logits();
    // This test once more as a program that may write files of some blocks only, of 512 or 1,024 bytes: fewer than the
    // tokenizer takes, then fewer than the weights take.
    for (blocks, file) in [("2", "tokenizer.json"), ("40", "model.safetensors")] {
        let mut again = std::process::Command::new("sh");
        again.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        again.arg(std::env::current_exe().unwrap()).args(["--exact", "--nocapture"]);
        again.arg("a_disk_that_fills_while_a_model_is_saved_leaves_the_old_one_whole_and_says_what_to_do");
        let output = again.env(FOLDER, &text).env("AULA_LANG", "en").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        for part in ["✗", file, "a full disk ñ", "disk is full", "→"] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        assert_eq!(logits(), before, "the old model is whole");
    }
    // Other tests save beside it at the same time.
    let beside = std::fs::read_dir(folder.parent().unwrap()).unwrap().flatten();
    let beside = beside.filter(|entry| entry.file_name().to_string_lossy().starts_with(".a full disk ñ."));
    assert_eq!(beside.count(), 0, "nothing half written is left");
}
