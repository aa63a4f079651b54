//! What is shown while something long runs: a moving line on a terminal, a whole line now and then elsewhere.

use crate::interrupt;
use crate::problem::{Problem, Result};
use crate::say;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// Lines of output that are kept to explain a failure.
const KEPT_LINES: usize = 60;

/// Time between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(15);

/// One line of a program's output.
pub enum Line {
    /// From its standard output.
    Out(String),
    /// From its standard error.
    Err(String),
}

/// What a line of output means to the person who waits.
pub enum Seen {
    /// Show this text as what is going on.
    Text(String),
    /// Of `total` things, `done` are done.
    Count {
        /// How many are done.
        done: u64,
        /// How many there are.
        total: u64,
        /// What is going on; empty to leave what is shown.
        text: String,
    },
    /// Nothing.
    Nothing,
}

/// How a program ended, and the last lines that it printed.
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its last lines, oldest first.
    pub tail: Vec<String>,
    /// How long it ran.
    pub elapsed: Duration,
}

/// The moving line, or the lines that stand for it.
struct Display {
    title: String,
    bar: Option<ProgressBar>,
    start: Instant,
    last_shown: Instant,
    text: String,
    count: Option<(u64, u64)>,
    announced: bool,
}

impl Display {
    fn new(title: &str) -> Display {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_prefix(title.to_owned());
            bar.set_style(style("{spinner} {prefix} ({elapsed}) {wide_msg}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let now = Instant::now();
        Display {
            title: title.to_owned(),
            bar,
            start: now,
            last_shown: now,
            text: String::new(),
            count: None,
            announced: false,
        }
    }

    fn see(&mut self, seen: Seen) {
        let text = match seen {
            Seen::Nothing => return,
            Seen::Text(text) => text,
            Seen::Count { done, total, text } => {
                if let Some(bar) = &self.bar {
                    if self.count.is_none() {
                        bar.set_style(style("{spinner} {prefix} ({elapsed}) [{bar:24}] {pos}/{len} {wide_msg}"));
                    }
                    bar.set_length(total);
                    bar.set_position(done);
                }
                self.count = Some((done, total));
                text
            }
        };
        if text.is_empty() {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_message(text.clone());
        }
        self.text = text;
    }

    fn tick(&mut self) {
        if self.bar.is_some() {
            return;
        }
        // What is done at once is not announced.
        if !self.announced && self.start.elapsed() > Duration::from_secs(1) {
            self.announced = true;
            eprintln!("· {}", self.title);
        }
        if self.last_shown.elapsed() < QUIET {
            return;
        }
        self.last_shown = Instant::now();
        let seconds = self.start.elapsed().as_secs();
        let count = match self.count {
            Some((done, total)) => format!(" {done}/{total}"),
            None => String::new(),
        };
        let text: String = self.text.chars().take(100).collect();
        eprintln!("    {} · {seconds} s{count} · {text}", self.title);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()).progress_chars("█▌ ")
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Runs `command` to its end while the person sees that it moves. `read` says what each line of output means;
/// after `limit`, where there is one, the program is stopped. When the person interrupts, this does not come back.
pub fn run(
    title: &str,
    command: &mut Command,
    limit: Option<Duration>,
    mut read: impl FnMut(&Line) -> Seen,
) -> Result<Ended> {
    let mut display = Display::new(title);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = interrupt::spawn(title, command).map_err(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        Problem::new(say!("No se pudo ejecutar `{program}`.", "`{program}` could not be run.")).why(error)
    })?;
    let (sender, receiver) = channel();
    forward(child.stdout.take(), sender.clone(), Line::Out);
    forward(child.stderr.take(), sender, Line::Err);
    let mut tail = VecDeque::new();
    loop {
        match receiver.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => {
                display.see(read(&line));
                let (Line::Out(text) | Line::Err(text)) = line;
                if !text.trim().is_empty() && !text.starts_with("{\"reason\"") {
                    tail.push_back(text);
                    if tail.len() > KEPT_LINES {
                        tail.pop_front();
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        display.tick();
        if limit.is_some_and(|limit| display.start.elapsed() > limit) {
            // It may have ended by itself a moment ago: then there is nothing to stop.
            let _ = child.kill();
            break;
        }
        if interrupt::happened() {
            break;
        }
    }
    let status = interrupt::wait(&mut child).map_err(|error| Problem::new(format!("{title}: {error}")))?;
    let elapsed = display.start.elapsed();
    drop(display);
    if interrupt::happened() {
        interrupt::leave();
    }
    Ok(Ended { status, tail: tail.into(), elapsed })
}

/// Sends every line of `stream` on, from a thread of its own. Bytes that are not UTF-8 are replaced.
fn forward<R: Read + Send + 'static>(stream: Option<R>, sender: Sender<Line>, wrap: fn(String) -> Line) {
    let Some(stream) = stream else { return };
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        while stream.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if sender.send(wrap(text)).is_err() {
                return;
            }
        }
    });
}

/// Shows every line of output as what is going on.
pub fn show_lines(line: &Line) -> Seen {
    let (Line::Out(text) | Line::Err(text)) = line;
    match text.trim() {
        "" => Seen::Nothing,
        text => Seen::Text(text.to_owned()),
    }
}

/// Why a program failed, from its last lines, and what to do: the causes that learners meet.
pub fn explain(what: String, ended: &Ended) -> Problem {
    let shown: Vec<&str> = ended.tail.iter().map(String::as_str).collect();
    let all = shown.join("\n");
    let start = shown.len().saturating_sub(15);
    let last = shown.get(start..).unwrap_or_default().join("\n");
    let has = |needles: &[&str]| needles.iter().any(|needle| all.contains(needle));
    let next = if has(&["No space left on device", "os error 28"]) {
        say!(
            "El disco está lleno: libera unos 8 GB y repite la misma orden; sigue donde se quedó.",
            "The disk is full: free about 8 GB and run the same command again; it goes on where it stopped."
        )
    } else if has(&["signal: 9", "SIGKILL", "out of memory", "Cannot allocate memory"]) {
        say!(
            "Faltó memoria: cierra otros programas y repite con `CARGO_BUILD_JOBS=1` delante de la orden.",
            "Memory ran out: close other programs and run the command again with `CARGO_BUILD_JOBS=1` before it."
        )
    } else if has(&[
        "Could not resolve host",
        "Couldn't resolve host",
        "failed to download",
        "Temporary failure in name resolution",
        "Max retries exceeded",
        "Connection refused",
        "Network is unreachable",
        "Could not fetch",
        "error sending request",
        "SSL certificate",
    ]) {
        say!(
            "Esta parte necesita Internet una vez: comprueba la conexión (o el proxy: HTTPS_PROXY) y repite la misma orden; sigue donde se quedó.",
            "This part needs the Internet once: check the connection (or the proxy: HTTPS_PROXY) and run the same command again; it goes on where it stopped."
        )
    } else if has(&["linker `cc` not found", "linking with `cc` failed"]) {
        say!(
            "Falta el compilador de C: `sudo apt install build-essential` (Debian, Ubuntu) o `xcode-select --install` (macOS).",
            "The C compiler is missing: `sudo apt install build-essential` (Debian, Ubuntu) or `xcode-select --install` (macOS)."
        )
    } else {
        say!(
            "Repite la misma orden; sigue donde se quedó. Si falla igual, `cargo aula doctor` busca la causa.",
            "Run the same command again; it goes on where it stopped. If it fails alike, `cargo aula doctor` looks for the cause."
        )
    };
    Problem::new(what).why(last).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_are_read_and_the_status_is_kept() {
        let ended = run("t", &mut shell("echo one; echo two >&2; exit 3"), None, |_| Seen::Nothing).unwrap();
        assert_eq!(ended.status.code(), Some(3));
        let mut tail = ended.tail;
        tail.sort();
        assert_eq!(tail, ["one", "two"]);
    }

    #[test]
    fn a_program_is_stopped_when_its_time_is_up() {
        let limit = Some(Duration::from_millis(300));
        let ended = run("t", &mut shell("exec sleep 20"), limit, |_| Seen::Nothing).unwrap();
        assert!(!ended.status.success());
        assert!(ended.elapsed < Duration::from_secs(10));
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        let ended = run("t", &mut shell("echo 'error: No space left on device (os error 28)'; exit 1"), None, |_| {
            Seen::Nothing
        })
        .unwrap();
        let told = explain("x".to_owned(), &ended).to_string();
        assert!(told.contains("8 GB"), "{told}");
    }
}
