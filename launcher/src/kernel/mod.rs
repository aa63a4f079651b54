//! `aula kernel`: what Jupyter starts for a notebook.
//!
//! A relay between the front end and an evcxr kernel of its own, the same protocol on both sides. It adds what evcxr
//! cannot do: output that changes while a cell runs, a stop that keeps the learner's work, a failed cell that says so,
//! and an answer while evcxr still loads. From the wire upwards: `zmtp`, `sockets`, `wire`; then `notes` from the
//! learner's process, `child` with evcxr in it; `cell`, `stop`, `explain`, `answers`; and `relay`, which joins them.

mod answers;
mod cell;
mod cells;
mod child;
mod explain;
mod history;
mod notes;
mod outbox;
mod output;
mod relay;
mod requests;
mod sockets;
mod stop;
mod wire;
mod zmtp;

use crate::paths::Places;
use crate::problem::{Problem, Result};
use crate::process;
use crate::say;
use crate::setup::{kernel_files, standard};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the connection file says: where to listen, and the key.
#[derive(Clone)]
pub struct Connection {
    ip: String,
    shell: u16,
    control: u16,
    stdin: u16,
    iopub: u16,
    heartbeat: u16,
    key: String,
}

impl Connection {
    fn read(file: &Path) -> Result<Connection> {
        let shown = file.display();
        let problem = || {
            Problem::new(say!(
                "No se pudo leer el archivo de conexión {shown}.",
                "The connection file {shown} could not be read."
            ))
        };
        let bytes = std::fs::read(file).map_err(|error| problem().why(error))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| problem().why(error))?;
        Connection::parse(&value).map_err(|why| problem().why(why))
    }

    fn parse(value: &Value) -> std::result::Result<Connection, String> {
        let text = |name: &str, otherwise: &str| value[name].as_str().unwrap_or(otherwise).to_owned();
        let port = |name: &str| {
            let number = value[name].as_u64().and_then(|port| u16::try_from(port).ok());
            number.filter(|port| *port > 0).ok_or_else(|| format!("{name}: {}", value[name]))
        };
        for (name, spoken) in [("transport", "tcp"), ("signature_scheme", "hmac-sha256")] {
            if text(name, spoken) != spoken {
                return Err(format!("{name}: {} ({spoken})", value[name]));
            }
        }
        Ok(Connection {
            ip: text("ip", "127.0.0.1"),
            shell: port("shell_port")?,
            control: port("control_port")?,
            stdin: port("stdin_port")?,
            iopub: port("iopub_port")?,
            heartbeat: port("hb_port")?,
            key: text("key", ""),
        })
    }
}

/// Is the kernel until it is told to end.
pub fn main(places: &Places, connection_file: &Path) -> Result<()> {
    settle_language();
    let connection = Connection::read(connection_file)?;
    let start = command(places)?;
    let failed = |error: std::io::Error| Problem::new("tokio").why(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(relay::run(connection, start))
}

/// Speaks the notebook's language, here and in the cells: that of the folder it lies in.
fn settle_language() {
    if std::env::var_os("AULA_LANG").is_some_and(|chosen| !chosen.is_empty()) {
        return;
    }
    let session = std::env::var("JPY_SESSION_NAME").unwrap_or_default();
    let folder = std::env::current_dir().unwrap_or_default();
    let language = folder_language(&session).or_else(|| folder_language(&folder.to_string_lossy()));
    if let Some(language) = language {
        std::env::set_var("AULA_LANG", language);
    }
}

/// The last folder of a path that names a language of the course.
fn folder_language(path: &str) -> Option<&'static str> {
    path.rsplit(['/', '\\']).find_map(|part| ["es", "en"].into_iter().find(|language| part == *language))
}

/// Gives what starts evcxr's kernel, with what it, the cells' process and their compiler find in their environment.
fn command(places: &Places) -> Result<impl Fn() -> Command> {
    let folders = kernel_files::compiled(places)?.folders;
    let places = places.clone();
    Ok(move || {
        let mut kernel = process::command(places.evcxr());
        // What evcxr tells about its configuration would stand in the terminal of JupyterLab; errors still do.
        kernel.stdout(Stdio::null());
        environment(&places, &folders, &mut kernel);
        kernel
    })
}

fn environment(places: &Places, folders: &[PathBuf], kernel: &mut Command) {
    kernel.env("EVCXR_CONFIG_DIR", places.kernel().join("config"));
    kernel.env("AULA_HOME", &places.root);
    // evcxr asks for backtraces of panics; in the text of an error they only hide the message.
    kernel.env("RUST_LIB_BACKTRACE", "0");
    kernel.env("RUST_SRC_PATH", standard::folder(places));
    // The cells are compiled in a folder of evcxr's own, with flags of ours.
    for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        kernel.env_remove(name);
    }
    find_libraries(kernel, folders);
    // evcxr tells its process where a cell lies in one line, cut at spaces.
    if std::env::temp_dir().to_string_lossy().contains(' ') {
        kernel.env("TMPDIR", "/tmp");
    }
}

/// Lets a program find the compiled library and what it needs, and gives it the settings of the allocator.
pub fn find_libraries(program: &mut Command, folders: &[PathBuf]) {
    let variable = if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
    program.env(variable, search_path(folders, std::env::var_os(variable)));
    process::tune(program);
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
    use serde_json::json;

    #[test]
    fn our_folders_come_first_and_none_comes_twice() {
        let ours = [PathBuf::from("/a b"), PathBuf::from("/c")];
        let path = search_path(&ours, Some("/c:/d".into()));
        assert_eq!(path, OsString::from("/a b:/c:/d"));
    }

    #[test]
    fn the_language_is_that_of_the_last_folder_that_names_one() {
        assert_eq!(folder_language("/home/es/notebooks/en/03-adapt.ipynb"), Some("en"));
        assert_eq!(folder_language("notebooks/es/03-adaptar.ipynb"), Some("es"));
        assert_eq!(folder_language("/home/escuela/en-casa/a.ipynb"), None);
    }

    #[test]
    fn a_connection_file_with_another_transport_or_a_wrong_port_is_refused() {
        let good = json!({
            "shell_port": 1, "control_port": 2, "stdin_port": 3, "iopub_port": 4, "hb_port": 5,
            "ip": "127.0.0.1", "key": "k", "transport": "tcp", "signature_scheme": "hmac-sha256",
        });
        let parsed = Connection::parse(&good).unwrap();
        assert_eq!((parsed.shell, parsed.heartbeat, parsed.key.as_str()), (1, 5, "k"));
        for (name, value) in [("transport", json!("ipc")), ("shell_port", json!(70_000)), ("hb_port", json!(0))] {
            let mut bad = good.clone();
            bad[name] = value;
            assert!(Connection::parse(&bad).is_err_and(|why| why.starts_with(name)));
        }
    }
}
