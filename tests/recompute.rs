//! Layers that are computed again for their gradients: the same steps, in every family.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use aula::classifier::Classifier;
use aula::dataset::Batch;
use aula::language_model::{LanguageModel, LoraConfig};
use aula::masked_model::MaskedModel;
use aula::optim::{AdamW, AdamWConfig};
use aula::seq2seq::Seq2Seq;
use aula::train::{fine_tune, train_step, TrainConfig, Trainable};
use reference::{fixture, floats};
use serde_json::Value;

/// A fixture's folder with a tenth left out wherever the family leaves something out.
fn with_dropout(name: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for file in ["model.safetensors", "tokenizer.json"] {
        std::fs::copy(fixture(name).join(file), home.path().join(file)).unwrap();
    }
    let config = std::fs::read_to_string(fixture(name).join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    for key in [
        "embd_pdrop",
        "attn_pdrop",
        "resid_pdrop",
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "dropout",
        "attention_dropout",
        "seq_classif_dropout",
        "classifier_dropout",
        "pooler_dropout",
        "dropout_rate",
    ] {
        if config.get(key).is_some() {
            config[key] = 0.1.into();
        }
    }
    std::fs::write(home.path().join("config.json"), config.to_string()).unwrap();
    home
}

fn load(kind: &str, name: &str) -> Box<dyn Trainable> {
    let home = with_dropout(name);
    let path = home.path().to_string_lossy();
    match kind {
        "masked" => Box::new(MaskedModel::load(&path).unwrap()),
        "classify" => Box::new(Classifier::load(&path).unwrap()),
        "seq2seq" => Box::new(Seq2Seq::load(&path).unwrap()),
        _ => Box::new(LanguageModel::load(&path).unwrap()),
    }
}

fn batch(kind: &str) -> Batch {
    let ids = |n: u32| (0..n).map(|i| 5 + (i * 7 + n) % 90).collect::<Vec<u32>>();
    let texts: Vec<Vec<u32>> = [9, 4, 12, 7, 3].into_iter().map(ids).collect();
    let rows: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let labels = |n: usize| texts.iter().map(|text| text[..n.min(text.len())].to_vec()).collect::<Vec<_>>();
    match kind {
        "masked" => Batch::labelled(&rows, &texts, &[], true).unwrap(),
        "classify" => {
            Batch::labelled(&rows, &[[0], [2], [1], [1], [0]].map(|label| label.to_vec()), &[], false).unwrap()
        }
        "seq2seq" => Batch::labelled(&rows, &labels(3), &[], false).unwrap(),
        _ => Batch::new(&rows).unwrap(),
    }
}

/// Loss and gradient's norm of each of some steps.
fn steps(kind: &str, model: &dyn Trainable, recompute: bool) -> Vec<(f64, f64)> {
    let mut optimizer = AdamW::new(AdamWConfig::default());
    let mut batch = batch(kind);
    let mut step = |i: u64| {
        batch.aside = recompute.then(Default::default);
        batch.seeds = (0..5).map(|text| text + 5 * i).collect();
        train_step(model, &batch, &mut optimizer, 1e-2).unwrap()
    };
    (0..5).map(&mut step).collect()
}

#[test]
fn what_is_computed_again_gives_the_same_steps_bit_for_bit() {
    for (kind, name) in [
        ("causal", "gpt2"),
        ("causal", "llama"),
        ("causal", "qwen3"),
        ("masked", "bert/masked"),
        ("classify", "bert/classify"),
        ("classify", "distilbert/classify"),
        ("masked", "roberta/masked"),
    ] {
        let (kept, again) = (load(kind, name), load(kind, name));
        let theirs = steps(kind, &*kept, false);
        assert!(theirs.windows(2).all(|pair| pair[0] != pair[1]), "{name}: {theirs:?}");
        assert_eq!(steps(kind, &*again, true), theirs, "{name}");
        for (one, other) in kept.params().iter().zip(again.params()) {
            assert_eq!(floats(one.var()), floats(other.var()), "{name}: {}", one.name);
        }
    }
}

#[test]
fn families_whose_layers_share_a_table_or_a_source_differ_by_rounding_only() {
    for (kind, name) in [
        ("masked", "deberta-v2/masked"),
        ("classify", "deberta-v2/older/classify"),
        ("seq2seq", "t5/relu"),
        ("seq2seq", "t5/mt5"),
    ] {
        let (kept, again) = (load(kind, name), load(kind, name));
        let pairs = steps(kind, &*kept, false).into_iter().zip(steps(kind, &*again, true));
        for ((loss, norm), (other, other_norm)) in pairs {
            assert!(
                (loss - other).abs() < 1e-4 && (norm / other_norm - 1.0).abs() < 1e-3,
                "{name}: {loss} and {other}"
            );
        }
    }
}

#[test]
fn adapters_learn_the_same_although_all_before_them_is_frozen() {
    let run = |recompute| {
        let mut model = LanguageModel::load(&reference::path("gpt2")).unwrap();
        model.add_lora(&LoraConfig::default()).unwrap();
        let texts: Vec<String> = (0..12).map(|i| format!("el gato {i} come pan")).collect();
        let data = model.dataset(&texts, 24).unwrap();
        let config = TrainConfig { recompute, accumulate: 2, batch_size: 3, learning_rate: 1e-2, ..Default::default() };
        let history = fine_tune(&mut model, &data, &data, &config).unwrap();
        assert_eq!(history.moved, history.trainable);
        history.steps.iter().map(|step| (step.loss.to_bits(), step.grad_norm.to_bits())).collect::<Vec<_>>()
    };
    assert_eq!(run(true), run(false));
}
