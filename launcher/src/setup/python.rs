//! JupyterLab and what runs notebooks headless, in an environment of the clone's own.

use super::toolchain;
use crate::paths::Places;
use crate::problem::{Check, Problem, Result};
use crate::process::{command, succeeds};
use crate::progress;
use crate::say;
use crate::state;

const STEP: &str = "python";

/// What the environment is made from: it is made again when the list of packages or the clone's place changes
/// (its scripts carry their own path).
fn inputs(places: &Places) -> String {
    let requirements = std::fs::read(places.requirements()).unwrap_or_default();
    let place = places.venv();
    state::hash(&[&requirements, place.as_os_str().as_encoded_bytes()])
}

/// Whether the environment is there, complete and of this place.
pub fn is_ready(places: &Places) -> bool {
    state::is_done(&places.state(), STEP, &inputs(places)) && places.python().exists()
}

/// Makes the environment and installs the pinned packages, or does nothing when that is done.
pub fn ensure(places: &Places) -> Result<Check> {
    let described = || Check::fine(say!("JupyterLab en .aula/venv", "JupyterLab in .aula/venv"));
    if is_ready(places) {
        return Ok(described());
    }
    if !works(places) {
        create(places)?;
    }
    let mut install = command(places.python());
    install
        .current_dir(&places.root)
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar=off"])
        .arg("--requirement")
        .arg(places.requirements());
    let title = say!("Paquetes de Python (JupyterLab)", "Python packages (JupyterLab)");
    let ended = progress::run(&title, &mut install, None, progress::show_lines)?;
    if !ended.status.success() {
        let what = say!("pip no pudo instalar JupyterLab.", "pip could not install JupyterLab.");
        return Err(progress::explain(what, &ended));
    }
    state::mark_done(&places.state(), STEP, &inputs(places))?;
    Ok(described())
}

/// Whether an environment lies there that was made for this place and has a working pip.
fn works(places: &Places) -> bool {
    let script = std::fs::read(places.venv().join("bin/pip")).unwrap_or_default();
    let here = places.venv();
    let here = here.as_os_str().as_encoded_bytes();
    script.windows(here.len()).any(|part| part == here)
        && succeeds(command(places.python()).args(["-m", "pip", "--version"]))
}

fn create(places: &Places) -> Result<()> {
    let Some((name, _)) = toolchain::find_python() else {
        return toolchain::demand(&[toolchain::python()]);
    };
    let mut make = command(name);
    make.args(["-m", "venv", "--clear"]).arg(places.venv());
    let title = say!("Entorno de Python", "Python environment");
    let ended = progress::run(&title, &mut make, None, progress::show_lines)?;
    if ended.status.success() {
        return Ok(());
    }
    let what = say!("Python no pudo crear un entorno (venv).", "Python could not make an environment (venv).");
    if ended.tail.iter().any(|line| line.contains("ensurepip") || line.contains("python3-venv")) {
        return Err(Problem::new(what).why(ended.tail.join("\n")).next("sudo apt install python3-venv"));
    }
    Err(progress::explain(what, &ended))
}
