//! Live output, stop and failure as the kernel's relay sees them: this test plays the relay, and a child process, this
//! same program, plays the process of the cells.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod live_child;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{json, Value};

const COMPLETE: &str = "EVCXR_EXECUTION_COMPLETE";

/// The relay's side of one process of the cells.
struct Cell {
    child: Child,
    notes: BufReader<UnixStream>,
    out: BufReader<std::process::ChildStdout>,
    /// Bytes of a note whose end has not come yet.
    partial: Vec<u8>,
    _folder: tempfile::TempDir,
}

fn command(scenario: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "live_child::child", "--ignored", "--nocapture", "--test-threads=2"]);
    command.envs([("AULA_TEST_CHILD", scenario), ("EVCXR_IS_RUNTIME", "1"), ("AULA_LANG", "en")]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::piped());
    command.env_remove("AULA_SHORT");
    command
}

impl Cell {
    /// Starts a child that connects to a socket of ours, and reads past what the test harness prints.
    fn start(scenario: &str) -> Cell {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        let listener = UnixListener::bind(&path).unwrap();
        let mut child = command(scenario).env("AULA_NOTES", &path).spawn().unwrap();
        let (socket, _) = listener.accept().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut cell = Cell { child, notes: BufReader::new(socket), out, partial: Vec::new(), _folder: folder };
        // The child waits for this before it does anything.
        cell.ask("cell");
        while !cell.line().contains("running 1 test") {}
        cell
    }

    fn ask(&mut self, what: &str) {
        let line = format!("{}\n", json!({ "ask": what }));
        self.notes.get_mut().write_all(line.as_bytes()).unwrap();
    }

    /// The next line that evcxr would read; empty at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_string()
    }

    /// The lines that evcxr would read, up to the next mark that ends a cell.
    fn until_complete(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if line == COMPLETE {
                return lines;
            }
            assert!(!line.is_empty() || lines.len() < 100, "the mark never came: {lines:?}");
            lines.push(line);
        }
    }

    /// The notes that are in the socket now, without waiting for more.
    fn notes_now(&mut self) -> Vec<Value> {
        self.notes.get_ref().set_nonblocking(true).unwrap();
        let mut notes = Vec::new();
        while let Some(note) = self.note() {
            notes.push(note);
        }
        self.notes.get_ref().set_nonblocking(false).unwrap();
        notes
    }

    /// The next note; none at the end, or, without blocking, when there is none.
    fn note(&mut self) -> Option<Value> {
        match self.notes.read_until(b'\n', &mut self.partial) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_slice(&std::mem::take(&mut self.partial)).unwrap()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for a note that fits.
    fn wait_for(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let note = self.note().expect("the note never came");
            if fits(&note) {
                return note;
            }
        }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn end(mut self) -> (std::process::ExitStatus, String) {
        drop(self.child.stdin.take());
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap(), err)
    }
}

/// True of a note of text that ends so: what was printed before may be in the same note.
fn says(note: &Value, end: &str) -> bool {
    note["text"].as_str().is_some_and(|text| text.ends_with(end))
}

/// The text of one stream in some notes.
fn text(notes: &[Value], name: &str) -> String {
    notes.iter().filter(|note| note["name"] == name).filter_map(|note| note["text"].as_str()).collect()
}

/// What each note is, text by its text.
fn story(notes: &[Value]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for note in notes {
        let (kind, name) = (note["note"].as_str().unwrap(), note["name"].as_str().unwrap_or_default());
        match (kind, told.last_mut().filter(|last| kind == "stream" && last.starts_with(&format!("{name}:")))) {
            ("stream", Some(last)) => *last += note["text"].as_str().unwrap(),
            ("stream", None) => told.push(format!("{name}:{}", note["text"].as_str().unwrap())),
            ("display" | "update", _) => told.push(format!("{kind}:{}", note["data"]["text/html"].as_str().unwrap())),
            _ => told.push(kind.to_string()),
        }
    }
    told
}

#[test]
fn text_and_displays_come_in_the_order_of_the_code_and_before_the_mark() {
    let mut cell = Cell::start("order");
    // Nothing is read from the socket before evcxr has the mark: all must be there by then.
    assert_eq!(cell.until_complete(), Vec::<String>::new());
    let told = story(&cell.notes_now());
    let expected =
        ["stdout:one\n", "display:<b>1</b>", "stdout:two ñ", "display:<b>2</b>", "stderr:oh\n", "stdout:three\nfour"];
    assert_eq!(told, expected);
    cell.tell("next cell");
    // The second cell's text stayed in the buffer of print! when evcxr wrote its mark.
    assert_eq!(cell.until_complete(), Vec::<String>::new());
    assert_eq!(text(&cell.notes_now(), "stdout"), "left in the buffer");
    cell.end();
}

