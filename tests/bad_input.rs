//! What goes wrong at a learner's desk gets one clear message, and nothing is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use std::path::{Path, PathBuf};

use aula::classifier::Classifier;
use aula::dataset::{Batch, Dataset};
use aula::embedder::Embedder;
use aula::error::ErrorKind;
use aula::language_model::{LanguageModel, LoraConfig};
use aula::masked_model::MaskedModel;
use aula::ops::IGNORE;
use aula::optim::{AdamW, AdamWConfig};
use aula::seq2seq::Seq2Seq;
use aula::train::{fine_tune, train_step, train_step_in_parts, TrainConfig, Trainable};
use reference::{floats, path};

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama")
}

/// A copy of the tiny model that a test may break.
fn copy() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(fixture().join(name), home.path().join(name)).unwrap();
    }
    home
}

fn load(folder: &Path) -> aula::error::Result<LanguageModel> {
    LanguageModel::load(&folder.to_string_lossy())
}

/// The error of loading `folder`, which must say each of `parts` and what to do next.
fn refuses(folder: &Path, parts: &[&str]) {
    let Err(error) = load(folder) else { panic!("{} was loaded", folder.display()) };
    let text = error.to_string();
    assert!(text.starts_with("✗ ") && text.contains("→"), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

fn model_and_data() -> (LanguageModel, Dataset) {
    let model = load(&fixture()).unwrap();
    let texts: Vec<String> = (0..20).map(|i| format!("el gato come pan {i} the cat eats bread")).collect();
    let data = model.dataset(&texts, 24).unwrap();
    (model, data)
}

#[test]
fn a_folder_that_is_no_model_lists_what_is_missing() {
    let home = copy();
    std::fs::remove_file(home.path().join("config.json")).unwrap();
    std::fs::remove_file(home.path().join("model.safetensors")).unwrap();
    refuses(home.path(), &["config.json", "model.safetensors"]);
}

#[test]
fn weights_that_do_not_fit_are_all_listed() {
    let home = copy();
    let path = home.path().join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config.replace("\"intermediate_size\": 48", "\"intermediate_size\": 40");
    let config = config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    std::fs::write(&path, config).unwrap();
    refuses(
        home.path(),
        &["model.layers.0.mlp.gate_proj.weight", "[48, 32]", "model.layers.2.self_attn.q_proj.weight"],
    );
}

#[test]
fn an_unknown_family_says_which_are_known() {
    let home = copy();
    let path = home.path().join("config.json");
    let config =
        std::fs::read_to_string(&path).unwrap().replace("\"model_type\": \"llama\"", "\"model_type\": \"mamba\"");
    std::fs::write(&path, config).unwrap();
    refuses(home.path(), &["mamba", "llama"]);
}

#[test]
fn a_git_lfs_pointer_says_git_lfs_pull() {
    let home = copy();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n";
    std::fs::write(home.path().join("model.safetensors"), pointer).unwrap();
    refuses(home.path(), &["git lfs pull"]);
}

#[test]
fn a_config_that_is_a_pointer_or_cut_and_a_cut_index_are_told_by_name() {
    let home = copy();
    let config = home.path().join("config.json");
    let whole = std::fs::read(&config).unwrap();
    std::fs::write(&config, "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n").unwrap();
    refuses(home.path(), &["config.json", "git lfs pull"]);
    std::fs::write(&config, &whole[..whole.len() / 2]).unwrap();
    refuses(home.path(), &["config.json"]);
    std::fs::write(&config, &whole).unwrap();
    std::fs::remove_file(home.path().join("model.safetensors")).unwrap();
    let index = "{\"metadata\": {}, \"weight_map\": {\"model.norm.weight\": \"model-0000";
    std::fs::write(home.path().join("model.safetensors.index.json"), index).unwrap();
    refuses(home.path(), &["model.safetensors.index.json"]);
}

#[test]
fn a_truncated_file_of_weights_is_told() {
    let home = copy();
    let path = home.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    refuses(home.path(), &["model.safetensors"]);
}

#[test]
fn rows_without_text_and_a_single_row_are_told() {
    let model = load(&fixture()).unwrap();
    let empty = vec![String::new(), "  ".to_string()];
    told(model.dataset(&empty, 24), &["2"]);
    let one = model.dataset(&["el gato come pan".to_string()], 24).unwrap();
    told(one.split(0.9, 42), &["1"]);
}

#[test]
fn texts_longer_than_the_context_are_cut_and_counted() {
    const CHILD: &str = "AULA_TEST_CUT";
    let model = load(&fixture()).unwrap();
    let texts = vec!["el gato come pan ".repeat(100), "el gato".to_string()];
    let data = model.dataset(&texts, 1000).unwrap();
    assert_eq!(data.cut(), 1);
    assert_eq!(data.example(0).unwrap().len(), 64, "the model's own limit");
    if std::env::var(CHILD).is_ok() {
        return;
    }
    // What is printed can only be read from outside: this test once more, as a program.
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "texts_longer_than_the_context_are_cut_and_counted", "--nocapture"]);
    let output = again.env(CHILD, "1").env("AULA_LANG", "en").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 of 2 texts are longer than 64 tokens and are cut there."), "{said}");
}

