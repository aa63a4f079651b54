//! The way of a cell: its turn, its start, its stop, its end; and the silent cells of the relay's own.

use super::cell::{is_counted, is_silent, Cell, Failure};
use super::explain;
use super::relay::{Own, Phase, Relay};
use super::sockets::Channel;
use super::stop;
use super::wire::Message;
use crate::say;
use serde_json::json;
use std::io::Write;
use std::time::Instant;

/// Warms what the first `let` and the first `?` of a learner need, and leaves no variable behind.
const WARM_UP: &str = "let aula_warm = String::new(); drop(aula_warm); Ok::<(), std::fmt::Error>(())?;";

/// Reads the configuration again: a new process has not run the prelude.
const PRELUDE: &str = ":load_config --quiet";

/// The display that tells that the kernel is getting ready.
const READY_DISPLAY: &str = "aula-getting-ready";

impl Relay {
    /// Moves on as far as possible after any event.
    pub(super) async fn advance(&mut self) {
        if self.phase == Phase::Loading && self.probe.replied && self.probe.idle {
            self.phase = Phase::Ready;
        }
        if self.own.as_ref().is_some_and(|own| own.replied && own.idle) {
            self.own = None;
        }
        if self.cell.as_ref().is_some_and(|cell| cell.replied && cell.idle) {
            self.finish().await;
        }
        if self.cell.is_none() {
            if let Some((request, at)) = self.queue.pop_front() {
                self.begin(request, at);
            }
        }
        self.give_to_engine();
    }

    /// A cell's turn: it is told as busy, and given to evcxr as soon as that can take it.
    fn begin(&mut self, request: Message, arrived: Instant) {
        let count = self.number(&request);
        let cell = Cell::new(request, count, arrived);
        self.publish_for(&cell.request, "status", json!({ "execution_state": "busy" }));
        if is_counted(&cell.request) {
            self.history.add(count, cell.code());
        }
        if !cell.is_silent() {
            let content = json!({ "code": cell.code(), "execution_count": count });
            self.publish_for(&cell.request, "execute_input", content);
        }
        self.cell = Some(cell);
    }

    /// Gives evcxr what it is to do next, if it can take anything.
    fn give_to_engine(&mut self) {
        if let Phase::Broken(why) = &self.phase {
            let text = say!("El núcleo no arranca: {why}", "The kernel does not start: {why}");
            if let Some(cell) = self.cell.as_mut().filter(|cell| !cell.sent) {
                let mut failure = Failure::new("Ended", &text);
                failure.explain("→ cargo aula doctor".to_owned());
                cell.note = Some(failure);
                (cell.sent, cell.replied, cell.idle) = (true, true, true);
            }
            return;
        }
        if self.phase == Phase::Loading || self.own.is_some() {
            self.tell_waiting();
            return;
        }
        if self.is_new && self.cell.as_ref().is_none_or(|cell| !cell.sent) {
            self.is_new = false;
            self.run_own(PRELUDE);
            self.tell_waiting();
        } else if self.cell.as_ref().is_some_and(|cell| !cell.sent) {
            self.send_cell();
        } else if self.cell.is_none() && !self.warm {
            self.warm = true;
            self.run_own(WARM_UP);
        }
    }

    /// Tells once that the cell waits, where it has to wait for evcxr's start.
    fn tell_waiting(&mut self) {
        let loading = self.phase == Phase::Loading;
        let Some(cell) = self.cell.as_mut().filter(|cell| loading && !cell.sent && !cell.waits) else { return };
        cell.waits = true;
        let text = say!(
            "⏳ El núcleo se está preparando; la celda empezará sola.",
            "⏳ The kernel is getting ready; the cell will start by itself."
        );
        let content = json!({
            "data": { "text/plain": text }, "metadata": {}, "transient": { "display_id": READY_DISPLAY },
        });
        let request = cell.request.clone();
        self.publish_for(&request, "display_data", content);
    }

    fn send_cell(&mut self) {
        let Some(mut cell) = self.cell.take() else { return };
        if cell.waits {
            self.publish_for(&cell.request, "clear_output", json!({ "wait": false }));
        }
        if let Some(engine) = &mut self.engine {
            cell.sent = true;
            match cell.asks_help() {
                Some(path) => {
                    let content = json!({ "code": path, "cursor_pos": path.chars().count(), "detail_level": 0 });
                    let message = Message::new("inspect_request", &self.session, None, content, &self.key);
                    cell.help = Some(message.id().to_owned());
                    engine.shell.send(&message.to(vec![super::child::OWN.to_vec()]).frames());
                }
                None => {
                    engine.notes.ask("cell");
                    engine.shell.send(&cell.request.frames_for_evcxr());
                }
            }
        }
        cell.before = cell.arrived.elapsed();
        self.cell = Some(cell);
    }

