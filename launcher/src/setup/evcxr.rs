//! evcxr's Jupyter kernel, compiled from its published source into `.aula/bin`.

use crate::paths::Places;
use crate::problem::{Check, Result};
use crate::process;
use crate::progress::{self, Line, Seen};
use crate::say;
use std::path::PathBuf;

/// The version that the course was tried with.
pub const VERSION: &str = "0.22.0";

/// Crates that are compiled for it, near enough for a bar (its list depends on the platform).
const CRATES: u64 = 290;

/// Whether the kernel of the right version lies in `.aula/bin`: cargo keeps the list of what it installed beside it.
pub fn is_ready(places: &Places) -> bool {
    let list = std::fs::read_to_string(places.aula.join(".crates.toml")).unwrap_or_default();
    places.evcxr().exists() && list.contains(&format!("\"evcxr_jupyter {VERSION} "))
}

/// Where it is compiled: kept when the person chose a folder for builds, removed afterwards when it is ours.
fn build_folder(places: &Places) -> (PathBuf, bool) {
    match std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => (places.root.join(folder).join("evcxr"), false),
        None => (places.aula.join("build"), true),
    }
}

/// Compiles and installs the kernel, or does nothing when that is done.
pub fn ensure(places: &Places) -> Result<Check> {
    let (build, ours) = build_folder(places);
    if !is_ready(places) {
        let mut install = process::cargo(places);
        install
            .args(["install", "--locked", "--force", "--version", VERSION, "evcxr_jupyter", "--root"])
            .arg(&places.aula)
            .env("CARGO_TARGET_DIR", &build)
            // Half the time to compile; the first cell takes about a second longer, later cells the same.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
        // Parts of rust-analyzer that a notebook never calls, but that are linked: no time is spent on making them quick.
        for package in ["ra_ap_ide_assists", "ra_ap_ide_diagnostics", "ra_ap_ide_ssr"] {
            install.arg("--config").arg(format!("profile.release.package.{package}.opt-level=0"));
        }
        super::limit_jobs(&mut install);
        let title = say!("Núcleo de Rust para Jupyter (evcxr)", "Rust kernel for Jupyter (evcxr)");
        let mut compiled = 0;
        let ended = progress::run(&title, &mut install, None, |line| {
            let (Line::Out(text) | Line::Err(text)) = line;
            let text = text.trim();
            if text.starts_with("Compiling ") {
                compiled = (compiled + 1).min(CRATES);
                return Seen::Count { done: compiled, total: CRATES, text: text.to_owned() };
            }
            progress::show_lines(line)
        })?;
        if !ended.status.success() {
            let what =
                say!("No se pudo instalar evcxr_jupyter {VERSION}.", "evcxr_jupyter {VERSION} could not be installed.");
            return Err(progress::explain(what, &ended));
        }
    }
    if ours && build.exists() {
        // Only space on the disk is lost if this fails.
        let _ = std::fs::remove_dir_all(&build);
    }
    Ok(Check::fine(format!("evcxr_jupyter {VERSION}")))
}
