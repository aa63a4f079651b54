//! `aula doctor`: one line per thing that can be wrong, each with its remedy. It changes nothing.

use crate::machine;
use crate::paths::Places;
use crate::problem::{Check, Level, Result};
use crate::say;
use crate::setup::{evcxr, kernel_files, library, minilm, python, standard, toolchain};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};

/// Memory below which a lesson may not fit.
const LITTLE_MEMORY: u64 = 4_000_000_000;

/// Free disk below which set-up may not end.
const LITTLE_DISK: u64 = 8_000_000_000;

/// How long the Hub may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

const SETUP: &str = "cargo aula setup";

/// Prints every line; the exit status is 1 when something essential is broken.
pub fn main(places: &Places) -> Result<u8> {
    let mut checks = vec![
        toolchain::rust(places),
        toolchain::c_compiler(),
        standard::describe(toolchain::rust_src(places).is_some()),
        toolchain::python(),
    ];
    checks.extend(made_by_setup(places));
    checks.push(memory());
    checks.push(disk(places));
    checks.push(Check::fine(cores()));
    checks.push(shipped_models(places));
    checks.push(minilm::look(places));
    checks.push(cached_models());
    checks.push(hub());
    for check in &checks {
        println!("{check}");
    }
    Ok(u8::from(checks.iter().any(|check| check.level == Level::Broken)))
}

/// JupyterLab, evcxr, the compiled library and the kernelspec.
fn made_by_setup(places: &Places) -> Vec<Check> {
    let have = |good: bool, yes: String, no: String| {
        if good {
            Check::fine(yes)
        } else {
            Check::broken(no, SETUP)
        }
    };
    let version = evcxr::VERSION;
    let kernel = kernel_files::DISPLAY_NAME;
    vec![
        have(
            python::is_ready(places),
            say!("JupyterLab en .aula/venv", "JupyterLab in .aula/venv"),
            say!("JupyterLab no está instalado", "JupyterLab is not installed"),
        ),
        have(
            evcxr::is_ready(places),
            format!("evcxr_jupyter {version}"),
            say!("evcxr_jupyter {version} no está instalado", "evcxr_jupyter {version} is not installed"),
        ),
        shared_object(places),
        have(
            places.kernelspec().join("kernel.json").exists() && places.own_copy().exists(),
            say!("núcleo \"{kernel}\"", "kernel \"{kernel}\""),
            say!("el núcleo no está instalado", "the kernel is not installed"),
        ),
    ]
}

/// The compiled library: there, and not older than its sources.
fn shared_object(places: &Places) -> Check {
    let settings = std::fs::read(places.kernel().join(kernel_files::SETTINGS)).unwrap_or_default();
    let settings: serde_json::Value = serde_json::from_slice(&settings).unwrap_or_default();
    let file = PathBuf::from(settings["library"].as_str().unwrap_or_default());
    let Ok(built) = std::fs::metadata(&file).and_then(|meta| meta.modified()) else {
        return Check::broken(
            say!("la biblioteca del curso no está compilada", "the course's library is not compiled"),
            SETUP,
        );
    };
    if newest(&places.root.join("src")).is_some_and(|changed| changed > built) {
        return Check::warning(
            say!("la biblioteca compilada es más antigua que `src`", "the compiled library is older than `src`"),
            SETUP,
        );
    }
    library::describe(&file)
}

/// When the newest file below a folder was changed.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            if path.is_dir() {
                newest(&path)
            } else {
                std::fs::metadata(&path).ok()?.modified().ok()
            }
        })
        .max()
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

fn memory() -> Check {
    let Some(bytes) = machine::memory() else {
        return Check::warning(say!("memoria: no se sabe", "memory: not known"), "");
    };
    let size = gigabytes(bytes);
    let text = say!("memoria: {size}", "memory: {size}");
    if bytes < LITTLE_MEMORY {
        let remedy =
            say!("cierra otros programas; usa los modelos pequeños", "close other programs; use the small models");
        return Check::warning(text, remedy);
    }
    Check::fine(text)
}

fn disk(places: &Places) -> Check {
    let Some(bytes) = machine::free_disk(&places.root) else {
        return Check::warning(say!("disco libre: no se sabe", "free disk: not known"), "");
    };
    let size = gigabytes(bytes);
    let text = say!("disco libre: {size}", "free disk: {size}");
    if bytes < LITTLE_DISK {
        let remedy = say!(
            "libera espacio: la primera compilación necesita unos 8 GB",
            "free some: the first build needs about 8 GB"
        );
        return Check::warning(text, remedy);
    }
    Check::fine(text)
}

fn cores() -> String {
    let count = machine::cores();
    say!("procesadores: {count}", "processors: {count}")
}

