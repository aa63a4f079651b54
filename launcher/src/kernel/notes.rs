//! Notes from the learner's process: what it shows while a cell runs, and that a cell failed.
//!
//! A Unix socket in a folder that only its owner may enter; one JSON object a line, both ways. The learner's process
//! connects, and connects anew when evcxr starts it again. What it has written before evcxr says that a cell is done
//! can be read by then: `drain` reads the socket itself, not what the runtime last heard about it.

use serde_json::{json, Value};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Result, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

/// A note may be as large as a picture; a longer line is no note.
const LONGEST: usize = 64 << 20;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// What the learner's process says.
#[derive(Debug, PartialEq)]
pub enum Note {
    /// Text as it was written.
    Stream {
        /// `stdout` or `stderr`.
        name: String,
        /// Perhaps not a whole line.
        text: String,
    },
    /// `display_data`, with the content of that message.
    Display(Value),
    /// `update_display_data`.
    Update(Value),
    /// `clear_output`: whether to wait for the next output.
    Clear(bool),
    /// The running cell failed.
    Failed {
        /// `Error` or `Panic`.
        ename: String,
        /// Its first line.
        evalue: String,
        /// All of it.
        text: String,
    },
    /// Work ended early because it was asked to.
    Stopped,
    /// The process is gone.
    Closed,
}

fn parse(line: &[u8]) -> Option<Note> {
    let mut note: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| note[name].as_str().unwrap_or_default().to_owned();
    Some(match note["note"].as_str()? {
        "stream" => {
            let name = if note["name"] == "stderr" { "stderr" } else { "stdout" };
            Note::Stream { name: name.to_owned(), text: text("text") }
        }
        kind @ ("display" | "update") => {
            let update = kind == "update";
            let transient = match note["id"].take() {
                Value::String(id) => json!({ "display_id": id }),
                _ => json!({}),
            };
            let object = |value: Value| if value.is_object() { value } else { json!({}) };
            let (data, metadata) = (object(note["data"].take()), object(note["metadata"].take()));
            let content = json!({ "data": data, "metadata": metadata, "transient": transient });
            if update {
                Note::Update(content)
            } else {
                Note::Display(content)
            }
        }
        "clear" => Note::Clear(note["wait"].as_bool().unwrap_or(false)),
        "failed" => Note::Failed { ename: text("ename"), evalue: text("evalue"), text: text("text") },
        "stopped" => Note::Stopped,
        _ => return None,
    })
}

/// A connection twice: as the runtime waits for it, and as it can be read without asking the runtime.
struct Peer {
    stream: tokio::net::UnixStream,
    direct: UnixStream,
    line: Vec<u8>,
}

impl Peer {
    fn new(direct: UnixStream) -> Result<Peer> {
        direct.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(direct.try_clone()?)?;
        Ok(Peer { stream, direct, line: Vec::new() })
    }

    /// Takes in what was read; gives whether the line may go on.
    fn feed(&mut self, mut rest: &[u8], found: &mut VecDeque<Note>) -> bool {
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            self.line.extend_from_slice(&rest[..end]);
            found.extend(parse(&self.line));
            self.line.clear();
            rest = &rest[end + 1..];
        }
        self.line.extend_from_slice(rest);
        self.line.len() <= LONGEST
    }
}

/// The socket and who is connected.
pub struct Notes {
    path: PathBuf,
    listener: tokio::net::UnixListener,
    direct: UnixListener,
    peers: Vec<Peer>,
    found: VecDeque<Note>,
}

fn listen(path: &Path) -> Result<(tokio::net::UnixListener, UnixListener)> {
    let direct = UnixListener::bind(path)?;
    direct.set_nonblocking(true)?;
    Ok((tokio::net::UnixListener::from_std(direct.try_clone()?)?, direct))
}

impl Notes {
    /// Makes the socket; its folder is there already, and private.
    pub fn new(path: &Path) -> Result<Notes> {
        let (listener, direct) = listen(path)?;
        Ok(Notes { path: path.to_owned(), listener, direct, peers: Vec::new(), found: VecDeque::new() })
    }

    /// Makes the socket again where somebody removed it.
    pub fn mend(&mut self) {
        if !self.path.exists() {
            if let Ok((listener, direct)) = listen(&self.path) {
                (self.listener, self.direct) = (listener, direct);
            }
        }
    }

