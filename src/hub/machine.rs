//! What this machine can hold and how fast it computes, to tell beforehand whether a model fits.

use candle_core::{DType, Device, Tensor};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long the measurement of the speed takes.
const MEASURE: Duration = Duration::from_millis(60);

/// Bytes of memory that a program can still take, as far as the system tells (on macOS: all there is).
pub(super) fn free_memory() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let system = kilobytes.map(|kilobytes| kilobytes * 1024).or_else(all_memory)?;
    Some(system.min(container().unwrap_or(u64::MAX)))
}

/// What a container may still take.
fn container() -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok()
    };
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

fn all_memory() -> Option<u64> {
    let output = std::process::Command::new("sysctl").args(["-n", "hw.memsize"]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// Additions and multiplications that this machine does in a second when it multiplies matrices; measured once.
pub(super) fn operations_per_second() -> Option<f64> {
    static SPEED: OnceLock<Option<f64>> = OnceLock::new();
    *SPEED.get_or_init(|| measure().ok())
}

/// Matrices as in a small model: 512 tokens, from 384 numbers each to 1,536.
fn measure() -> candle_core::Result<f64> {
    let tokens = Tensor::ones((512, 384), DType::F32, &Device::Cpu)?;
    let weights = Tensor::ones((384, 1_536), DType::F32, &Device::Cpu)?;
    tokens.matmul(&weights)?; // the threads wake up
    let (started, mut times) = (Instant::now(), 0);
    while started.elapsed() < MEASURE {
        tokens.matmul(&weights)?;
        times += 1;
    }
    Ok(times as f64 * 2.0 * 512.0 * 384.0 * 1_536.0 / started.elapsed().as_secs_f64())
}
