//! How far a learner has come: one small readable file, by exercise, which updates of the course leave alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What is known of one exercise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// True once an answer was right.
    #[serde(default)]
    pub passed: bool,
    /// Answers that were handed in, up to the first right one.
    #[serde(default)]
    pub tries: usize,
    /// Hints that were shown.
    #[serde(default)]
    pub hints: usize,
}

impl Record {
    /// Done, tried, or not begun.
    pub fn mark(&self) -> &'static str {
        match (self.passed, self.tries) {
            (true, _) => "✓",
            (false, 0) => "·",
            _ => "✗",
        }
    }
}

/// All records, by the exercise's id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// By id.
    #[serde(default)]
    pub exercises: BTreeMap<String, Record>,
}

impl State {
    /// The state in `file`; a file that is not there is an empty one, and one that cannot be read is kept beside.
    pub fn read(file: &Path) -> Self {
        let Ok(text) = std::fs::read_to_string(file) else { return Self::default() };
        serde_json::from_str(&text).unwrap_or_else(|_| {
            // Somebody's progress may be in it: it is not written over.
            let _ = std::fs::rename(file, file.with_extension("json.broken"));
            Self::default()
        })
    }

    /// Writes the state, whole or not at all. Where that is impossible a line says so, and the work goes on.
    pub fn write(&self, file: &Path) {
        let written = || -> std::io::Result<()> {
            let beside = file.with_extension("json.part");
            std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
            std::fs::write(&beside, format!("{:#}\n", serde_json::json!(self)))?;
            std::fs::rename(&beside, file)
        };
        if let Err(error) = written() {
            let shown = file.display();
            println!(
                "{}",
                tr!(
                    "(No pude anotar tu avance en {shown}: {error}. Puedes seguir igual.)",
                    "(Your progress could not be noted in {shown}: {error}. You can go on all the same.)"
                )
            );
        }
    }

    /// The record of an exercise.
    pub fn of(&self, id: &str) -> Record {
        self.exercises.get(id).cloned().unwrap_or_default()
    }
}

/// `.aula/progress.json` in the course's folder; `AULA_PROGRESS` names another file.
pub fn file() -> PathBuf {
    named("AULA_PROGRESS").unwrap_or_else(|| course().join(".aula/progress.json"))
}

/// The course's folder: `AULA_HOME`, the nearest one above with notebooks in it, or the current one.
pub fn course() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let course = here.ancestors().find(|folder| folder.join("notebooks").is_dir()).map(Path::to_path_buf);
    named("AULA_HOME").or(course).unwrap_or(here)
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_and_a_broken_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sub/progress.json");
        let mut state = State::default();
        state.exercises.insert("03b".into(), Record { passed: true, tries: 2, hints: 1 });
        state.write(&file);
        assert_eq!(State::read(&file), state);
        // A file of a later version, with more in it, is read as far as it is known.
        std::fs::write(&file, r#"{"version": 9, "exercises": {"03b": {"passed": true, "stars": 3}}}"#).unwrap();
        assert!(State::read(&file).of("03b").passed);
        std::fs::write(&file, "{").unwrap();
        assert_eq!(State::read(&file), State::default());
        assert!(folder.path().join("sub/progress.json.broken").exists());
    }
}
