//! Frozen weights in bf16 under adapters: the same computation on rounded numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use aula::classifier::Classifier;
use aula::dataset::Batch;
use aula::generate::GenerateConfig;
use aula::language_model::{LanguageModel, LoraConfig};
use aula::masked_model::MaskedModel;
use aula::ops::{linear_half, Affine};
use aula::seq2seq::Seq2Seq;
use aula::train::{evaluate, fine_tune, TrainConfig, Trainable};
use candle_core::{DType, Device, Tensor, Var};
use reference::{difference, floats, path, relative};

fn half() -> LoraConfig {
    LoraConfig { half: true, ..LoraConfig::default() }
}

#[test]
fn a_product_with_a_weight_in_bf16_is_that_with_the_rounded_weight() {
    // The weight is taken in several parts: 420,000 numbers.
    let (rows, input, out) = (9, 600, 700);
    let random = |shape: (usize, usize)| Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap();
    for fan_in_fan_out in [false, true] {
        let weight = random(if fan_in_fan_out { (input, out) } else { (out, input) }).to_dtype(DType::BF16).unwrap();
        let (x, residual) =
            (Var::from_tensor(&random((rows, input))).unwrap(), Var::from_tensor(&random((rows, out))).unwrap());
        let bias = random((1, out)).squeeze(0).unwrap();
        let how = Affine { train_weight: false, fan_in_fan_out };
        let wide = weight.to_dtype(DType::F32).unwrap();
        let pull = random((rows, out));
        let compare = |mine: Tensor, theirs: Tensor, of: &[&Var]| {
            assert!(relative(&mine, &theirs) < 1e-5, "{fan_in_fan_out}");
            let grad = |y: &Tensor| (y * &pull).unwrap().sum_all().unwrap().backward().unwrap();
            let (mine, theirs) = (grad(&mine), grad(&theirs));
            for var in of {
                assert!(relative(mine.get(var).unwrap(), theirs.get(var).unwrap()) < 1e-5, "{fan_in_fan_out}");
            }
        };
        let mine = linear_half(&x, &weight, fan_in_fan_out, Some(&bias), None, (rows, out)).unwrap();
        compare(mine, how.run(&x, &wide, Some(&bias), (rows, out)).unwrap(), &[&x]);
        let mine = linear_half(&x, &weight, fan_in_fan_out, None, Some(&residual), (rows, out)).unwrap();
        compare(mine, how.run(&x, &wide, Some(&residual), (rows, out)).unwrap(), &[&x, &residual]);
        assert!(linear_half(&residual, &weight, fan_in_fan_out, None, None, (rows, out)).is_err());
    }
}

/// Losses of a training with adapters, and the model.
fn losses(name: &str, config: &LoraConfig) -> (Vec<f64>, LanguageModel) {
    let mut model = LanguageModel::load(&path(name)).unwrap();
    model.add_lora(config).unwrap();
    let texts: Vec<String> = (0..16).map(|i| format!("el gato {i} come pan y duerme")).collect();
    let data = model.dataset(&texts, 24).unwrap();
    let config = TrainConfig { learning_rate: 1e-2, batch_size: 4, ..Default::default() };
    let history = fine_tune(&mut model, &data, &data, &config).unwrap();
    assert_eq!(history.moved, history.trainable);
    (history.steps.iter().map(|step| step.loss).collect(), model)
}

#[test]
fn adapters_on_weights_in_bf16_learn_within_two_hundredths() {
    for name in ["gpt2", "llama", "qwen3"] {
        let (full, _) = losses(name, &LoraConfig::default());
        let (rounded, mut model) = losses(name, &half());
        assert_ne!(full, rounded, "{name}: nothing was rounded");
        for (full, rounded) in full.iter().zip(&rounded) {
            assert!((full - rounded).abs() < 2e-2 * full, "{name}: {full} and {rounded}");
        }
        assert!(rounded.last() < rounded.first());
        let count = |model: &LanguageModel| model.params().iter().filter(|param| param.is_half()).count();
        let matrices = |model: &LanguageModel| {
            model.params().iter().filter(|param| !param.trainable && param.var().rank() > 1).count()
        };
        assert_eq!(count(&model), matrices(&model));
        // Merged, saved and read again the model is the same, and all of it can be trained.
        let ids = [5u32, 17, 42, 8];
        let before = model.logits_of(&ids).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("m").to_string_lossy().into_owned();
        model.save(&folder).unwrap();
        assert!(difference(&LanguageModel::load(&folder).unwrap().logits_of(&ids).unwrap(), &before) < 1e-3);
        model.merge_lora().unwrap();
        assert!(count(&model) == 0 && difference(&model.logits_of(&ids).unwrap(), &before) < 1e-3);
        model.add_lora(&half()).unwrap();
        model.add_lora(&LoraConfig::default()).unwrap();
        assert_eq!(count(&model), 0, "adapters without half: f32 again");
    }
}

