//! Where everything lies: the clone, `.aula/` inside it, and cargo's target folder.

use crate::problem::{Problem, Result};
use crate::process;
use crate::say;
use std::path::{Path, PathBuf};

/// The places of one clone of the course. All paths are absolute.
#[derive(Clone, Debug)]
pub struct Places {
    /// The repository's root: the folder with the workspace's `Cargo.toml` and `notebooks/`.
    pub root: PathBuf,
    /// What set-up makes: `.aula/`, ignored by git.
    pub aula: PathBuf,
}

impl Places {
    /// Finds the clone: from the package that `cargo run` names, else upward from this program, else upward from the
    /// working directory.
    pub fn find() -> Result<Places> {
        let starts = [
            std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
            std::env::current_exe().ok(),
            std::env::current_dir().ok(),
        ];
        let root = starts.into_iter().flatten().find_map(|start| root_above(&start));
        match root {
            Some(root) => Ok(Places { aula: root.join(".aula"), root }),
            None => {
                Err(Problem::new(say!("No encuentro la carpeta del curso.", "The folder of the course was not found."))
                    .next(say!(
                        "Entra primero en ella (`cd`): es la que contiene `Cargo.toml` y `notebooks`.",
                        "Go there first (`cd`): it is the one with `Cargo.toml` and `notebooks` in it."
                    )))
            }
        }
    }

    /// Python's environment with JupyterLab.
    pub fn venv(&self) -> PathBuf {
        self.aula.join("venv")
    }

    /// The Python of that environment.
    pub fn python(&self) -> PathBuf {
        self.venv().join("bin").join("python")
    }

    /// The list of pinned Python packages.
    pub fn requirements(&self) -> PathBuf {
        self.root.join("launcher").join("requirements.txt")
    }

    /// evcxr's Jupyter kernel.
    pub fn evcxr(&self) -> PathBuf {
        self.aula.join("bin").join("evcxr_jupyter")
    }

    /// The copy of this program that the kernelspec starts.
    pub fn own_copy(&self) -> PathBuf {
        self.aula.join("bin").join("aula")
    }

    /// What the kernel reads: the facade crate, evcxr's configuration and `kernel.json`.
    pub fn kernel(&self) -> PathBuf {
        self.aula.join("kernel")
    }

    /// The kernelspec's folder, inside the environment, where Jupyter looks by itself.
    pub fn kernelspec(&self) -> PathBuf {
        self.venv().join("share/jupyter/kernels/aula")
    }

    /// One marker per finished step of set-up.
    pub fn state(&self) -> PathBuf {
        self.aula.join("state")
    }

    /// Cargo's target folder, as cargo itself sees it (`CARGO_TARGET_DIR` and configuration files included).
    pub fn target(&self) -> Result<PathBuf> {
        let output =
            process::cargo(self).args(["metadata", "--no-deps", "--offline", "--format-version=1"]).output().map_err(
                |error| Problem::new(say!("No se pudo ejecutar `cargo`.", "`cargo` could not be run.")).why(error),
            )?;
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        match metadata["target_directory"].as_str() {
            Some(folder) => Ok(PathBuf::from(folder)),
            None => Err(Problem::new(say!("Cargo no dice dónde compila.", "Cargo does not say where it builds."))
                .why(String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    /// The environment that keeps Jupyter's and IPython's files out of the home folder.
    pub fn jupyter_environment(&self) -> [(&'static str, PathBuf); 4] {
        let base = self.aula.join("jupyter");
        [
            ("JUPYTER_CONFIG_DIR", base.join("config")),
            ("JUPYTER_DATA_DIR", base.join("data")),
            ("JUPYTER_RUNTIME_DIR", base.join("runtime")),
            ("IPYTHONDIR", base.join("ipython")),
        ]
    }
}

/// The first folder from `start` upward that is a clone of the course.
fn root_above(start: &Path) -> Option<PathBuf> {
    let start = start.canonicalize().unwrap_or_else(|_| start.to_owned());
    start.ancestors().find(|folder| is_root(folder)).map(Path::to_owned)
}

fn is_root(folder: &Path) -> bool {
    folder.join("notebooks").is_dir()
        && std::fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| text.contains("[workspace]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_from_any_depth_in_a_path_with_spaces_and_accents() {
        let base = std::env::temp_dir().join(format!("aula paths año {}", std::process::id()));
        let inside = base.join("clone/notebooks/es");
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::create_dir_all(base.join("clone/launcher")).unwrap();
        std::fs::write(base.join("clone/Cargo.toml"), "[workspace]\n").unwrap();
        std::fs::write(base.join("clone/launcher/Cargo.toml"), "[package]\n").unwrap();
        let expected = base.join("clone").canonicalize().unwrap();
        assert_eq!(root_above(&inside), Some(expected.clone()));
        assert_eq!(root_above(&base.join("clone/launcher")), Some(expected));
        assert_eq!(root_above(&base), None);
        std::fs::remove_dir_all(base).unwrap();
    }
}
