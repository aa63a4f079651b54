//! What the process of the cells writes, on its way: text and failures to the relay, marks to evcxr, all in order.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{sync_channel, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use super::descriptors::Tap;
use super::flush::Flush;
use super::marks::{Mark, Piece, Splitter};

/// Longest text of one note, in bytes.
const CHUNK: usize = 64 * 1024;
/// What goes to standard error waits this long: if the mark of a failure follows, it is the failure's text.
const HOLD: Duration = Duration::from_millis(15);
/// Standard error of the running cell that is remembered, in bytes.
const TAIL: usize = 4 * 1024;

/// Both taps and the connection: what may be used by one thread at a time.
pub(super) struct Tapped {
    /// None once the relay went away: then text goes where it went before.
    pub(super) socket: Option<UnixStream>,
    out: Tap,
    err: Tap,
    splitter: Splitter,
    /// Bytes of a character whose end has not come yet, of each stream.
    unfinished: [Vec<u8>; 2],
    /// Text of standard error that waits, and since when.
    held: String,
    held_since: Option<Instant>,
    /// The end of what the running cell wrote to standard error.
    tail: String,
    /// The running cell's failure was noted.
    failed: bool,
    /// The last text that went to the real standard output had no newline at its end.
    inside_line: bool,
    flush: Sender<Flush>,
    buffer: Vec<u8>,
}

/// A stretch of output that is owned.
enum Part {
    Text(Vec<u8>),
    Mark(Mark, Vec<u8>),
}

impl Tapped {
    pub(super) fn new(socket: UnixStream, out: Tap, err: Tap, flush: Sender<Flush>) -> Self {
        Self {
            socket: Some(socket),
            out,
            err,
            splitter: Splitter::default(),
            unfinished: Default::default(),
            held: String::new(),
            held_since: None,
            tail: String::new(),
            failed: false,
            inside_line: false,
            flush,
            buffer: vec![0; CHUNK],
        }
    }

    /// Sends a note; false when the relay went away.
    pub(super) fn send(&mut self, note: &Value) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        let sent = socket.write_all(format!("{note}\n").as_bytes()).is_ok();
        if !sent {
            self.socket = None;
        }
        sent
    }

    /// Passes on what is in the taps now: a pipe holds one chunk, so this is all that was written before the call.
    pub(super) fn drain(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..4 {
            let read = self.out.read_now(&mut buffer);
            // After the read: what was written to standard error before a mark must be known when the mark is seen.
            self.drain_error_text();
            if read == 0 {
                break;
            }
            self.pass_on(&buffer[..read]);
        }
        self.buffer = buffer;
    }

    fn drain_error_text(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            let read = self.err.read_now(&mut buffer);
            if read == 0 {
                return;
            }
            let text = finished(&mut self.unfinished[1], &buffer[..read]);
            self.held += &text;
            self.held_since = Some(Instant::now());
            if self.held.len() > CHUNK - buffer.len() {
                self.release_error_text();
            }
        }
    }

    fn pass_on(&mut self, bytes: &[u8]) {
        let mut parts = Vec::new();
        self.splitter.feed(bytes, &mut |piece| push(&mut parts, piece));
        self.pass_on_parts(parts);
    }

    fn pass_on_parts(&mut self, parts: Vec<Part>) {
        let failure = |part: &Part| matches!(part, Part::Mark(Mark::Error | Mark::Panic, _));
        let mut failures = parts.iter().filter(|part| failure(part)).count();
        for part in parts {
            failures -= usize::from(failure(&part));
            match part {
                Part::Text(text) => {
                    // An error's text is not let go just before its mark.
                    if failures == 0 && story(&self.held).is_none() {
                        self.release_error_text();
                    }
                    let text = finished(&mut self.unfinished[0], &text);
                    self.stream("stdout", &text);
                }
                Part::Mark(mark, bytes) => {
                    match mark {
                        Mark::Error => self.note_failure("Error"),
                        Mark::Panic => self.note_failure("Panic"),
                        Mark::Complete => self.end_cell(),
                        Mark::Other => self.release_error_text(),
                    }
                    self.write_mark(&bytes);
                }
            }
        }
    }

    /// Sends text, in notes of at most 64 KiB; without a relay it goes where it went before.
    fn stream(&mut self, name: &str, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.floor_char_boundary(CHUNK));
            rest = later;
            if self.send(&json!({ "note": "stream", "name": name, "text": now })) {
                continue;
            }
            // When not even evcxr is there any more nobody is left to tell.
            let _ = match name {
                "stdout" => self.out.real.write_all(now.as_bytes()),
                _ => self.err.real.write_all(now.as_bytes()),
            };
            if name == "stdout" {
                self.inside_line = !now.ends_with('\n');
            }
        }
    }

    fn write_mark(&mut self, bytes: &[u8]) {
        if std::mem::take(&mut self.inside_line) {
            let _ = self.out.real.write_all(b"\n");
        }
        let _ = self.out.real.write_all(bytes);
    }

    pub(super) fn release_error_text(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.held);
        self.held_since = None;
        self.tail += &text;
        let start = self.tail.ceil_char_boundary(self.tail.len().saturating_sub(TAIL));
        self.tail.drain(..start);
        self.stream("stderr", &text);
    }

    /// Lets go what waited long enough, and says how long to wait for more.
    pub(super) fn release_what_waited(&mut self, something_came: bool) -> Option<Duration> {
        if self.held_since.is_some_and(|since| since.elapsed() >= HOLD) {
            self.release_error_text();
        }
        if !something_came && self.splitter.waits() {
            let mut parts = Vec::new();
            self.splitter.give_up(&mut |piece| push(&mut parts, piece));
            self.pass_on_parts(parts);
        }
        (!self.held.is_empty() || self.splitter.waits()).then_some(HOLD)
    }

    /// Notes that the cell failed. Its story is what it wrote to standard error last: evcxr prints an error there and
    /// then its mark, and our panic hook writes there too.
    fn note_failure(&mut self, name: &str) {
        if self.failed || self.socket.is_none() {
            return self.release_error_text();
        }
        self.failed = true;
        let at = story(&self.held).unwrap_or(0);
        let text = self.held.split_off(at);
        self.release_error_text();
        self.held_since = None;
        let text = match text.trim().is_empty() {
            false => text,
            // It was shown already: the mark came late.
            true => self.tail[story(&self.tail).unwrap_or_else(|| last_line(&self.tail))..].to_string(),
        };
        let text = text.trim_end();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("✗ ");
        self.send(&json!({ "note": "failed", "ename": name, "evalue": first, "text": text }));
    }

    /// The cell is over: what `print!` left in its buffer comes before the mark that says so.
    fn end_cell(&mut self) {
        let (done, is_done) = sync_channel(1);
        if self.flush.send(Flush::Now(done)).is_ok() {
            for _ in 0..50 {
                let answer = is_done.recv_timeout(Duration::from_millis(2));
                self.drain_small();
                if answer != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
        }
        let _ = self.flush.send(Flush::End);
        self.release_error_text();
        self.tail.clear();
        self.failed = false;
        for (name, unfinished) in ["stdout", "stderr"].into_iter().zip(std::mem::take(&mut self.unfinished)) {
            self.stream(name, &String::from_utf8_lossy(&unfinished));
        }
    }

    /// As `drain`, while `drain` itself is at work with the large buffer.
    fn drain_small(&mut self) {
        let mut buffer = [0; 4096];
        self.drain_error_text();
        loop {
            let read = self.out.read_now(&mut buffer);
            if read == 0 {
                return;
            }
            self.pass_on(&buffer[..read]);
        }
    }
}