#[test]
fn settings_outside_their_values_are_named_and_nothing_moves() {
    let (mut model, data) = model_and_data();
    let config = TrainConfig { learning_rate: -1.0, batch_size: 0, ..TrainConfig::default() };
    let error = fine_tune(&mut model, &data, &data, &config).unwrap_err().to_string();
    assert!(error.contains("learning_rate = -1") && error.contains("batch_size = 0"), "{error}");
    let config = LoraConfig { target_modules: vec!["c_attn".into()], ..LoraConfig::default() };
    let error = model.add_lora(&config).unwrap_err().to_string();
    assert!(error.contains("c_attn") && error.contains("q_proj"), "{error}");
}

#[test]
fn a_loss_that_is_no_number_stops_with_advice() {
    let (mut model, data) = model_and_data();
    {
        use aula::train::Trainable;
        let norm = model.params().into_iter().find(|param| param.name == "model.norm.weight").unwrap();
        norm.set(&(norm.var().as_detached_tensor() * f64::NAN).unwrap()).unwrap();
    }
    let error = fine_tune(&mut model, &data, &data, &TrainConfig::default()).unwrap_err().to_string();
    assert!(error.contains("learning_rate") && error.contains("→"), "{error}");
}

/// `result` is an error in plain words that says each of `parts` and what to do next.
fn told<T>(result: aula::error::Result<T>, parts: &[&str]) {
    let Err(error) = result else { panic!("no error, but one with {parts:?} was due") };
    assert_eq!(error.kind(), ErrorKind::BadData, "{error}");
    for part in parts.iter().chain(&["✗ ", "→"]) {
        assert!(error.to_string().contains(part), "{part} is not in: {error}");
    }
}

/// A training step, a loss and a training of a `model` on something that does not fit are told; nothing moves.
fn told_everywhere(model: &mut dyn Trainable, batch: &Batch, parts: &[&str]) {
    let before: Vec<Vec<f64>> = model.params().iter().map(|param| floats(param.var())).collect();
    let mut optimizer = AdamW::new(AdamWConfig::default());
    told(train_step(model, batch, &mut optimizer, 0.1), parts);
    told(train_step_in_parts(model, &batch.shards(2).unwrap(), &mut optimizer, 0.1), parts);
    let after: Vec<Vec<f64>> = model.params().iter().map(|param| floats(param.var())).collect();
    assert!(before == after && optimizer.steps() == 0);
}

fn classifier(name: &str) -> Classifier {
    Classifier::load(&path(&format!("bert/{name}"))).unwrap()
}

#[test]
fn labels_past_a_classifiers_own_are_told() {
    let texts: [&[u32]; 2] = [&[4, 5, 6], &[7, 8]];
    let batch = |labels: [&[u32]; 2]| Batch::labelled(&texts, &labels.map(<[u32]>::to_vec), &[], false).unwrap();
    let mut one = classifier("classify");
    assert_eq!(one.labels().len(), 3);
    let wrong = batch([&[1], &[3]]);
    told_everywhere(&mut one, &wrong, &["3", "0", "2"]);
    told(one.loss(&wrong, true), &["3"]);
    told_everywhere(&mut one, &batch([&[1, 0], &[0, 1]]), &["2", "1"]);
    let mut several = classifier("several");
    let width = several.labels().len();
    let (fine, wrong) = (vec![1u32; width], vec![2u32; width]);
    told_everywhere(&mut several, &batch([&fine, &wrong]), &["2", "0", "1"]);
    told_everywhere(&mut several, &batch([&fine[1..], &fine[1..]]), &[&width.to_string()]);
    told(Batch::labelled(&texts, &[vec![1]], &[], false), &["1", "2"]);
    told(Batch::labelled(&texts, &[vec![1], vec![1, 2]], &[], true), &["1", "3"]);
}

