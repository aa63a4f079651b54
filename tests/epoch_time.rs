//! The time of an epoch that `describe` tells before a model is downloaded, beside that of a real one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use aula::hub::describe;
use aula::language_model::LanguageModel;
use aula::table::Table;
use aula::train::{fine_tune, TrainConfig};
use std::path::PathBuf;

/// `cargo test --release --test epoch_time -- --ignored --nocapture`, with nothing else running.
#[test]
#[ignore = "a timing: it says something on a quiet machine alone"]
fn an_epoch_takes_at_least_what_describe_tells_and_less_than_twice_that() {
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    std::env::set_var("AULA_HOME", &home);
    let told = describe("cuentos").unwrap().epoch_seconds.unwrap();
    let stories = Table::read(&home.join("data/en/diary.csv").to_string_lossy()).unwrap().texts("text").unwrap();
    // 1,000 texts, each cut at 64 tokens: what `describe` speaks of.
    let stretch = |i: usize| format!("{} {}", stories[i % stories.len()], stories[(i + 7) % stories.len()]);
    let texts: Vec<String> = (0..1_000).map(stretch).collect();
    let mut model = LanguageModel::load("cuentos").unwrap();
    let data = model.dataset(&texts, 64).unwrap();
    let valid = model.dataset(&texts[..8], 64).unwrap();
    model.train_all();
    let config = TrainConfig { epochs: 1, batch_size: 8, learning_rate: 1e-5, ..TrainConfig::default() };
    let history = fine_tune(&mut model, &data, &valid, &config).unwrap();
    let (real, tokens) = (history.seconds, history.tokens);
    println!("told: at least {told:.1} s; real: {real:.1} s for {tokens} tokens; {:.2} times", real / told);
    assert!((57_000..=65_000).contains(&tokens), "{tokens} tokens are not 1,000 texts of 64");
    assert!(real > 0.8 * told && real < 2.0 * told, "told {told:.1} s, real {real:.1} s");
}
