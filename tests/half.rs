//! Frozen weights in bf16 under adapters: the same computation on rounded numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use aula::classifier::Classifier;
use aula::dataset::Batch;
use aula::language_model::{LanguageModel, LoraConfig};
use aula::ops::{linear_half, Affine};
use aula::train::{fine_tune, TrainConfig, Trainable};
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
fn adapters_on_weights_in_bf16_learn_within_a_hundredth() {
    for name in ["gpt2", "llama", "qwen3"] {
        let (full, _) = losses(name, &LoraConfig::default());
        let (rounded, mut model) = losses(name, &half());
        assert_ne!(full, rounded, "{name}: nothing was rounded");
        for (full, rounded) in full.iter().zip(&rounded) {
            assert!((full - rounded).abs() < 1e-2, "{name}: {full} and {rounded}");
        }
        assert!(rounded.last() < rounded.first());
        let count = |model: &LanguageModel| model.params().iter().filter(|param| param.is_half()).count();
        let adapted = model.params().iter().filter(|param| param.name.contains(".lora_A")).count();
        assert_eq!(count(&model), adapted);
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
    assert!(none.is_empty() && halves.len() == 2 * 6 + 1, "{halves:?}");
    assert!(halves.iter().all(|name| !name.starts_with("classifier") && !name.contains("embeddings")));
    assert!(full != rounded && (full - rounded).abs() < 1e-2, "{full} and {rounded}");
}
