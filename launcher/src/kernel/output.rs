//! What comes back from evcxr and from the learner's process, on its way to the front end.

use super::cell::{is_counted, Cell, Failure};
use super::explain;
use super::notes::Note;
use super::relay::{Phase, Relay};
use super::sockets::Channel;
use super::wire::Message;
use crate::say;
use serde_json::{json, Value};
use std::time::Instant;

/// How evcxr begins its message when the learner's process has ended.
const ENDED: &str = "Subprocess terminated";

/// How it begins when cargo ended without a message of the compiler.
const NO_COMPILER: &str = "Compilation failed, but no parsable errors";

impl Relay {
    /// A reply of evcxr, or a question of a cell.
    pub(super) fn on_reply(&mut self, message: Message, channel: Channel, at: Instant) {
        let parent = message.parent_id();
        if channel == Channel::Stdin {
            self.question = Some(message.clone());
            self.front.stdin.send(&message.frames());
        } else if parent == self.probe.id {
            self.probe.replied = true;
        } else if let Some(own) = self.own.as_mut().filter(|own| own.id == parent) {
            own.replied = true;
        } else if let Some(cell) = self.cell.as_mut().filter(|cell| cell.help.as_deref() == Some(parent)) {
            take_help(cell, &message.content);
        } else if let Some(cell) = self.cell.as_mut().filter(|cell| cell.sent && cell.request.id() == parent) {
            cell.replied = true;
            cell.last = at;
            if message.content["status"] == "error" && cell.failure.is_none() {
                // Its message is on its way on the other socket; it is looked for when the cell ends.
                cell.engine_failed = true;
            }
        } else if message.identities.first().is_none_or(|to| to != super::child::OWN) {
            match channel {
                Channel::Control => self.front.control.send(&message.frames()),
                _ => self.front.shell.send(&message.frames()),
            }
        }
    }

    /// Output of evcxr.
    pub(super) fn on_output(&mut self, message: Message, _: Channel, at: Instant) {
        // What the learner's process wrote before is shown before.
        self.take_notes();
        let parent = message.parent_id().to_owned();
        let idle = message.kind() == "status" && message.content["execution_state"] == "idle";
        if parent == self.probe.id {
            self.probe.idle |= idle;
        } else if let Some(own) = self.own.as_mut().filter(|own| own.id == parent) {
            own.idle |= idle;
        } else if self.cell.as_ref().is_some_and(|cell| cell.help.as_ref() == Some(&parent)) {
            // A question on behalf of a cell: only its reply counts.
        } else if self.cell.as_ref().is_some_and(|cell| cell.sent && cell.request.id() == parent) {
            self.on_cell_output(message, idle, at);
        } else if message.parent_id().is_empty() || !self.is_own(&message) {
            self.front.iopub.send(&message.frames());
        }
    }

    /// Whether a message answers a request of the relay's own.
    fn is_own(&self, message: &Message) -> bool {
        message.parent_session() == self.session
    }

    /// Output of the running cell. Busy, input and idle are told by the relay itself.
    fn on_cell_output(&mut self, message: Message, idle: bool, at: Instant) {
        let Some(cell) = &mut self.cell else { return };
        match message.kind() {
            "status" => {
                if idle {
                    cell.idle = true;
                    cell.last = at;
                }
            }
            "execute_input" => cell.engine_count = message.content["execution_count"].as_u64().unwrap_or(0),
            "error" => self.on_error(&message),
            "execute_result" if cell.is_silent() => {}
            "execute_result" => {
                let mut content = message.content.clone();
                content["execution_count"] = json!(cell.count);
                if let Some(text) = content["data"]["text/plain"].as_str().filter(|_| is_counted(&cell.request)) {
                    self.history.result(text);
                }
                let message = message.with_content(content, &self.key);
                self.front.iopub.send(&message.frames());
            }
            _ => self.front.iopub.send(&message.frames()),
        }
    }