#[test]
fn a_partial_line_is_seen_while_the_cell_runs() {
    let mut cell = Cell::start("partial");
    let begin = Instant::now();
    let note = cell.wait_for(|note| note["note"] == "stream");
    assert_eq!(note["text"], "12 %");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    cell.tell("go on");
    cell.until_complete();
    cell.end();
}

#[test]
fn evcxrs_own_marks_pass_whole_and_rich_output_of_others_too() {
    let mut cell = Cell::start("marks");
    let marks = [
        "EVCXR_BEGIN_CONTENT text/plain",
        "not EVCXR_ a mark",
        "",
        "EVCXR_END_CONTENT",
        "EVCXR_INPUT_REQUEST:name",
        "EVCXR_VARIABLE_CHANGED_TYPE:x",
    ];
    assert_eq!(cell.until_complete(), marks);
    assert_eq!(story(&cell.notes_now()), ["stdout:before\nyour name? after EVCXR\nTHE"]);
    cell.end();
}

#[test]
fn fifty_megabytes_of_lines_arrive_whole_and_memory_stays_bounded() {
    let mut cell = Cell::start("flood");
    // A reader that is late at first: the writer waits, nothing is lost.
    std::thread::sleep(Duration::from_millis(500));
    let (begin, mut bytes, mut line, mut next, mut grown) = (Instant::now(), 0, String::new(), 0, 0i64);
    // Behind the numbered lines stands one on memory.
    while next <= live_child::LINES {
        let note = cell.note().expect("the end came early");
        let text = note["text"].as_str().unwrap();
        assert!(text.len() <= 64 * 1024, "{} bytes in one note", text.len());
        bytes += text.len();
        line.push_str(text);
        let end = line.rfind('\n').map_or(0, |end| end + 1);
        for one in line[..end].lines() {
            match next < live_child::LINES {
                true => assert_eq!(one, live_child::numbered(next)),
                false => grown = one.parse().unwrap(),
            }
            next += 1;
        }
        line.drain(..end);
    }
    let seconds = begin.elapsed().as_secs_f64();
    cell.until_complete();
    println!("{bytes} bytes in {seconds:.1} s; the writer grew by {grown} kB");
    assert!(bytes > 50_000_000 && grown < 20_000, "{bytes} bytes, {grown} kB");
    cell.end();
}

#[test]
fn when_the_relay_dies_the_cell_goes_on_and_its_text_goes_to_evcxr() {
    let mut cell = Cell::start("broken");
    cell.wait_for(|note| says(note, "heard\n"));
    cell.notes.get_ref().shutdown(std::net::Shutdown::Both).unwrap();
    cell.tell("go on");
    let lines = cell.until_complete();
    assert_eq!(lines[0], "alone");
    assert!(lines.iter().any(|line| line == "EVCXR_BEGIN_CONTENT text/html"), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("Job  100 %  9/9")), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "no newline", "a mark begins a line of its own");
    let (status, err) = cell.end();
    assert!(status.success() && err.contains("also alone"), "{err}");
}

#[test]
fn a_bar_changes_at_most_five_times_a_second_and_ends_at_its_end() {
    let mut cell = Cell::start("bar");
    cell.until_complete();
    let told = story(&cell.notes_now());
    assert!(told[0].starts_with("display:") && told[0].contains("<progress max=\"2500\""), "{}", told[0]);
    let updates = told.iter().filter(|one| one.starts_with("update:")).count();
    println!("{updates} updates in 2.5 s, of which the first is silent");
    assert!((4..=9).contains(&updates), "{updates}");
    assert!(told.last().unwrap().contains("value=\"2500\"") && told.last().unwrap().contains("done &lt;3"));
    cell.end();
}

