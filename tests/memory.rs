//! How much memory trainings take: estimated by shapes, and measured, each in a process of its own. Linux only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing
#![cfg(target_os = "linux")]

mod reference;

use std::process::Command;

use aula::classifier::Classifier;
use aula::dataset::Dataset;
use aula::language_model::{LanguageModel, LoraConfig};
use aula::models::{encoder_config, encoder_decoder, ClassifierEncoder};
use aula::nn::{Module, Weights};
use aula::save::SaveOptions;
use aula::seq2seq::Seq2Seq;
use aula::tokenizer::Tokenizer;
use aula::train::{estimate_memory, evaluate, fine_tune, TrainConfig, Trainable};
use candle_core::Tensor;
use serde_json::{json, Value};

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

/// 40 texts of 128 tokens at least.
fn texts() -> Vec<String> {
    (0..40).map(|i| format!("el gato {i} come pan ").repeat(30)).collect()
}

/// A model of one of the fixtures' families with random weights, written to a folder and read from there; the settings are
/// the fixture's but for these.
fn widened<M>(
    fixture: &str,
    settings: Value,
    draw: impl Fn(&Value) -> Vec<(String, Tensor)>,
    load: impl Fn(&str) -> aula::error::Result<M>,
) -> M {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| reference::fixture(fixture).join(name);
    let mut config: Value = serde_json::from_slice(&std::fs::read(file("config.json")).unwrap()).unwrap();
    for (name, value) in settings.as_object().unwrap() {
        config[name] = value.clone();
    }
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    std::fs::copy(file("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let weights = draw(&config).into_iter().collect::<std::collections::HashMap<String, Tensor>>();
    candle_core::safetensors::save(&weights, folder.path().join("model.safetensors")).unwrap();
    load(&folder.path().to_string_lossy()).unwrap()
}

fn named(params: Vec<&aula::nn::Param>) -> Vec<(String, Tensor)> {
    params.into_iter().map(|param| (param.name.clone(), param.var().as_detached_tensor())).collect()
}

/// A model of another family than GPT-2, six layers of `width`, and its data.
fn other(family: &str, width: usize, vocabulary: usize) -> (Box<dyn Trainable>, Dataset) {
    let drawn = || Weights::drawn(aula::rng::Rng::new(7));
    let encoder = json!({
        "hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": 6, "num_attention_heads": width / 64,
        "vocab_size": vocabulary, "max_position_embeddings": 128, "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1, "pooler_hidden_size": width,
    });
    match family {
        "llama" => {
            let config = json!({
                "model_type": "llama", "vocab_size": vocabulary, "hidden_size": width, "intermediate_size": 3 * width,
                "num_hidden_layers": 6, "num_attention_heads": width / 64, "max_position_embeddings": 128,
                "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": true,
            });
            let tokenizer = Tokenizer::read(&reference::fixture("llama/tokenizer.json")).unwrap();
            let model = LanguageModel::random(config, tokenizer, 7).unwrap();
            let data = model.dataset(&texts(), 128).unwrap();
            (Box::new(model), data)
        }
        "bert" | "deberta-v2" => {
            let draw = |config: &Value| {
                named(ClassifierEncoder::new(encoder_config(config).unwrap(), drawn()).unwrap().params())
            };
            let model = widened(&format!("{family}/classify"), encoder, draw, Classifier::load);
            let labels: Vec<String> = (0..40).map(|i| model.labels()[i % model.labels().len()].clone()).collect();
            let data = model.dataset(&texts(), &labels, 128).unwrap();
            (Box::new(model), data)
        }
        _ => {
            let settings = json!({
                "d_model": width, "d_ff": 4 * width, "d_kv": 64, "num_heads": width / 64, "num_layers": 6,
                "num_decoder_layers": 6, "vocab_size": vocabulary, "dropout_rate": 0.1,
            });
            let draw = |config: &Value| named(encoder_decoder(config, drawn()).unwrap().params());
            let model = widened("t5/relu", settings, draw, Seq2Seq::load);
            let data = model.dataset(&texts(), &texts(), 128, 64).unwrap();
            (Box::new(model), data)
        }
    }
}

/// A GPT-2 of this shape with random weights, and 40 texts of 128 tokens.
fn gpt2(width: usize, vocabulary: usize) -> (LanguageModel, Dataset) {
    let config = json!({
        "model_type": "gpt2", "vocab_size": vocabulary, "n_embd": width, "n_layer": 6, "n_head": width / 64,
        "n_positions": 128, "eos_token_id": 2,
    });
    let tokenizer = Tokenizer::read(&reference::fixture("gpt2/tokenizer.json")).unwrap();
    let model = LanguageModel::random(config, tokenizer, 7).unwrap();
    let data = model.dataset(&texts(), 128).unwrap();
    assert!((0..40).all(|i| data.example(i).unwrap().len() == 128));
    (model, data)
}

/// The sizes that a child tries: width, vocabulary, texts a batch, and words for what is done with them.
type Case<'a> = (usize, usize, usize, &'a str);

/// Runs one of the ignored tests below in a process of its own; gives the numbers that it measured.
fn in_a_process(name: &str, case: &str) -> Vec<f64> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env("AULA_MEMORY_CASE", case)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    print!("{text}");
    let line = text
        .lines()
        .find_map(|line| line.split_once("MEASURED "))
        .unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&child.stderr)))
        .1;
    line.split(' ').map(|number| number.parse().unwrap()).collect()
}