#[test]
fn every_frozen_matrix_is_held_in_bf16_whichever_gets_an_adapter() {
    // llama: a table and 7 matrices in each of 2 layers; qwen3: a head besides; gpt2: two tables and 4 in each.
    let few = LoraConfig { target_modules: vec!["q_proj".into()], ..half() };
    let mut model = LanguageModel::load(&path("llama")).unwrap();
    let ids = [5u32, 17, 42, 8, 11, 3];
    let before = model.logits_of(&ids).unwrap();
    model.add_lora(&few).unwrap();
    let names = |params: Vec<&aula::nn::Param>| -> Vec<String> {
        params.into_iter().filter(|param| param.is_half()).map(|param| param.name.clone()).collect()
    };
    let halves = names(model.params());
    assert_eq!(halves.len(), 1 + 2 * 7, "{halves:?}");
    assert!(
        halves[0].contains("embed_tokens") && model.params().iter().all(|param| !param.trainable || !param.is_half())
    );
    let bytes = |model: &LanguageModel| -> usize {
        let frozen = model.params().into_iter().filter(|param| !param.trainable);
        frozen.map(|param| param.count() * param.var().dtype().size_in_bytes()).sum()
    };
    let rounded = bytes(&model);
    let off = difference(&model.logits_of(&ids).unwrap(), &before);
    assert!(off > 0.0 && off < 0.1, "{off}");
    model.add_lora(&LoraConfig { half: false, ..few }).unwrap();
    assert!(names(model.params()).is_empty() && (rounded as f64) < 0.55 * bytes(&model) as f64);
    for (name, matrices) in [("gpt2", 2 + 2 * 4), ("qwen3", 2 + 2 * 7)] {
        let mut model = LanguageModel::load(&path(name)).unwrap();
        model.add_lora(&half()).unwrap();
        assert_eq!(names(model.params()).len(), matrices, "{name}");
        let config = GenerateConfig { temperature: 0.0, max_tokens: 8, ..GenerateConfig::default() };
        assert!(model.generate("el gato", &config).unwrap().tokens > 0, "{name}");
    }
}

#[test]
fn models_of_every_kind_learn_with_their_frozen_matrices_in_bf16() {
    let mut masked = MaskedModel::load(&path("deberta-v2/masked")).unwrap();
    let mut pairs = Seq2Seq::load(&path("t5/gated")).unwrap();
    let texts: Vec<String> = (0..8).map(|i| format!("el gato {i} come pan y duerme")).collect();
    let config = TrainConfig { learning_rate: 1e-2, batch_size: 4, ..Default::default() };
    let data = masked.dataset(&texts, 24).unwrap();
    let whole = evaluate(&masked, &data).unwrap().loss;
    masked.add_lora(&half()).unwrap();
    assert!((evaluate(&masked, &data).unwrap().loss - whole).abs() < 5e-2);
    assert!(masked.params().iter().any(|param| param.name.contains("rel_embeddings") && param.is_half()));
    let history = fine_tune(&mut masked, &data, &data, &config).unwrap();
    assert_eq!(history.moved, history.trainable);
    let data = pairs.dataset(&texts, &texts, 24, 24).unwrap();
    let whole = evaluate(&pairs, &data).unwrap().loss;
    pairs.add_lora(&half()).unwrap();
    assert!((evaluate(&pairs, &data).unwrap().loss - whole).abs() < 5e-2);
    let history = fine_tune(&mut pairs, &data, &data, &config).unwrap();
    assert!(history.moved == history.trainable && history.steps.iter().all(|step| step.loss.is_finite()));
}

#[test]
fn an_encoders_layers_are_rounded_and_its_head_is_not() {
    let texts: [&[u32]; 2] = [&[2, 7, 8, 9, 3], &[2, 9, 3]];
    let batch = Batch::labelled(&texts, &[vec![0], vec![2]], &[], false).unwrap();
    let loss = |config: &LoraConfig| {
        let mut model = Classifier::load(&path("bert/classify")).unwrap();
        model.add_lora(config).unwrap();
        let halves: Vec<String> =
            model.params().iter().filter(|param| param.is_half()).map(|param| param.name.clone()).collect();
        (floats(&model.loss(&batch, true).unwrap())[0], halves)
    };
    let ((full, none), (rounded, halves)) = (loss(&LoraConfig::default()), loss(&half()));
    assert!(none.is_empty() && halves.len() == 3 + 2 * 6 + 1, "{halves:?}"); // three tables, two layers, the pooler
    assert!(halves.iter().all(|name| !name.starts_with("classifier")));
    assert!(full != rounded && (full - rounded).abs() < 1e-2, "{full} and {rounded}");
}
