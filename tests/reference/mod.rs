//! What the tests of all families share: reading a fixture, and comparing with what PyTorch said of it.
//!
//! The numbers come from `tests/fixtures/NAME/make.py` by way of `tests/fixtures/reference.py`.

#![allow(dead_code)] // each test file uses its part

use std::collections::HashMap;
use std::path::PathBuf;

use aula::dataset::{Batch, Dataset};
use aula::language_model::LanguageModel;
use aula::optim::{AdamW, AdamWConfig};
use aula::train::{train_step, Trainable};
use candle_core::{DType, Device, Tensor};

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn path(name: &str) -> String {
    fixture(name).to_string_lossy().into_owned()
}

/// The tensors of one of a fixture's files.
pub fn tensors(name: &str, file: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixture(name).join(file), &Device::Cpu).unwrap()
}

pub fn expected(name: &str) -> HashMap<String, Tensor> {
    tensors(name, "expected.safetensors")
}

pub fn rows(tensor: &Tensor) -> Vec<Vec<u32>> {
    tensor.to_dtype(DType::U32).unwrap().to_vec2().unwrap()
}

pub fn floats(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

pub fn lengths(expected: &HashMap<String, Tensor>) -> Vec<usize> {
    floats(&expected["lengths"]).into_iter().map(|length| length as usize).collect()
}

/// The real tokens of each text of the padded batch.
pub fn texts(expected: &HashMap<String, Tensor>) -> Vec<Vec<u32>> {
    rows(&expected["input_ids"]).iter().zip(lengths(expected)).map(|(row, n)| row[..n].to_vec()).collect()
}

/// The padded batch, to predict each next token.
pub fn causal_batch(expected: &HashMap<String, Tensor>) -> Batch {
    Batch::new(&texts(expected).iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
}

pub fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    floats(a).iter().zip(floats(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The largest difference, as a share of the largest number of `b`. Gradients that are zero but for rounding (a key's bias
/// moves no softmax) are compared as such: to 1e-7.
pub fn relative(a: &Tensor, b: &Tensor) -> f64 {
    difference(a, b) / floats(b).into_iter().map(f64::abs).fold(1e-4, f64::max)
}

/// The loss of some batches together, each prediction weighing the same, and the gradient of every weight.
pub fn loss_and_gradients(model: &dyn Trainable, parts: &[Batch]) -> (f64, Vec<(String, Tensor)>) {
    let all: f64 = parts.iter().map(|part| model.weight(part)).sum();
    let (mut sum, mut gradients) = (0.0, Vec::new());
    for part in parts {
        let loss = (model.loss(part, true).unwrap() * (model.weight(part) / all)).unwrap();
        sum += floats(&loss)[0];
        gradients.push(loss.backward().unwrap());
    }
    let gradient = |param: &aula::nn::Param| param.gradient(&gradients).unwrap();
    let named = |param: &aula::nn::Param| {
        let found = gradient(param).unwrap_or_else(|| panic!("{} has no gradient", param.name));
        (param.name.clone(), found)
    };
    (sum, model.params().into_iter().map(named).collect())
}

/// The loss of `batch`, and the gradient of every weight, are PyTorch's: with its padding, and text by text without any.
pub fn loss_and_gradients_equal(model: &dyn Trainable, batch: &Batch, expected: &HashMap<String, Tensor>) {
    let alone = batch.shards(batch.lengths.len()).unwrap();
    assert!(batch.lengths.iter().any(|length| *length < batch.ids.dim(1).unwrap()), "nothing is padded");
    assert!(
        alone.len() > 1 && alone.iter().all(|part| part.lengths[0] == part.ids.elem_count()),
        "something is padded"
    );
    parts_equal(model, "padded", &batch.shards(1).unwrap(), expected);
    parts_equal(model, "without padding", &alone, expected);
}

/// The loss of some batches together, and the gradient of every weight, are PyTorch's.
pub fn parts_equal(model: &dyn Trainable, how: &str, parts: &[Batch], expected: &HashMap<String, Tensor>) {
    let (loss, gradients) = loss_and_gradients(model, parts);
    let off = (loss - floats(&expected["loss"])[0]).abs();
    assert!(off < 1e-5, "{how}: the loss is off by {off}");
    let mut worst = 0f64;
    for (name, mine) in &gradients {
        let Some(theirs) = expected.get(&format!("grad.{name}")) else { panic!("{name} has no gradient in PyTorch") };
        let error = relative(mine, theirs);
        assert!(error < 1e-3, "{how}: {name} is off by {error}");
        worst = worst.max(error);
    }
    let compared = gradients.len();
    assert_eq!(compared, expected.keys().filter(|name| name.starts_with("grad.")).count(), "weights of ours");
    println!("{how}: loss off by {off:.1e}, {compared} gradients by at most {worst:.1e}");
}

/// The tiny Llama that trainings of the tests begin from.
pub fn llama() -> LanguageModel {
    LanguageModel::load(&path("llama")).unwrap()
}

/// 16 texts for it to train on, 4 to measure on.
pub fn sentences(model: &LanguageModel) -> (Dataset, Dataset) {
    let text = |i: usize| format!("el gato {} come pan {i} the cat eats", "muy ".repeat(i % 5));
    model.dataset(&(0..20).map(text).collect::<Vec<_>>(), 24).unwrap().split(0.8, 1).unwrap()
}

/// Twenty AdamW steps on one batch have PyTorch's losses.
pub fn twenty_steps_follow(model: &dyn Trainable, batch: &Batch, expected: &HashMap<String, Tensor>) {
    let mut optimizer = AdamW::new(AdamWConfig { max_grad_norm: 0.0, ..AdamWConfig::default() });
    let mut worst = 0f64;
    let theirs = floats(&expected["adamw_losses"]);
    assert_eq!(theirs.len(), 20);
    for (i, theirs) in theirs.iter().enumerate() {
        let mine = train_step(model, batch, &mut optimizer, 1e-3).unwrap().0;
        assert!((mine - theirs).abs() < 1e-3, "step {i}: {mine} against {theirs}");
        worst = worst.max((mine - theirs).abs());
    }
    println!("20 steps off by at most {worst:.1e}");
}

/// With adapters only they get gradients, and after a step both halves of each.
pub fn adapters_learn(model: &dyn Trainable, batch: &Batch, also: &[&str]) {
    let whole = |name: &str| also.iter().any(|part| name.contains(part));
    let zero = || {
        let gradients = [model.loss(batch, true).unwrap().backward().unwrap()];
        let zero = |param: &aula::nn::Param| {
            let gradient = param.gradient(&gradients).unwrap()?;
            Some(floats(&gradient).iter().all(|x| *x == 0.0))
        };
        model.params().iter().map(|param| (param.name.clone(), zero(param))).collect::<Vec<_>>()
    };
    for (name, zero) in zero() {
        let wanted = match name.as_str() {
            name if name.contains("lora_A") => Some(true), // its partner B is still zero
            name if name.contains("lora_B") || whole(name) => Some(false),
            _ => None,
        };
        assert_eq!(zero, wanted, "{name}");
    }
    let mut optimizer = AdamW::new(AdamWConfig::default());
    train_step(model, batch, &mut optimizer, 1e-2).unwrap();
    for (name, zero) in zero().into_iter().filter(|(name, _)| name.contains("lora_")) {
        assert_eq!(zero, Some(false), "{name}");
    }
}
