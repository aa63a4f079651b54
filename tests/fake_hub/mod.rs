//! A small Hub on loopback, a real HTTP server: the API, files, ranges, ETags, redirects to a store on another host,
//! refusals, and connections that break. Used by `src/hub/` and by `tests/hub.rs`.

#![allow(dead_code, clippy::unwrap_used)] // each test uses a part of it, and says what it expects by failing

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The commit of everything.
pub const COMMIT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Host and port that it came to.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// The other lines, in small letters.
    pub headers: Vec<String>,
}

impl Seen {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

/// What the server does, which a test may change while it runs.
#[derive(Default)]
pub struct State {
    /// `models/org/name/file` or `datasets/org/name/file` to the content.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What the API tells of `models/org/name` beside its files.
    pub told: BTreeMap<String, serde_json::Value>,
    /// `org/name` to the status and headers of a refusal.
    pub refused: BTreeMap<String, (&'static str, &'static str)>,
    /// What a search answers.
    pub found: serde_json::Value,
    /// So many bodies of the store break off at their half.
    pub breaks: usize,
    /// The store changes a byte of what it sends, so many times.
    pub lies: usize,
    /// The store does not know ranges.
    pub no_ranges: bool,
    /// Pause after each kilobyte of the store.
    pub slow: Duration,
    /// No file is in Git LFS: what should be redirected comes as it is, without a checksum.
    pub plain: bool,
    /// All requests.
    pub seen: Vec<Seen>,
}

/// The Hub and the store of its large files, which is another host.
pub struct FakeHub {
    pub endpoint: String,
    pub store: String,
    state: Arc<Mutex<State>>,
}

impl FakeHub {
    /// A Hub with these files, by `models/org/name/file`.
    pub fn with(files: &[(&str, &[u8])]) -> Self {
        let state = Arc::new(Mutex::new(State { found: serde_json::json!([]), ..State::default() }));
        let (hub, store) = (listen(), listen());
        let (endpoint, away) = (address(&hub), address(&store));
        for (listener, store) in [(hub, None), (store, Some(()))] {
            let (state, away) = (state.clone(), away.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (state, away) = (state.clone(), away.clone());
                    std::thread::spawn(move || serve(stream, &state, &away, store.is_some()));
                }
            });
        }
        let hub = Self { endpoint, store: away, state };
        files.iter().for_each(|(name, bytes)| hub.put(name, bytes));
        hub
    }

    /// What the server does and saw.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Adds a file, by `models/org/name/file`.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        self.state().files.insert(name.to_string(), bytes.to_vec());
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn address(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}

/// The SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Git LFS holds what is large, and weights.
fn in_lfs(name: &str, bytes: &[u8], state: &State) -> bool {
    !state.plain && (bytes.len() > 10_000 || name.ends_with(".safetensors") || name.ends_with(".parquet"))
}

/// Answers the requests of one connection, one after the other.
fn serve(stream: TcpStream, state: &Mutex<State>, store: &str, is_store: bool) {
    let host = stream.local_addr().unwrap().to_string();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_string()),
            }
        }
        let Some((request, headers)) = lines.split_first() else { return };
        let (method, path) = request.split_once(' ').unwrap_or_default();
        let path = path.split(' ').next().unwrap_or_default().to_string();
        let headers: Vec<String> = headers.iter().map(|line| line.to_lowercase()).collect();
        let seen = Seen { host: host.clone(), path, headers };
        state.lock().unwrap().seen.push(seen.clone());
        let mut out = Out { stream: stream.try_clone().unwrap(), head_only: method == "HEAD" };
        let sent = match is_store {
            true => serve_store(&mut out, &seen, state),
            false => serve_hub(&mut out, &seen, state, store),
        };
        if sent.is_none() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

struct Out {
    stream: TcpStream,
    head_only: bool,
}

impl Out {
    fn head(&mut self, status: &str, headers: &str, length: usize) -> Option<()> {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n");
        self.stream.write_all(head.as_bytes()).ok()
    }

    fn whole(&mut self, status: &str, headers: &str, body: &[u8]) -> Option<()> {
        self.head(status, headers, body.len())?;
        if self.head_only {
            return Some(());
        }
        self.stream.write_all(body).ok()
    }
}