#[test]
fn thirty_thousand_updates_leave_memory_as_it_was() {
    let mut cell = Cell::start("updates");
    let mut updates = 0;
    loop {
        let note = cell.note().unwrap();
        match note["note"].as_str() {
            Some("stream") => {
                let grown: i64 = note["text"].as_str().unwrap().trim().parse().unwrap();
                println!("{updates} updates; the process grew by {grown} kB");
                assert!(grown < 4_000, "{grown} kB");
                break;
            }
            Some("update") => updates += 1,
            _ => {}
        }
    }
    assert_eq!(updates, 30_000);
    cell.until_complete();
    cell.end();
}

#[test]
fn a_stop_ends_training_at_the_next_step_and_keeps_the_weights() {
    let mut cell = Cell::start("train");
    let moving = |note: &Value, least: usize| {
        let html = note["data"]["text/html"].as_str().unwrap_or_default().to_string();
        let value = html.split_once("value=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value);
        // Now and then the bar tells of the measuring instead of the step.
        html.contains("<img")
            && html.contains("tokens/s")
            && value.is_some_and(|value| value.parse::<usize>().unwrap() >= least)
    };
    let first = cell.wait_for(|note| moving(note, 1));
    let later = cell.wait_for(|note| moving(note, 30));
    assert_ne!(first["data"], later["data"], "the curve grows");
    let begin = Instant::now();
    cell.ask("stop");
    cell.wait_for(|note| note["note"] == "stopped");
    let last =
        cell.wait_for(|note| note["data"]["text/html"].as_str().unwrap_or_default().contains("⏹ stopped at step"));
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    let html = last["data"]["text/html"].as_str().unwrap();
    assert!(html.contains("<img") && html.contains("<table>"), "the curve and the table stay");
    cell.until_complete();
    let said = text(&cell.notes_now(), "stdout");
    println!("stopped in {took:?}: {said}");
    let line = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_string();
    let steps: usize = line("steps ").parse().unwrap();
    assert!((30..100_000).contains(&steps));
    assert_eq!(line("history "), format!("stopped at step {steps} of 1000000"));
    assert_eq!(line("moved "), "20 of 20");
    assert_eq!(line("the last epoch's loss is that of the weights: "), "true");
    assert_eq!(line("texts after the stop: "), "3, empty");
    // A new cell: the wish is forgotten, and the variables are there.
    cell.ask("cell");
    cell.tell("next cell");
    cell.until_complete();
    let said = text(&cell.notes_now(), "stdout");
    assert_eq!(said, "stopped: false, tokens: 5\n");
    cell.end();
}

#[test]
fn a_stop_in_the_second_trial_of_a_sweep_gives_the_first_ones_figures() {
    let mut cell = Cell::start("sweep");
    let html = |note: &Value| note["data"]["text/html"].as_str().unwrap_or_default().to_string();
    cell.wait_for(|note| html(note).contains("trial 2 of 3: max_steps 1000000 · loss") && html(note).contains("<img"));
    cell.ask("stop");
    cell.wait_for(|note| html(note).contains("⏹ stopped at trial 2 of 3.") && html(note).contains("<table>"));
    cell.until_complete();
    let said = text(&cell.notes_now(), "stdout");
    assert!(said.contains("2 trials, the best has 8 steps, the first one's loss is known: true"), "{said}");
    assert!(said.contains("the model is as before: true"), "{said}");
    cell.end();
}

#[test]
fn texts_are_seen_as_they_are_written_and_a_stop_gives_those_so_far() {
    let mut cell = Cell::start("write");
    let html = |note: &Value| note["data"]["text/html"].as_str().unwrap_or_default().to_string();
    let note = cell.wait_for(|note| html(note).contains('▌'));
    assert!(html(&note).contains("<b>el gato</b>"), "{}", html(&note));
    cell.ask("stop");
    let note = cell.wait_for(|note| html(note).contains("tokens/s") && !html(note).contains('▌'));
    assert!(html(&note).contains("Writing text"), "{}", html(&note));
    cell.until_complete();
    let said = text(&cell.notes_now(), "stdout");
    assert!(said.contains("all 50000 texts: true") && said.contains("the last is empty: true"), "{said}");
    cell.end();
}

#[test]
fn measuring_and_cutting_into_tokens_stop_too() {
    let mut cell = Cell::start("measure");
    cell.wait_for(|note| says(note, "ready\n"));
    cell.ask("stop");
    cell.tell("go on");
    cell.until_complete();
    let said = text(&cell.notes_now(), "stdout");
    assert!(said.contains("; stopped at ") && said.contains(" of 40000 texts)"), "{said}");
    assert!(said.contains("✗ Stopped at text 0 of 40000.") && said.contains("→ Run the cell again"), "{said}");
    assert!(said.contains("✗ The reading was stopped at row 0."), "{said}");
    cell.end();
}

#[test]
fn a_download_stops_and_goes_on_where_it_stopped() {
    let mut cell = Cell::start("download");
    let coming =
        |note: &Value| note["data"]["text/plain"].as_str().unwrap_or_default().contains("Downloading org/slow");
    let mut asked = Vec::new();
    for _ in 0..2 {
        cell.wait_for(coming);
        cell.ask("stop");
        let begin = Instant::now();
        cell.until_complete();
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        let said = text(&cell.notes_now(), "stdout");
        assert!(said.contains("✗ The download of \"org/slow\" is stopped.") && said.contains("it goes on"), "{said}");
        asked.push(said.split_once("asked ").unwrap().1.trim_end().parse::<usize>().unwrap());
        cell.ask("cell");
        cell.tell("next cell");
    }
    assert!(asked[0] == 0 && asked[1] > 0, "asked from byte {asked:?}");
    cell.end();
}

#[test]
fn a_failure_is_noted_once_with_its_story_and_not_printed_as_well() {
    let mut cell = Cell::start("failures");
    let failure = |cell: &mut Cell| {
        let marks = cell.until_complete();
        let notes = cell.notes_now();
        let failed: Vec<Value> = notes.iter().filter(|note| note["note"] == "failed").cloned().collect();
        assert_eq!(failed.len(), 1, "{notes:?}");
        cell.tell("next cell");
        (marks, failed[0].clone(), text(&notes, "stderr"), text(&notes, "stdout"))
    };
    let (marks, failed, err, out) = failure(&mut cell);
    assert_eq!(marks, ["EVCXR_ERROR_OCCURRED"]);
    assert_eq!((failed["ename"].as_str(), failed["evalue"].as_str()), (Some("Error"), Some("No such file.")));
    assert_eq!(failed["text"], "✗ No such file.\n  Cause: gone\n  → Look again.");
    assert_eq!((err.as_str(), out.as_str()), ("a warning\n", "before\n"));

    let (_, failed, err, _) = failure(&mut cell);
    assert_eq!(failed["evalue"], "invalid digit found in string");
    assert_eq!(err, "");

    let (marks, failed, err, _) = failure(&mut cell);
    assert_eq!(marks, ["EVCXR_PANIC_NOTIFICATION"]);
    assert_eq!(
        (failed["ename"].as_str(), failed["evalue"].as_str()),
        (Some("Panic"), Some("The code panicked: index 9"))
    );
    let story = failed["text"].as_str().unwrap();
    assert!(story.contains("at tests/live_child/mod.rs:") && story.contains("→ Mend the cell"), "{story}");
    assert_eq!(err, "");

    // What only writes to standard error does not fail, nor does a panic that was caught.
    assert_eq!(cell.until_complete(), Vec::<String>::new());
    let notes = cell.notes_now();
    assert!(notes.iter().all(|note| note["note"] == "stream"), "{notes:?}");
    assert!(text(&notes, "stderr").contains("✗ not a failure") && text(&notes, "stderr").contains("caught one"));
    cell.end();
}

#[test]
fn the_last_words_of_a_process_that_ends_arrive() {
    for way in ["exit", "abort"] {
        let mut cell = Cell::start(way);
        let mut notes = Vec::new();
        while let Some(note) = cell.note() {
            notes.push(note);
        }
        assert_eq!(text(&notes, "stdout"), "last words\n", "{way}");
        assert_eq!(text(&notes, "stderr"), "and why\n", "{way}");
        let (status, _) = cell.end();
        assert!(!status.success());
    }
}

#[test]
fn without_a_relay_a_notebook_gets_whole_lines_and_evcxrs_marks() {
    let output = command("alone").env_remove("AULA_NOTES").output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let (_, out) = out.split_once("running 1 test\n").unwrap();
    let expected = "EVCXR_BEGIN_CONTENT text/plain\nplain\nEVCXR_END_CONTENT\n\
                    EVCXR_BEGIN_CONTENT text/html\n<b>rich</b>\nEVCXR_END_CONTENT\nJob  100 %  3/3  ok  · 0 s\n";
    assert!(out.contains(expected), "{out}");
    // A socket that is not there is the same.
    let output = command("alone").env("AULA_NOTES", "/no/such/socket").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(expected));
}
