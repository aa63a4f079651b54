//! `aula verify`: every check of the project, cheapest first, each counted, one line at the end.

pub mod browser;
pub mod kernel;
pub mod notebooks;
pub mod offline;
pub mod results;
mod scratch;

use crate::exercise;
use crate::paths::Places;
use crate::problem::{Level, Result};
use crate::process;
use crate::progress::{self, Ended};
use crate::run;
use crate::say;
use crate::setup::{self, minilm};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A lesson under the short preset should take no longer; it is said when it does. Where it takes twice as long it has failed,
/// even on a machine that does other work too.
const SHORT: Duration = Duration::from_secs(90);

/// The same, for lessons in full.
const FULL: Duration = Duration::from_secs(480);

/// A notebook that takes longer is stopped, and has failed.
const STOPPED_AFTER: Duration = Duration::from_secs(600);

/// The same, for lessons in full.
const FULL_STOPPED_AFTER: Duration = Duration::from_secs(4 * 3600);

/// Checked one by one: together, cargo gives their shared dependencies the features of both, and compiles polars once more.
const PACKAGES: [&str; 2] = ["aula-launcher", "aula"];

/// The test that asks for the model which set-up brings.
const MINILM_TEST: &str = "sentence_vectors_of_minilm_equal_sentence_transformers";

/// What has been counted so far.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Counts one step and prints its line, and its output where it failed.
    fn step(&mut self, title: &str, good: bool, elapsed: Duration, detail: &str) {
        let seconds = elapsed.as_secs_f64();
        if good {
            self.passed += 1;
            println!("✓ {title} · {seconds:.1} s{}", if detail.is_empty() { "" } else { " · " }.to_owned() + detail);
        } else {
            self.failed += 1;
            println!("✗ {title} · {seconds:.1} s");
            for line in detail.lines() {
                println!("    {line}");
            }
        }
    }

    /// Counts a program that ran tests: those, and itself only when its end does not agree with them.
    fn tests(&mut self, title: &str, ended: &Ended, (passed, failed): (u64, u64), detail: &str) {
        self.passed += passed;
        if ended.status.success() && failed == 0 {
            println!("✓ {title} · {:.1} s · {passed}", ended.elapsed.as_secs_f64());
            return;
        }
        // The step itself counts as one of the failures, or as the only one when nothing ran.
        self.failed += failed.saturating_sub(1);
        self.step(title, false, ended.elapsed, detail.trim());
    }

    /// Runs a program as one step.
    fn program(&mut self, title: &str, command: &mut Command) -> Option<Ended> {
        match progress::run(title, command, None, progress::show_lines) {
            Ok(ended) => {
                let good = ended.status.success();
                let detail = if good { String::new() } else { ended.tail.join("\n") };
                self.step(title, good, ended.elapsed, &detail);
                Some(ended)
            }
            Err(problem) => {
                self.step(title, false, Duration::ZERO, &problem.to_string());
                None
            }
        }
    }
}

