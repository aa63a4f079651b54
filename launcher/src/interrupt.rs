//! Ctrl-C, or a request to end (SIGTERM): what runs ends too, and one message says where it stopped.
//!
//! A program that the person waits for gets a process group of its own, so that everything it started gets the signal,
//! wherever that came from: a terminal signals all that it shows, `kill` a single process.

use crate::problem::Problem;
use crate::say;
use rustix::process::{kill_process_group, Pid, Signal};
use std::io::{IsTerminal, Result};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{signal, SignalKind};

/// The exit status of what was interrupted, as shells have it.
const STATUS: i32 = 130;

/// How long a program may take to end by itself; then it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// What is going on, for whoever must end it.
struct State {
    /// Within set-up, which goes on where it was.
    setup: bool,
    /// What the person waits for; empty when nothing is known.
    step: String,
    /// The programs that run.
    groups: Vec<Pid>,
    /// A signal came.
    happened: bool,
}

static STATE: Mutex<State> =
    Mutex::new(State { setup: false, step: String::new(), groups: Vec::new(), happened: false });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lasts as long as set-up does.
pub struct Setup;

impl Drop for Setup {
    fn drop(&mut self) {
        let mut state = state();
        state.setup = false;
        state.step.clear();
    }
}

/// From here on, what is interrupted goes on when the same command is given again.
pub fn during_setup() -> Setup {
    watch();
    state().setup = true;
    Setup
}

/// Names what begins now.
pub fn step(name: String) {
    state().step = name;
}

/// Whether a signal came. Then [`leave`] when the screen is free.
pub fn happened() -> bool {
    state().happened
}

/// Starts a program for which the person waits.
pub fn spawn(title: &str, command: &mut Command) -> Result<Child> {
    if watch() {
        command.process_group(0);
    }
    let mut state = state();
    if state.happened {
        say_and_exit(&state);
    }
    let child = command.spawn()?;
    title.clone_into(&mut state.step);
    state.groups.extend(group(&child));
    Ok(child)
}

/// Waits for the end of a program that [`spawn`] started. Never is a signal sent to a number that is another's by then.
pub fn wait(child: &mut Child) -> Result<ExitStatus> {
    let own = group(child);
    loop {
        let mut state = state();
        let ended = child.try_wait().transpose();
        if let Some(ended) = ended {
            if state.happened {
                // What it started and did not end.
                send(own, Signal::KILL);
            }
            state.groups.retain(|group| Some(*group) != own);
            return ended;
        }
        drop(state);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Says where it stopped, and ends this program.
pub fn leave() -> ! {
    say_and_exit(&state())
}

/// A program that died by the same Ctrl-C looks like one that failed: the interruption is told, and not that.
pub fn before_a_failure_is_told() {
    std::thread::sleep(Duration::from_millis(100));
}

fn group(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

fn send(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // It may have ended by itself a moment ago.
        let _ = kill_process_group(group, signal);
    }
}

/// The state stays locked to the end, so that this is said once.
fn say_and_exit(state: &State) -> ! {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K"); // over the ^C that the terminal shows
    }
    let step = &state.step;
    if state.setup {
        let problem = Problem::new(say!("Interrumpido en este paso: {step}", "Interrupted at this step: {step}"))
            .why(say!(
                "No se pierde nada: lo que ya estaba hecho se queda.",
                "Nothing is lost: what was done stays done."
            ))
            .next(say!("La misma orden sigue desde ahí.", "The same command goes on from there."));
        eprintln!("{problem}");
    } else if !step.is_empty() {
        eprintln!("{}", Problem::new(say!("Interrumpido: {step}", "Interrupted: {step}")));
    }
    std::process::exit(STATUS)
}

/// Begins to listen, once. False where that is impossible: then signals do what they always did.
fn watch() -> bool {
    static LISTENS: OnceLock<bool> = OnceLock::new();
    *LISTENS.get_or_init(|| {
        let (ready, is_ready) = channel();
        let thread = std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || listen(&ready));
        thread.is_ok() && is_ready.recv().unwrap_or(false)
    })
}

fn listen(ready: &Sender<bool>) {
    // Who waits for the answer sees a closed channel as a no.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
        let _ = ready.send(true);
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => Signal::INT,
                _ = terminate.recv() => Signal::TERM,
            }
        };
        end_all(next().await);
        loop {
            // Whoever asks twice does not want to wait.
            let _ = tokio::time::timeout(GRACE, next()).await;
            end_all(Signal::KILL);
        }
    });
}

/// Passes the signal on to what runs; whoever waits for that leaves. Where nothing runs, it is done here.
fn end_all(signal: Signal) {
    let mut state = state();
    state.happened = true;
    if state.groups.is_empty() {
        say_and_exit(&state);
    }
    for group in &state.groups {
        send(Some(*group), signal);
    }
}
