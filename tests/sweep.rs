//! Several settings on the same model: the best one, those that fail, the model as it was; and what real curves look like.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use aula::dataset::{Batch, Dataset};
use aula::diagnosis::Verdict;
use aula::error::{ErrorKind, Result};
use aula::language_model::{LanguageModel, LoraConfig};
use aula::nn::Param;
use aula::ops::mix;
use aula::schedule::Schedule;
use aula::train::{evaluate, fine_tune, sweep, TrainConfig, Trainable};
use candle_core::{Device, Tensor};
use reference::{llama as model, sentences as data};

/// One number w that begins at 0, whatever the texts; its loss is the root of 0.6 - w, which is no number past 0.6.
struct OneNumber(Param);

impl OneNumber {
    fn new() -> Self {
        Self(Param::new("w", &Tensor::new(0f32, &Device::Cpu).unwrap()).unwrap())
    }

    fn w(&self) -> f32 {
        self.0.var().to_scalar().unwrap()
    }
}

impl Trainable for OneNumber {
    fn params(&self) -> Vec<&Param> {
        vec![&self.0]
    }

    fn loss(&self, _: &Batch, _: bool) -> Result<Tensor> {
        Ok((0.6 - self.0.value())?.sqrt()?)
    }
}

/// Two steps of AdamW, each about as long as the rate: w is about twice the rate in the end.
fn two_steps() -> TrainConfig {
    TrainConfig {
        max_steps: 2,
        batch_size: 8,
        schedule: Schedule::Constant,
        warmup_ratio: 0.0,
        weight_decay: 0.0,
        ..TrainConfig::default()
    }
}

#[test]
fn the_best_rate_is_found_and_one_that_breaks_the_loss_is_told_and_kills_no_other() {
    let (train, valid) = data(&model());
    let one = OneNumber::new();
    // The loss after two steps is the root of 0.6 - 2 · rate; after one step of 0.7 there is none.
    let configs = two_steps().vary("learning_rate", &[0.1, 0.7, 0.28, 0.2]).unwrap();
    let found = sweep(&one, &train, &valid, &configs).unwrap();
    let losses: Vec<f64> = found.trials.iter().map(|trial| trial.valid_loss()).collect();
    for (loss, rate) in [(losses[0], 0.1), (losses[2], 0.28), (losses[3], 0.2)] {
        assert!((loss - f64::sqrt(0.6 - 2.0 * rate)).abs() < 1e-2, "{losses:?}");
    }
    assert!(losses[1].is_nan() && found.trials[1].problem.is_some());
    assert_eq!((found.best_place, found.planned, found.stopped_line()), (Some(2), 4, None));
    assert_eq!(found.best().unwrap().config.learning_rate, 0.28);
    assert_eq!(one.w(), 0.0, "the model is as before");
    let shown = found.to_string();
    assert!(shown.contains("learning_rate") && shown.contains("2.8e-1"), "{shown}");
    assert!(shown.contains("energía") || shown.contains("energy"), "{shown}");
    assert!(shown.lines().any(|line| line.contains("2.8e-1") && line.contains(" J")), "{shown}");
    assert!(shown.lines().any(|line| line.contains("7e-1") && line.contains('✗') && line.contains('—')), "{shown}");
    assert!(found.plot().unwrap().svg.contains("7e-1") && found.plot_curves().unwrap().svg.contains("1e-1"));
}

#[test]
fn where_every_trial_fails_there_is_no_best_and_the_error_says_so() {
    let (train, valid) = data(&model());
    let found = sweep(&OneNumber::new(), &train, &valid, &two_steps().vary("learning_rate", &[0.7]).unwrap()).unwrap();
    assert_eq!(found.best().unwrap_err().kind(), ErrorKind::Training);
}

