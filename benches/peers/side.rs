//! One side of a comparison: a process that makes a turn when it is told to.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// As the launcher sets it for commands and kernels (`launcher/src/process.rs`).
pub const TUNABLES: &str = "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=4294967296:\
glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456:glibc.malloc.hugetlb=1";

/// Threads of each side.
pub const THREADS: &str = "2";

/// Who computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// This crate, with the settings that the launcher gives.
    Ours,
    /// PyTorch as people run it.
    Torch,
    /// PyTorch with our settings of glibc's allocator.
    TorchTuned,
    /// The products alone, in candle.
    Ceiling,
}

/// A process, and what it said.
pub struct Side {
    pub kind: Kind,
    child: Child,
    answers: BufReader<ChildStdout>,
    /// Seconds of a unit in each turn that counts.
    pub seconds: Vec<f64>,
    /// What the turns computed, the first one included.
    pub values: Vec<f64>,
    pub peak_mb: f64,
    pub engine: String,
}

/// What was measured of one kind of work.
pub struct Measured {
    pub work: &'static str,
    /// The machine's load just before.
    pub load: String,
    pub sides: Vec<Side>,
}

/// This program again, in a role.
pub fn ourselves(role: &str, work: &str, folder: &Path, candle_threads: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([role, work]).arg(folder);
    command.env("GLIBC_TUNABLES", TUNABLES).env("CANDLE_NUM_THREADS", candle_threads);
    command.env("RAYON_NUM_THREADS", THREADS);
    command
}

impl Side {
    /// Starts it; it loads its model and waits.
    pub fn start(kind: Kind, work: &str, python: &str, home: &Path, folder: &Path) -> Self {
        let mut command = match kind {
            Kind::Ours => ourselves("ours", work, folder, "1"),
            Kind::Ceiling => ourselves("ceiling", work, folder, THREADS),
            Kind::Torch | Kind::TorchTuned => {
                let mut command = Command::new(python);
                command.arg(home.join("benches/peers/torch_side.py")).arg(work).arg(folder);
                command.env("OMP_NUM_THREADS", THREADS).env_remove("GLIBC_TUNABLES");
                if kind == Kind::TorchTuned {
                    command.env("GLIBC_TUNABLES", TUNABLES);
                }
                command
            }
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { kind, child, answers, seconds: Vec::new(), values: Vec::new(), peak_mb: 0.0, engine: String::new() }
    }

    /// Has it make a turn.
    pub fn turn(&mut self, counts: bool) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        let answer: Value = loop {
            line.clear();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "{:?} ended early", self.kind);
            match serde_json::from_str(&line) {
                Ok(answer @ Value::Object(_)) => break answer,
                _ => continue, // what a library says
            }
        };
        let seconds = answer["seconds"].as_f64().unwrap();
        if counts {
            self.seconds.push(seconds);
        }
        self.values.extend(answer["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()));
        self.peak_mb = answer["peak_mb"].as_f64().unwrap();
        self.engine = answer["engine"].as_str().unwrap().to_string();
        assert_eq!(answer["threads"].to_string(), THREADS, "{:?}", self.kind);
        println!("{:12} {seconds:.4} s, {:.0} MB", format!("{:?}", self.kind), self.peak_mb);
    }

    /// The median of the turns.
    pub fn median(&self) -> f64 {
        median(&self.seconds)
    }
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Measured {
    /// One of the sides.
    pub fn side(&self, kind: Kind) -> Option<&Side> {
        self.sides.iter().find(|side| side.kind == kind)
    }

    /// The largest difference between what we and PyTorch computed.
    pub fn gap(&self) -> f64 {
        let (Some(ours), Some(torch)) = (self.side(Kind::Ours), self.side(Kind::Torch)) else { return f64::NAN };
        assert_eq!(ours.values.len(), torch.values.len(), "{}", self.work);
        let gaps = ours.values.iter().zip(&torch.values).map(|(a, b)| (a - b).abs());
        gaps.fold(0.0, |largest, gap| if gap > largest || gap.is_nan() { gap } else { largest })
    }
}