fn push(parts: &mut Vec<Part>, piece: Piece) {
    match (piece, parts.last_mut()) {
        (Piece::Text(more), Some(Part::Text(text))) => text.extend_from_slice(more),
        (Piece::Text(text), _) => parts.push(Part::Text(text.to_vec())),
        (Piece::Mark(mark, bytes), _) => parts.push(Part::Mark(mark, bytes.to_vec())),
    }
}

/// Where the story of an error of ours begins: at the last line that begins with its sign.
fn story(text: &str) -> Option<usize> {
    text.rfind("\n✗ ").map(|at| at + 1).or(text.starts_with("✗ ").then_some(0))
}

fn last_line(text: &str) -> usize {
    text.trim_end().rfind('\n').map_or(0, |at| at + 1)
}

/// The characters that `bytes` complete; the beginning of one that goes on in the next chunk stays in `unfinished`.
fn finished(unfinished: &mut Vec<u8>, bytes: &[u8]) -> String {
    unfinished.extend_from_slice(bytes);
    let end = match std::str::from_utf8(unfinished) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        // Broken bytes in the middle are replaced; a character's beginning at the end may still be there.
        Err(_) => unfinished.len() - unfinished_tail(unfinished),
        Ok(_) => unfinished.len(),
    };
    let rest = unfinished.split_off(end);
    let text = String::from_utf8_lossy(unfinished).into_owned();
    *unfinished = rest;
    text
}

/// How many bytes at the end are the beginning of a character.
fn unfinished_tail(bytes: &[u8]) -> usize {
    let begins = |length: &usize| {
        let lead = bytes[bytes.len() - length];
        let whole = if lead >= 0xf0 {
            4
        } else if lead >= 0xe0 {
            3
        } else {
            2
        };
        lead >= 0xc2 && whole > *length
    };
    (1..=bytes.len().min(3)).find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_cut_between_chunks_come_whole() {
        let text = "añ€🦊".as_bytes();
        for size in 1..=4 {
            let mut unfinished = Vec::new();
            let told: String = text.chunks(size).map(|chunk| finished(&mut unfinished, chunk)).collect();
            assert_eq!(told, "añ€🦊");
            assert!(unfinished.is_empty());
        }
        let mut unfinished = Vec::new();
        assert_eq!(finished(&mut unfinished, b"a\xffb\xc3"), "a\u{fffd}b");
        assert_eq!(finished(&mut unfinished, b"\xb1"), "ñ");
    }

    #[test]
    fn the_story_of_an_error_begins_at_its_sign() {
        assert_eq!(story("warning\n✗ no\n  Cause: x\n"), Some(8));
        assert_eq!((story("✗ no"), story("plain ✗ "), story("")), (Some(0), None, None));
        assert_eq!(last_line("one\ntwo\n"), 4);
    }
}
