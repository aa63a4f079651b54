//! `aula lab`: sets up, then becomes JupyterLab on the course.

use crate::machine;
use crate::paths::Places;
use crate::problem::{Level, Result};
use crate::process;
use crate::say;
use crate::setup;
use crate::state;
use std::path::Path;
use std::process::Command;

/// Sets up, prints what was checked, and becomes JupyterLab.
pub fn main(places: &Places, port: Option<u16>, browser: bool) -> Result<()> {
    for check in setup::run(places)? {
        if check.level != Level::Fine {
            println!("{check}");
        }
    }
    crate::run::prepare_jupyter(places)?;
    write_settings(places)?;
    let mut lab = server(places, &places.root);
    lab.arg(format!("--LabApp.default_url=/lab/tree/notebooks/{}", crate::say::language()))
        .arg("--ServerApp.open_browser=".to_owned() + if browser { "True" } else { "False" });
    if let Some(port) = port {
        lab.arg(format!("--ServerApp.port={port}"));
    }
    println!(
        "{}",
        say!(
            "JupyterLab se abre en el navegador; Ctrl+C aquí lo cierra.",
            "JupyterLab opens in the browser; Ctrl+C here closes it."
        )
    );
    Err(process::replace(lab))
}

/// JupyterLab as the course has it, on the files of `folder`; ports and tokens are its own choice.
pub fn server(places: &Places, folder: &Path) -> Command {
    let mut lab = process::command(places.python());
    lab.current_dir(folder)
        .args(["-m", "jupyterlab"])
        .arg(assignment("--ServerApp.root_dir=", &folder.to_string_lossy()))
        // Only the course's kernel is offered.
        .arg("--KernelSpecManager.ensure_native_kernel=False")
        .arg("--KernelSpecManager.allowed_kernelspecs=aula")
        .arg("--MultiKernelManager.default_kernel_name=aula")
        // No search for language servers: it starts npm, which writes into the home folder.
        .arg("--LanguageServerManager.autodetect=False")
        .envs(places.jupyter_environment());
    if machine::is_root() {
        lab.arg("--allow-root");
    }
    lab
}

fn assignment(name: &str, value: &str) -> String {
    format!("{name}{value}")
}

/// JupyterLab as the course wants it: no news, no search for new versions (both use the network), and in the
/// language of the person.
pub fn write_settings(places: &Places) -> Result<()> {
    let locale = if crate::say::spanish() { "es_ES" } else { "default" };
    let settings = serde_json::json!({
        "@jupyterlab/apputils-extension:notification": { "fetchNews": "false", "checkForUpdates": false },
        "@jupyterlab/translation-extension:plugin": { "locale": locale },
    });
    let file = places.venv().join("share/jupyter/lab/settings/overrides.json");
    state::write(&file, format!("{settings:#}\n").as_bytes())
}
