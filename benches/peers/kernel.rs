//! Inside a notebook's kernel and in a binary: are the same lines as quick? Settings of the allocator that a binary gets
//! may not reach a cell.

use std::path::Path;
use std::process::Command;

use aula::prelude::*;
use serde_json::{json, Value};

use super::side::{median, ourselves};

const WORKS: [&str; 4] = [
    "fine-tuning the model that ships, 2 epochs of a diary",
    "10 texts of 100 tokens by it",
    "a classifier on the encoder that ships, 2 epochs",
    "vectors of 4,000 texts by it",
];

/// The lines, here.
fn here() -> Result<()> {
    include!("cell.rs");
    Ok(())
}

/// Runs the lines in this process.
pub fn serve() {
    here().unwrap();
}

/// The numbers that the lines print, among what else is printed.
fn numbers(text: &str) -> Vec<f64> {
    let found = text.lines().rev().find_map(|line| serde_json::from_str::<Vec<f64>>(line.trim()).ok());
    found.unwrap_or_else(|| panic!("no figures in: {text}"))
}

/// The lines as a cell of the course's kernel, which set-up must have made.
fn in_a_cell(home: &Path, folder: &Path) -> Vec<f64> {
    let (notebook, out) = (folder.join("cell.ipynb"), folder.join("cell-out.ipynb"));
    let lines: Vec<&str> = include_str!("cell.rs").split_inclusive('\n').collect();
    let cell = json!({"cell_type": "code", "id": "cell", "source": lines, "metadata": {}, "outputs": [], "execution_count": null});
    let kernel = json!({"kernelspec": {"name": "aula", "display_name": "Rust (aula)", "language": "rust"}});
    let text = json!({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5});
    std::fs::write(&notebook, text.to_string()).unwrap();
    let mut run = Command::new("cargo");
    run.current_dir(home).args(["aula", "run"]).arg(&notebook).arg("--out").arg(&out);
    assert!(run.status().unwrap().success(), "the notebook failed");
    let ran: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    let text = |output: &Value| match &output["text"] {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect::<String>(),
        text => text.as_str().unwrap_or("").to_string(),
    };
    let outputs = ran["cells"][0]["outputs"].as_array().cloned().unwrap_or_default();
    numbers(&outputs.iter().map(text).collect::<String>())
}

/// A table: the median of `turns` runs of each, by turns.
pub fn measure(home: &Path, folder: &Path, turns: usize) -> String {
    let (mut cells, mut binaries) = (Vec::new(), Vec::new());
    for turn in 0..turns {
        let mut binary = ourselves("lines", "-", folder, "1");
        let output = binary.env("AULA_HOME", home).output().unwrap();
        binaries.push(numbers(&String::from_utf8_lossy(&output.stdout)));
        cells.push(in_a_cell(home, folder));
        println!("turn {turn}: binary {:?}, cell {:?}", binaries[turn], cells[turn]);
    }
    let mut lines = "| work | binary, s | cell of a notebook, s | times |\n| --- | ---: | ---: | ---: |\n".to_string();
    for (i, work) in WORKS.iter().enumerate() {
        let of = |runs: &[Vec<f64>]| median(&runs.iter().map(|run| run[i]).collect::<Vec<_>>());
        let (binary, cell) = (of(&binaries), of(&cells));
        lines += &format!("| {work} | {binary:.2} | {cell:.2} | {:.2} |\n", cell / binary);
    }
    lines.trim_end().to_string()
}
