//! Models that do not fit together: each fault gets a message that names it, and what to do next.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use std::collections::HashMap;

use aula::classifier::Classifier;
use aula::embedder::Embedder;
use aula::error::Result;
use aula::generate::GenerateConfig;
use aula::language_model::LanguageModel;
use aula::masked_model::MaskedModel;
use aula::seq2seq::Seq2Seq;
use candle_core::{DType, Device, Tensor};
use reference::{fixture, path, tensors};
use serde_json::{json, Value};

/// A way to load a model, and its error's text.
type Load = fn(&str) -> Result<()>;

fn language(name: &str) -> Result<()> {
    LanguageModel::load(name).map(|_| ())
}

fn masked(name: &str) -> Result<()> {
    MaskedModel::load(name).map(|_| ())
}

fn classifier(name: &str) -> Result<()> {
    Classifier::load(name).map(|_| ())
}

fn embedder(name: &str) -> Result<()> {
    Embedder::load(name).map(|_| ())
}

fn seq2seq(name: &str) -> Result<()> {
    Seq2Seq::load(name).map(|_| ())
}

/// A fixture of each family, its way to load, and where its activation stands.
const FAMILIES: [(&str, Load, &str); 11] = [
    ("llama", language, "hidden_act"),
    ("qwen2", language, "hidden_act"),
    ("qwen3", language, "hidden_act"),
    ("gpt2", language, "activation_function"),
    ("bert/masked", masked, "hidden_act"),
    ("distilbert/classify", classifier, "activation"),
    ("roberta/masked", embedder, "hidden_act"),
    ("xlm-roberta/classify", classifier, "hidden_act"),
    ("deberta-v2/masked", masked, "hidden_act"),
    ("t5/relu", seq2seq, "feed_forward_proj"),
    ("t5/mt5", seq2seq, "feed_forward_proj"),
];

/// A copy of a fixture that a test breaks.
struct Broken(tempfile::TempDir);

impl Broken {
    fn copy(name: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        for file in ["config.json", "model.safetensors", "tokenizer.json"] {
            std::fs::copy(fixture(name).join(file), home.path().join(file)).unwrap();
        }
        Self(home)
    }

    fn path(&self) -> String {
        self.0.path().to_string_lossy().into_owned()
    }

    fn set(&self, more: Value) {
        let file = self.0.path().join("config.json");
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        std::fs::write(file, config.to_string()).unwrap();
    }

    /// Changes the weights.
    fn weights(&self, change: impl FnOnce(&mut HashMap<String, Tensor>)) {
        let file = self.0.path().join("model.safetensors");
        let mut weights = candle_core::safetensors::load(&file, &Device::Cpu).unwrap();
        change(&mut weights);
        candle_core::safetensors::save(&weights, file).unwrap();
    }

