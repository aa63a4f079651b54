//! The relay itself: what it knows, its loop, and what the front end asks of it.
//!
//! One task owns all state and never waits for a peer. Output is taken in only while there is room to publish it, so a
//! slow front end slows the learner's process down, and nothing else: requests and the stop button are always heard.

use super::cell::{is_counted, Cell, Variables};
use super::child::{Engine, OWN};
use super::history::History;
use super::notes::Note;
use super::sockets::{Channel, Echo, Incoming, Publisher, Router};
use super::stop::Step;
use super::wire::{random, Fault, Key, Message};
use super::Connection;
use crate::problem::{Problem, Result};
use crate::say;
use serde_json::{json, Value};
use std::collections::VecDeque;
use std::fs::File;
use std::future::pending;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::sync::mpsc;

/// How often the relay looks around by itself.
const TICK: Duration = Duration::from_millis(500);

/// The same while a stop is under way.
const QUICK_TICK: Duration = Duration::from_millis(40);

/// Whether evcxr can be given cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It starts.
    Loading,
    /// It answers.
    Ready,
    /// It does not start; the reason.
    Broken(String),
}

/// A request of the relay's own to evcxr, of which the front end hears nothing.
pub(super) struct Own {
    pub(super) id: String,
    pub(super) replied: bool,
    pub(super) idle: bool,
}

/// The sockets of the front end.
pub(super) struct Front {
    pub(super) shell: Router,
    pub(super) control: Router,
    pub(super) stdin: Router,
    pub(super) iopub: Publisher,
    _heartbeat: Echo,
}

/// All that the relay knows.
pub(super) struct Relay {
    pub(super) key: Key,
    pub(super) session: String,
    pub(super) front: Front,
    inbox: mpsc::Receiver<Incoming>,
    connection: Connection,
    start: Box<dyn Fn() -> Command>,
    pub(super) engine: Option<Engine>,
    pub(super) phase: Phase,
    attempts: u32,
    /// The `kernel_info_request` that tells whether evcxr is there.
    pub(super) probe: Own,
    /// A silent cell that is running.
    pub(super) own: Option<Own>,
    pub(super) warm: bool,
    /// The learner's process is a new one, without the prelude.
    pub(super) is_new: bool,
    pub(super) queue: VecDeque<(Message, Instant)>,
    pub(super) cell: Option<Cell>,
    /// The last cell that was run: what its threads still say belongs to it.
    pub(super) last: Option<Message>,
    pub(super) count: u64,
    pub(super) variables: Variables,
    pub(super) history: History,
    /// A question of the running cell that the front end has not answered.
    pub(super) question: Option<Message>,
    pub(super) times: Option<File>,
    /// It is time to go.
    pub(super) ending: bool,
}

enum Event {
    Front(Incoming),
    Reply(Incoming),
    Output(Incoming),
    Note(Note),
    Ended(String),
    Signal,
    Tick,
}

/// Runs the relay until it is told to end.
pub async fn run(connection: Connection, start: impl Fn() -> Command + 'static) -> Result<()> {
    let key = Key::new(&connection.key);
    let session = random(16);
    let (to_inbox, inbox) = mpsc::channel(64);
    let router = |listener, channel| Router::new(listener, channel, to_inbox.clone());
    let welcome = welcome(session.clone(), key.clone());
    let bind = |port| listen(&connection.ip, port);
    let front = Front {
        shell: router(bind(connection.shell).await?, Channel::Shell),
        control: router(bind(connection.control).await?, Channel::Control),
        stdin: router(bind(connection.stdin).await?, Channel::Stdin),
        iopub: Publisher::new(bind(connection.iopub).await?, welcome),
        _heartbeat: Echo::new(bind(connection.heartbeat).await?),
    };
    let mut relay = Relay {
        key,
        session,
        front,
        inbox,
        connection,
        start: Box::new(start),
        engine: None,
        phase: Phase::Loading,
        attempts: 0,
        probe: Own { id: String::new(), replied: false, idle: false },
        own: None,
        warm: false,
        is_new: false,
        ending: false,
        queue: VecDeque::new(),
        cell: None,
        last: None,
        count: 0,
        variables: Variables::default(),
        history: History::default(),
        question: None,
        times: std::env::var_os("AULA_RELAY_TIMES")
            .and_then(|file| std::fs::OpenOptions::new().create(true).append(true).open(file).ok()),
    };
    relay.start_engine();
    relay.work().await
}

