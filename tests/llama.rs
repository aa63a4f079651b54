//! Our Llama against transformers' `LlamaForCausalLM` on a tiny random model.
//!
//! The reference numbers come from `tests/fixtures/llama/make.py` (PyTorch, transformers, peft), which anyone can run again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use std::collections::HashMap;

use aula::hub::load_weights;
use aula::language_model::{LanguageModel, LoraConfig};
use aula::optim::{AdamW, AdamWConfig};
use aula::schedule::Schedule;
use aula::train::{train_step, Trainable};
use candle_core::Tensor;
use reference::{causal_batch, difference, fixture, floats, loss_and_gradients_equal, rows as ids, tensors};

fn load(name: &str) -> (LanguageModel, HashMap<String, Tensor>) {
    let base = if fixture(name).join("expected.safetensors").exists() { name } else { "llama" };
    (LanguageModel::load(&reference::path(name)).unwrap(), reference::expected(base))
}

#[test]
fn logits_equal_transformers_with_and_without_padding() {
    let (model, expected) = load("llama");
    let single = model.logits_of(&ids(&expected["single_input_ids"])[0]).unwrap();
    assert!(difference(&single, &expected["single_logits"].squeeze(0).unwrap()) < 1e-4);
    let lengths = floats(&expected["lengths"]);
    for (row, length) in lengths.iter().enumerate() {
        let length = *length as usize;
        let mine = model.logits_of(&ids(&expected["input_ids"])[row][..length]).unwrap();
        let theirs = expected["logits"].get(row).unwrap().narrow(0, 0, length).unwrap();
        assert!(difference(&mine, &theirs) < 1e-4, "row {row}");
    }
}

#[test]
fn shards_and_an_untied_head_load_to_the_same_logits() {
    let (model, expected) = load("llama-sharded");
    let mine = model.logits_of(&ids(&expected["input_ids"])[0]).unwrap();
    assert!(difference(&mine, &expected["logits"].squeeze(0).unwrap()) < 1e-4);
}

#[test]
fn loss_and_every_gradient_equal_pytorch_and_padding_never_counts() {
    let (model, expected) = load("llama");
    loss_and_gradients_equal(&model, &causal_batch(&expected), &expected);
}

/// The losses of twenty AdamW steps on one batch and their gradients' norms; the rate of step `i` (from 0) is `rate(i)`.
fn steps(max_grad_norm: f64, rate: impl Fn(usize) -> f64) -> (Vec<f64>, Vec<f64>) {
    let (model, expected) = load("llama");
    let batch = causal_batch(&expected);
    let mut optimizer = AdamW::new(AdamWConfig { max_grad_norm, ..AdamWConfig::default() });
    (0..20).map(|i| train_step(&model, &batch, &mut optimizer, rate(i)).unwrap()).unzip()
}

#[test]
fn twenty_adamw_steps_follow_pytorch() {
    let (_, expected) = load("llama");
    let follow = |mine: Vec<f64>, name: &str| {
        for (i, (mine, theirs)) in mine.iter().zip(floats(&expected[name])).enumerate() {
            // Left-out weight decay shows as 3e-4 here.
            assert!((mine - theirs).abs() < 3e-5, "{name}: step {i}: {mine} against {theirs}");
        }
    };
    // What train_step returns is the norm before clipping, as PyTorch's clip_grad_norm_ does.
    let measure = |mine: Vec<f64>, name: &str| {
        let theirs = floats(&expected[name]);
        assert_eq!((mine.len(), theirs.len()), (20, 20), "{name}");
        for (i, (mine, theirs)) in mine.iter().zip(theirs).enumerate() {
            assert!((mine / theirs - 1.0).abs() < 1e-3, "{name}: step {i}: {mine} against {theirs}");
        }
    };
    for (limit, kind) in [(0.0, "adamw"), (1.0, "adamw_clip")] {
        let (losses, norms) = steps(limit, |_| 1e-3);
        follow(losses, &format!("{kind}_losses"));
        measure(norms, &format!("{kind}_norms"));
    }
    let rates = floats(&expected["cosine_learning_rates"]);
    for (i, rate) in rates.iter().enumerate().take(20) {
        assert!((1e-3 * Schedule::Cosine.factor(i, 5, 20) - rate).abs() < 1e-9, "rate of step {i}");
    }
    follow(steps(0.0, |i| 1e-3 * Schedule::Cosine.factor(i, 5, 20)).0, "cosine_losses");
}

