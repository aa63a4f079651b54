//! What the kernel reads when it starts: the facade crate, evcxr's configuration, `kernel.json`, the kernelspec.

use crate::paths::Places;
use crate::problem::{Check, Problem, Result};
use crate::process::{command, first_line};
use crate::rust_text;
use crate::say;
use crate::setup::link;
use crate::state;
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The name that Jupyter shows.
pub const DISPLAY_NAME: &str = "Rust (aula)";

/// The file with what only set-up knows: where the compiled library is and what it needs to be loaded.
pub const SETTINGS: &str = "kernel.json";

/// Writes everything; files that already say the same are left alone.
pub fn ensure(places: &Places, shared_object: &Path) -> Result<Check> {
    let target = shared_object.parent().unwrap_or(shared_object).to_owned();
    write_facade(places)?;
    write_configuration(places, &link::ensure(places, shared_object)?)?;
    let standard = first_line(command("rustc").current_dir(&places.root).args(["--print", "target-libdir"]));
    let mut folders = vec![target.clone(), target.join("deps")];
    folders.extend(standard.map(PathBuf::from));
    let settings = json!({ "library": shared_object, "library_path": folders });
    state::write(&places.kernel().join(SETTINGS), pretty(&settings).as_bytes())?;
    copy_self(places)?;
    let spec = json!({
        "argv": [places.own_copy(), "kernel", "--connection-file", "{connection_file}"],
        "display_name": DISPLAY_NAME,
        "language": "rust",
        "interrupt_mode": "message",
        "metadata": { "debugger": false },
    });
    state::write(&places.kernelspec().join("kernel.json"), pretty(&spec).as_bytes())?;
    Ok(Check::fine(say!("núcleo \"{DISPLAY_NAME}\"", "kernel \"{DISPLAY_NAME}\"")))
}

/// The compiled library as set-up left it.
pub struct Compiled {
    /// The shared object.
    pub library: PathBuf,
    /// Where what it needs is found when it is loaded.
    pub folders: Vec<PathBuf>,
}

/// Reads what set-up wrote in [`SETTINGS`].
pub fn compiled(places: &Places) -> Result<Compiled> {
    let settings = std::fs::read(places.kernel().join(SETTINGS)).unwrap_or_default();
    let settings: serde_json::Value = serde_json::from_slice(&settings).unwrap_or_default();
    let folders = settings["library_path"].as_array().map(Vec::as_slice).unwrap_or_default();
    let folders = folders.iter().filter_map(|folder| folder.as_str()).map(PathBuf::from).collect();
    match settings["library"].as_str() {
        Some(library) => Ok(Compiled { library: PathBuf::from(library), folders }),
        None => {
            Err(Problem::new(say!("El núcleo no está preparado.", "The kernel is not set up."))
                .next("cargo aula setup"))
        }
    }
}

/// What rustc needs to be told so that a program uses the compiled library, under the name `aula_built`. A cell is a shared
/// object, in which a symbol may be missing until it is loaded; a program is none, so it is linked to the real library.
pub fn program_flags(compiled: &Compiled) -> [OsString; 3] {
    let deps = compiled.library.parent().unwrap_or(&compiled.library).join("deps");
    ["-Cprefer-dynamic".into(), flag("--extern=aula_built=", &compiled.library), flag("-Ldependency=", &deps)]
}

/// What rustc needs to be told so that a cell does.
fn flags(link: &link::Link) -> Vec<OsString> {
    let mut flags = vec![
        "-Cprefer-dynamic".into(),
        flag("--extern=aula_built=", &link.library),
        flag("-Ldependency=", &link.crates),
    ];
    if cfg!(target_os = "linux") {
        // The stand-in is kept although no symbol is found in it.
        flags.extend(["-Clink-arg=-Wl,--no-as-needed".into(), flag("-Clink-arg=", &link.library)]);
    }
    flags
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// The facade: what rustc sees is the compiled library, what rust-analyzer sees is our own source.
fn write_facade(places: &Places) -> Result<()> {
    let source = places.root.join("src");
    let mut files = Vec::new();
    collect(&source, &source, &mut files)?;
    files.sort();
    let mut inputs: Vec<&[u8]> = vec![FACADE_MANIFEST.as_bytes(), FACADE_HEAD.as_bytes(), FACADE_TAIL.as_bytes()];
    for (name, text) in &files {
        inputs.extend([name.as_os_str().as_encoded_bytes(), text.as_bytes()]);
    }
    let inputs = state::hash(&inputs);
    let facade = places.kernel().join("facade");
    if state::is_done(&places.state(), "facade", &inputs) && facade.join("src/lib.rs").exists() {
        return Ok(());
    }
    let fresh = state::beside(&facade);
    for (name, text) in &files {
        let text = if name == Path::new("lib.rs") { facade_root(text) } else { text.clone() };
        state::write(&fresh.join("src").join(name), text.as_bytes())?;
    }
    state::write(&fresh.join("Cargo.toml"), FACADE_MANIFEST.as_bytes())?;
    state::replace_folder(&fresh, &facade)?;
    state::mark_done(&places.state(), "facade", &inputs)
}

const FACADE_MANIFEST: &str = "\
# Written by `aula setup`. Without dependencies: rust-analyzer reads our own source and nothing else.
[package]
name = \"aula\"
version = \"0.1.0\"
edition = \"2021\"

[workspace]

[lints.rust]
unexpected_cfgs = \"allow\"
";

/// Warnings would be shown to the learner in place of their own mistake.
const FACADE_HEAD: &str = "#![allow(warnings)]\n";

const FACADE_TAIL: &str = "\
#[cfg(not(rust_analyzer))]
pub use aula_built::*;
";

/// The library's root as the facade has it.
fn facade_root(text: &str) -> String {
    let items = rust_text::before_each_item(text, "#[cfg(rust_analyzer)]");
    format!("{FACADE_HEAD}{items}\n{FACADE_TAIL}")
}

/// Every Rust file below `folder` but the binary's, with its path from `base`.
fn collect(base: &Path, folder: &Path, files: &mut Vec<(PathBuf, String)>) -> Result<()> {
    let unreadable = |error: std::io::Error| {
        let shown = folder.display();
        Problem::new(say!("No se pudo leer {shown}.", "{shown} could not be read.")).why(error)
    };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            collect(base, &path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(base).unwrap_or(&path).to_owned();
            if name != Path::new("main.rs") {
                let text = std::fs::read_to_string(&path).map_err(unreadable)?;
                files.push((name, text));
            }
        }
    }
    Ok(())
}