async fn listen(ip: &str, port: u16) -> Result<TcpListener> {
    TcpListener::bind((ip, port)).await.map_err(|error| {
        Problem::new(say!("No se pudo escuchar en {ip}:{port}.", "Could not listen on {ip}:{port}.")).why(error)
    })
}

/// Greets a new subscriber (`iopub_welcome`), so that it knows that it misses nothing from now on.
fn welcome(session: String, key: Key) -> impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync {
    move |topic| {
        let content = json!({ "subscription": String::from_utf8_lossy(topic) });
        Message::new("iopub_welcome", &session, None, content, &key).to(vec![topic.to_vec()]).frames()
    }
}

impl Relay {
    async fn work(&mut self) -> Result<()> {
        let failed = |error: std::io::Error| Problem::new("signal").why(error);
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        // Ctrl-C in the terminal of a server is the server's affair; it asks to stop by a message.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let parent = front_end();
        let mut next_tick = Instant::now() + TICK;
        while !self.ending {
            let event = self.event(&mut terminate, &mut interrupt, next_tick).await;
            match event {
                Event::Front(incoming) => self.on_front(incoming),
                Event::Reply(incoming) => self.on_engine(incoming, Relay::on_reply),
                Event::Output(incoming) => self.on_engine(incoming, Relay::on_output),
                Event::Note(note) => self.on_note(note),
                Event::Ended(how) => self.on_end(&how),
                Event::Signal => self.ending = true,
                Event::Tick => {
                    self.tick();
                    next_tick = Instant::now() + TICK;
                    // The front end is gone: whoever adopted us is another.
                    self.ending |= parent.is_some_and(|parent| std::os::unix::process::parent_id() != parent);
                }
            }
            if self.cell.as_ref().is_some_and(|cell| cell.stop.is_pressed()) {
                next_tick = next_tick.min(Instant::now() + QUICK_TICK);
            }
            if !self.ending {
                self.advance().await;
            }
        }
        // Ends evcxr and all that it started, then lets what was said go out.
        self.engine = None;
        self.flush().await;
        Ok(())
    }

    async fn event(&mut self, terminate: &mut Signal, interrupt: &mut Signal, tick: Instant) -> Event {
        let room = self.front.iopub.has_room();
        loop {
            tokio::select! {
                Some(incoming) = self.inbox.recv() => return Event::Front(incoming),
                event = engine_event(&mut self.engine, room) => return event,
                () = self.front.iopub.room(), if !room => return Event::Tick,
                _ = terminate.recv() => return Event::Signal,
                _ = interrupt.recv() => {}
                () = tokio::time::sleep_until(tick.into()) => return Event::Tick,
            }
        }
    }

    /// Starts evcxr, or notes why that is impossible.
    pub(super) fn start_engine(&mut self) {
        self.engine = None;
        self.own = None;
        self.question = None;
        (self.warm, self.is_new) = (false, false);
        self.attempts += 1;
        match Engine::start((self.start)(), &self.connection) {
            Ok(engine) => {
                self.engine = Some(engine);
                self.phase = Phase::Loading;
                self.knock();
            }
            Err(problem) => self.phase = Phase::Broken(problem.to_string()),
        }
    }

    /// Asks evcxr whether it is there.
    fn knock(&mut self) {
        let request = self.own_message("kernel_info_request", json!({}));
        self.probe = Own { id: request.id().to_owned(), replied: false, idle: false };
        if let Some(engine) = &self.engine {
            engine.shell.send(&request.frames());
        }
    }

