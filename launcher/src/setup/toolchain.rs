//! What must be on the machine already: Rust, a C compiler, Python with venv.

use crate::paths::Places;
use crate::problem::{Check, Level, Problem, Result};
use crate::process::{command, first_line, succeeds};
use crate::say;
use std::path::PathBuf;

/// The oldest Rust that can build the kernel (evcxr 0.22 asks for it).
pub const OLDEST_RUST: (u32, u32) = (1, 95);

/// The oldest Python that JupyterLab's pinned version runs on.
const OLDEST_PYTHON: (u32, u32) = (3, 10);

/// Rust and cargo, new enough.
pub fn rust(places: &Places) -> Check {
    let (major, minor) = OLDEST_RUST;
    let install = say!("instálalo con rustup: https://rustup.rs", "install it with rustup: https://rustup.rs");
    let Some(cargo) = first_line(crate::process::cargo(places).arg("--version")) else {
        return Check::broken(say!("no hay cargo", "there is no cargo"), install);
    };
    let Some(rustc) = first_line(command("rustc").current_dir(&places.root).arg("--version")) else {
        return Check::broken(say!("no hay rustc", "there is no rustc"), install);
    };
    if version(&rustc).is_some_and(|found| found < OLDEST_RUST) {
        return Check::broken(
            say!("{rustc}: hace falta {major}.{minor} o posterior", "{rustc}: {major}.{minor} or later is needed"),
            "rustup update stable",
        );
    }
    Check::fine(format!("{rustc} · {cargo}"))
}

/// The C compiler that links what Rust compiles.
pub fn c_compiler() -> Check {
    match first_line(command("cc").arg("--version")) {
        Some(line) => Check::fine(say!("compilador de C: {line}", "C compiler: {line}")),
        None => Check::broken(
            say!("no hay compilador de C (cc)", "there is no C compiler (cc)"),
            say!(
                "`sudo apt install build-essential` (Debian, Ubuntu), `sudo dnf install gcc` (Fedora) o `xcode-select --install` (macOS)",
                "`sudo apt install build-essential` (Debian, Ubuntu), `sudo dnf install gcc` (Fedora) or `xcode-select --install` (macOS)"
            ),
        ),
    }
}

/// A Python that is new enough, by the name that starts it, and its version.
pub fn find_python() -> Option<(String, String)> {
    let chosen = std::env::var("AULA_PYTHON").ok();
    let usual = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];
    let names = chosen.into_iter().chain(usual.map(str::to_owned));
    names
        .filter_map(|name| {
            let line = first_line(command(&name).arg("--version"))?;
            Some((name, line))
        })
        .find(|(_, line)| version(line).is_some_and(|found| found >= OLDEST_PYTHON))
}

/// Python, new enough, with the modules that make an environment.
pub fn python() -> Check {
    let (major, minor) = OLDEST_PYTHON;
    let Some((name, version)) = find_python() else {
        return Check::broken(
            say!("no hay Python {major}.{minor} o posterior", "there is no Python {major}.{minor} or later"),
            say!(
                "`sudo apt install python3 python3-venv` (Debian, Ubuntu), o https://www.python.org; AULA_PYTHON puede nombrar otro",
                "`sudo apt install python3 python3-venv` (Debian, Ubuntu), or https://www.python.org; AULA_PYTHON can name another"
            ),
        );
    };
    if !succeeds(command(&name).args(["-c", "import venv, ensurepip"])) {
        return Check::broken(
            say!("{version} no tiene venv", "{version} has no venv"),
            say!(
                "`sudo apt install python3-venv` (Debian, Ubuntu)",
                "`sudo apt install python3-venv` (Debian, Ubuntu)"
            ),
        );
    }
    Check::fine(format!("{version} (venv)"))
}

/// Where the standard library's sources lie when they are there.
pub fn rust_src(places: &Places) -> Option<PathBuf> {
    let sysroot = first_line(command("rustc").current_dir(&places.root).args(["--print", "sysroot"]))?;
    let library = PathBuf::from(sysroot).join("lib/rustlib/src/rust/library");
    library.join("core").is_dir().then_some(library)
}

/// Fails with the first thing that is broken, as a problem with its remedy.
pub fn demand(checks: &[Check]) -> Result<()> {
    match checks.iter().find(|check| check.level == Level::Broken) {
        None => Ok(()),
        Some(check) => Err(Problem::new(check.text.clone()).next(check.remedy.clone())),
    }
}

/// The first `major.minor` in a line such as `rustc 1.95.0 (...)` or `Python 3.11.2`.
fn version(line: &str) -> Option<(u32, u32)> {
    let numbers = line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = numbers.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
    Some((major, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_read_from_what_the_tools_print() {
        assert_eq!(version("rustc 1.95.0 (59807616e 2026-04-14)"), Some((1, 95)));
        assert_eq!(version("Python 3.11.2"), Some((3, 11)));
        assert_eq!(version("Python 3.15rc1"), Some((3, 15)));
        assert_eq!(version("no number"), None);
    }
}
