//! `aula verify --full` writes what the lessons measured into `docs/results.md`, the whole of it: the outputs of the cells whose
//! metadata says `"aula": { "result": true }` and of every training, as they came out, with the commit, the machine, the
//! seeds and the times.

use crate::machine;
use crate::paths::Places;
use crate::problem::Result;
use crate::process::{command, first_line};
use crate::run;
use crate::say;
use crate::state;
use serde_json::{json, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the lessons' figures depend on.
const SOURCES: [&str; 4] = ["src", "data", "notebooks", "Cargo.lock"];

/// Settings with a seed, and the files that give its default.
const SEEDED: [(&str, &str); 5] = [
    ("TrainConfig", "src/train/config.rs"),
    ("LoraConfig", "src/nn/lora.rs"),
    ("GenerateConfig", "src/generate.rs"),
    ("SplitConfig", "src/split/mod.rs"),
    ("BootstrapConfig", "src/metrics/interval.rs"),
];

/// How a training's line on its energy begins, in either language.
const ENERGY: [&str; 2] = ["Energía: ", "Energy: "];

/// A lesson that was executed.
pub struct Executed {
    /// The notebook as it ships.
    pub source: PathBuf,
    /// Its copy with outputs, where it was executed in full.
    pub copy: PathBuf,
    /// How long it took.
    pub elapsed: Duration,
}

impl Executed {
    fn name(&self, places: &Places) -> String {
        self.source.strip_prefix(&places.root).unwrap_or(&self.source).display().to_string()
    }
}

/// Where the executed copy of a notebook goes.
pub fn copy_of(places: &Places, notebook: &Path) -> PathBuf {
    let folder = notebook.parent().and_then(Path::file_name).unwrap_or_default();
    places.aula.join("executed").join(folder).join(notebook.file_name().unwrap_or_default())
}

/// Where the times of the short preset are kept until the next [`write`].
fn short_times_file(places: &Places) -> PathBuf {
    places.aula.join("executed/short.json")
}

/// Keeps the times of the lessons under the short preset.
pub fn keep_short_times(places: &Places, lessons: &[Executed]) -> Result<()> {
    let seconds = lessons.iter().map(|lesson| (lesson.name(places), json!(lesson.elapsed.as_secs_f64())));
    let kept = json!({ "commit": commit(places), "seconds": Value::Object(seconds.collect()) });
    state::write(&short_times_file(places), kept.to_string().as_bytes())
}

/// Writes `docs/results.md`.
pub fn write(places: &Places, lessons: &[Executed]) -> Result<()> {
    let short = std::fs::read(short_times_file(places)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut text = heading(places) + &times(places, lessons, &short.unwrap_or_default());
    for lesson in lessons {
        let (source, copy) = (run::read(&lesson.source)?, run::read(&lesson.copy)?);
        let texts = kept(&source, &copy);
        if texts.is_empty() {
            continue;
        }
        text += &format!("\n## `{}`\n", lesson.name(places));
        let seeds = seeds(&source);
        if !seeds.is_empty() {
            let quoted: Vec<String> = seeds.iter().map(|seed| format!("`{seed}`")).collect();
            text += &format!("\nSeeds that its cells name: {}.\n", quoted.join(", "));
        }
        for block in texts {
            text += &format!("\n```text\n{}\n```\n", block.trim_end());
        }
    }
    state::write(&places.root.join("docs/results.md"), text.as_bytes())
}

fn git(places: &Places, arguments: &[&str]) -> Option<String> {
    first_line(command("git").current_dir(&places.root).args(arguments))
}

fn commit(places: &Places) -> String {
    git(places, &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "?".to_owned())
}

/// The commit, whether its files were changed since, the machine, and the seeds where a cell names none.
fn heading(places: &Places) -> String {
    let changed = git(places, &[&["status", "--porcelain", "--"], &SOURCES[..]].concat());
    let changed = if changed.is_some_and(|line| !line.is_empty()) { ", with changes not committed" } else { "" };
    let processor = machine::processor().unwrap_or_else(|| "unknown".to_owned());
    let (cores, memory) = (machine::cores(), machine::memory().unwrap_or(0) >> 30);
    let threads = std::env::var("RAYON_NUM_THREADS").unwrap_or_else(|_| cores.to_string());
    let commit = commit(places);
    let seeds: Vec<String> = SEEDED
        .iter()
        .filter_map(|(name, file)| Some(format!("`{name}` {}", default_seed(&places.root.join(file), name)?)))
        .collect();
    format!(
        "# The lessons, in full\n\n\
        Written by `cargo verify --full --lessons`, the whole file: what the cells that measure print, with the time that each took\n\
        [in brackets], and every training with its time and energy. What else was measured stands in [measurements.md](measurements.md).\n\n\
        Commit {commit}{changed}. Processor: {processor}, {cores} of its cores, {threads} threads; {memory} GiB of memory.\n\n\
        Seeds where a cell names no other: {}.\n",
        seeds.join(", ")
    )
}

/// The seed that the settings `name` have by themselves, read from the library's source.
fn default_seed(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let from = &text[text.find(&format!("impl Default for {name} "))?..];
    number(&from[from.find("seed: ")? + "seed: ".len()..])
}

/// The whole number at the beginning of a text.
fn number(text: &str) -> Option<u64> {
    text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())].parse().ok()
}