    /// The next note, whenever it comes.
    pub async fn next(&mut self) -> Note {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Note> {
        loop {
            if let Some(note) = self.found.pop_front() {
                return Poll::Ready(note);
            }
            let mut again = false;
            while let Poll::Ready(Ok((stream, _))) = self.listener.poll_accept(context) {
                self.peers.extend(stream.into_std().and_then(Peer::new));
                again = true;
            }
            let mut at = 0;
            while let Some(peer) = self.peers.get(at) {
                let before = self.peers.len();
                if peer.stream.poll_read_ready(context).is_ready() {
                    again = true;
                    self.read(at, |peer, chunk| peer.stream.try_read(chunk));
                }
                at += usize::from(self.peers.len() == before);
            }
            if !again {
                return Poll::Pending;
            }
        }
    }

    /// Reads once from one peer; gives false when there is nothing to read now. A peer that ended is taken out.
    fn read(&mut self, at: usize, read: impl FnOnce(&mut Peer, &mut [u8]) -> Result<usize>) -> bool {
        let mut chunk = [0; CHUNK];
        let peer = &mut self.peers[at];
        let goes_on = match read(peer, &mut chunk) {
            Ok(count) => count > 0 && peer.feed(&chunk[..count], &mut self.found),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => error.kind() == ErrorKind::Interrupted,
        };
        if !goes_on {
            self.peers.remove(at);
            if self.peers.is_empty() {
                self.found.push_back(Note::Closed);
            }
        }
        true
    }

    /// Everything that has been written by now.
    pub fn drain(&mut self) -> Vec<Note> {
        while let Ok((stream, _)) = self.direct.accept() {
            self.peers.extend(Peer::new(stream));
        }
        let mut at = 0;
        while at < self.peers.len() {
            let before = self.peers.len();
            while self.peers.len() == before && self.read(at, |peer, chunk| peer.direct.read(chunk)) {}
            at += usize::from(self.peers.len() == before);
        }
        self.found.drain(..).collect()
    }

    /// Asks the learner's process for something: `stop`, `cell`.
    pub fn ask(&mut self, what: &str) {
        let line = format!("{}\n", json!({ "ask": what }));
        for peer in &mut self.peers {
            // A process that reads no requests takes none.
            let _ = peer.direct.write(line.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(name: &str, work: impl AsyncFnOnce(&mut Notes, &Path) -> T) -> T {
        let folder = std::env::temp_dir().join(format!("aula-notes-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("notes");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(async { work(&mut Notes::new(&path).unwrap(), &path).await });
        std::fs::remove_dir_all(folder).unwrap();
        result
    }

    #[test]
    fn what_was_written_before_is_there_at_once_though_nothing_waited_for_it() {
        with("drain", async |notes, path| {
            let mut process = UnixStream::connect(path).unwrap();
            let text = "é\\n".repeat(10_000);
            for _ in 0..5 {
                writeln!(process, "{{\"note\":\"stream\",\"name\":\"stdout\",\"text\":\"{text}\"}}").unwrap();
                assert_eq!(notes.drain().len(), 1);
            }
            write!(process, "{{\"note\":\"stopped\"}}\n{{\"note\":\"cle").unwrap();
            assert_eq!(notes.drain(), [Note::Stopped]);
            write!(process, "ar\",\"wait\":true}}\nrubbish\n").unwrap();
            assert_eq!(notes.drain(), [Note::Clear(true)]);
        });
    }

    #[test]
    fn a_process_that_ends_is_noticed_and_the_next_one_is_welcome() {
        with("again", async |notes, path| {
            for _ in 0..3 {
                let mut process = UnixStream::connect(path).unwrap();
                writeln!(process, "{{\"note\":\"failed\",\"ename\":\"Panic\",\"evalue\":\"a\",\"text\":\"a\\nb\"}}")
                    .unwrap();
                let failed =
                    Note::Failed { ename: "Panic".to_owned(), evalue: "a".to_owned(), text: "a\nb".to_owned() };
                assert_eq!(notes.next().await, failed);
                assert_eq!(notes.peers.len(), 1);
                drop(process);
                assert_eq!(notes.next().await, Note::Closed);
                assert!(notes.peers.is_empty());
            }
        });
    }

    #[test]
    fn displays_carry_their_id_and_requests_reach_the_process() {
        with("ask", async |notes, path| {
            let mut process = UnixStream::connect(path).unwrap();
            writeln!(process, "{{\"note\":\"update\",\"id\":\"d1\",\"data\":{{\"text/plain\":\"1\"}}}}").unwrap();
            let Note::Update(content) = notes.next().await else { panic!() };
            assert_eq!(content["transient"]["display_id"], "d1");
            assert_eq!(content["data"]["text/plain"], "1");
            assert_eq!(content["metadata"], json!({}));
            notes.ask("stop");
            let mut line = [0; 64];
            let count = process.read(&mut line).unwrap();
            assert_eq!(&line[..count], b"{\"ask\":\"stop\"}\n");
        });
    }

    #[test]
    fn a_socket_that_somebody_removed_is_made_again() {
        with("mend", async |notes, path| {
            std::fs::remove_file(path).unwrap();
            notes.mend();
            let mut process = UnixStream::connect(path).unwrap();
            writeln!(process, "{{\"note\":\"stopped\"}}").unwrap();
            assert_eq!(notes.next().await, Note::Stopped);
        });
    }
}