#[test]
fn peft_adapters_give_pefts_logits_and_merged_equals_unmerged() {
    let (mut model, _) = load("llama");
    let expected = reference::expected("llama-lora");
    let modules = vec!["q_proj".to_string(), "v_proj".to_string()];
    model
        .add_lora(&LoraConfig { rank: 4, alpha: 6.0, target_modules: modules, seed: 1, ..LoraConfig::default() })
        .unwrap();
    let adapters = tensors("llama", "lora.safetensors");
    let mut set = 0;
    for param in model.params().into_iter().filter(|param| param.trainable) {
        param.set(&adapters[&format!("base_model.model.{}", param.name)]).unwrap();
        set += 1;
    }
    assert_eq!(set, adapters.len());
    let row = ids(&expected["input_ids"])[0].clone();
    let unmerged = model.logits_of(&row).unwrap();
    assert!(difference(&unmerged, &expected["logits"].squeeze(0).unwrap()) < 1e-4);
    model.merge_lora().unwrap();
    assert!(difference(&model.logits_of(&row).unwrap(), &unmerged) < 1e-5);
}

#[test]
fn with_lora_only_the_adapters_get_gradients_and_b_moves_first() {
    let (mut model, expected) = load("llama");
    model.add_lora(&LoraConfig::default()).unwrap();
    model.add_lora(&LoraConfig::default()).unwrap(); // run again: replaced, not stacked
    let batch = causal_batch(&expected);
    let gradients = model.loss(&batch, true).unwrap().backward().unwrap();
    let zero = |param: &aula::nn::Param| {
        let gradient = gradients.get(param.var())?;
        Some(floats(gradient).iter().all(|x| *x == 0.0))
    };
    for param in model.params() {
        let wanted = match param.name.as_str() {
            name if name.contains("lora_A") => Some(true), // its partner B is still zero
            name if name.contains("lora_B") => Some(false),
            _ => None,
        };
        assert_eq!(zero(param), wanted, "{}", param.name);
    }
    let mut optimizer = AdamW::new(AdamWConfig::default());
    train_step(&model, &batch, &mut optimizer, 1e-2).unwrap();
    let gradients = model.loss(&batch, true).unwrap().backward().unwrap();
    for param in model.params().into_iter().filter(|param| param.name.contains("lora_A")) {
        assert!(floats(gradients.get(param.var()).unwrap()).iter().any(|x| *x != 0.0), "{}", param.name);
    }
}

#[test]
fn a_saved_model_opens_again_with_the_same_logits() {
    let (mut model, expected) = load("llama");
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("mi modelo ñ");
    model.add_lora(&LoraConfig::default()).unwrap();
    let mut optimizer = AdamW::new(AdamWConfig::default());
    train_step(&model, &causal_batch(&expected), &mut optimizer, 1e-2).unwrap();
    model.save(&path.to_string_lossy()).unwrap();
    model.save(&path.to_string_lossy()).unwrap(); // run again: replaced whole
    let again = LanguageModel::load(&path.to_string_lossy()).unwrap();
    let row = ids(&expected["single_input_ids"])[0].clone();
    assert!(difference(&again.logits_of(&row).unwrap(), &model.logits_of(&row).unwrap()) < 1e-5);
    assert_eq!(load_weights(&path).unwrap().len(), 20);
}

#[test]
fn generation_with_the_cache_says_what_the_whole_text_would() {
    let (model, _) = load("llama");
    let config = aula::generate::GenerateConfig { temperature: 0.0, max_tokens: 12, ..Default::default() };
    let mut ids = model.tokenizer().encode("el gato").unwrap();
    let told = model.generate("el gato", &config).unwrap();
    for _ in 0..told.tokens {
        let logits = model.logits_of(&ids).unwrap();
        let last: Vec<f32> = logits.get(ids.len() - 1).unwrap().to_vec1().unwrap();
        let best = (0..last.len()).max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap();
        ids.push(best as u32);
    }
    assert_eq!(told.full_text(), model.tokenizer().decode(&ids).unwrap());
    // An answer is what was added to the prompt, and nothing around it.
    assert_eq!(model.answer_all(&["el gato".into()], &config).unwrap(), [told.text.trim()]);
}