    /// A request of the relay's own to evcxr.
    pub(super) fn own_message(&self, kind: &str, content: Value) -> Message {
        Message::new(kind, &self.session, None, content, &self.key).to(vec![OWN.to_vec()])
    }

    /// evcxr ended by itself.
    fn on_end(&mut self, how: &str) {
        // What was written before is still to be told.
        let notes = self.engine.as_mut().map(|engine| engine.notes.drain()).unwrap_or_default();
        notes.into_iter().for_each(|note| self.on_note(note));
        let was_ready = self.phase == Phase::Ready;
        if was_ready {
            self.attempts = 0;
            self.engine_died(how);
        }
        if self.attempts < 2 {
            self.start_engine();
        } else {
            self.engine = None;
            self.phase = Phase::Broken(how.to_owned());
        }
    }

    fn tick(&mut self) {
        self.front.iopub.drop_stalled();
        if let Some(engine) = &mut self.engine {
            engine.notes.mend();
        }
        // A reply without output: the subscription came too late; ask again.
        if self.phase == Phase::Loading && self.probe.replied && !self.probe.idle {
            self.knock();
        }
        let step = self.cell.as_mut().and_then(|cell| cell.stop.tick(Instant::now()));
        if let Some(step) = step {
            self.stop_step(step);
        }
        self.keep_cancelling();
    }

    /// A message of evcxr.
    fn on_engine(&mut self, incoming: Incoming, handle: fn(&mut Relay, Message, Channel, Instant)) {
        match Message::parse(incoming.frames, &self.key) {
            Ok(message) => handle(self, message, incoming.channel, incoming.at),
            Err(fault) => tell_fault("evcxr", incoming.channel, &fault),
        }
    }

    /// Waits until all has left, at most a second, then a moment more for the last bytes to be read.
    async fn flush(&self) {
        let begin = Instant::now();
        let done = || {
            let front = &self.front;
            front.shell.is_flushed()
                && front.control.is_flushed()
                && front.stdin.is_flushed()
                && front.iopub.is_flushed()
        };
        while !done() && begin.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// Takes in what the front end has sent by now: cells go to the queue.
    pub(super) async fn gather(&mut self) {
        tokio::time::sleep(Duration::from_millis(2)).await;
        while let Ok(incoming) = self.inbox.try_recv() {
            self.on_front(incoming);
            tokio::task::yield_now().await;
        }
    }

    /// Does the next step of a stop.
    pub(super) fn stop_step(&mut self, step: Step) {
        match step {
            Step::Ask => self.ask_to_stop(),
            Step::Tell => self.tell_second_press(),
            Step::Interrupt => self.interrupt(),
            Step::Restart => {
                self.engine_died(&say!("no responde", "it does not answer"));
                self.attempts = 0;
                self.start_engine();
            }
        }
    }

    /// The number of the next cell.
    pub(super) fn number(&mut self, request: &Message) -> u64 {
        if is_counted(request) {
            self.count += 1;
        }
        self.count
    }
}

/// The process that started the kernel, where it lets us know that it is that.
fn front_end() -> Option<u32> {
    let told: u32 = std::env::var("JPY_PARENT_PID").ok()?.parse().ok()?;
    (told == std::os::unix::process::parent_id()).then_some(told)
}

async fn engine_event(engine: &mut Option<Engine>, room: bool) -> Event {
    let Some(engine) = engine else { return pending().await };
    tokio::select! {
        Some(incoming) = engine.replies.recv() => Event::Reply(incoming),
        Some(incoming) = engine.output.recv(), if room => Event::Output(incoming),
        note = engine.notes.next(), if room => Event::Note(note),
        how = &mut engine.ended => Event::Ended(how.unwrap_or_default()),
    }
}

pub(super) fn tell_fault(whose: &str, channel: Channel, fault: &Fault) {
    eprintln!("aula kernel: message of the {whose} dropped ({channel:?}): {fault:?}");
}
