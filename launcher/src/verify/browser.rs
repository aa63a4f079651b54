//! The course in a real browser: JupyterLab, Chromium driven by `tests/browser/course.mjs`, pictures in `docs/images`.
//!
//! It works on a copy, so that what JupyterLab saves by itself never reaches the lessons.

use crate::lab;
use crate::paths::Places;
use crate::problem::{Problem, Result};
use crate::process;
use crate::progress::{self, Ended, Line};
use crate::run;
use crate::say;
use crate::state;
use serde_json::json;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const TOKEN: &str = "aula";
const LESSON: &str = "notebooks/en/03-adapt.ipynb";

/// Names under which Chromium is installed.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// What the tests gave.
pub struct Outcome {
    /// Tests that passed, and that failed.
    pub counts: (u64, u64),
    /// Those that failed, and the end of what was printed.
    pub detail: String,
    /// How the program ended.
    pub ended: Ended,
}

/// A JupyterLab of its own, gone with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // A polite end lets it end its kernels too; `kill` is for one that does not listen.
        if let Some(id) = rustix::process::Pid::from_raw(self.0.id() as i32) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        for _ in 0..100 {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs all tests.
pub fn tests(places: &Places) -> Result<Outcome> {
    let chromium = find_browser()?;
    let folder = places.aula.join("browser");
    install_playwright(places, &folder)?;
    copy_course(places, &folder.join("course"))?;
    write_settings(&folder.join("settings"))?;
    let port = free_port()?;
    let _server = Server(serve(places, &folder, port)?);
    let mut node = process::command("node");
    node.current_dir(&folder)
        .arg("course.mjs")
        .env("AULA_URL", format!("http://127.0.0.1:{port}"))
        .env("AULA_TOKEN", TOKEN)
        .env("AULA_COURSE", folder.join("course"))
        .env("AULA_PICTURES", places.root.join("docs/images"))
        .env("AULA_BROKEN", &folder)
        .env("AULA_CHROMIUM", chromium);
    let (mut counts, mut bad) = ((0, 0), Vec::new());
    let title = say!("Pruebas en el navegador", "Tests in the browser");
    let ended = progress::run(&title, &mut node, None, |line| {
        if let Line::Out(text) = line {
            counts = count(text).unwrap_or(counts);
            if text.starts_with('✗') {
                bad.push(text.clone());
            }
        }
        progress::show_lines(line)
    })?;
    Ok(Outcome { counts, detail: format!("{}\n{}", bad.join("\n"), ended.tail.join("\n")), ended })
}

fn find_browser() -> Result<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let found = BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let mut found = found.filter(|path| path.is_file());
    found.next().ok_or_else(|| {
        Problem::new(say!("No encuentro Chromium.", "Chromium was not found."))
            .next("sudo apt install chromium nodejs npm")
    })
}

/// Playwright's driver, from the lock file, in `.aula/browser`.
fn install_playwright(places: &Places, folder: &Path) -> Result<()> {
    let source = places.root.join("tests/browser");
    let lock = std::fs::read(source.join("package-lock.json")).unwrap_or_default();
    for name in ["package.json", "package-lock.json", "course.mjs"] {
        let bytes = std::fs::read(source.join(name))
            .map_err(|error| Problem::new(source.join(name).display().to_string()).why(error))?;
        state::write(&folder.join(name), &bytes)?;
    }
    let inputs = state::hash(&[&lock]);
    if state::is_done(&places.state(), "browser", &inputs) && folder.join("node_modules").is_dir() {
        return Ok(());
    }
    let mut install = process::command("npm");
    install.current_dir(folder).args(["ci", "--no-audit", "--no-fund"]);
    let ended = progress::run("npm ci (playwright-core)", &mut install, None, progress::show_lines)?;
    if !ended.status.success() {
        let what = say!("npm no pudo instalar playwright-core.", "npm could not install playwright-core.");
        return Err(progress::explain(what, &ended));
    }
    state::mark_done(&places.state(), "browser", &inputs)
}

/// Lesson 3 and a notebook that panics, with the course's data beside them.
fn copy_course(places: &Places, course: &Path) -> Result<()> {
    let lesson = run::read(&places.root.join(LESSON))?;
    state::write(&course.join(LESSON), lesson.to_string().as_bytes())?;
    let cell = |id: &str, source: &str| json!({ "cell_type": "code", "id": id, "metadata": {}, "source": source, "execution_count": null, "outputs": [] });
    let panic = json!({
        "cells": [
            cell("before", "let number = 41;"),
            cell("panic", "panic!(\"deliberate panic\");"),
            cell("after", "println!(\"reached {number}\");"),
        ],
        "metadata": lesson["metadata"], "nbformat": 4, "nbformat_minor": 5,
    });
    state::write(&course.join("notebooks/en/panic.ipynb"), panic.to_string().as_bytes())?;
    let data = course.join("data");
    if !data.exists() {
        std::os::unix::fs::symlink(places.root.join("data"), &data)
            .map_err(|error| state::unwritable(&data, &error))?;
    }
    Ok(())
}

/// English, and every cell of a notebook in the page: by default those out of sight are not.
fn write_settings(folder: &Path) -> Result<()> {
    let settings = [
        ("notebook-extension/tracker", json!({ "windowingMode": "none" })),
        ("translation-extension/plugin", json!({ "locale": "default" })),
    ];
    for (name, value) in settings {
        let file = folder.join("@jupyterlab").join(format!("{name}.jupyterlab-settings"));
        state::write(&file, value.to_string().as_bytes())?;
    }
    Ok(())
}

fn free_port() -> Result<u16> {
    let found = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    found.map(|address| address.port()).map_err(|error| Problem::new("127.0.0.1").why(error))
}

fn serve(places: &Places, folder: &Path, port: u16) -> Result<Child> {
    run::prepare_jupyter(places)?;
    lab::write_settings(places)?;
    let mut server: Command = lab::server(places, &folder.join("course"));
    server
        .arg(format!("--ServerApp.port={port}"))
        .args(["--ServerApp.port_retries=0", "--ServerApp.open_browser=False"])
        .arg(format!("--IdentityProvider.token={TOKEN}"))
        .env("JUPYTERLAB_SETTINGS_DIR", folder.join("settings"))
        .env("JUPYTERLAB_WORKSPACES_DIR", folder.join("workspaces"))
        .env("AULA_LANG", "en")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = server.spawn().map_err(|error| Problem::new("jupyterlab").why(error))?;
    for _ in 0..600 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(child);
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(Problem::new(say!("JupyterLab no arrancó.", "JupyterLab did not start.")).why(status));
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    drop(Server(child));
    Err(Problem::new(say!("JupyterLab no contesta.", "JupyterLab does not answer.")))
}

/// The counts in `browser tests: 4 passed, 0 failed`.
fn count(line: &str) -> Option<(u64, u64)> {
    let (passed, failed) = line.strip_prefix("browser tests: ")?.split_once(", ")?;
    Some((passed.strip_suffix(" passed")?.parse().ok()?, failed.strip_suffix(" failed")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_read_from_the_last_line() {
        assert_eq!(count("browser tests: 4 passed, 1 failed"), Some((4, 1)));
        assert_eq!(count("✓ a panic"), None);
    }
}