/// `init.evcxr` and `prelude.rs`.
fn write_configuration(places: &Places, link: &link::Link) -> Result<()> {
    let config = places.kernel().join("config");
    let flags = encoded_flags(&flags(link));
    let facade = toml_string(&places.kernel().join("facade"));
    // A cell is one small crate and never compiled again: to cut it into parts and to remember them costs more than it
    // gains, a fifth of the time.
    let init = format!(
        ":offline 1\n:opt 0\n:build_env CARGO_PROFILE_DEV_CODEGEN_UNITS=1\n:build_env CARGO_PROFILE_DEV_INCREMENTAL=false\n\
         :build_env CARGO_ENCODED_RUSTFLAGS={flags}\n:dep aula = {{ path = {facade} }}\n"
    );
    state::write(&config.join("init.evcxr"), init.as_bytes())?;
    state::write(&config.join("prelude.rs"), PRELUDE.as_bytes())
}

/// What every notebook can use without asking.
///
/// evcxr shows a last expression by `evcxr_display`, and compiles the cell a second time where there is no such method.
/// With one for everything that has `Debug`, once is enough; a type's own method goes before it. Nothing is shown of `()`.
///
/// The last line holds the first `?`: evcxr learns from an error of rustc that there are some, and where that error is in the
/// expression that a cell ends with it takes the expression's `Debug` in place of its own display.
const PRELUDE: &str = r#"use aula::prelude::*;
trait AulaShow {
    fn evcxr_display(&self);
}
impl<T: std::fmt::Debug + ?Sized> AulaShow for T {
    fn evcxr_display(&self) {
        if std::any::type_name::<T>() != "()" {
            println!("EVCXR_BEGIN_CONTENT text/plain\n{self:?}\nEVCXR_END_CONTENT");
        }
    }
}
aula::sys::start_notebook();
Ok::<(), std::fmt::Error>(())?;
"#;

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(path);
    flag
}

/// Flags as cargo takes them in `CARGO_ENCODED_RUSTFLAGS`: set apart by the unit separator, so that a path may have
/// spaces in it.
fn encoded_flags(flags: &[OsString]) -> String {
    let flags: Vec<_> = flags.iter().map(|flag| flag.to_string_lossy()).collect();
    flags.join("\u{1f}")
}

/// A path as a TOML string.
fn toml_string(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"")
}

/// Copies this program to where the kernelspec starts it, so that `cargo clean` does not take it away.
fn copy_self(places: &Places) -> Result<()> {
    let target = places.own_copy();
    // On Linux the running program can be read under this name even when cargo has replaced its file meanwhile.
    let running = Path::new("/proc/self/exe");
    let source = if running.exists() {
        running.to_owned()
    } else {
        std::env::current_exe().map_err(|error| state::unwritable(&target, &error))?
    };
    let wrap = |error: std::io::Error| state::unwritable(&target, &error);
    let bytes = std::fs::read(source).map_err(wrap)?;
    if std::fs::read(&target).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let fresh = state::beside(&target);
    state::write(&fresh, &bytes)?;
    make_executable(&fresh).map_err(wrap)?;
    std::fs::rename(&fresh, &target).map_err(wrap)
}

fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_and_accents_stays_one_flag() {
        let flags =
            encoded_flags(&["-Cprefer-dynamic".into(), flag("-Ldependency=", Path::new("/mis cursos/año 1/deps"))]);
        let parts: Vec<&str> = flags.split('\u{1f}').collect();
        assert_eq!(parts, ["-Cprefer-dynamic", "-Ldependency=/mis cursos/año 1/deps"]);
    }

    #[test]
    fn a_path_with_quotes_is_valid_toml() {
        assert_eq!(toml_string(Path::new("/a \"b\"/c")), "\"/a \\\"b\\\"/c\"");
    }

    #[test]
    fn the_facade_shows_rustc_only_the_compiled_library() {
        let root = facade_root("//! Doc.\n\npub mod error;\n");
        assert_eq!(
            root,
            "#![allow(warnings)]\n//! Doc.\n\n#[cfg(rust_analyzer)]\npub mod error;\n\n#[cfg(not(rust_analyzer))]\npub use aula_built::*;\n"
        );
    }
}
