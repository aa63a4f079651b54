//! From the Hub to the cache, with progress, and with an end to every wait.

use super::places::Places;
use super::torch::BIN;
use super::{alternatives, LISTED};
use crate::error::{Error, ErrorKind, Result};
use crate::show::Progress;
use crate::sys::{stopped, stopped_error};
use crate::table::similar::listed;
use crate::vocab::OLDER_FILES;
use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::Cache;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a download may stand still.
const STALL: Duration = Duration::from_secs(60);
/// Pause between two looks at the reader's wish to stop.
const LOOK: Duration = Duration::from_millis(200);
/// Small files that are fetched where a model has them.
const WANTED: [&str; 9] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
];
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Fails within a few seconds where the Hub, or the proxy on the way to it, does not take connections.
pub(super) fn reachable(places: &Places) -> Result<()> {
    let endpoint = places.endpoint.trim_end_matches('/');
    // The same variables, in the same order, as the HTTP client reads.
    let proxy = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let address = host_and_port(proxy.as_deref().unwrap_or(endpoint));
    let (sender, receiver) = channel();
    let patience = places.connect;
    // In a thread of its own, because looking up a name has no time limit.
    std::thread::spawn(move || sender.send(connect(&address, patience)));
    let failed = match receiver.recv_timeout(patience + Duration::from_millis(200)) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => tr!("No respondió en {} s.", "No answer within {} s.", patience.as_secs()),
    };
    Err(unreachable(places).why(failed))
}

fn unreachable(places: &Places) -> Error {
    let endpoint = &places.endpoint;
    Error::new(
        ErrorKind::System,
        tr!("No se pudo llegar al Hub ({endpoint}).", "The Hub could not be reached ({endpoint})."),
    )
    .next(tr!("Sin red se puede seguir. ", "You can go on with no network. ") + &alternatives(places))
}

pub(super) fn host_and_port(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("http", address));
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match (has_port, scheme) {
        (true, _) => host.to_string(),
        (false, "https") => format!("{host}:443"),
        (false, _) => format!("{host}:80"),
    }
}

