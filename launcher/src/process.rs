//! Other programs: started without what `cargo run` left in the environment, and replaced by, on Unix.

use crate::paths::Places;
use crate::problem::{Problem, Result};
use crate::say;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// glibc's allocator, told to keep what it got: training otherwise spends most of its time in page faults, on threads
/// above all (`docs/performance.md`); other C libraries ignore the variable.
const GLIBC_TUNABLES: &str = "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=4294967296:\
glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456:glibc.malloc.hugetlb=1";

/// A program, with the environment as the person had it before `cargo run` added its own variables.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_")
            || name_text.starts_with("CARGO_MANIFEST_")
            || name_text == "CARGO_PRIMARY_PACKAGE"
            || name_text == "CARGO_BIN_NAME"
        {
            command.env_remove(name);
        }
    }
    command
}

/// Cargo, in the repository's root.
pub fn cargo(places: &Places) -> Command {
    let mut command = command("cargo");
    command.current_dir(&places.root);
    command
}

/// Adds the settings that training is quick with, unless the person chose their own.
pub fn tune(command: &mut Command) {
    // The library gives each core a part of the batch; candle's own pool would have them wait for each other.
    for (name, value) in [("GLIBC_TUNABLES", GLIBC_TUNABLES), ("CANDLE_NUM_THREADS", "1")] {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
}

/// Becomes `command`; returns only when that is impossible.
pub fn replace(mut command: Command) -> Problem {
    let error = command.exec();
    Problem::new(say!("No se pudo iniciar:", "Could not be started:"))
        .why(format!("{}: {error}", command.get_program().to_string_lossy()))
        .next(say!(
            "Ejecuta `cargo aula setup` y luego `cargo aula doctor`.",
            "Run `cargo aula setup`, then `cargo aula doctor`."
        ))
}

/// The first line that a program prints, or nothing when it cannot be run or fails.
pub fn first_line(command: &mut Command) -> Option<String> {
    // In a group of its own: Ctrl-C must not look like an answer.
    let output = command.stdin(Stdio::null()).process_group(0).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned())
}

/// Whether a program runs and ends well; what it prints is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .status()
        .is_ok_and(|status| status.success())
}

/// The status with which a program ended, as this program's own.
pub fn exit_code(status: std::process::ExitStatus) -> Result<u8> {
    Ok(match status.code() {
        Some(code) => u8::try_from(code).unwrap_or(1),
        None => 1,
    })
}