/// Runs everything and gives the exit status.
pub fn main(places: &Places, full: bool) -> Result<u8> {
    let mut tally = Tally::default();
    tally.program("cargo fmt", process::cargo(places).args(["fmt", "--all", "--check"]));
    let pairs = static_checks(places, &mut tally);
    for package in PACKAGES {
        let mut clippy = process::cargo(places);
        clippy.args(["clippy", "--release", "--package", package, "--all-targets", "--", "-D", "warnings"]);
        tally.program(&format!("cargo clippy {package}"), &mut clippy);
    }
    let brought = minilm::is_there(places) || std::env::var_os("AULA_MINILM").is_some();
    for package in PACKAGES {
        let mut arguments = vec!["--package", package, "--no-fail-fast"];
        if !brought {
            arguments.extend(["--", "--skip", MINILM_TEST]);
        }
        tests(places, package, &arguments, &mut tally);
    }
    let start = Instant::now();
    match setup::run(places) {
        Ok(checks) => {
            let good = checks.iter().all(|check| check.level != Level::Broken);
            let lines: Vec<String> = checks.iter().map(ToString::to_string).collect();
            let detail = if good { String::new() } else { lines.join("\n") };
            tally.step("aula setup", good, start.elapsed(), &detail);
            if !brought {
                minilm_test(places, &mut tally);
            }
            exercises(places, &mut tally);
            kernel_tests(places, &mut tally);
            for path in kernel_notebooks(places) {
                notebook(places, &path, &How::default(), &mut tally);
            }
            lessons(places, pairs, full, &mut tally);
        }
        Err(problem) => tally.step("aula setup", false, start.elapsed(), &problem.to_string()),
    }
    if let Some(line) = results::age(places) {
        println!("{line}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(u8::from(tally.failed > 0))
}

/// `aula verify --lessons`: what the lessons say, without the checks of the code.
pub fn only_lessons(places: &Places, full: bool) -> Result<u8> {
    let mut tally = Tally::default();
    let pairs = static_checks(places, &mut tally);
    setup::run(places)?;
    lessons(places, pairs, full, &mut tally);
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(u8::from(tally.failed > 0))
}

/// `aula verify --browser`: the course as a person sees it, by itself, since it asks for a browser.
pub fn browser(places: &Places) -> Result<u8> {
    let mut tally = Tally::default();
    let start = Instant::now();
    let title = say!("pruebas en el navegador", "tests in the browser");
    match setup::run(places).and_then(|_| browser::tests(places)) {
        Ok(outcome) => tally.tests(&title, &outcome.ended, outcome.counts, &outcome.detail),
        Err(problem) => tally.step(&title, false, start.elapsed(), &problem.to_string()),
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(u8::from(tally.failed > 0))
}

/// Every exercise as a learner types it: its stub fails, its solution passes.
fn exercises(places: &Places, tally: &mut Tally) {
    let title = say!("ejercicios", "exercises");
    match exercise::prove(places) {
        Ok(mut program) => drop(tally.program(&title, &mut program)),
        Err(problem) => tally.step(&title, false, Duration::ZERO, &problem.to_string()),
    }
}

/// The kernel as a front end sees it; each of its tests counts.
fn kernel_tests(places: &Places, tally: &mut Tally) {
    if !kernel::can_run() {
        return;
    }
    let title = say!("pruebas del núcleo", "tests of the kernel");
    match kernel::tests(places) {
        Ok(outcome) => {
            let counts = (outcome.passed, outcome.failed);
            tally.tests(&title, &outcome.ended, counts, &outcome.detail);
        }
        Err(problem) => tally.step(&title, false, Duration::ZERO, &problem.to_string()),
    }
}

/// Every lesson, under the short preset or in full; in full, what they measured is written down when all of them passed.
/// Half of them run with no network at all, where the system can take it away.
fn lessons(places: &Places, paths: Vec<PathBuf>, full: bool, tally: &mut Tally) {
    let mut executed = Vec::new();
    let count = paths.len();
    let with_network = offline::why_not(places);
    if let Some(why) = &with_network {
        println!("! {}", say!("las lecciones se ejecutan con red: {why}", "the lessons run with the network: {why}"));
    }
    for source in paths {
        let copy = results::copy_of(places, &source);
        let how =
            How { copy: full.then(|| copy.clone()), alone: with_network.is_none() && goes_alone(&source), apart: true };
        if let Some(elapsed) = notebook(places, &source, &how, tally) {
            executed.push(results::Executed { source, copy, elapsed });
        }
    }
    if executed.len() < count {
        return;
    }
    let start = Instant::now();
    let (title, written) = match full {
        true => ("docs/results.md".to_owned(), results::write(places, &executed)),
        false => {
            (say!("tiempos del modo corto", "times of the short preset"), results::keep_short_times(places, &executed))
        }
    };
    match written {
        Ok(()) => tally.step(&title, true, start.elapsed(), ""),
        Err(problem) => tally.step(&title, false, start.elapsed(), &problem.to_string()),
    }
}

/// Whether a lesson is the one of its pair that runs with no network: the Spanish one of even lessons, the English one of
/// odd ones. The code of both is the same (`notebooks::check`), so that each lesson is proved with and without a network,
/// and each language too, at no cost in time.
fn goes_alone(lesson: &Path) -> bool {
    let spanish = lesson.parent().is_some_and(|folder| folder.ends_with("es"));
    let name = lesson.file_name().unwrap_or_default().to_string_lossy();
    let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
    let even = digits.parse::<u32>().unwrap_or_default() % 2 == 0;
    spanish == even
}

/// One step per lesson; gives every notebook that is there.
fn static_checks(places: &Places, tally: &mut Tally) -> Vec<PathBuf> {
    let start = Instant::now();
    let pairs = match notebooks::pairs(&places.root.join("notebooks")) {
        Ok(pairs) => pairs,
        Err(problem) => {
            tally.step("notebooks", false, start.elapsed(), &problem.to_string());
            return Vec::new();
        }
    };
    let mut paths = Vec::new();
    for pair in pairs {
        let start = Instant::now();
        let number = &pair.number;
        let title = say!("lección {number}, es y en", "lesson {number}, es and en");
        match notebooks::check(&pair) {
            Ok(problems) => tally.step(&title, problems.is_empty(), start.elapsed(), &problems.join("\n")),
            Err(problem) => tally.step(&title, false, start.elapsed(), &problem.to_string()),
        }
        paths.extend(pair.es);
        paths.extend(pair.en);
    }
    paths
}

/// The notebooks that test the kernel itself.
fn kernel_notebooks(places: &Places) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(places.root.join("tests/notebooks")).into_iter().flatten().flatten();
    let notebooks = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "ipynb"));
    let mut notebooks: Vec<PathBuf> = notebooks.collect();
    notebooks.sort();
    notebooks
}

