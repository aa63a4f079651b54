//! The file list is the workflow: a file may use only files of rows above its own, or named before it in its own row.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rows of `docs/architecture.md`, which this test compares with the list there.
const ROWS: &[&[&str]] = &[
    &["lang", "error"],
    &["sys", "rng", "energy", "show"],
    &[
        "claim",
        "table",
        "plot",
        "look",
        "split",
        "clean",
        "layers",
        "vocab",
        "hub",
        "tokenizer",
        "stories",
        "metrics",
        "baseline",
        "forum",
    ],
    &["ops"],
    &["nn"],
    &["models"],
    &[
        "needs",
        "batch",
        "masking",
        "dataset",
        "optim",
        "schedule",
        "history",
        "diagnosis",
        "save",
        "checkpoint",
        "adapter",
        "model_methods",
        "train",
    ],
    &[
        "generate",
        "blind",
        "beam",
        "language_model",
        "masked_model",
        "testbed",
        "classifier",
        "embedder",
        "seq2seq",
        "question_answerer",
        "image_classifier",
        "extract",
    ],
    &["pipeline", "exercise", "pretrain"],
    &["lib", "main"],
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn modules() -> Vec<&'static str> {
    ROWS.iter().flat_map(|row| row.iter().copied()).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top-level module that a file belongs to.
fn module_of(file: &Path) -> String {
    let part = file.strip_prefix(source()).unwrap().components().next().unwrap();
    part.as_os_str().to_string_lossy().trim_end_matches(".rs").to_string()
}

/// The top-level modules named after `crate::` in a text, those in braces too.
fn used(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        let name =
            |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(list) => found.extend(list.split('}').next().unwrap_or_default().split(',').map(name)),
            None => {
                found.insert(name(rest));
            }
        }
    }
    found
}

#[test]
fn a_file_uses_only_what_comes_before_it() {
    let order = modules();
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let mine = module_of(&file);
        let at = order.iter().position(|module| *module == mine);
        let Some(at) = at else {
            wrong.push(format!("{mine} stands in no row"));
            continue;
        };
        if mine == "lib" || mine == "main" {
            continue;
        }
        for module in used(&std::fs::read_to_string(&file).unwrap()) {
            if let Some(other) = order.iter().position(|name| *name == module) {
                if other > at {
                    wrong.push(format!("{} uses {module}, which comes after it", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_on_architecture_lists_the_same_rows() {
    let page = std::fs::read_to_string(source().join("../docs/architecture.md")).unwrap();
    for (i, row) in ROWS.iter().enumerate() {
        let line = page.lines().find(|line| line.starts_with(&format!("| {i} |")));
        let line = line.unwrap_or_else(|| panic!("docs/architecture.md has no row {i}"));
        let named: Vec<&str> =
            line.split('`').skip(1).step_by(2).map(|name| name.trim_end_matches(".rs").trim_end_matches('/')).collect();
        assert_eq!(named, *row, "row {i}");
    }
}

#[test]
fn no_file_is_much_longer_than_400_lines() {
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    rust_files(&source().join("../launcher/src"), &mut files);
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 450, "{} has {lines} lines", file.display());
    }
}

#[test]
fn unsafe_code_stands_in_ops_and_sys_only_each_block_with_its_reason() {
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    rust_files(&source().join("../launcher/src"), &mut files);
    let mut blocks = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if !["unsafe {", "unsafe impl", "unsafe fn", "unsafe extern"].iter().any(|word| code.contains(word)) {
                continue;
            }
            blocks += 1;
            let at = format!("{}:{}", file.display(), i + 1);
            let inside =
                file.strip_prefix(source()).is_ok_and(|file| file.starts_with("ops") || file.starts_with("sys"));
            assert!(inside, "{at}: unsafe belongs into src/ops or src/sys");
            let reason = lines[i.saturating_sub(6)..i].iter().any(|line| line.contains("// SAFETY: "));
            assert!(reason, "{at}: a // SAFETY: comment says why it is right");
        }
    }
    assert!(blocks > 0, "none was found: the reader is blind");
}

#[test]
fn the_reader_of_uses_sees_braces() {
    let names = used("use crate::{error::Error, sys}; crate::ops::linear(); $crate::lang::x");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["error", "lang", "ops", "sys"]);
}
