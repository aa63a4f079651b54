//! `aula run`: executes a notebook with the course's kernel and no browser.
//!
//! The work is done by `run.py` with nbclient; the kernel says which cell failed.

use crate::paths::Places;
use crate::problem::{Problem, Result};
use crate::process;
use crate::rust_text;
use crate::say;
use crate::setup;
use clap::Args;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const RUN_PY: &str = include_str!("run.py");

/// The arguments of `aula run`.
#[derive(Args)]
pub struct Options {
    /// The notebook
    notebook: PathBuf,
    /// Write the executed copy, with outputs, to this file
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace the value in the first `let NAME = ...;`, once or more often
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Seconds that one cell may take
    #[arg(long, default_value_t = 3600)]
    timeout: u64,
    /// Seconds that the whole notebook may take
    #[arg(long, hide = true)]
    limit: Option<u64>,
}

/// Runs the notebook and gives the exit status.
pub fn main(places: &Places, options: &Options) -> Result<u8> {
    if !places.kernelspec().join("kernel.json").exists() || !places.own_copy().exists() {
        setup::run(places)?;
    }
    let mut notebook = read(&options.notebook)?;
    for assignment in &options.set {
        set(&mut notebook, assignment)?;
    }
    let mut runner = runner(places, &options.notebook, options.timeout)?;
    if let Some(limit) = options.limit {
        runner.arg("--limit").arg(limit.to_string());
    }
    if let Some(out) = &options.out {
        runner.arg("--out").arg(absolute(out));
    }
    runner.stdin(Stdio::piped());
    let wrap = |error: std::io::Error| {
        Problem::new(say!("No se pudo ejecutar Python.", "Python could not be run."))
            .why(error)
            .next("cargo aula setup")
    };
    let mut child = runner.spawn().map_err(wrap)?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(notebook.to_string().as_bytes()).map_err(wrap)?;
    }
    process::exit_code(child.wait().map_err(wrap)?)
}

/// The Python program that runs a notebook; it reads the notebook itself from its standard input.
fn runner(places: &Places, notebook: &Path, timeout: u64) -> Result<Command> {
    prepare_jupyter(places)?;
    let notebook = absolute(notebook);
    let folder = notebook.parent().unwrap_or(&places.root).to_owned();
    let mut command = process::command(places.python());
    command
        .current_dir(&folder)
        .args(["-I", "-c", RUN_PY])
        .arg("--name")
        .arg(&notebook)
        .arg("--timeout")
        .arg(timeout.to_string())
        .envs(places.jupyter_environment())
        .env("AULA_SAY", crate::say::language());
    if std::env::var_os("AULA_PROGRESS").is_none() {
        // What runs by itself is no try of the learner's.
        command.env("AULA_PROGRESS", places.aula.join("state/run-progress.json"));
    }
    Ok(command)
}

/// Makes the folders in which Jupyter and IPython keep their files; IPython complains when its own is missing.
pub fn prepare_jupyter(places: &Places) -> Result<()> {
    for (_, folder) in places.jupyter_environment() {
        std::fs::create_dir_all(&folder).map_err(|error| crate::state::unwritable(&folder, &error))?;
    }
    Ok(())
}

/// Reads a notebook.
pub fn read(path: &Path) -> Result<Value> {
    let shown = path.display();
    let what = || say!("No se pudo leer el cuaderno {shown}.", "The notebook {shown} could not be read.");
    let bytes = std::fs::read(path).map_err(|error| Problem::new(what()).why(error))?;
    serde_json::from_slice(&bytes).map_err(|error| Problem::new(what()).why(error))
}

/// The text of a cell: Jupyter stores a string, or a list of lines.
pub fn source(cell: &Value) -> String {
    match &cell["source"] {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

/// Replaces the value of the first `let` of that name.
fn set(notebook: &mut Value, assignment: &str) -> Result<()> {
    let Some((name, value)) = assignment.split_once('=') else {
        return Err(Problem::new(say!("--set {assignment}: falta el signo =", "--set {assignment}: the = is missing"))
            .next("--set epochs=1"));
    };
    let mut known = BTreeSet::new();
    let cells = notebook["cells"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    for cell in cells.iter_mut().filter(|cell| cell["cell_type"] == "code") {
        let text = source(cell);
        if let Some(place) = rust_text::let_value(&text, name.trim()) {
            let value = like(&text[place.clone()], value.trim());
            let mut changed = text.clone();
            changed.replace_range(place, &value);
            cell["source"] = Value::from(changed);
            return Ok(());
        }
        known.extend(rust_text::lets(&text).into_iter().map(|(name, _)| name));
    }
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    Err(Problem::new(say!("El cuaderno no tiene `let {name} = ...;`.", "The notebook has no `let {name} = ...;`."))
        .next(say!("Se puede cambiar: {known}", "What can be set: {known}")))
}

/// The new value, in quotes where the old one was a string and the shell took the quotes away.
fn like(old: &str, new: &str) -> String {
    if old.starts_with('"') && old.ends_with('"') && !new.contains('"') {
        format!("{new:?}")
    } else {
        new.to_owned()
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// This program running a notebook, for `aula verify`.
pub fn itself(places: &Places, notebook: &Path, limit: u64) -> Result<Command> {
    let own = std::env::current_exe().map_err(|error| Problem::new("aula").why(error))?;
    let own = if own.exists() { own } else { places.own_copy() };
    let mut command = process::command(own);
    command.arg("run").arg(notebook).arg("--limit").arg(limit.to_string());
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn notebook() -> Value {
        json!({ "cells": [
            { "cell_type": "markdown", "source": "let epochs = 9;" },
            { "cell_type": "code", "source": ["let model = \"cuentos\";\n", "let mut epochs = 3; // times\n"] },
            { "cell_type": "code", "source": "let epochs = 5;" },
        ]})
    }

    #[test]
    fn the_first_let_of_that_name_is_changed_and_nothing_else() {
        let mut changed = notebook();
        set(&mut changed, "epochs=1").unwrap();
        assert_eq!(source(&changed["cells"][1]), "let model = \"cuentos\";\nlet mut epochs = 1; // times\n");
        assert_eq!(changed["cells"][2], notebook()["cells"][2]);
        assert_eq!(changed["cells"][0], notebook()["cells"][0]);
    }

    #[test]
    fn a_string_keeps_its_quotes() {
        let mut changed = notebook();
        set(&mut changed, "model=gpt2").unwrap();
        assert!(source(&changed["cells"][1]).starts_with("let model = \"gpt2\";"));
        set(&mut changed, "model=\"a b\"").unwrap();
        assert!(source(&changed["cells"][1]).starts_with("let model = \"a b\";"));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let told = set(&mut notebook(), "epoch=1").unwrap_err().to_string();
        assert!(told.contains("epochs, model"), "{told}");
        assert!(set(&mut notebook(), "epochs").is_err());
    }
}