fn serve_hub(out: &mut Out, seen: &Seen, state: &Mutex<State>, store: &str) -> Option<()> {
    let state = state.lock().unwrap();
    let path = seen.path.split('?').next().unwrap_or_default().replace("%20", " ");
    if let Some((status, headers)) = state.refused.iter().find_map(|(name, no)| path.contains(name).then_some(no)) {
        return out.whole(status, headers, b"");
    }
    if path == "/api/models" || path == "/api/datasets" {
        return out.whole("200 OK", "", state.found.to_string().as_bytes());
    }
    if let Some((repo, revision)) = path.strip_prefix("/api/").and_then(|path| path.split_once("/revision/")) {
        return match listing(repo, &state) {
            None => out.whole("404 Not Found", "x-error-code: RepoNotFound\r\n", b""),
            Some(_) if !["main", "v1", COMMIT].contains(&revision) => {
                out.whole("404 Not Found", "x-error-code: RevisionNotFound\r\n", b"")
            }
            Some(told) => out.whole("200 OK", "content-type: application/json\r\n", told.to_string().as_bytes()),
        };
    }
    let (repo, file) = path.split_once("/resolve/").unwrap_or_default();
    let file = file.split_once('/').unwrap_or_default().1;
    let repo = repo.trim_start_matches('/');
    let repo = if repo.starts_with("datasets/") { repo.to_string() } else { format!("models/{repo}") };
    let Some(bytes) = state.files.get(&format!("{repo}/{file}")) else {
        return out.whole("404 Not Found", "x-error-code: EntryNotFound\r\n", b"");
    };
    let (digest, size) = (sha256(bytes), bytes.len());
    if !in_lfs(file, bytes, &state) {
        let headers = format!("x-repo-commit: {COMMIT}\r\netag: \"{}\"\r\n", &digest[..40]);
        return out.whole("200 OK", &headers, bytes);
    }
    let headers = format!(
        "x-repo-commit: {COMMIT}\r\nx-linked-etag: \"{digest}\"\r\nx-linked-size: {size}\r\n\
         etag: \"other\"\r\nlocation: {store}/{repo}/{file}?signature=s3cret\r\n"
    );
    out.whole("302 Found", &headers, b"")
}

fn listing(repo: &str, state: &State) -> Option<serde_json::Value> {
    let files =
        state.files.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(repo)?.strip_prefix('/')?, bytes)));
    let siblings = files.map(|(name, bytes)| {
        let digest = sha256(bytes);
        let mut file = serde_json::json!({"rfilename": name, "size": bytes.len(), "blobId": &digest[..40]});
        if in_lfs(name, bytes, state) {
            file["lfs"] = serde_json::json!({"sha256": digest, "size": bytes.len(), "pointerSize": 130});
        }
        file
    });
    let siblings: Vec<_> = siblings.collect();
    if siblings.is_empty() {
        return None;
    }
    let id = repo.split_once('/').unwrap_or_default().1;
    let mut told = serde_json::json!({"id": id, "sha": COMMIT, "siblings": siblings});
    for (key, value) in state.told.get(repo).and_then(|told| told.as_object()).into_iter().flatten() {
        told[key] = value.clone();
    }
    Some(told)
}

/// `None` where the connection breaks.
fn serve_store(out: &mut Out, seen: &Seen, state: &Mutex<State>) -> Option<()> {
    let path = seen.path.split('?').next().unwrap_or_default().replace("%20", " ");
    let (bytes, breaks, ranges, slow) = {
        let mut state = state.lock().unwrap();
        let mut bytes = state.files.get(path.trim_start_matches('/'))?.clone();
        if state.lies > 0 {
            state.lies -= 1;
            let middle = bytes.len() / 4;
            bytes[middle] ^= 1;
        }
        let breaks = state.breaks > 0;
        state.breaks = state.breaks.saturating_sub(1);
        (bytes, breaks, !state.no_ranges, state.slow)
    };
    let range = seen.header("range").filter(|_| ranges).and_then(|range| range.strip_prefix("bytes="));
    let from = range.and_then(|range| range.split('-').next()?.parse().ok()).unwrap_or(0);
    let total = bytes.len();
    if from >= total && range.is_some() {
        return out.whole("416 Range Not Satisfiable", "", b"");
    }
    let body = &bytes[from..];
    match range {
        Some(_) => out.head(
            "206 Partial Content",
            &format!("content-range: bytes {from}-{}/{total}\r\n", total - 1),
            body.len(),
        ),
        None => out.head("200 OK", "", body.len()),
    }?;
    let sent = if breaks { body.len() / 2 } else { body.len() };
    for part in body[..sent].chunks(1_024) {
        out.stream.write_all(part).ok()?;
        std::thread::sleep(slow);
    }
    (!breaks).then_some(())
}
