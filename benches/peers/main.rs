//! Our speed and memory beside PyTorch's: `cargo bench --bench peers -- [WORK ...] [--python PYTHON] [--turns N]`.
//!
//! PYTHON has what `benches/peers/requirements.txt` lists. `make.py` writes models and texts into a folder, then each kind of
//! work has a process a side: ours, PyTorch as people run it, PyTorch with glibc's allocator told to keep its memory, and
//! the ceiling, the step's products of matrices alone in candle. They take turns (A B C D A B C D), the first of which
//! is not counted, and the table in `docs/performance.md` gets a line for each work that was measured.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a bench that cannot go on should say so

mod ceiling;
mod kernel;
mod lengths;
mod ours;
mod report;
mod side;

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use side::{Kind, Measured, Side};

/// Every kind of work, with what is promised: times PyTorch's speed, share of the ceiling, share of PyTorch's memory.
pub const WORKS: &[(&str, &str, f64, f64, f64)] = &[
    ("gpt2", "GPT-2 82 M, 4 x 128, all weights", 1.0, 0.85, 0.8),
    ("gpt2-lora", "the same with LoRA", 1.0, 0.85, 0.6),
    ("minilm", "MiniLM classifier, 16 x 64, all weights", 1.0, 0.85, 0.8),
    ("cuentos", "the model that ships (3.2 M), 16 x 128, all weights", 1.2, 0.0, 0.5),
    ("llama", "Llama 135 M, 4 x 128, all weights", 1.0, 0.85, 0.8),
    ("epoch", "GPT-2 82 M, an epoch of 48 uneven texts, prompts masked, 8 a step", 2.0, 0.0, 0.6),
    ("generate", "Llama 135 M, greedy, 128 tokens after 16, a token", 2.0, 0.0, 0.6),
    ("sentences", "all-MiniLM-L6-v2, vectors of 1,000 uneven texts", 1.5, 0.0, 0.5),
];

/// Where the model of a kind of work lies.
pub fn kind_of(work: &str) -> &str {
    work.trim_end_matches("-lora")
}

/// The most memory that this process held at once, in millions of bytes.
pub fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0 / 1e6
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [role, work, folder] = &words[..] {
        match role.as_str() {
            "ours" | "ceiling" => return ours::serve(work, Path::new(folder), role == "ceiling"),
            "lengths" | "texts" => return lengths::serve(role, work, Path::new(folder)),
            "lines" => return kernel::serve(),
            _ => {}
        }
    }
    let option = |name: &str, default: &str| {
        let at = words.iter().position(|word| word == name);
        at.and_then(|at| words.get(at + 1)).map_or(default.to_string(), String::clone)
    };
    let turns: usize = option("--turns", "5").parse().unwrap();
    let python = option("--python", ".aula/peers/bin/python");
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::temp_dir().join("aula-peers");
    let asked = |work: &str| words.iter().any(|word| word == work);
    let any = WORKS.iter().any(|work| asked(work.0)) || asked("scaling") || asked("kernel");
    std::fs::create_dir_all(&folder).unwrap();
    if asked("kernel") {
        report::write_kernel(&home, &kernel::measure(&home, &folder, turns));
    }
    if asked("kernel") && !WORKS.iter().any(|work| asked(work.0)) && !asked("scaling") {
        return;
    }
    make(&python, &home, &folder);
    for work in WORKS.iter().filter(|work| !any || asked(work.0)) {
        let measured = measure(work.0, &python, &home, &folder, turns);
        report::write(&home, &measured);
    }
    if !any || asked("scaling") {
        report::write_scaling(&home, &lengths::measure(&folder, turns));
    }
}

/// Writes the models and texts into `folder`, unless they are there and made of what ships today.
fn make(python: &str, home: &Path, folder: &Path) {
    let mut of = std::hash::DefaultHasher::new();
    for file in ["benches/peers/make.py", "data/models/cuentos/model.safetensors"] {
        std::fs::read(home.join(file)).unwrap().hash(&mut of);
    }
    let (made, of) = (folder.join("made"), of.finish().to_string());
    if std::fs::read_to_string(&made).is_ok_and(|made| made == of) {
        return;
    }
    let mut make = std::process::Command::new(python);
    make.arg(home.join("benches/peers/make.py")).arg(home).arg(folder);
    let minilm = aula::hub::model_files("all-MiniLM-L6-v2");
    make.args(minilm.ok());
    let status = make.status().unwrap_or_else(|error| panic!("{python}: {error}. Give one with --python."));
    assert!(status.success(), "make.py failed");
    std::fs::write(made, of).unwrap();
}

/// Each side of one kind of work, by turns.
fn measure(work: &'static str, python: &str, home: &Path, folder: &Path, turns: usize) -> Measured {
    let mut kinds = vec![Kind::Ours, Kind::Torch, Kind::TorchTuned];
    let dense = !["epoch", "generate", "sentences"].contains(&work);
    kinds.extend(dense.then_some(Kind::Ceiling));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut sides: Vec<Side> = kinds.iter().map(|kind| Side::start(*kind, work, python, home, folder)).collect();
    for turn in 0..=turns {
        for side in &mut sides {
            side.turn(turn > 0);
        }
    }
    Measured { work, load: load.split(' ').next().unwrap_or("?").to_string(), sides }
}
