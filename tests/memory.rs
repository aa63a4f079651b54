//! How much memory trainings take: estimated, and measured. Linux only; one test, because the peak is the process's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing
#![cfg(target_os = "linux")]

mod reference;

use aula::dataset::Dataset;
use aula::language_model::{LanguageModel, LoraConfig};
use aula::tokenizer::Tokenizer;
use aula::train::{estimate_memory, evaluate, fine_tune, TrainConfig, Trainable};
use serde_json::json;

/// The most memory that this process has had since it was last asked to forget, and what it has now, in megabytes.
fn memory() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let megabytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1e3
    };
    (megabytes("VmHWM:"), megabytes("VmRSS:"))
}

/// Megabytes that `work` takes at its fullest moment, besides what was there before.
fn peak(work: impl FnOnce()) -> f64 {
    // Linux forgets the peak so far when 5 is written here.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory().1;
    work();
    memory().0 - before
}

/// A GPT-2 of this shape with random weights, and texts of 128 tokens.
fn gpt2(width: usize, layers: usize, vocabulary: usize) -> (LanguageModel, Dataset) {
    let config = json!({
        "model_type": "gpt2", "vocab_size": vocabulary, "n_embd": width, "n_layer": layers, "n_head": width / 64,
        "n_positions": 128, "eos_token_id": 2,
    });
    let tokenizer = Tokenizer::read(&reference::fixture("gpt2/tokenizer.json")).unwrap();
    let model = LanguageModel::random(config, tokenizer, 7).unwrap();
    let texts: Vec<String> = (0..40).map(|i| format!("el gato {i} come pan ").repeat(30)).collect();
    let data = model.dataset(&texts, 128).unwrap();
    assert!((0..40).all(|i| data.example(i).unwrap().len() == 128));
    (model, data)
}

/// Megabytes of a model's weights, by their shapes and widths.
fn held(model: &LanguageModel) -> usize {
    model.params().iter().map(|param| param.count() * param.var().dtype().size_in_bytes()).sum::<usize>() / 1_000_000
}

/// What a training of two steps takes, as a share of what was estimated.
fn measured_of_estimated(
    name: &str,
    model: &mut LanguageModel,
    data: &Dataset,
    batch_size: usize,
    recompute: bool,
) -> (f64, f64) {
    let config = TrainConfig { batch_size, recompute, max_steps: 2, epochs: 1, ..TrainConfig::default() };
    let estimate = estimate_memory(model, data, &config);
    let (_, valid) = data.split(0.95, 1).unwrap();
    let measured = peak(|| {
        fine_tune(model, data, &valid, &config).unwrap();
    });
    let share = measured / (estimate.more() as f64 / 1e6);
    println!("{name}: measured {measured:.0} MB more; {estimate}: {share:.2} of the estimate");
    (measured, share)
}

#[test]
fn the_estimate_is_within_a_third_of_what_is_measured() {
    let (mut model, data) = gpt2(256, 6, 8_000);
    // 4 linear layers of each block: 256 to 768, 256 to 256, 256 to 1,024, 1,024 to 256 numbers.
    let per_position = 6 * (256 + 768 + 256 + 256 + 2 * (256 + 1024));
    let (few, many) = (4, 32);
    let estimate = |batch_size| {
        let config = TrainConfig { batch_size, ..TrainConfig::default() };
        estimate_memory(&model, &data, &config).activations
    };
    assert_eq!(estimate(many) - estimate(few), 4 * (many - few) * 128 * per_position);
    let measuring = peak(|| {
        evaluate(&model, &data).unwrap();
    });
    println!("measuring 40 texts: {measuring:.0} MB");
    for (name, batch_size, recompute) in
        [("many texts", many, false), ("few texts", few, false), ("computed again", many, true)]
    {
        let (_, share) = measured_of_estimated(name, &mut model, &data, batch_size, recompute);
        assert!((0.75..1.33).contains(&share), "{name}: {share}");
    }
    model.add_lora(&LoraConfig::default()).unwrap();
    let (whole, share) = measured_of_estimated("adapters", &mut model, &data, many, false);
    assert!((0.75..1.33).contains(&share), "adapters: {share}");
    let (again, _) = measured_of_estimated("adapters, computed again", &mut model, &data, many, true);
    assert!(again < 0.5 * whole, "with adapters hardly anything but activations is left: {again} of {whole} MB");
}

/// The shape of distilgpt2 with texts of 128 tokens, 4 at a time: the figures in the documentation of `recompute`.
#[test]
#[ignore = "takes 2 GB; run alone: cargo test --release --test memory -- --ignored --nocapture"]
fn recomputing_halves_the_activations_of_82_million_weights() {
    let (mut model, data) = gpt2(768, 6, 50_257);
    let begin = std::time::Instant::now();
    let (whole, _) = measured_of_estimated("82 M", &mut model, &data, 4, false);
    let (once, begin) = (begin.elapsed(), std::time::Instant::now());
    let (again, _) = measured_of_estimated("82 M, computed again", &mut model, &data, 4, true);
    println!("{once:?} and {:?} for two steps and two measurings", begin.elapsed());
    model.add_lora(&LoraConfig::default()).unwrap();
    let (adapters, _) = measured_of_estimated("82 M, adapters", &mut model, &data, 4, false);
    let (again_adapters, _) = measured_of_estimated("82 M, adapters, computed again", &mut model, &data, 4, true);
    let before = (held(&model), memory().1);
    model.add_lora(&LoraConfig { half: true, ..LoraConfig::default() }).unwrap();
    println!("weights {} MB, in memory {:.0} MB; in bf16 {} and {:.0}", before.0, before.1, held(&model), memory().1);
    measured_of_estimated("82 M, adapters on bf16", &mut model, &data, 4, false);
    assert!(again < whole && again_adapters < 0.6 * adapters, "{again} of {whole}, {again_adapters} of {adapters}");
}