/// Runs `child` on a case; gives its measured and its estimated megabytes, and those that adapters took.
fn run((width, vocabulary, batch_size, how): Case) -> [f64; 3] {
    let case = format!("{width} {vocabulary} {batch_size} {how}");
    let numbers = in_a_process("child", &case);
    println!("{case}: {:.0} MB measured, {:.0} estimated", numbers[0], numbers[1]);
    [numbers[0], numbers[1], numbers[2]]
}

fn measure(case: Case) -> (f64, f64) {
    let [measured, estimated, _] = run(case);
    (measured, estimated)
}

#[test]
#[ignore = "a part of the others, in a process of its own"]
fn child() {
    let Ok(case) = std::env::var("AULA_MEMORY_CASE") else { return };
    let words: Vec<&str> = case.split(' ').collect();
    let number = |i: usize| words[i].parse::<usize>().unwrap();
    let (mut model, data) = gpt2(number(0), number(1));
    let (_, valid) = data.split(0.95, 1).unwrap();
    let before = memory().1;
    if words.contains(&"adapters") {
        model.add_lora(&LoraConfig { half: words.contains(&"half"), ..LoraConfig::default() }).unwrap();
    }
    let bytes = |model: &LanguageModel| -> usize {
        model.params().iter().map(|param| param.count() * param.var().dtype().size_in_bytes()).sum()
    };
    println!(
        "weights of {} MB; {:.0} MB in memory, {:.0} before adapters",
        bytes(&model) / 1_000_000,
        memory().1,
        before
    );
    let adapters = memory().1 - before;
    let recompute = words.contains(&"again");
    let config = TrainConfig { batch_size: number(2), recompute, max_steps: 2, epochs: 1, ..TrainConfig::default() };
    let estimate = estimate_memory(&model, &data, &config);
    let measured = match words.contains(&"measuring") {
        true => peak(|| {
            evaluate(&model, &data).unwrap();
        }),
        false => peak(|| {
            fine_tune(&mut model, &data, &valid, &config).unwrap();
        }),
    };
    println!("{estimate}; in all {:.0} MB at the fullest", memory().0);
    println!("\nMEASURED {measured} {} {adapters}", estimate.more() as f64 / 1e6);
}

#[test]
#[ignore = "a part of the others, in a process of its own"]
fn other_family() {
    let Ok(case) = std::env::var("AULA_MEMORY_CASE") else { return };
    let words: Vec<&str> = case.split(' ').collect();
    let number = |i: usize| words[i].parse::<usize>().unwrap();
    let (mut model, data) = other(words[0], number(1), number(2));
    let (_, valid) = data.split(0.95, 1).unwrap();
    let config = TrainConfig { batch_size: number(3), max_steps: 2, epochs: 1, ..TrainConfig::default() };
    let estimate = estimate_memory(&*model, &data, &config);
    let measured = peak(|| {
        fine_tune(&mut *model, &data, &valid, &config).unwrap();
    });
    println!("{estimate}\nMEASURED {measured} {}", estimate.more() as f64 / 1e6);
}

#[test]
#[ignore = "a part of the next, in a process of its own"]
fn loading() {
    let Ok(folder) = std::env::var("AULA_MEMORY_CASE") else { return };
    let mut model = None;
    let measured = peak(|| model = Some(LanguageModel::load(&folder).unwrap()));
    println!("\nMEASURED {measured} {}", model.unwrap().count_parameters().1 as f64 * 4.0 / 1e6);
}

