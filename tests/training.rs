//! The training loop: the best epoch, large steps in small parts, groups, budgets, and going on from a checkpoint.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use std::path::{Path, PathBuf};

use aula::dataset::{Batch, Dataset};
use aula::energy::Method;
use aula::error::Result;
use aula::history::{Ended, History};
use aula::language_model::{LanguageModel, LoraConfig};
use aula::masked_model::MaskedModel;
use aula::metrics::BootstrapConfig;
use aula::ops::IGNORE;
use aula::optim::{AdamW, AdamWConfig};
use aula::schedule::Schedule;
use aula::train::{
    evaluate, fine_tune, perplexity_interval, train_step, train_step_in_parts, Metric, ParamGroup, TrainConfig,
    Trainable,
};
use candle_core::D;
use reference::{llama as model, sentences as data};

fn config() -> TrainConfig {
    TrainConfig { epochs: 4, batch_size: 4, learning_rate: 1e-2, ..TrainConfig::default() }
}

fn run(config: &TrainConfig) -> (LanguageModel, History) {
    let mut model = model();
    let (train, valid) = data(&model);
    let history = fine_tune(&mut model, &train, &valid, config).unwrap();
    (model, history)
}

fn bits(history: &History) -> Vec<u64> {
    let steps = history.steps.iter().flat_map(|step| [step.loss.to_bits(), step.grad_norm.to_bits()]);
    let epochs = history
        .epochs
        .iter()
        .flat_map(|epoch| [Some(epoch.valid_loss), epoch.train_loss].map(|loss| loss.unwrap_or(0.0).to_bits()));
    steps.chain(epochs).collect()
}

#[test]
fn training_ends_when_it_gets_no_better_and_the_best_weights_are_put_back() {
    // Steps this large ruin the model after an epoch or two.
    let settings = TrainConfig { epochs: 30, learning_rate: 0.2, patience: 2, ..config() };
    let (trained, history) = run(&settings);
    let best = history.best.unwrap();
    let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.valid_loss).collect();
    assert!(losses.iter().all(|loss| *loss >= losses[best]), "{losses:?}");
    assert_eq!(losses.len() - 1, best + 2, "two epochs of patience: {losses:?}");
    assert_eq!(history.ended, Ended::NoBetter);
    let loss = evaluate(&trained, &data(&trained).1).unwrap().loss;
    assert_eq!(loss, losses[best]);
    assert!(history.to_string().contains(&format!("{best} ★")), "{history}");
    assert_eq!(history.perplexities().1, loss.exp());
    let chart = history.plot().unwrap();
    assert!(chart.svg.contains(&format!(": {best}")), "the chart marks the best epoch");
}

/// A metric of which the first epoch is the best, whatever the loss says: how near the first weight is to its start.
fn stays(model: &LanguageModel, _: &Dataset) -> Result<f64> {
    let first = model.params()[0].var().flatten_all()?.get(0)?.to_scalar::<f32>()?;
    let start = LanguageModel::load(&reference::path("llama"))?.params()[0].var().flatten_all()?.get(0)?;
    Ok(-f64::from((first - start.to_scalar::<f32>()?).abs()))
}

#[test]
fn a_metric_of_ones_own_can_choose_the_best_epoch() {
    let metrics = vec![Metric::new("stays", stays), Metric::new("perplexity", LanguageModel::perplexity)];
    let settings = TrainConfig { metrics, monitor: "stays".into(), patience: 3, ..config() };
    let (_, history) = run(&settings);
    assert_eq!(history.best, Some(0), "nothing is nearer to the start than the start");
    assert_eq!((history.moved, history.metric("stays").unwrap()[0]), (0, 0.0));
    let measured: Vec<f64> = history.epochs.iter().map(|epoch| epoch.valid_loss.exp()).collect();
    assert_eq!(history.metric("perplexity").unwrap(), measured);
    assert!(history.to_string().contains("stays"), "{history}");
    assert!(history.best_line().unwrap().contains("(stays "), "{history}");
    assert!(history.plot().unwrap().svg.contains("stays"), "the chart shows what chose the epoch");
    let less = vec![Metric::new("perplexity", LanguageModel::perplexity).lower_is_better()];
    let (_, by_metric) = run(&TrainConfig { metrics: less, monitor: "perplexity".into(), patience: 9, ..config() });
    let (_, by_loss) = run(&TrainConfig { patience: 9, ..config() });
    assert_eq!(by_metric.best, by_loss.best);
}

