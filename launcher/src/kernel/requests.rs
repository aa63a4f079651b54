//! What the front end asks of the relay, and how it is answered.

use super::answers;
use super::relay::{tell_fault, Relay};
use super::sockets::{Channel, Incoming};
use super::wire::Message;
use serde_json::{json, Value};
use std::time::Instant;

impl Relay {
    /// A message of the front end.
    pub(super) fn on_front(&mut self, incoming: Incoming) {
        let message = match Message::parse(incoming.frames, &self.key) {
            Ok(message) => message,
            Err(fault) => {
                tell_fault("front end", incoming.channel, &fault);
                return;
            }
        };
        match (incoming.channel, message.kind()) {
            (Channel::Shell | Channel::Control, "shutdown_request") => self.shut_down(incoming.channel, &message),
            (Channel::Shell | Channel::Control, "kernel_info_request") => {
                self.answer(incoming.channel, &message, answers::kernel_info());
            }
            (Channel::Shell, "execute_request") => self.queue.push_back((message, incoming.at)),
            (Channel::Shell, "is_complete_request") => {
                let content = answers::is_complete(message.content["code"].as_str().unwrap_or_default());
                self.answer(incoming.channel, &message, content);
            }
            (Channel::Shell, "comm_info_request") => {
                self.answer(incoming.channel, &message, json!({ "status": "ok", "comms": {} }));
            }
            (Channel::Shell, "history_request") => {
                let content = self.history.reply(&message.content);
                self.answer(incoming.channel, &message, content);
            }
            (Channel::Control, "interrupt_request") => {
                self.press_stop();
                self.answer(incoming.channel, &message, json!({ "status": "ok" }));
            }
            (channel, _) => self.forward(channel, &message),
        }
    }

    /// Hands a message on to evcxr as it is.
    fn forward(&mut self, channel: Channel, message: &Message) {
        let Some(engine) = &self.engine else { return };
        let frames = message.frames_for_evcxr();
        match channel {
            Channel::Control => engine.control.send(&frames),
            Channel::Stdin => {
                self.question = None;
                engine.stdin.send(&frames);
            }
            _ => engine.shell.send(&frames),
        }
    }

    /// Answers a request, between busy and idle.
    pub(super) fn answer(&mut self, channel: Channel, request: &Message, content: Value) {
        self.publish_for(request, "status", json!({ "execution_state": "busy" }));
        self.reply(channel, request, content);
        self.publish_for(request, "status", json!({ "execution_state": "idle" }));
    }

    /// Sends the reply to a request.
    pub(super) fn reply(&self, channel: Channel, request: &Message, content: Value) {
        let kind = request.kind().replace("_request", "_reply");
        let reply = Message::new(&kind, &self.session, Some(request), content, &self.key);
        let frames = reply.to(request.identities.clone()).frames();
        match channel {
            Channel::Control => self.front.control.send(&frames),
            _ => self.front.shell.send(&frames),
        }
    }

    /// Publishes output that belongs to a request.
    pub(super) fn publish_for(&self, request: &Message, kind: &str, content: Value) {
        let message = Message::new(kind, &self.session, Some(request), content, &self.key);
        self.front.iopub.send(&message.frames());
    }

    fn press_stop(&mut self) {
        let step = self.cell.as_mut().and_then(|cell| cell.stop.press(Instant::now()));
        if let Some(step) = step {
            self.stop_step(step);
        }
    }

    fn shut_down(&mut self, channel: Channel, request: &Message) {
        let restart = request.content["restart"].as_bool().unwrap_or(false);
        // The ports must be free again, and nothing running, when the front end hears of it.
        self.engine = None;
        let content = json!({ "status": "ok", "restart": restart });
        self.publish_for(request, "shutdown_reply", content.clone());
        self.answer(channel, request, content);
        self.ending = true;
    }
}