#[test]
fn a_model_is_loaded_in_little_more_than_its_own_size() {
    let (model, _) = gpt2(512, 16_000);
    let folder = tempfile::tempdir().unwrap();
    for dtype in ["f32", "bf16"] {
        let path = folder.path().join(dtype).to_string_lossy().into_owned();
        model.save_with(&path, &SaveOptions { dtype: dtype.into(), ..SaveOptions::default() }).unwrap();
        let [measured, weights] = in_a_process("loading", &path)[..] else { panic!("two numbers") };
        println!("{dtype}: {measured:.0} MB for weights of {weights:.0}");
        assert!(weights > 100.0 && measured < 1.1 * weights, "{measured} MB for weights of {weights}");
    }
}

#[test]
fn the_estimate_is_within_a_third_of_what_is_measured() {
    for case in [
        (256, 8_000, 32, "all"),
        (256, 8_000, 4, "all"),
        (256, 8_000, 32, "again"),
        (256, 8_000, 32, "adapters"),
        // All logits at once would be 524 MB here, and all else is less than half of that: they are never all in memory.
        (64, 32_000, 32, "adapters"),
    ] {
        let (measured, estimated) = measure(case);
        let share = measured / estimated;
        assert!((0.75..1.33).contains(&share), "{case:?}: {share}");
    }
}

#[test]
fn the_estimate_of_other_families_is_within_two_fifths() {
    for family in ["llama", "bert", "deberta-v2", "t5"] {
        for batch_size in [4, 32] {
            let found = in_a_process("other_family", &format!("{family} 256 8000 {batch_size}"));
            let [measured, estimated] = found[..] else { panic!("two numbers") };
            println!("{family}, {batch_size} texts: {measured:.0} MB measured, {estimated:.0} estimated");
            let share = measured / estimated;
            assert!((0.7..1.4).contains(&share), "{family}, {batch_size} texts: {share}");
        }
    }
}

#[test]
fn recomputing_takes_less_than_half_where_activations_are_all_there_is() {
    let (whole, _) = measure((256, 8_000, 32, "adapters"));
    let (again, _) = measure((256, 8_000, 32, "adapters again"));
    assert!(again < 0.5 * whole, "{again} of {whole} MB");
}

#[test]
fn frozen_weights_in_bf16_leave_half_of_their_memory_to_others() {
    // 6 layers of 12 · 768² numbers.
    let halved = 2.0 * 6.0 * 12.0 * 768.0 * 768.0 / 1e6;
    let [.., more] = run((768, 1_000, 1, "adapters half"));
    assert!(more < -0.8 * halved, "{more} MB more, in place of {halved} fewer");
}

#[test]
fn measuring_keeps_nothing_for_a_way_back() {
    let (measuring, _) = measure((256, 8_000, 32, "measuring"));
    let (training, _) = measure((256, 8_000, 32, "adapters"));
    assert!(measuring < 0.5 * training, "40 texts: {measuring} MB, and {training} to train on 32");
}

#[test]
fn what_is_kept_is_counted_by_the_linear_layers() {
    let model = LanguageModel::load(&reference::path("gpt2")).unwrap();
    // Two layers of width 32: 32 to 96 numbers, 32 to 32, 32 to 128, 128 to 32; three times 32 besides, and a layer of gradients.
    let layer = 128 + 64 + 160 + 160 + 3 * 32;
    assert_eq!(model.kept(3, 7, 0, false), 3 * 7 * (3 * layer));
    assert_eq!(model.kept(3, 7, 0, true), 3 * 7 * (2 * layer + 2 * 32));
}

/// The shape of distilgpt2, 4 texts of 128 tokens: the figures in the documentation of `recompute` and `half`.
#[test]
#[ignore = "takes 2 GB and minutes: cargo test --release --test memory -- --ignored --nocapture figures"]
fn figures_of_82_million_weights() {
    let all = ["all", "again", "adapters", "adapters again", "adapters half", "adapters half again"];
    let found: Vec<f64> = all.map(|how| measure((768, 50_257, 4, how)).0).to_vec();
    assert!(found[1] < found[0] && found[3] < 0.6 * found[2], "{found:?}");
}
