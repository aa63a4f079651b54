//! What must stay flat: the time of a token as texts grow longer, and the memory as they grow more.

use std::path::Path;
use std::time::Instant;

use aula::dataset::Batch;
use aula::embedder::Embedder;
use aula::optim::{AdamW, AdamWConfig};
use aula::rng::Rng;
use aula::train::train_step;
use serde_json::{json, Value};

use super::ours::model_of;
use super::peak_mb;
use super::side::{median, ourselves};

/// Tokens of each step, however long its texts.
const TOKENS: usize = 1024;
const LENGTHS: [usize; 5] = [64, 128, 256, 512, 1024];
const TEXTS: [usize; 3] = [1_000, 4_000, 16_000];

/// Milliseconds of a token in a step over texts of each length, or the peak after `work` texts were made vectors.
pub fn serve(role: &str, work: &str, folder: &Path) {
    if role == "texts" {
        let model = Embedder::load(&folder.join("all-MiniLM-L6-v2").to_string_lossy()).unwrap();
        let texts: Vec<String> =
            serde_json::from_str(&std::fs::read_to_string(folder.join("sentences.json")).unwrap()).unwrap();
        let before = peak_mb();
        let count: usize = work.parse().unwrap();
        // Short ones, so that what grows is seen and not waited for.
        let short = |text: &String| text.chars().take(40).collect::<String>();
        let texts: Vec<String> = texts.iter().cycle().take(count).map(short).collect();
        model.embed(&texts).unwrap();
        println!("{}", json!([before, peak_mb()]));
        return;
    }
    let model = model_of("gpt2", folder);
    let (mut optimizer, mut rng) = (AdamW::new(AdamWConfig::default()), Rng::new(1));
    let turns: usize = work.parse().unwrap();
    let mut seconds = vec![Vec::new(); LENGTHS.len()];
    for turn in 0..=turns {
        for (length, seconds) in LENGTHS.iter().zip(&mut seconds) {
            let mut row = |_| (0..*length).map(|_| 3 + rng.below(50_000) as u32).collect::<Vec<u32>>();
            let rows: Vec<Vec<u32>> = (0..TOKENS / length).map(&mut row).collect();
            let batch = Batch::new(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
            let begin = Instant::now();
            train_step(&*model, &batch, &mut optimizer, 1e-4).unwrap();
            if turn > 0 {
                seconds.push(begin.elapsed().as_secs_f64() * 1e3 / TOKENS as f64);
            }
        }
    }
    println!("{}", json!(seconds.iter().map(|seconds| median(seconds)).collect::<Vec<_>>()));
}

/// Two tables.
pub fn measure(folder: &Path, turns: usize) -> String {
    let ask = |role: &str, work: &str| -> Vec<f64> {
        let output = ourselves(role, work, folder, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut answers = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        serde_json::from_value(answers.next_back().unwrap_or_else(|| panic!("{role} {work}: {text}"))).unwrap()
    };
    let mut lines = format!("| tokens a text | ms a token (GPT-2 82 M, all weights, {TOKENS} tokens a step) | attention's products, of all |\n");
    lines += "| ---: | ---: | ---: |\n";
    for (length, time) in LENGTHS.iter().zip(ask("lengths", &turns.to_string())) {
        lines += &format!("| {length} | {time:.2} | {:.0} % |\n", 100.0 * attention_share(*length));
    }
    lines += "\n| texts made vectors | peak before, MB | after, MB |\n| ---: | ---: | ---: |\n";
    for texts in TEXTS {
        let peaks = ask("texts", &texts.to_string());
        lines += &format!("| {texts} | {:.0} | {:.0} |\n", peaks[0], peaks[1]);
    }
    lines.trim_end().to_string()
}

/// Attention's share of the multiplications of a step of GPT-2 82 M: 6 layers of 12 d² + 2 · length · d, and the head.
fn attention_share(length: usize) -> f64 {
    let (d, vocabulary, length) = (768.0, 50257.0, length as f64);
    let attention = 6.0 * 2.0 * length * d;
    attention / (attention + 6.0 * 12.0 * d * d + vocabulary * d)
}