fn connect(address: &str, patience: Duration) -> std::io::Result<()> {
    let started = Instant::now();
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in address.to_socket_addrs()? {
        let left = patience.saturating_sub(started.elapsed()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What the downloading thread reports.
enum Event {
    /// So many bytes are to come.
    Plan(u64),
    /// This file begins, or begins again.
    File(String),
    /// So many bytes came.
    Bytes(usize),
    /// It is over.
    Done(Result<PathBuf>),
}

/// Downloads what is not yet in the cache of the model `name`, and gives its folder.
pub(super) fn download(name: &str, places: &Places) -> Result<PathBuf> {
    let (sender, receiver) = channel();
    let (model, settings, given_up) = (name.to_string(), places.clone(), Arc::new(AtomicBool::new(false)));
    let report = Report { sender, given_up: given_up.clone() };
    // hf-hub waits for ever and may panic: in a thread of its own it can do neither to the reader's variables.
    std::thread::spawn(move || {
        let done = fetch(&model, &settings, &report);
        report.send(Event::Done(done));
    });
    let mut progress: Option<Progress> = None;
    let (mut before, mut now, mut file) = (0, 0, String::new());
    let mut heard = Instant::now();
    loop {
        if stopped() {
            given_up.store(true, Ordering::Relaxed);
            return Err(stopped_error(
                tr!("La descarga de «{name}» está parada.", "The download of \"{name}\" is stopped."),
                tr!(
                    "Ejecuta la celda otra vez: sigue donde se quedó.",
                    "Run the cell again: it goes on where it stopped."
                ),
            ));
        }
        let patience = if progress.is_some() { STALL } else { places.answer };
        let event = receiver.recv_timeout(LOOK.min(patience));
        if event.is_ok() {
            heard = Instant::now();
        }
        match event {
            Err(RecvTimeoutError::Timeout) if heard.elapsed() < patience => {}
            Ok(Event::Plan(bytes)) => {
                let title = tr!("Descargando {name}", "Downloading {name}");
                progress = Some(Progress::start(&title, megabytes(bytes)));
            }
            Ok(Event::File(next)) => {
                before += if next == file { 0 } else { now };
                (now, file) = (0, next);
            }
            Ok(Event::Bytes(more)) => {
                now += more as u64;
                if let Some(progress) = &mut progress {
                    progress.update(megabytes(before + now), &format!("MB · {file}"));
                }
            }
            Ok(Event::Done(done)) => {
                if let (Some(progress), Ok(_)) = (progress, &done) {
                    progress.finish("MB");
                }
                return done;
            }
            Err(RecvTimeoutError::Timeout) => {
                let seconds = patience.as_secs();
                return Err(
                    unreachable(places).why(tr!("No respondió en {seconds} s.", "No answer within {seconds} s."))
                );
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(unreachable(places).why(tr!("Su respuesta no se entiende.", "Its answer makes no sense.")))
            }
        }
    }
}

fn megabytes(bytes: u64) -> usize {
    bytes.div_ceil(1_000_000) as usize
}

/// The way back from the thread that downloads.
#[derive(Clone)]
struct Report {
    sender: Sender<Event>,
    /// The reader stopped the download.
    given_up: Arc<AtomicBool>,
}

impl Report {
    /// Nobody listens any more once the reader was told that the download stands still; it may go on for the next time.
    fn send(&self, event: Event) {
        let _ = self.sender.send(event);
    }
}

impl hf_hub::api::Progress for Report {
    fn init(&mut self, _size: usize, file: &str) {
        self.send(Event::File(file.to_string()));
    }

    fn update(&mut self, size: usize) {
        if self.given_up.load(Ordering::Relaxed) {
            // The only way out of hf-hub's loop; without a panic's message. What came stays, and the file is let go.
            std::panic::resume_unwind(Box::new("stopped"));
        }
        self.send(Event::Bytes(size));
    }

    fn finish(&mut self) {}
}

fn fetch(name: &str, places: &Places, report: &Report) -> Result<PathBuf> {
    let api = ApiBuilder::from_cache(Cache::new(places.cache.clone()))
        .with_endpoint(places.endpoint.trim_end_matches('/').to_string())
        .with_token(places.token.clone())
        .with_progress(false)
        .with_retries(2)
        .with_user_agent("aula", env!("CARGO_PKG_VERSION"))
        .build()
        .map_err(|error| refused(name, places, &error.to_string()))?;
    let repo = api.model(name.to_string());
    let files = listing(&repo).map_err(|error| refused(name, places, &error))?;
    let mut wanted: Vec<&str> = WANTED.to_vec();
    let has = |file: &str| files.iter().any(|(name, _)| name == file);
    if !has("tokenizer.json") {
        wanted.extend(OLDER_FILES.iter().copied().flatten().copied());
    }
    if has(SINGLE) {
        wanted.push(SINGLE);
    } else if has(INDEX) {
        wanted.push(INDEX);
        wanted.extend(files.iter().map(|(name, _)| name.as_str()).filter(|name| is_shard(name)));
    } else if has(BIN) {
        wanted.push(BIN);
    } else {
        return Err(no_weights(name, &files));
    }
    let in_cache = |file: &str| Cache::new(places.cache.clone()).model(name.to_string()).get(file).is_some();
    let missing: Vec<&(String, u64)> =
        files.iter().filter(|(file, _)| wanted.contains(&file.as_str()) && !in_cache(file)).collect();
    report.send(Event::Plan(missing.iter().map(|(_, bytes)| bytes).sum()));
    for (file, _) in missing {
        repo.download_with_progress(file, report.clone()).map_err(|error| refused(name, places, &error.to_string()))?;
    }
    places.cached_folder(name).ok_or_else(|| {
        let cache = places.cache.display();
        Error::new(
            ErrorKind::System,
            tr!("«{name}» no quedó en la caché ({cache}).", "\"{name}\" did not arrive in the cache ({cache})."),
        )
    })
}

/// The model's files and their sizes in bytes (0 where the Hub does not say).
fn listing(repo: &ApiRepo) -> std::result::Result<Vec<(String, u64)>, String> {
    #[derive(serde::Deserialize)]
    struct File {
        rfilename: String,
        size: Option<u64>,
    }
    #[derive(serde::Deserialize)]
    struct Listing {
        siblings: Vec<File>,
    }
    let mut answer = repo.info_request().query("blobs", "true").call().map_err(|error| error.to_string())?;
    let listing: Listing = answer.body_mut().read_json().map_err(|error| error.to_string())?;
    Ok(listing.siblings.into_iter().map(|file| (file.rfilename, file.size.unwrap_or(0))).collect())
}

/// `model-00001-of-00002.safetensors`
fn is_shard(file: &str) -> bool {
    file.starts_with("model-") && file.ends_with(".safetensors") && !file.contains('/')
}

fn no_weights(name: &str, files: &[(String, u64)]) -> Error {
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let has = listed(&names, LISTED);
    Error::new(ErrorKind::BadModel, tr!("«{name}» no trae model.safetensors.", "\"{name}\" has no model.safetensors."))
        .why(tr!("Sus archivos: {has}", "Its files: {has}"))
        .next(tr!(
            "Busca otra versión del modelo en safetensors (no GGUF ni ONNX).",
            "Look for another version of the model in safetensors (not GGUF or ONNX)."
        ))
}

/// What the Hub's refusal means. The Hub answers 401, not 404, about a model that is not there to those without a token.
fn refused(name: &str, places: &Places, why: &str) -> Error {
    let status: Option<u16> = why.rsplit_once("http status: ").and_then(|(_, code)| code.get(..3)?.parse().ok());
    let endpoint = places.endpoint.trim_end_matches('/');
    let not_there = || Error::new(ErrorKind::NotFound, tr!("El Hub no tiene «{name}».", "The Hub has no \"{name}\"."));
    match (status, places.token.is_some()) {
        (Some(404), _) => not_there().why(why).next(
            tr!("Busca el nombre exacto en {endpoint}/models. ", "Look for the exact name at {endpoint}/models. ")
                + &alternatives(places),
        ),
        (Some(401), false) => {
            let what = tr!(
                "El Hub no entrega «{name}»: no existe, o es privado.",
                "The Hub does not give \"{name}\": it does not exist, or is private."
            );
            Error::new(ErrorKind::NotFound, what).why(why).next(
                tr!(
                    "Revisa el nombre en {endpoint}/models; si es privado, pon tu clave en HF_TOKEN. ",
                    "Check the name at {endpoint}/models; if it is private, put your token in HF_TOKEN. "
                ) + &alternatives(places),
            )
        }
        (Some(401 | 403), _) => {
            let what = tr!("El Hub no te deja usar «{name}».", "The Hub does not let you use \"{name}\".");
            Error::new(ErrorKind::System, what).why(why).next(
                tr!(
                    "Acepta sus condiciones en {endpoint}/{name} y revisa tu clave (HF_TOKEN). ",
                    "Accept its terms at {endpoint}/{name} and check your token (HF_TOKEN). "
                ) + &alternatives(places),
            )
        }
        _ => {
            let what = tr!("La descarga de «{name}» falló.", "The download of \"{name}\" failed.");
            Error::new(ErrorKind::System, what).why(why).next(
                tr!("Prueba otra vez: lo ya descargado se aprovecha. ", "Try again: what was downloaded is kept. ")
                    + &alternatives(places),
            )
        }
    }
}