#[test]
fn metrics_of_other_models_and_unknown_names_are_told() {
    let (mut model, config) = (model(), config());
    let (train, valid) = data(&model);
    let metrics = vec![Metric::new("accuracy", aula::classifier::Classifier::accuracy)];
    let wrong = TrainConfig { metrics, ..config.clone() };
    let error = fine_tune(&mut model, &train, &valid, &wrong).unwrap_err().to_string();
    assert!(error.contains("accuracy") && error.contains("Classifier"), "{error}");
    let groups = vec![ParamGroup { pattern: "classifier".into(), ..ParamGroup::default() }];
    let error = fine_tune(&mut model, &train, &valid, &TrainConfig { groups, ..config.clone() }).unwrap_err();
    assert!(error.to_string().contains("classifier") && error.to_string().contains("model.norm.weight"), "{error}");
    let groups = vec![ParamGroup { pattern: "norm".into(), learning_rate: 2.0, weight_decay: -1.0 }];
    let wrong = TrainConfig { groups, monitor: "f1".into(), accumulate: 0, resume: true, ..config };
    let error = wrong.check().unwrap_err().to_string();
    for part in ["norm: learning_rate = 2", "weight_decay = -1", "\"f1\" (loss)", "accumulate = 0", "checkpoint"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

#[test]
fn a_step_in_parts_is_the_step_of_the_whole_batch() {
    // Parts with other numbers of predictions: a mean of means would differ.
    let texts: Vec<Vec<u32>> = [3, 17, 5, 9, 21].iter().map(|n| (0..*n).map(|i| 4 + i * 7 % 90).collect()).collect();
    let batch = |texts: &[Vec<u32>]| Batch::new(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    let (whole, parts) = (model(), model());
    let new = || AdamW::new(AdamWConfig::default());
    let (mut one, mut other) = (new(), new());
    for step in 0..5 {
        let (loss, norm) = train_step(&whole, &batch(&texts), &mut one, 1e-2).unwrap();
        let three: Vec<Batch> = texts.chunks(2).map(batch).collect();
        let (sum, sum_norm) = train_step_in_parts(&parts, &three, &mut other, 1e-2).unwrap();
        assert!((loss - sum).abs() < 1e-4 && (norm / sum_norm - 1.0).abs() < 1e-4, "step {step}: {loss} and {sum}");
    }
    let settings = |batch_size, accumulate| TrainConfig { batch_size, accumulate, ..config() };
    let (large, small) = (run(&settings(8, 1)).1, run(&settings(2, 4)).1);
    assert_eq!(large.steps.len(), small.steps.len());
    for (large, small) in large.steps.iter().zip(&small.steps) {
        assert!((large.loss - small.loss).abs() < 1e-4, "step {}: {} and {}", large.step, large.loss, small.loss);
    }
}

#[test]
fn groups_have_their_own_rate_and_decay_and_norms_never_decay() {
    // AdamW's first step moves each number by the rate, and decay takes away rate · decay of it.
    let model = model();
    let before: Vec<Vec<f64>> = model.params().iter().map(|param| reference::floats(param.var())).collect();
    let group = |pattern: &str, rate_factor, weight_decay| aula::optim::Group {
        pattern: pattern.into(),
        rate_factor,
        weight_decay,
    };
    let groups = vec![group("layers.0.", 0.1, 0.5), group("layers.", 1.0, 0.0)];
    let mut optimizer = AdamW::new(AdamWConfig { weight_decay: 0.25, ..AdamWConfig::default() }).with_groups(groups);
    let texts: Vec<u32> = (0..20).map(|i| 4 + i * 7 % 90).collect();
    let rate = 1e-2;
    train_step(&model, &Batch::new(&[&texts]).unwrap(), &mut optimizer, rate).unwrap();
    for (param, before) in model.params().iter().zip(before) {
        let (rate, decay) = match param.name.as_str() {
            name if name.contains("layers.0.") => (0.1 * rate, 0.5),
            name if name.contains("layers.") => (rate, 0.0),
            _ => (rate, 0.25),
        };
        let decay = if param.var().rank() > 1 { decay } else { 0.0 };
        let steps = reference::floats(param.var()).into_iter().zip(before);
        let steps = steps.map(|(after, before)| (after - before * (1.0 - rate * decay)).abs());
        let largest = steps.fold(0.0, f64::max); // smaller where hardly anything pulls
        assert!((largest / rate - 1.0).abs() < 1e-3, "{}: {largest} at {rate}", param.name);
    }
}

#[test]
fn budgets_of_steps_and_of_time_end_a_training() {
    let (_, history) = run(&TrainConfig { max_steps: 6, ..config() });
    assert_eq!((history.steps.len(), history.planned, history.stopped_line()), (6, 6, None));
    assert!(history.steps[5].learning_rate < 1e-3, "the schedule ends there too");
    let (_, history) = run(&TrainConfig { max_minutes: 1e-9, ..config() });
    assert_eq!((history.steps.len(), history.ended, history.epochs.len()), (0, Ended::ByTime, 1));
    assert!(history.stopped_line().is_some());
}

/// Where a training of this test keeps its checkpoint.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("checkpoints ñ").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Puts the checkpoint `from` aside, as `to`, if it is the one of this step.
fn put_aside_at(step: usize, from: &str, to: &str) {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("checkpoints ñ");
    let notes = std::fs::read_to_string(home.join(from).join("notes.json"));
    if notes.is_ok_and(|notes| notes.contains(&format!("\"optimizer_steps\": {step}"))) {
        copy(&home.join(from), &home.join(to));
    }
}

/// Not a metric: at the end of the second epoch (step 8) it puts aside what was written in its midst (step 6).
fn put_aside(_: &LanguageModel, _: &Dataset) -> Result<f64> {
    put_aside_at(6, "exact", "aside");
    Ok(0.0)
}

/// As [`put_aside`], for a model that guesses: epochs of 5 steps, and step 8 is in the midst of the second.
fn put_hidden_aside(_: &MaskedModel, _: &Dataset) -> Result<f64> {
    put_aside_at(8, "hidden", "hidden aside");
    Ok(0.0)
}

#[test]
fn a_resumed_training_has_the_losses_of_the_uninterrupted_one_bit_for_bit() {
    let (exact, aside) = (folder("exact"), folder("aside"));
    let settings = TrainConfig {
        checkpoint: text(&exact),
        checkpoint_steps: 3,
        metrics: vec![Metric::new("put_aside", put_aside)],
        patience: 9,
        groups: vec![ParamGroup { pattern: "norm".into(), learning_rate: 1e-3, ..ParamGroup::default() }],
        accumulate: 2,
        batch_size: 2,
        ..config()
    };
    let (trained, whole) = run(&settings);
    assert_eq!(whole.steps.len(), 16);
    assert!(aside.is_dir(), "nothing was put aside");
    let settings = TrainConfig { checkpoint: text(&aside), resume: true, ..settings };
    let (again, resumed) = run(&settings);
    assert_eq!(bits(&whole), bits(&resumed));
    assert_eq!((whole.best, whole.tokens, whole.moved), (resumed.best, resumed.tokens, resumed.moved));
    for (one, other) in trained.params().iter().zip(again.params()) {
        assert_eq!(reference::floats(one.var()), reference::floats(other.var()), "{}", one.name);
    }
    // The run is over: its checkpoint says so, and going on does nothing more.
    assert_eq!(bits(&run(&settings).1), bits(&whole));
    // Where its first part had its energy from counters, or from another power, both ways stay told.
    let notes = aside.join("notes.json");
    let mut told: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&notes).unwrap()).unwrap();
    told["energy_method"] = serde_json::json!({ "ProcessorTime": { "watts": 7.5 } });
    told["joules"] = 1e6.into();
    std::fs::write(&notes, told.to_string()).unwrap();
    let energy = run(&settings).1.energy.unwrap();
    assert!(matches!(&energy.method, Method::Mixed(ways) if ways.len() == 2), "{energy}");
    assert!(energy.joules >= 1e6 && energy.to_string().contains("7.5 W"), "{energy}");
}

#[test]
fn dropout_and_hidden_words_go_on_as_they_would_have() {
    // The fixture's model, with BERT's own dropout: what is left out and what is hidden are drawn at each step.
    let home = folder("with dropout");
    copy(&reference::fixture("bert/masked"), &home);
    let file = home.join("config.json");
    let written = std::fs::read_to_string(&file).unwrap();
    let dropout = written.replace("dropout_prob\": 0.0", "dropout_prob\": 0.1");
    assert_eq!(dropout.matches("dropout_prob\": 0.1").count(), 2, "of states and of attention");
    let texts: Vec<String> = (0..24).map(|i| format!("el perro {i} corre por el parque")).collect();
    let run = |settings: &TrainConfig| {
        let mut model = MaskedModel::load(&text(&home)).unwrap();
        let (train, valid) = model.dataset(&texts, 30).unwrap().split(0.8, 1).unwrap();
        fine_tune(&mut model, &train, &valid, settings).unwrap()
    };
    let without = run(&TrainConfig { max_steps: 1, ..config() });
    std::fs::write(&file, dropout).unwrap();
    let (kept, aside) = (folder("hidden"), folder("hidden aside"));
    let settings = TrainConfig {
        epochs: 3,
        checkpoint: text(&kept),
        checkpoint_steps: 4,
        metrics: vec![Metric::new("put_aside", put_hidden_aside)],
        ..config()
    };
    let whole = run(&settings);
    assert_eq!(whole.steps.len(), 15);
    assert_ne!(whole.steps[0].loss, without.steps[0].loss, "dropout is at work");
    assert!(aside.is_dir(), "nothing was put aside");
    let settings = TrainConfig { resume: true, ..settings };
    assert_eq!(bits(&run(&TrainConfig { checkpoint: text(&aside), ..settings.clone() })), bits(&whole));
    // Time that is over at once leaves the state before the first step.
    let settings = TrainConfig { checkpoint: text(&folder("hidden")), ..settings };
    assert_eq!(run(&TrainConfig { max_minutes: 1e-9, ..settings.clone() }).steps.len(), 0);
    assert_eq!(bits(&run(&settings)), bits(&whole));
}

#[test]
fn labels_are_smoothed_while_training_and_measured_as_they_are() {
    let (start, smoothing) = (model(), 0.2);
    let (train, valid) = data(&start);
    let batch = train.batch(&(0..train.len()).collect::<Vec<_>>()).unwrap();
    // The mean over all predictions of -ln p(label), and of -ln p of all tokens alike.
    let (mut hard, mut soft) = (0.0, 0.0);
    for row in 0..train.len() {
        let ids = train.example(row).unwrap();
        let shares = candle_nn::ops::log_softmax(&start.logits_of(ids).unwrap(), D::Minus1).unwrap();
        let shares: Vec<Vec<f32>> = shares.to_vec2().unwrap();
        for (next, shares) in ids.iter().skip(1).zip(shares) {
            hard -= f64::from(shares[*next as usize]);
            soft -= shares.iter().map(|share| f64::from(*share)).sum::<f64>() / shares.len() as f64;
        }
    }
    let counted = batch.labels.iter().filter(|label| **label != IGNORE).count() as f64;
    let expected = ((1.0 - smoothing) * hard + smoothing * soft) / counted;
    let settings = |label_smoothing| TrainConfig {
        label_smoothing,
        batch_size: train.len(),
        max_steps: 1,
        schedule: Schedule::Constant,
        warmup_ratio: 0.0,
        ..config()
    };
    let losses = |smoothing| {
        let mut model = model();
        let history = fine_tune(&mut model, &train, &valid, &settings(smoothing)).unwrap();
        assert_eq!(history.epochs.last().unwrap().valid_loss, evaluate(&model, &valid).unwrap().loss);
        (history.steps[0].loss, history.epochs[0].valid_loss)
    };
    let ((plain, before), (smoothed, before_too)) = (losses(0.0), losses(smoothing));
    assert!((plain - hard / counted).abs() < 1e-4, "{plain} against {}", hard / counted);
    assert!((smoothed - expected).abs() < 1e-4 && (smoothed - plain).abs() > 1e-2, "{smoothed} against {expected}");
    assert_eq!(before, before_too, "what is measured knows nothing of it");
}

#[test]
fn a_checkpoint_of_something_else_says_what_differs() {
    let checkpoint = text(&folder("other"));
    let settings = TrainConfig { checkpoint: checkpoint.clone(), epochs: 1, ..config() };
    run(&settings);
    let settings = TrainConfig { resume: true, ..settings };
    let refused = |model: &mut LanguageModel, settings: &TrainConfig| {
        let (train, valid) = data(model);
        fine_tune(model, &train, &valid, settings).unwrap_err().to_string()
    };
    // The checkpoint, what differs in one of the two languages, and what to do.
    let tells = |error: &str, differs: [&str; 2]| {
        let cause = error.lines().find(|line| line.starts_with("  Caus")).unwrap_or_else(|| panic!("{error}"));
        assert!(differs.iter().any(|part| cause.contains(part)), "{error}");
        assert!(error.starts_with("✗ ") && error.contains(&checkpoint) && error.contains("  → "), "{error}");
    };
    let of_the_model = ["el modelo, o qué se entrena de él", "the model, or what of it is trained"];
    let error = refused(&mut model(), &TrainConfig { learning_rate: 3e-3, ..settings.clone() });
    assert!(error.contains("learning_rate: 0.01") && error.contains("0.003") && error.contains("→"), "{error}");
    // The same weights, computed otherwise.
    let home = folder("other config");
    copy(&reference::fixture("llama"), &home);
    let file = home.join("config.json");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replace("\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e-04")).unwrap();
    let error = refused(&mut LanguageModel::load(&text(&home)).unwrap(), &settings);
    tells(&error, ["rms_norm_eps: 0.00001, ahora 0.0001", "rms_norm_eps: 0.00001, now 0.0001"]);
    let mut adapted = model();
    adapted.add_lora(&LoraConfig::default()).unwrap();
    tells(&refused(&mut adapted, &settings), of_the_model);
    // The same shapes with other weights, and other shapes.
    let (mut moved, mut other) = (model(), LanguageModel::load(&reference::path("llama-rope/linear")).unwrap());
    let first = moved.params()[0].var().as_detached_tensor();
    moved.params()[0].set(&(first * 1.01).unwrap()).unwrap();
    tells(&refused(&mut moved, &settings), of_the_model);
    let error = refused(&mut other, &settings);
    tells(&error, of_the_model);
    tells(&error, ["config.json, rope_parameters: ", "config.json, attention_bias: "]);
    let mut same = model();
    let (train, valid) = data(&same);
    let error = fine_tune(&mut same, &valid, &train, &settings).unwrap_err().to_string();
    tells(&error, ["los textos", "the texts"]);
}