/// The seconds of each lesson, and those of the short preset where they were kept.
fn times(places: &Places, lessons: &[Executed], short: &Value) -> String {
    let of_short = short["commit"].as_str();
    let mut text = "\n| lesson | all its cells, in full |".to_owned();
    text += &of_short.map_or(String::new(), |commit| format!(" short preset (commit {commit}) |"));
    text += if of_short.is_some() { "\n| --- | ---: | ---: |\n" } else { "\n| --- | ---: |\n" };
    for lesson in lessons {
        let name = lesson.name(places);
        text += &format!("| `{name}` | {:.0} s |", lesson.elapsed.as_secs_f64());
        if of_short.is_some() {
            text += &short["seconds"][&name].as_f64().map_or(" |".to_owned(), |seconds| format!(" {seconds:.0} s |"));
        }
        text.push('\n');
    }
    text
}

/// The seeds that a lesson's cells name: `seed: 7`, `split(0.9, 42)`.
fn seeds(notebook: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for cell in cells(notebook).iter().filter(|cell| cell["cell_type"] == "code") {
        let code = run::source(cell);
        for (place, word) in code.match_indices("seed") {
            let value = code[place + word.len()..].trim_start_matches(": u64");
            let value = value.trim_start().trim_start_matches([':', '=']).trim_start();
            found.extend(number(value).map(|seed| format!("seed: {seed}")));
        }
        for (place, word) in code.match_indices(".split(") {
            let inside = code[place + word.len()..].split(')').next().unwrap_or_default();
            let last = inside.rsplit(", ").next().and_then(|last| last.parse::<u64>().ok());
            found.extend(last.map(|_| format!("split({inside})")));
        }
    }
    found
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

/// The commit that the file names.
fn written_at(text: &str) -> Option<&str> {
    let rest = text.lines().find_map(|line| line.strip_prefix("Commit "))?;
    rest.split(|c: char| !c.is_ascii_alphanumeric()).next().filter(|commit| !commit.is_empty())
}

fn cells(notebook: &Value) -> Vec<Value> {
    notebook["cells"].as_array().cloned().unwrap_or_default()
}

/// What the tagged cells printed, and their results in plain text; and of other cells each training's table with its
/// energy, once, below the line of code that trained.
fn kept(source: &Value, executed: &Value) -> Vec<String> {
    let source = cells(source);
    let tagged =
        |cell: &Value| source.iter().any(|one| one["id"] == cell["id"] && one["metadata"]["aula"]["result"] == true);
    let (mut texts, mut trainings) = (Vec::new(), BTreeSet::new());
    for cell in cells(executed) {
        if tagged(&cell) {
            let text = outputs(&cell).concat();
            let took = seconds(&cell).filter(|_| !text.trim().is_empty());
            texts.push(text.trim_end().to_owned() + &took.map_or("\n".to_owned(), |s| format!("\n[{s:.1} s]\n")));
            continue;
        }
        let mut begin = line_that_trains(&cell);
        for text in outputs(&cell) {
            let energy = ENERGY.iter().find_map(|words| text.find(words)).map(|place| text[place..].to_owned());
            if energy.is_some_and(|energy| trainings.insert(energy.lines().next().unwrap_or_default().to_owned())) {
                texts.push(std::mem::take(&mut begin) + &text);
            }
        }
    }
    texts.retain(|text| !text.trim().is_empty());
    texts
}

/// How long a cell took, compiling included, by the times that nbclient leaves in its metadata.
fn seconds(cell: &Value) -> Option<f64> {
    let times = &cell["metadata"]["execution"];
    let of_day = |name: &str| {
        let (_, clock) = times[name].as_str()?.split_once('T')?;
        let parts: Vec<f64> = clock.trim_end_matches('Z').split(':').filter_map(|part| part.parse().ok()).collect();
        matches!(parts[..], [_, _, _]).then(|| 3600.0 * parts[0] + 60.0 * parts[1] + parts[2])
    };
    let passed = of_day("shell.execute_reply")? - of_day("iopub.execute_input")?;
    Some(passed.rem_euclid(24.0 * 3600.0)) // a cell may run over midnight
}

/// `let history = fine_tune(...)?;`, or nothing.
fn line_that_trains(cell: &Value) -> String {
    let code = run::source(cell);
    let line = code.lines().find(|line| line.contains("fine_tune("));
    line.map_or(String::new(), |line| format!("{}\n", line.trim()))
}

/// Each output of a cell in plain text.
fn outputs(cell: &Value) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_the_one_that_a_line_begins_with() {
        assert_eq!(written_at("# In full\n\nOf Commit 99.\n\nCommit 1f203fb, with changes; 2.\n"), Some("1f203fb"));
        assert_eq!(written_at("# Measured\n"), None);
    }

    #[test]
    fn what_tagged_cells_print_is_kept_as_it_came_and_each_training_once() {
        let source = json!({ "cells": [
            { "id": "a", "metadata": {} },
            { "id": "b", "metadata": { "aula": { "result": true } } },
            { "id": "c", "metadata": {} },
            { "id": "d", "metadata": {} },
        ]});
        let table = "Training 100 %\nAll moved. Energy: 12 J (0 Wh), 2 s; estimated.\nepoch  loss\n    0     9";
        let executed = json!({ "cells": [
            { "id": "a", "outputs": [{ "name": "stdout", "text": "not this" }] },
            { "id": "b", "outputs": [
                { "name": "stdout", "text": ["base 9\n", "LoRA 7\n"] },
                { "name": "stderr", "text": "a warning" },
                { "data": { "text/plain": "done" } },
            ] },
            { "id": "c", "source": ["let config = 1;\n", "let h = fine_tune(&mut m)?;"], "outputs": [
                { "data": { "text/plain": "Reading 3 texts" } },
                { "data": { "text/plain": table } },
            ] },
            { "id": "d", "source": "h", "outputs": [{ "data": { "text/plain": table } }] },
        ]});
        let training = format!("let h = fine_tune(&mut m)?;\n{table}\n");
        assert_eq!(kept(&source, &executed), ["base 9\nLoRA 7\ndone\n", &training]);
    }

    #[test]
    fn the_time_of_a_tagged_cell_stands_below_what_it_printed() {
        let times = json!({ "iopub.execute_input": "2026-11-26T23:59:58.5Z", "shell.execute_reply": "2026-11-27T00:00:01.000000Z" });
        let cell = json!({ "id": "b", "metadata": { "aula": { "result": true }, "execution": times }, "outputs": [
            { "name": "stdout", "text": "base 9" },
        ]});
        let source = json!({ "cells": [{ "id": "b", "metadata": { "aula": { "result": true } } }] });
        assert_eq!(kept(&source, &json!({ "cells": [cell] })), ["base 9\n[2.5 s]\n"]);
    }

    #[test]
    fn seeds_are_found_in_the_cells_and_in_the_library() {
        let code = ["let seed: u64 = 7;\n", "data.split(0.9, 42)?; C { seed: 3, ..d }; s(seed)", "a.split(&config)"];
        let notebook = json!({ "cells": [{ "cell_type": "code", "source": code }] });
        let found: Vec<String> = seeds(&notebook).into_iter().collect();
        assert_eq!(found, ["seed: 3", "seed: 7", "split(0.9, 42)"]);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (name, file) in SEEDED {
            assert!(default_seed(&root.join(file), name).is_some(), "{file}: {name} has no seed");
        }
    }

    #[test]
    fn times_of_the_short_preset_stand_beside_those_in_full() {
        let root = PathBuf::from("/course");
        let places = Places { aula: root.join(".aula"), root };
        let source = places.root.join("notebooks/en/a.ipynb");
        let lessons = [Executed { copy: source.clone(), source, elapsed: Duration::from_secs(90) }];
        let alone = times(&places, &lessons, &Value::Null);
        assert!(alone.ends_with("| --- | ---: |\n| `notebooks/en/a.ipynb` | 90 s |\n"), "{alone}");
        let short = json!({ "commit": "abc", "seconds": { "notebooks/en/a.ipynb": 20.4 } });
        assert!(times(&places, &lessons, &short).ends_with("a.ipynb` | 90 s | 20 s |\n"));
    }
}