/// What a notebook that must fail has to say as it does: `aula.fails_with` in its metadata.
fn fails_with(path: &Path) -> Option<String> {
    let notebook: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    notebook["metadata"]["aula"]["fails_with"].as_str().map(str::to_owned)
}

/// The test that had to wait for set-up to bring its model; one that was not run does not count as passed.
fn minilm_test(places: &Places, tally: &mut Tally) {
    let title = "aula --test minilm";
    if minilm::is_there(places) {
        tests(places, title, &["--package", "aula", "--test", "minilm"], tally);
    } else {
        println!(
            "! {}",
            say!("cargo test {title} · omitida: falta el modelo", "cargo test {title} · skipped: no model")
        );
    }
}

/// Cargo's tests: its own counts are added, and its end is a step of its own only when it does not agree with them.
fn tests(places: &Places, title: &str, arguments: &[&str], tally: &mut Tally) {
    let title = &format!("cargo test {title}");
    let mut command = process::cargo(places);
    command.args(["test", "--release"]).args(arguments);
    let (mut passed, mut failed) = (0, 0);
    let mut failures = Vec::new();
    let ended = progress::run(title, &mut command, None, |line| {
        if let progress::Line::Out(text) = line {
            if let Some((good, bad)) = test_result(text) {
                passed += good;
                failed += bad;
            }
            if text.starts_with("test ") && text.ends_with("FAILED") {
                failures.push(text.clone());
            }
        }
        progress::show_lines(line)
    });
    match ended {
        Ok(ended) => {
            let detail = format!("{}\n{}", failures.join("\n"), ended.tail.join("\n"));
            tally.tests(title, &ended, (passed, failed), &detail);
        }
        Err(problem) => tally.step(title, false, Duration::ZERO, &problem.to_string()),
    }
}