    /// An error that evcxr tells, with a sentence of ours under it.
    fn on_error(&mut self, message: &Message) {
        let Some(cell) = &mut self.cell else { return };
        let mut failure = Failure::read(&message.content);
        let numbers = (format!("command_{}", cell.engine_count), format!("[{}]", cell.count));
        for line in &mut failure.traceback {
            *line = line.replace(&numbers.0, &numbers.1);
        }
        let text = explain::plain(&failure.evalue);
        if text.starts_with(ENDED) {
            self.is_new = true;
            let stopped = cell.stop.is_interrupted();
            let names = self.variables.lose_all();
            failure.ename = if stopped { "Interrupted" } else { "Ended" }.to_owned();
            failure.explain(if stopped { interrupted() } else { ended(&text) });
            failure.explain(explain::lost(&names));
        } else if text.starts_with(NO_COMPILER) && cell.stop.cancelled {
            failure = Failure::new("Interrupted", &cancelled());
        } else {
            let shown = explain::plain(&failure.traceback.join("\n"));
            failure.explain(explain::sentence(&text, &shown, &self.variables));
        }
        let message = message.clone().with_content(failure.content(), &self.key);
        self.front.iopub.send(&message.frames());
        cell.failure.get_or_insert(failure);
    }

    /// All notes that have been written by now.
    pub(super) fn take_notes(&mut self) {
        let notes = self.engine.as_mut().map(|engine| engine.notes.drain()).unwrap_or_default();
        notes.into_iter().for_each(|note| self.on_note(note));
    }

    /// A note of the learner's process.
    pub(super) fn on_note(&mut self, note: Note) {
        let running = self.cell.as_ref().filter(|cell| cell.sent);
        match note {
            Note::Closed => self.is_new = true,
            Note::Failed { ename, evalue, text } => {
                if let Some(cell) = self.cell.as_mut().filter(|cell| cell.sent) {
                    let mut failure = Failure::new(&ename, &text);
                    failure.evalue = evalue;
                    cell.note = Some(failure);
                }
            }
            Note::Stopped => {}
            _ if self.own.is_some() => {}
            Note::Stream { name, text } => self.publish_note(running, "stream", json!({ "name": name, "text": text })),
            Note::Display(content) => self.publish_note(running, "display_data", content),
            Note::Update(content) => self.publish_note(running, "update_display_data", content),
            Note::Clear(wait) => self.publish_note(running, "clear_output", json!({ "wait": wait })),
        }
    }

    /// Output without a running cell is that of threads which the last one left behind.
    fn publish_note(&self, running: Option<&Cell>, kind: &str, content: Value) {
        if let Some(parent) = running.map(|cell| &cell.request).or(self.last.as_ref()) {
            self.publish_for(parent, kind, content);
        }
    }

    /// evcxr ended, or was given up: the running cell failed and everything is lost.
    pub(super) fn engine_died(&mut self, how: &str) {
        let names = self.variables.lose_all();
        if let Some(cell) = self.cell.as_mut().filter(|cell| cell.sent) {
            let text = say!("El motor del núcleo (evcxr) se cerró: {how}", "The kernel's engine (evcxr) ended: {how}");
            let mut failure = Failure::new("Ended", &text);
            failure.explain(say!("→ Se está iniciando de nuevo.", "→ It is being started again."));
            failure.explain(explain::lost(&names));
            cell.note = Some(failure);
            (cell.replied, cell.idle) = (true, true);
            cell.last = Instant::now();
        }
        self.phase = Phase::Loading;
    }
}

/// The answer to a cell that asks for help becomes a page, or a failure.
fn take_help(cell: &mut Cell, content: &Value) {
    if content["found"].as_bool().unwrap_or(false) {
        cell.payload.push(json!({ "source": "page", "data": content["data"], "start": 0 }));
    } else {
        let code = cell.code().trim();
        let text = say!("No hay documentación para {code}.", "There is no documentation for {code}.");
        cell.note = Some(Failure::new("Error", &text));
    }
    (cell.replied, cell.idle) = (true, true);
    cell.last = Instant::now();
}

fn interrupted() -> String {
    say!(
        "→ La celda no terminó por sí misma: se cerró su programa, que guardaba las variables.",
        "→ The cell did not end by itself: its program, which held the variables, was closed."
    )
}

fn ended(status: &str) -> String {
    if status.contains("signal: 9") {
        return say!(
            "→ El sistema cerró el programa de las celdas, casi siempre por falta de memoria: prueba con lotes o modelos más pequeños.",
            "→ The system closed the cells' program, nearly always for lack of memory: try smaller batches or a smaller model."
        );
    }
    say!("→ El programa de las celdas se cerró.", "→ The cells' program ended.")
}

fn cancelled() -> String {
    say!(
        "■ Detenido mientras se compilaba: la celda no se ejecutó y todas las variables siguen ahí.",
        "■ Stopped while compiling: the cell was not run, and every variable is still there."
    )
}