#[test]
fn a_cut_checkpoint_is_told_and_strangers_files_are_left_alone() {
    let home = folder("cut");
    let settings = TrainConfig { checkpoint: text(&home), epochs: 1, ..config() };
    run(&settings);
    let kept = folder("kept");
    copy(&home, &kept);
    let settings = TrainConfig { resume: true, ..settings };
    let mut model = model();
    let (train, valid) = data(&model);
    for name in ["weights.safetensors", "optimizer.safetensors", "notes.json"] {
        copy(&kept, &home);
        let bytes = std::fs::read(home.join(name)).unwrap();
        std::fs::write(home.join(name), &bytes[..bytes.len() / 2]).unwrap();
        let error = fine_tune(&mut model, &train, &valid, &settings).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("→"), "{error}");
    }
    std::fs::write(home.join("tesis.txt"), "years of work").unwrap();
    let settings = TrainConfig { resume: false, ..settings };
    let error = fine_tune(&mut model, &train, &valid, &settings).unwrap_err().to_string();
    assert!(error.contains("tesis.txt"), "{error}");
}

#[test]
fn the_interval_of_a_perplexity_is_around_what_evaluate_says_and_repeats() {
    let model = model();
    let (train, _) = data(&model);
    let measure = || perplexity_interval(&model, &train, &BootstrapConfig::default()).unwrap();
    let (interval, again) = (measure(), measure());
    let whole = evaluate(&model, &train).unwrap().perplexity();
    assert!((interval.value / whole - 1.0).abs() < 1e-5, "{} and {whole}", interval.value);
    assert!(interval.low < whole && whole < interval.high && interval.high < 2.0 * whole, "{interval}");
    assert_eq!((interval.low, interval.high), (again.low, again.high));
    let (one, _) = train.split(1e-4, 1).unwrap();
    let alone = perplexity_interval(&model, &one, &BootstrapConfig::default()).unwrap();
    assert_eq!((alone.low, alone.high), (alone.value, alone.value), "one text alone says nothing of others");
}
