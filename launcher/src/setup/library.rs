//! The library: compiled once, then made into the one shared object that every cell links to.

use crate::interrupt;
use crate::paths::Places;
use crate::problem::{Check, Problem, Result};
use crate::process;
use crate::progress::{self, Line, Seen};
use crate::say;
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library's package.
const PACKAGE: &str = "aula";

/// The heavy subcommands' binary.
const ENGINE: &str = "aula-engine";

/// Compiles what is not compiled yet and gives the shared object's path. Cargo decides what there is to do; it needs
/// no network once the crates are on the machine.
pub fn ensure(places: &Places) -> Result<(PathBuf, Check)> {
    let total = match count_packages(places) {
        Some(total) => total,
        None => {
            download(places)?;
            count_packages(places).unwrap_or(1)
        }
    };
    let title = say!("Biblioteca del curso", "The course's library");
    let mut all = build(places, &["build", "--release", "-p", PACKAGE, "--lib", "--bins"]);
    let (ended, _) = run(&title, &mut all, total)?;
    if !ended.status.success() {
        let what = say!("La biblioteca del curso no compila.", "The course's library does not compile.");
        return Err(progress::explain(what, &ended));
    }
    let title = say!("Biblioteca del curso, para el núcleo", "The course's library, for the kernel");
    let mut shared = build(places, &["rustc", "--release", "-p", PACKAGE, "--lib", "--crate-type", "dylib"]);
    shared.args(["--", "-C", "prefer-dynamic"]);
    let (ended, files) = run(&title, &mut shared, total)?;
    if !ended.status.success() {
        let what = say!(
            "La biblioteca del curso no se puede enlazar para el núcleo.",
            "The course's library cannot be linked for the kernel."
        );
        return Err(progress::explain(what, &ended));
    }
    match files.into_iter().find(|file| is_shared_object(file)) {
        Some(file) => {
            let check = describe(&file);
            Ok((file, check))
        }
        None => Err(Problem::new(say!(
            "Cargo no dice dónde está la biblioteca compilada.",
            "Cargo does not say where the compiled library is."
        ))
        .why(ended.tail.join("\n"))),
    }
}

/// Makes sure of the binary with the heavy subcommands, and gives its path.
pub fn ensure_engine(places: &Places) -> Result<PathBuf> {
    let engine = places.target()?.join("release").join(ENGINE);
    if !engine.exists() {
        let _setup = interrupt::during_setup();
        let title = say!("Órdenes del curso ({ENGINE})", "The course's commands ({ENGINE})");
        let mut build = build(places, &["build", "--release", "-p", PACKAGE, "--bin", ENGINE]);
        let (ended, _) = run(&title, &mut build, count_packages(places).unwrap_or(1))?;
        if !ended.status.success() {
            let what = say!("`{ENGINE}` no compila.", "`{ENGINE}` does not compile.");
            return Err(progress::explain(what, &ended));
        }
    }
    Ok(engine)
}

/// The line of a report about the shared object.
pub fn describe(file: &Path) -> Check {
    let bytes = std::fs::metadata(file).map(|meta| meta.len()).unwrap_or_default();
    let size = bytes / 1_000_000;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Check::fine(say!("biblioteca del curso: {name} ({size} MB)", "the course's library: {name} ({size} MB)"))
}

fn build(places: &Places, arguments: &[&str]) -> Command {
    let mut command = process::cargo(places);
    command.args(arguments).arg("--message-format=json-render-diagnostics");
    super::limit_jobs(&mut command);
    command
}

/// Runs cargo, counts the packages that it reports, and collects the files of our library.
fn run(title: &str, command: &mut Command, total: u64) -> Result<(progress::Ended, Vec<PathBuf>)> {
    let mut done = HashSet::new();
    let mut files = Vec::new();
    let ended = progress::run(title, command, None, |line| match line {
        Line::Err(text) => Seen::Text(text.trim().to_owned()),
        Line::Out(text) => {
            let Ok(message) = serde_json::from_str::<Value>(text) else {
                return Seen::Nothing;
            };
            if message["reason"] != "compiler-artifact" {
                return Seen::Nothing;
            }
            if message["target"]["name"] == PACKAGE {
                files.extend(file_names(&message));
            }
            // A build script is only the beginning of its package.
            if message["target"]["kind"][0] != "custom-build" {
                done.insert(message["package_id"].to_string());
            }
            Seen::Count { done: (done.len() as u64).min(total), total, text: String::new() }
        }
    })?;
    Ok((ended, files))
}

fn file_names(message: &Value) -> Vec<PathBuf> {
    let names = message["filenames"].as_array().map(Vec::as_slice).unwrap_or_default();
    names.iter().filter_map(Value::as_str).map(PathBuf::from).collect()
}

fn is_shared_object(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "so" || end == "dylib")
}

/// Brings the sources of all crates to this machine. What cannot be had is told by the build that follows.
fn download(places: &Places) -> Result<()> {
    let title = say!("Descarga de lo que usa la biblioteca", "Download of what the library uses");
    let mut fetch = process::cargo(places);
    fetch.args(["fetch", "--locked"]);
    progress::run(&title, &mut fetch, None, progress::show_lines)?;
    Ok(())
}

/// How many packages the library is made of on this platform; nothing while their sources are not on this machine.
fn count_packages(places: &Places) -> Option<u64> {
    let mut tree = process::cargo(places);
    tree.args(["tree", "--offline", "-p", PACKAGE, "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let output = tree.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Proc macros and repeated packages carry a mark after the version.
    let packages: HashSet<String> =
        text.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    Some((packages.len() as u64).max(1))
}