/// The counts in `test result: ok. 12 passed; 0 failed; ...`.
fn test_result(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("test result: ")?;
    let number = |name: &str| {
        let before = rest.split(name).next()?;
        before.split_whitespace().last()?.parse().ok()
    };
    Some((number(" passed")?, number(" failed")?))
}

/// How a notebook is run.
#[derive(Default)]
struct How {
    /// Where its executed copy goes: then it is run in full, else under the short preset.
    copy: Option<PathBuf>,
    /// With no network.
    alone: bool,
    /// In a place of its own, away from what a person left beside it.
    apart: bool,
}

/// One notebook, from its first cell to its last. Gives the time when it passed.
fn notebook(places: &Places, path: &Path, how: &How, tally: &mut Tally) -> Option<Duration> {
    let mut shown = path.strip_prefix(&places.root).unwrap_or(path).display().to_string();
    if how.alone {
        shown += &say!(" (sin red)", " (no network)");
    }
    let (most, limit) = match how.copy {
        Some(_) => (FULL, FULL_STOPPED_AFTER),
        None => (SHORT, STOPPED_AFTER),
    };
    let place = if how.apart { scratch::copy(places, path) } else { Ok(path.to_path_buf()) };
    let ended = place.and_then(|place| run::itself(places, &place, limit.as_secs())).and_then(|mut command| {
        match &how.copy {
            Some(copy) => command.arg("--out").arg(copy),
            None => command.env("AULA_SHORT", "1"),
        };
        let mut command = if how.alone { offline::alone(places, &command) } else { command };
        progress::run(&shown, &mut command, None, progress::show_lines)
    });
    let ended = match ended {
        Ok(ended) => ended,
        Err(problem) => {
            tally.step(&shown, false, Duration::ZERO, &problem.to_string());
            return None;
        }
    };
    let ran = match fails_with(path) {
        Some(words) => !ended.status.success() && ended.tail.iter().any(|line| line.contains(&words)),
        None => ended.status.success(),
    };
    let late = lateness(ended.elapsed, most);
    let most = most.as_secs();
    let good = ran && late != Late::Fails;
    let detail = match late {
        _ if !ran => ended.tail.join("\n"),
        Late::No => String::new(),
        _ => say!("! pasa de {most} s", "! more than {most} s"),
    };
    tally.step(&shown, good, ended.elapsed, &detail);
    good.then_some(ended.elapsed)
}

/// How a time stands to what it should be at most.
#[derive(Debug, PartialEq)]
enum Late {
    No,
    Told,
    Fails,
}

fn lateness(elapsed: Duration, most: Duration) -> Late {
    match elapsed {
        good if good <= most => Late::No,
        some if some <= most.saturating_mul(2) => Late::Told,
        _ => Late::Fails,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_lesson_one_language_runs_with_no_network_by_turns() {
        let alone = ["es/02-datos.ipynb", "en/02-data.ipynb", "es/03-adaptar.ipynb", "en/03-adapt.ipynb"]
            .map(|lesson| goes_alone(&Path::new("notebooks").join(lesson)));
        assert_eq!(alone, [true, false, false, true]);
    }

    #[test]
    fn a_notebook_over_its_limit_is_told_and_far_over_it_fails() {
        let expected = [Late::No, Late::Told, Late::Told, Late::Fails];
        assert_eq!([90, 91, 180, 181].map(|seconds| lateness(Duration::from_secs(seconds), SHORT)), expected);
        assert_eq!([480, 481, 960, 961].map(|seconds| lateness(Duration::from_secs(seconds), FULL)), expected);
    }

    #[test]
    fn counts_are_read_from_what_cargo_test_prints() {
        let line = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(test_result(line), Some((12, 0)));
        let line = "test result: FAILED. 2 passed; 31 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(test_result(line), Some((2, 31)));
        assert_eq!(test_result("running 3 tests"), None);
    }
}