#[test]
fn tokens_past_the_vocabulary_and_texts_past_the_table_of_positions_are_told() {
    let batch = Batch::new(&[&[4, 5, 6], &[7, 96]]).unwrap();
    for name in ["llama", "gpt2"] {
        let mut model = LanguageModel::load(&path(name)).unwrap();
        told_everywhere(&mut model, &batch, &["96", "95"]);
        told(model.loss(&batch, false), &["96"]);
        let long = vec![5u32; 65];
        told_everywhere(&mut model, &Batch::new(&[&long]).unwrap(), &["65", "64"]);
    }
    let mut masked = MaskedModel::load(&path("bert/masked")).unwrap();
    told_everywhere(&mut masked, &batch, &["96", "95"]);
    told(masked.logits(&batch), &["96"]);
    told(classifier("classify").logits(&batch), &["96"]);
    told(Embedder::load(&path("bert/masked")).unwrap().vectors(&batch), &["96"]);
    let mut writer = Seq2Seq::load(&path("t5/relu")).unwrap();
    let texts: [&[u32]; 1] = [&[4, 5]];
    for (ids, label) in [(texts, 96), ([&[4, 96]], 5)] {
        told_everywhere(&mut writer, &Batch::labelled(&ids, &[vec![label, 1]], &[], false).unwrap(), &["96", "95"]);
    }
}

#[test]
fn a_batch_without_texts_or_without_labels_that_count_is_told() {
    told(Batch::new(&[]), &["0 text", "0 tokens", "\n  Caus"]);
    told(Batch::new(&[&[], &[]]), &["2 text", "0 tokens", "\n  Caus"]);
    let mut model = load(&fixture()).unwrap();
    let none = &["0 ", "\n  Caus"];
    // Each text's last token has nothing after it; of one token nothing is left.
    told_everywhere(&mut model, &Batch::new(&[&[5], &[6]]).unwrap(), none);
    let texts: [&[u32]; 1] = [&[4, 5, 6]];
    let hidden = Batch::labelled(&texts, &[vec![IGNORE; 3]], &[], true).unwrap();
    told_everywhere(&mut model, &hidden, none);
    told_everywhere(&mut MaskedModel::load(&path("bert/masked")).unwrap(), &hidden, none);
}

#[test]
fn data_of_another_model_are_told_before_anything_is_computed() {
    let (mut language, data) = model_and_data();
    let config = TrainConfig::default();
    let mut of_labels = classifier("classify");
    let texts: Vec<String> = (0..4).map(|i| format!("el gato {i}")).collect();
    let labels: Vec<String> = texts.iter().map(|_| of_labels.labels()[0].clone()).collect();
    let labelled = of_labels.dataset(&texts, &labels, 20).unwrap();
    told(fine_tune(&mut of_labels, &data, &data, &config), &["dataset"]);
    told(of_labels.accuracy(&data), &["dataset"]);
    told(fine_tune(&mut language, &labelled, &labelled, &config), &["dataset"]);
    // The data to measure on are looked at before the first step, too.
    told(fine_tune(&mut language, &data, &labelled, &config), &["dataset"]);
    told(language.evaluate(&labelled), &["dataset"]);
    let lector = LanguageModel::load("cuentos").unwrap();
    let other = lector.dataset(&texts, 20).unwrap();
    let error = fine_tune(&mut language, &other, &other, &config).unwrap_err();
    assert!(error.to_string().contains("95") && error.to_string().contains("→"), "{error}");
}

#[test]
fn the_same_seed_repeats_a_training_exactly_and_every_tensor_moves() {
    let run = |seed| {
        let (mut model, data) = model_and_data();
        let (train, valid) = data.split(0.8, 1).unwrap();
        let config = TrainConfig { seed, batch_size: 4, learning_rate: 1e-2, ..TrainConfig::default() };
        let history = fine_tune(&mut model, &train, &valid, &config).unwrap();
        assert_eq!((history.moved, history.trainable), (20, 20));
        let (before, after) = history.perplexities();
        assert!(after < before, "perplexity {before} to {after}");
        history.steps.iter().map(|record| record.loss.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
