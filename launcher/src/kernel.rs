//! `aula kernel`: what Jupyter starts for a notebook. It prepares the environment and becomes evcxr's kernel.

use crate::paths::Places;
use crate::problem::{Problem, Result};
use crate::process;
use crate::say;
use crate::setup::{kernel_files, standard};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Becomes the kernel; returns only when it cannot be started.
pub fn main(places: &Places, connection_file: &Path) -> Result<()> {
    let mut kernel = process::command(places.evcxr());
    kernel.arg("--control_file").arg(connection_file);
    // What evcxr tells about its configuration would stand in the terminal of JupyterLab; errors still do.
    kernel.stdout(Stdio::null());
    environment(places, &mut kernel)?;
    Err(process::replace(kernel))
}

/// What the kernel, the cells' process and their compiler find in their environment.
fn environment(places: &Places, kernel: &mut Command) -> Result<()> {
    let file = places.kernel().join(kernel_files::SETTINGS);
    let settings: Value =
        std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(|| {
            Problem::new(say!("El núcleo no está preparado.", "The kernel is not set up.")).next("cargo aula setup")
        })?;
    kernel.env("EVCXR_CONFIG_DIR", places.kernel().join("config"));
    kernel.env("AULA_HOME", &places.root);
    // evcxr asks for backtraces of panics; in the text of an error they only hide the message.
    kernel.env("RUST_LIB_BACKTRACE", "0");
    kernel.env("RUST_SRC_PATH", standard::folder(places));
    // The cells are compiled in a folder of evcxr's own, with flags of ours.
    for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "EVCXR_TMPDIR"] {
        kernel.env_remove(name);
    }
    let folders = settings["library_path"].as_array().map(Vec::as_slice).unwrap_or_default();
    let folders: Vec<PathBuf> = folders.iter().filter_map(Value::as_str).map(PathBuf::from).collect();
    let variable = if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
    kernel.env(variable, search_path(&folders, std::env::var_os(variable)));
    // evcxr tells its process where a cell lies in one line, cut at spaces.
    if std::env::temp_dir().to_string_lossy().contains(' ') {
        kernel.env("TMPDIR", "/tmp");
    }
    process::tune(kernel);
    Ok(())
}

/// Our folders first, then those that were there.
fn search_path(folders: &[PathBuf], old: Option<OsString>) -> OsString {
    let mut all: Vec<PathBuf> = folders.to_vec();
    let old: Vec<PathBuf> = old.iter().flat_map(std::env::split_paths).collect();
    all.extend(old.into_iter().filter(|folder| !folders.contains(folder)));
    std::env::join_paths(all).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_folders_come_first_and_none_comes_twice() {
        let ours = [PathBuf::from("/a b"), PathBuf::from("/c")];
        let path = search_path(&ours, Some("/c:/d".into()));
        assert_eq!(path, OsString::from("/a b:/c:/d"));
    }
}
