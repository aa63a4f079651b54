//! The way to the kernel's relay: notes out, wishes in.
//!
//! evcxr passes on whole lines only and shows rich output once, at the end of a cell. The relay in front of it takes
//! notes by a Unix socket, one JSON object a line, and turns them into messages of the notebook. So that text and
//! displays come in the order of the code, this process taps its own standard output: what the cells write goes to
//! the relay, and only evcxr's marks go on to evcxr, each after all that was written before it.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{channel, Sender};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{json, Map, Value};

use super::descriptors::{settle_at_the_end, tap, wait_readable};
use super::flush::{flush_often, Flush};
use super::stop;
use super::tapped::Tapped;

/// Pause where nothing can be read any more.
const PAUSE: Duration = Duration::from_millis(100);

static RELAY: OnceLock<Option<Relay>> = OnceLock::new();

/// The connection, when there is one. The first call makes it: in the process of the cells (`EVCXR_IS_RUNTIME`), and
/// when the relay left its socket's path in `AULA_NOTES`.
pub(crate) fn connect() -> Option<&'static Relay> {
    RELAY.get_or_init(|| Relay::start().ok().flatten()).as_ref()
}

/// Tells the relay that a work ended early at the reader's request.
pub(super) fn tell_stopped() {
    if let Some(relay) = connect() {
        relay.lock().send(&json!({ "note": "stopped" }));
    }
}

/// A content in several forms: its type (`text/html`) and its text.
pub(crate) type Forms<'a> = [(&'a str, &'a str)];

/// The connection to the relay.
pub(crate) struct Relay {
    state: Mutex<Tapped>,
}

impl Relay {
    fn start() -> std::io::Result<Option<Relay>> {
        let path = std::env::var_os("AULA_NOTES").filter(|_| std::env::var_os("EVCXR_IS_RUNTIME").is_some());
        let Some(path) = path else { return Ok(None) };
        let socket = UnixStream::connect(path)?;
        let asks = socket.try_clone()?;
        let (out, err) = (tap(1)?, tap(2)?);
        let pipes = [out.pipe.as_raw_fd(), err.pipe.as_raw_fd()];
        let (flush, requests) = channel();
        let begin = flush.clone();
        settle_at_the_end();
        let thread = |name: &str| std::thread::Builder::new().name(name.to_string());
        thread("aula-tap").spawn(move || read_taps(pipes))?;
        thread("aula-asks").spawn(move || read_asks(asks, &begin))?;
        thread("aula-flush").spawn(move || flush_often(&requests))?;
        Ok(Some(Relay { state: Mutex::new(Tapped::new(socket, out, err, flush)) }))
    }

    fn lock(&self) -> MutexGuard<'_, Tapped> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks when everything that this thread printed is on its way.
    fn after_the_text(&self) -> MutexGuard<'_, Tapped> {
        // Before the lock: the flush may wait until the tap is read.
        let _ = std::io::stdout().flush();
        let mut state = self.lock();
        state.drain();
        state.release_error_text();
        state
    }

    /// Shows a content below what the cell showed so far; with an `id` it can be changed later. False: nobody listens.
    pub(crate) fn display(&self, id: Option<&str>, forms: &Forms) -> bool {
        let mut note = json!({ "note": "display", "data": data(forms), "metadata": {} });
        if let Some(id) = id {
            note["id"] = id.into();
        }
        self.after_the_text().send(&note)
    }

    /// Changes a content that is already shown. False: nobody listens.
    pub(crate) fn update(&self, id: &str, forms: &Forms) -> bool {
        self.lock().send(&json!({ "note": "update", "id": id, "data": data(forms), "metadata": {} }))
    }

    /// Takes away what the cell showed so far; with `wait`, when the next content comes. False: nobody listens.
    pub(crate) fn clear(&self, wait: bool) -> bool {
        self.after_the_text().send(&json!({ "note": "clear", "wait": wait }))
    }
}

fn data(forms: &Forms) -> Value {
    forms.iter().map(|(mime, text)| (mime.to_string(), Value::from(*text))).collect::<Map<_, _>>().into()
}

/// Reads the taps for as long as the process lives.
fn read_taps(pipes: [RawFd; 2]) {
    let Some(relay) = RELAY.wait() else { return };
    let mut patience = None;
    loop {
        let readable = wait_readable(pipes, patience);
        if !readable && patience.is_none() {
            // Nobody can write any more: somebody closed descriptors 1 and 2.
            std::thread::sleep(PAUSE);
        }
        let mut state = relay.lock();
        state.drain();
        patience = state.release_what_waited(readable);
    }
}

/// Reads the relay's wishes until it goes away.
fn read_asks(socket: UnixStream, flush: &Sender<Flush>) {
    for line in BufReader::new(socket).lines().map_while(Result::ok) {
        let wish: Value = serde_json::from_str(&line).unwrap_or_default();
        match wish["ask"].as_str() {
            Some("stop") => {
                stop::ask_to_stop();
            }
            Some("cell") => {
                stop::forget_stop();
                let _ = flush.send(Flush::Begin);
            }
            _ => {}
        }
    }
    if let Some(relay) = RELAY.wait() {
        relay.lock().socket = None;
    }
}