#[test]
fn each_trial_is_the_training_of_a_model_loaded_anew_and_the_model_stays_as_it_was() {
    let mut tried = model();
    tried.add_lora(&LoraConfig::default()).unwrap();
    let (train, valid) = data(&tried);
    let bytes =
        |model: &LanguageModel| model.params().iter().map(|param| reference::floats(param.var())).collect::<Vec<_>>();
    let before = bytes(&tried);
    let short = TrainConfig { max_steps: 6, batch_size: 4, ..TrainConfig::default() };
    let mut configs = short.vary("learning_rate", &[1e-3, 3e-2]).unwrap();
    configs.extend(short.vary("batch_size", &[2.0]).unwrap());
    let found = sweep(&tried, &train, &valid, &configs).unwrap();
    assert_eq!(bytes(&tried), before);
    assert_eq!(found.varied, ["learning_rate", "batch_size"]);
    assert_eq!(found.trials[1].name, "learning_rate 3e-2, batch_size 4");
    for (trial, config) in found.trials.iter().zip(&configs) {
        let mut alone = model();
        alone.add_lora(&LoraConfig::default()).unwrap();
        let history = fine_tune(&mut alone, &train, &valid, config).unwrap();
        let losses = |history: &aula::history::History| history.steps.iter().map(|step| step.loss).collect::<Vec<_>>();
        assert_eq!(losses(&trial.history), losses(&history));
        assert_eq!(trial.valid_loss(), evaluate(&alone, &valid).unwrap().loss);
    }
}

#[test]
fn settings_that_cannot_be_tried_are_errors_before_anything_runs() {
    let one = OneNumber::new();
    let (train, valid) = data(&model());
    let kind = |configs: &[TrainConfig]| sweep(&one, &train, &valid, configs).unwrap_err().kind();
    assert_eq!(kind(&[]), ErrorKind::BadSetting);
    assert_eq!(kind(&[two_steps(), TrainConfig { epochs: 0, ..two_steps() }]), ErrorKind::BadSetting);
    assert_eq!(kind(&[TrainConfig { checkpoint: "here".into(), ..two_steps() }]), ErrorKind::BadSetting);
    let wrong = |setting: &str, value: f64| two_steps().vary(setting, &[value]).unwrap_err().to_string();
    assert!(wrong("rate", 1.0).contains("learning_rate"), "the names that there are");
    assert!(wrong("epochs", 2.5).contains("2.5"));
    assert!(wrong("learning_rate", f64::NAN).contains("NaN"));
    assert!(wrong("batch_size", -1.0).contains("-1"));
}

/// Texts in which nothing can be learned but themselves.
fn noise(model: &LanguageModel) -> (Dataset, Dataset) {
    let letter = |i: usize, j: usize| char::from(b'a' + (mix(i as u64, j as u64) % 26) as u8);
    let text = |i: usize| (0..12).flat_map(|j| [letter(i, j), ' ']).collect::<String>();
    model.dataset(&(0..20).map(text).collect::<Vec<_>>(), 24).unwrap().split(0.8, 1).unwrap()
}

#[test]
fn real_curves_are_told_apart() {
    let verdict = |epochs: usize, learning_rate: f64, data: fn(&LanguageModel) -> (Dataset, Dataset)| {
        let mut model = model();
        let (train, valid) = data(&model);
        let config = TrainConfig { epochs, learning_rate, batch_size: 4, ..TrainConfig::default() };
        let history = fine_tune(&mut model, &train, &valid, &config).unwrap();
        println!("{history}\n{}", history.diagnose());
        history.diagnose().verdict
    };
    assert_eq!(verdict(4, 1e-7, data), Verdict::NotLearning);
    assert_eq!(verdict(2, 1e-3, data), Verdict::TooShort);
    assert_eq!(verdict(60, 3e-3, data), Verdict::Fine);
    assert_eq!(verdict(40, 1e-2, noise), Verdict::Overfitting);
    assert_eq!(verdict(10, 0.9, data), Verdict::RateTooHigh);
}