    /// Loading fails, and says each of `parts`.
    fn refused(&self, load: Load, parts: &[&str]) {
        let error = load(&self.path()).expect_err("it was loaded").to_string();
        assert!(error.starts_with("✗ ") && error.contains("→"), "{error}");
        for part in parts {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
}

#[test]
fn missing_unexpected_and_misshapen_tensors_are_all_listed_in_every_family() {
    for (name, load, _) in FAMILIES {
        let broken = Broken::copy(name);
        let mut names: Vec<String> = tensors(name, "model.safetensors").into_keys().collect();
        names.sort();
        let layers: Vec<&String> = names.iter().filter(|name| name.contains(".0.") || name.contains(".1.")).collect();
        let (gone, turned) = ([layers[0], layers[5]], [layers[2], layers[7]]);
        let extra = ["model.surprise.weight", "another.surprise"];
        broken.weights(|weights| {
            for name in gone {
                weights.remove(name);
            }
            for name in turned {
                weights.insert(name.clone(), Tensor::zeros((3, 5), DType::F32, &Device::Cpu).unwrap());
            }
            for name in extra {
                // A family that puts its prefix before bare names does so only where none has it.
                weights.insert(name.into(), Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap());
            }
        });
        broken.refused(load, &["[3, 5]", "6 "]);
        broken.refused(load, &[gone[0], gone[1], turned[0], turned[1], extra[0], extra[1]]);
    }
}

#[test]
fn an_unknown_activation_lists_the_known_ones_in_every_family() {
    for (name, load, key) in FAMILIES {
        let broken = Broken::copy(name);
        broken.set(json!({ key: "squareplus" }));
        broken.refused(load, &["squareplus", key, "gelu_new"]);
    }
}

#[test]
fn an_unknown_rotation_lists_the_known_ones() {
    for name in ["llama", "qwen2", "qwen3"] {
        let broken = Broken::copy(name);
        broken.set(json!({"rope_parameters": {"rope_type": "longrope", "rope_theta": 10000.0}}));
        broken.refused(language, &["longrope", "llama3", "linear"]);
    }
}

#[test]
fn an_unknown_model_type_lists_those_that_can_do_what_was_asked() {
    let encoders = &["bert", "deberta-v2", "distilbert", "roberta", "xlm-roberta"][..];
    for (name, load, known) in [
        ("llama", language as Load, &["gpt2", "llama", "qwen2", "qwen3"][..]),
        ("bert/masked", masked, encoders),
        ("bert/classify", classifier, encoders),
        ("bert/masked", embedder, encoders),
        ("t5/relu", seq2seq, &["mt5", "t5"]),
    ] {
        let broken = Broken::copy(name);
        broken.set(json!({"model_type": "rwkv"}));
        broken.refused(load, &[&["\"rwkv\""], known].concat());
        broken.set(json!({ "model_type": null }));
        broken.refused(load, known);
    }
}

#[test]
fn settings_that_would_change_what_a_model_computes_are_named() {
    for (name, load, more, part) in [
        ("deberta-v2/masked", masked as Load, json!({"pos_att_type": "p2p"}), "p2p"),
        ("deberta-v2/masked", masked, json!({"conv_kernel_size": 4}), "conv_kernel_size = 4"),
        ("deberta-v2/masked", masked, json!({"relative_attention": false}), "relative_attention = false"),
        ("deberta-v2/masked", masked, json!({"embedding_size": 16}), "embedding_size = 16"),
        ("deberta-v2/classify", classifier, json!({"pooler_hidden_act": "relu"}), "pooler_hidden_act"),
        ("t5/relu", seq2seq, json!({"num_heads": 0}), "num_heads"),
        ("t5/relu", seq2seq, json!({"relative_attention_max_distance": 2}), "relative_attention_max_distance"),
        ("t5/relu", seq2seq, json!({"d_model": "wide"}), "wide"),
    ] {
        let broken = Broken::copy(name);
        broken.set(more);
        broken.refused(load, &[part]);
    }
}

#[test]
fn a_tokenizer_that_knows_more_than_the_model_is_refused_in_every_family() {
    for (name, load, _) in FAMILIES {
        let broken = Broken::copy(name);
        let file = broken.0.path().join("tokenizer.json");
        let mut tokenizer: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for id in [96, 97] {
            let added = json!({
                "id": id, "content": format!("<more {id}>"), "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": false,
            });
            tokenizer["added_tokens"].as_array_mut().unwrap().push(added);
        }
        std::fs::write(&file, tokenizer.to_string()).unwrap();
        let error = load(&broken.path()).expect_err(name).to_string();
        assert!(error.contains("96") && error.contains("tokenizer.json"), "{name}: {error}");
    }
}

#[test]
fn a_model_with_room_for_more_than_its_tokenizer_knows_is_loaded_and_writes() {
    // Published models round their vocabulary up, to a multiple of 64 for instance.
    let broken = Broken::copy("llama");
    broken.set(json!({"vocab_size": 128}));
    broken.weights(|weights| {
        let rows = Tensor::full(0.5f32, (32, 32), &Device::Cpu).unwrap();
        let name = "model.embed_tokens.weight";
        weights.insert(name.into(), Tensor::cat(&[&weights[name], &rows], 0).unwrap());
    });
    let model = LanguageModel::load(&broken.path()).unwrap();
    let config = GenerateConfig { max_tokens: 40, temperature: 5.0, top_k: 0, top_p: 1.0, ..Default::default() };
    assert_eq!(model.generate("el gato", &config).unwrap().prompt, "el gato");
    assert!(model.generate_ids(&[5], &config).unwrap().iter().any(|id| *id >= 96), "a token without text");
}

#[test]
fn ids_past_the_vocabulary_are_told_with_their_range() {
    let model = LanguageModel::load(&path("llama")).unwrap();
    let error = model.logits_of(&[5, 96]).unwrap_err().to_string();
    assert!(error.contains("96") && error.contains("95") && error.contains("→"), "{error}");
    assert!(model.generate_ids(&[500], &GenerateConfig::default()).unwrap_err().to_string().contains("500"));
    let model = Seq2Seq::load(&path("t5/relu")).unwrap();
    assert!(model.generate_ids(&[96], &GenerateConfig::default()).unwrap_err().to_string().contains("95"));
    for (name, load) in [("llama", language as Load), ("t5/relu", seq2seq)] {
        let broken = Broken::copy(name);
        broken.set(json!({"eos_token_id": [2, 1000]}));
        broken.refused(load, &["1000", "95"]);
    }
    let broken = Broken::copy("t5/relu");
    broken.set(json!({"eos_token_id": null}));
    broken.refused(seq2seq, &["eos_token_id"]);
}

#[test]
fn weights_in_the_files_of_older_pytorch_are_read() {
    let theirs = tensors("deberta-v2/masked", "model.safetensors");
    for (file, within) in [("new.bin", 0.0), ("old.bin", 1e-3)] {
        let broken = Broken::copy("deberta-v2/masked");
        std::fs::remove_file(broken.0.path().join("model.safetensors")).unwrap();
        let place = broken.0.path().join("pytorch_model.bin");
        std::fs::copy(fixture("torch-bin").join(file), &place).unwrap();
        let mine = aula::hub::load_weights(broken.0.path()).unwrap();
        assert_eq!(mine["deberta.embeddings.position_ids"].dtype(), DType::I64);
        for (name, theirs) in &theirs {
            assert_eq!(mine[name].dtype(), DType::F32);
            let off = reference::difference(&mine[name], theirs);
            assert!(off <= within, "{file}: {name} is off by {off}");
        }
        masked(&broken.path()).unwrap();
        let bytes = std::fs::read(&place).unwrap();
        for part in [&bytes[..bytes.len() / 2], &bytes[..100], b"hello"] {
            std::fs::write(&place, part).unwrap();
            broken.refused(masked, &["pytorch_model.bin"]);
        }
    }
}
