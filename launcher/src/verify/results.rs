//! `aula verify --full` writes what the lessons measured into `docs/results.md`: the outputs of the cells whose metadata
//! says `"aula": { "result": true }`, as they came out, with the commit, the machine and the time.

use crate::machine;
use crate::paths::Places;
use crate::problem::Result;
use crate::process::{command, first_line};
use crate::run;
use crate::say;
use crate::state;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

const BEGIN: &str = "<!-- written by `aula verify --full`: begin -->";
const END: &str = "<!-- written by `aula verify --full`: end -->";

/// What the lessons' figures depend on.
const SOURCES: [&str; 4] = ["src", "data", "notebooks", "Cargo.lock"];

/// A lesson that was executed in full.
pub struct Executed {
    /// The notebook as it ships.
    pub source: PathBuf,
    /// Its copy with outputs.
    pub copy: PathBuf,
    /// How long it took.
    pub elapsed: Duration,
}

/// Where the executed copy of a notebook goes.
pub fn copy_of(places: &Places, notebook: &Path) -> PathBuf {
    let folder = notebook.parent().and_then(Path::file_name).unwrap_or_default();
    places.aula.join("executed").join(folder).join(notebook.file_name().unwrap_or_default())
}

/// Writes the section of `docs/results.md` that belongs to this command, and nothing else of that file.
pub fn write(places: &Places, lessons: &[Executed]) -> Result<()> {
    let mut section = heading(places);
    for lesson in lessons {
        let texts = tagged(&run::read(&lesson.source)?, &run::read(&lesson.copy)?);
        let name = lesson.source.strip_prefix(&places.root).unwrap_or(&lesson.source).display();
        section += &format!("\n### `{name}`\n\nAll its cells in {:.0} s.\n", lesson.elapsed.as_secs_f64());
        for text in texts {
            section += &format!("\n```text\n{}\n```\n", text.trim_end());
        }
    }
    let path = places.root.join("docs/results.md");
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    state::write(&path, replaced(&old, &section).as_bytes())
}

/// The commit, whether its files were changed since, and the machine.
fn heading(places: &Places) -> String {
    let git = |arguments: &[&str]| first_line(command("git").current_dir(&places.root).args(arguments));
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "?".to_owned());
    let changed = git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat());
    let changed = if changed.is_some_and(|line| !line.is_empty()) { ", with changes not committed" } else { "" };
    let (cores, memory) = (machine::cores(), machine::memory().unwrap_or(0) >> 30);
    format!("## The lessons, in full\n\nCommit {commit}{changed}; {cores} processors, {memory} GiB of memory.\n")
}

/// How the lessons' figures stand: written at which commit, and whether what they depend on has changed since. Nothing
/// where git cannot tell, as in a folder that is no clone.
pub fn age(places: &Places) -> Option<String> {
    let text = std::fs::read_to_string(places.root.join("docs/results.md")).ok()?;
    let Some(commit) = written_at(&text) else {
        return Some(say!(
            "! docs/results.md: faltan las cifras de las lecciones; las escribe `cargo aula verify --full`",
            "! docs/results.md: the lessons' figures are missing; `cargo aula verify --full` writes them"
        ));
    };
    let mut git = command("git");
    git.current_dir(&places.root).args(["diff", "--name-only", commit, "--"]).args(SOURCES);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let changed = String::from_utf8_lossy(&output.stdout).lines().count();
    (changed > 0).then(|| {
        say!(
            "! docs/results.md: las cifras de las lecciones son del commit {commit}; desde entonces cambiaron {changed} archivos de los que dependen",
            "! docs/results.md: the lessons' figures are of commit {commit}; {changed} files that they depend on have changed since"
        )
    })
}

/// The commit that the section names.
fn written_at(text: &str) -> Option<&str> {
    let section = &text[text.find(BEGIN)?..];
    let rest = &section[section.find("Commit ")? + "Commit ".len()..];
    rest.split(|c: char| !c.is_ascii_alphanumeric()).next().filter(|commit| !commit.is_empty())
}

/// The texts of the tagged cells: what they printed, and their result in plain text.
fn tagged(source: &Value, executed: &Value) -> Vec<String> {
    let cells = |notebook: &Value| notebook["cells"].as_array().cloned().unwrap_or_default();
    let ids: Vec<Value> = cells(source)
        .iter()
        .filter(|cell| cell["metadata"]["aula"]["result"] == true)
        .map(|cell| cell["id"].clone())
        .collect();
    cells(executed)
        .iter()
        .filter(|cell| ids.contains(&cell["id"]))
        .map(printed)
        .filter(|text| !text.is_empty())
        .collect()
}

fn printed(cell: &Value) -> String {
    let outputs = cell["outputs"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| match value {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let texts = outputs.iter().filter(|output| output["name"] != "stderr").map(|output| {
        let plain = text(&output["data"]["text/plain"]);
        if plain.is_empty() {
            text(&output["text"])
        } else {
            plain + "\n"
        }
    });
    texts.collect()
}

/// `old` with the section between the two marks replaced, or added at its end.
fn replaced(old: &str, section: &str) -> String {
    let section = format!("{BEGIN}\n\n{section}\n{END}");
    match (old.find(BEGIN), old.find(END)) {
        (Some(begin), Some(end)) if begin < end => format!("{}{section}{}", &old[..begin], &old[end + END.len()..]),
        _ => format!("{}\n\n{section}\n", old.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_part_between_the_marks_changes() {
        let first = replaced("# Measured\n\nBy hand.\n", "one");
        assert_eq!(first, format!("# Measured\n\nBy hand.\n\n{BEGIN}\n\none\n{END}\n"));
        let moved = first.replace(END, &format!("{END}\n\nAfter."));
        assert_eq!(replaced(&moved, "two"), moved.replace("one", "two"));
    }

    #[test]
    fn the_commit_is_the_one_that_the_section_names() {
        let text = replaced("# Measured\n\nCommit 99.\n", "## In full\n\nCommit 1f203fb, with changes; 2 processors.");
        assert_eq!(written_at(&text), Some("1f203fb"));
        assert_eq!(written_at("# Measured\n\nCommit 99.\n"), None);
    }

    #[test]
    fn what_tagged_cells_print_is_kept_as_it_came() {
        let source = json!({ "cells": [
            { "id": "a", "metadata": {} },
            { "id": "b", "metadata": { "aula": { "result": true } } },
        ]});
        let executed = json!({ "cells": [
            { "id": "a", "outputs": [{ "name": "stdout", "text": "not this" }] },
            { "id": "b", "outputs": [
                { "name": "stdout", "text": ["base 9\n", "LoRA 7\n"] },
                { "name": "stderr", "text": "a warning" },
                { "data": { "text/plain": "done" } },
            ] },
        ]});
        assert_eq!(tagged(&source, &executed), ["base 9\nLoRA 7\ndone\n"]);
    }
}