/// Models that come with the course.
fn shipped_models(places: &Places) -> Check {
    let found = models_below(&places.root.join("data/models"));
    if found.is_empty() {
        return Check::warning(
            say!("no hay modelos en data/models", "there are no models in data/models"),
            say!("`git lfs pull` o descarga el curso otra vez", "`git lfs pull`, or download the course again"),
        );
    }
    let list = found.join(", ");
    Check::fine(say!("modelos del curso: {list}", "the course's models: {list}"))
}

/// Models of the Hub that are on this machine already.
fn cached_models() -> Check {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("HF_HOME").or_else(|| Some(variable("HOME")?.join(".cache/huggingface")));
    let Some(folder) = variable("HF_HUB_CACHE").or_else(|| Some(home?.join("hub"))) else {
        return Check::fine(say!("caché del Hub: ninguna", "Hub cache: none"));
    };
    let found: Vec<String> = models_below(&folder)
        .into_iter()
        .filter_map(|name| Some(name.strip_prefix("models--")?.replace("--", "/")))
        .collect();
    let shown = folder.display();
    if found.is_empty() {
        return Check::fine(say!("modelos del Hub en {shown}: ninguno", "models of the Hub in {shown}: none"));
    }
    let list = found.join(", ");
    Check::fine(say!("modelos del Hub en {shown}: {list}", "models of the Hub in {shown}: {list}"))
}

/// Each folder directly below, with its size, in order of name.
fn models_below(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<String> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.to_owned();
            let megabytes = size(&path) as f64 / 1e6;
            path.is_dir().then(|| format!("{name} ({megabytes:.0} MB)"))
        })
        .collect();
    found.sort();
    found
}

/// Bytes of all files below a folder; links, of which the Hub's cache is full, count nothing.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let kind = entry.file_type().ok()?;
            if kind.is_dir() {
                Some(size(&entry.path()))
            } else if kind.is_file() {
                Some(entry.metadata().ok()?.len())
            } else {
                None
            }
        })
        .sum()
}

/// Whether the Hub, or the proxy that leads to it, can be reached.
fn hub() -> Check {
    let still = say!(
        "todo lo del curso funciona sin red: modelos de data/models, los descargados y carpetas",
        "the whole course works offline: models of data/models, those downloaded before, and folders"
    );
    let on = |value: String| matches!(value.to_lowercase().as_str(), "1" | "true" | "yes" | "on");
    if std::env::var("HF_HUB_OFFLINE").is_ok_and(on) {
        return Check::warning(say!("HF_HUB_OFFLINE está puesta", "HF_HUB_OFFLINE is set"), still);
    }
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
    let proxy = set("HTTPS_PROXY").or_else(|| set("https_proxy")).or_else(|| set("ALL_PROXY"));
    let through = proxy.as_deref().unwrap_or(&endpoint);
    if reachable(through) {
        return Check::fine(say!("Hub: se llega a {endpoint}", "Hub: {endpoint} can be reached"));
    }
    Check::warning(say!("Hub: no se llega a {endpoint}", "Hub: {endpoint} cannot be reached"), still)
}

/// Whether somebody listens at the host and port of an address. Names are looked up on a thread of their own, since
/// nothing else limits how long that takes.
fn reachable(url: &str) -> bool {
    let Some(place) = host_and_port(url) else {
        return false;
    };
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let addresses = place.to_socket_addrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
        let good = addresses.iter().any(|address| TcpStream::connect_timeout(address, PATIENCE).is_ok());
        // Nobody listens any more when the patience is over.
        let _ = sender.send(good);
    });
    receiver.recv_timeout(PATIENCE).unwrap_or(false)
}

fn host_and_port(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?']).next()?;
    let authority = authority.rsplit('@').next()?;
    let usual = if scheme == "https" { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, usual),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_read_from_addresses_of_all_kinds() {
        let read = |url: &str| host_and_port(url).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(read("https://huggingface.co").as_deref(), Some("huggingface.co 443"));
        assert_eq!(read("http://mirror.example:8080/hub").as_deref(), Some("mirror.example 8080"));
        assert_eq!(read("http://user:word@proxy:3128").as_deref(), Some("proxy 3128"));
        assert_eq!(read("https://[::1]:8443/x").as_deref(), Some("::1 8443"));
        assert_eq!(read("https://").as_deref(), None);
    }

    #[test]
    fn a_port_where_nobody_listens_is_not_reachable() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(reachable(&format!("http://127.0.0.1:{port}")));
        drop(listener);
        assert!(!reachable(&format!("http://127.0.0.1:{port}")));
    }

    #[test]
    fn sizes_of_models_leave_links_out() {
        let folder = std::env::temp_dir().join(format!("aula models {}", std::process::id()));
        let model = folder.join("models--a--b");
        std::fs::create_dir_all(model.join("snapshots")).unwrap();
        std::fs::write(model.join("blob"), vec![0; 3_000_000]).unwrap();
        std::os::unix::fs::symlink("../blob", model.join("snapshots/w")).unwrap();
        assert_eq!(models_below(&folder), ["models--a--b (3 MB)"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