    /// Runs a cell of the relay's own.
    fn run_own(&mut self, code: &str) {
        let content = json!({
            "code": code, "silent": true, "store_history": false, "user_expressions": {}, "allow_stdin": false,
            "stop_on_error": false,
        });
        let request = self.own_message("execute_request", content);
        self.own = Some(Own { id: request.id().to_owned(), replied: false, idle: false });
        if let Some(engine) = &self.engine {
            engine.shell.send(&request.frames());
        }
    }

    /// The running cell is done: tells how, and aborts what waits behind a failure.
    async fn finish(&mut self) {
        self.take_notes();
        let Some(mut cell) = self.cell.take() else { return };
        if let Some(mut failure) = cell.note.take().filter(|_| cell.failure.is_none()) {
            if cell.help.is_none() && self.phase == Phase::Ready {
                let lost = self.variables.failed(cell.code(), cell.count);
                failure.explain(explain::not_made(&lost));
            }
            self.publish_for(&cell.request, "error", failure.content());
            cell.failure = Some(failure);
        } else if cell.failure.is_some() || cell.engine_failed {
            self.variables.failed(cell.code(), cell.count);
            cell.failure.get_or_insert_with(|| Failure::new("Error", &say!("La celda falló.", "The cell failed.")));
        } else if cell.help.is_none() {
            // `:restart` and `:clear` end the process that held the others.
            if self.is_new {
                self.variables.lose_all();
            }
            self.variables.made(cell.code(), cell.count);
        }
        let stop_on_error = cell.request.content["stop_on_error"].as_bool().unwrap_or(true);
        let aborted = cell.failure.is_some() && stop_on_error;
        if aborted {
            // Before the front end can have heard of the failure: these it sent without knowing.
            self.gather().await;
        }
        self.reply(Channel::Shell, &cell.request, cell.reply());
        self.publish_for(&cell.request, "status", json!({ "execution_state": "idle" }));
        self.write_times(&cell);
        self.question = None;
        self.last = Some(cell.request);
        if aborted {
            self.abort_queue();
        }
    }

    /// Answers every waiting cell that it will not be run.
    fn abort_queue(&mut self) {
        for (request, _) in std::mem::take(&mut self.queue) {
            // No count, as with ipykernel: a front end would show the cell as one that ran.
            let mut content = json!({ "status": "aborted" });
            if is_silent(&request) {
                content["user_expressions"] = json!({});
            }
            self.answer(Channel::Shell, &request, content);
        }
    }

    /// One line a cell: microseconds from the request's arrival to evcxr having it, and from evcxr's last word to ours.
    fn write_times(&mut self, cell: &Cell) {
        let Some(file) = &mut self.times else { return };
        let (before, after) = (cell.before.as_micros(), cell.last.elapsed().as_micros());
        let line =
            json!({ "cell": cell.count, "waited": cell.waits, "before_us": before as u64, "after_us": after as u64 });
        // A file that cannot be written any more costs figures and nothing else.
        let _ = writeln!(file, "{line}");
    }

    /// The first press of stop.
    pub(super) fn ask_to_stop(&mut self) {
        if let Some(cell) = self.cell.as_mut().filter(|cell| !cell.sent) {
            let text = say!("■ Detenido antes de empezar.", "■ Stopped before it began.");
            cell.note = Some(Failure::new("Interrupted", &text));
            (cell.replied, cell.idle) = (true, true);
            return;
        }
        if let Some(engine) = &mut self.engine {
            engine.notes.ask("stop");
        }
        self.keep_cancelling();
    }

    /// While a stop is under way no compiler is left running.
    pub(super) fn keep_cancelling(&mut self) {
        let Some(cell) = self.cell.as_mut().filter(|cell| cell.sent && cell.stop.is_pressed()) else { return };
        if let Some(engine) = &self.engine {
            cell.stop.cancelled |= stop::cancel_compile(engine.pid);
        }
    }

    pub(super) fn tell_second_press(&self) {
        let Some(cell) = &self.cell else { return };
        let seconds = stop::PATIENCE.as_secs();
        let text = say!(
            "■ Deteniendo... Si no termina en {seconds} s, o si vuelves a pulsar, se interrumpe y se pierden las variables.\n",
            "■ Stopping... If it does not end within {seconds} s, or if you press again, it is interrupted and the variables are lost.\n"
        );
        self.publish_for(&cell.request, "stream", json!({ "name": "stderr", "text": text }));
    }

    /// evcxr's own interrupt.
    pub(super) fn interrupt(&mut self) {
        let request = self.own_message("interrupt_request", json!({}));
        let Some(engine) = &self.engine else { return };
        engine.control.send(&request.frames());
        // A cell that waits for an answer would wait on: it gets an empty one.
        if let Some(question) = self.question.take() {
            let answer = Message::new("input_reply", &self.session, Some(&question), json!({ "value": "" }), &self.key);
            engine.stdin.send(&answer.to(question.identities.clone()).frames());
        }
    }
}
