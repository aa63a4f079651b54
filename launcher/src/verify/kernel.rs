//! The kernel, tested from the outside as a front end sees it: `kernel.py`, with the protocol's own test suite.

use crate::paths::Places;
use crate::problem::Result;
use crate::process;
use crate::progress::{self, Ended, Line};
use crate::run;
use crate::say;
use crate::state;
use std::process::Command;

const KERNEL_PY: &str = include_str!("kernel.py");

/// What the tests gave.
pub struct Outcome {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Those that failed, by name, and the end of what was printed.
    pub detail: String,
    /// How the program ended.
    pub ended: Ended,
}

/// Runs all tests.
pub fn tests(places: &Places) -> Result<Outcome> {
    let mut counts = (0, 0);
    let mut bad = Vec::new();
    let title = say!("Pruebas del núcleo", "Tests of the kernel");
    let ended = progress::run(&title, &mut program(places)?, None, |line| {
        if let Line::Out(text) = line {
            if let Some(found) = count(text) {
                counts = found;
            }
            if text.trim_start().starts_with('✗') {
                bad.push(text.trim().to_owned());
            }
        }
        progress::show_lines(line)
    })?;
    let detail = format!("{}\n{}", bad.join("\n"), ended.tail.join("\n"));
    Ok(Outcome { passed: counts.0, failed: counts.1, detail, ended })
}

/// The tests look at processes and sockets as Linux shows them.
pub fn can_run() -> bool {
    cfg!(target_os = "linux")
}

fn program(places: &Places) -> Result<Command> {
    run::prepare_jupyter(places)?;
    // unittest looks for the classes in a file's module.
    let file = places.aula.join("state").join("kernel_tests.py");
    state::write(&file, KERNEL_PY.as_bytes())?;
    let mut command = process::command(places.python());
    command.current_dir(&places.root).args(["-I", "-u"]).arg(&file).envs(places.jupyter_environment());
    // A folder without a language: the tests read what the kernel says in English.
    command.env("AULA_LANG", "en");
    Ok(command)
}

/// The counts in `kernel tests: 12 passed, 0 failed, 0 skipped`; a skipped test has not been run, which is a failure.
fn count(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("kernel tests: ")?;
    let numbers: Vec<u64> = rest.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok()).collect();
    match numbers[..] {
        [passed, failed, skipped] => Some((passed, failed + skipped)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_read_and_a_skipped_test_is_a_failed_one() {
        assert_eq!(count("kernel tests: 44 passed, 1 failed, 2 skipped"), Some((44, 3)));
        assert_eq!(count("Ran 44 tests"), None);
    }
}
