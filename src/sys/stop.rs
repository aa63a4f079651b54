//! The wish to stop: Jupyter's stop button, or Ctrl-C in a terminal. What runs long looks at it at each step.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind};

static ASKED: AtomicBool = AtomicBool::new(false);
static TOLD: AtomicBool = AtomicBool::new(false);

/// True once the reader asked to stop the running cell, by Jupyter's stop button.
///
/// Training, generation, evaluation and downloads look at it by themselves; a loop of one's own can ask:
///
/// ```
/// for step in 0..1_000 {
///     if aula::sys::stopped() {
///         break;
///     }
/// }
/// ```
pub fn stopped() -> bool {
    let asked = ASKED.load(Ordering::Relaxed);
    if asked && !TOLD.swap(true, Ordering::Relaxed) {
        super::relay::tell_stopped();
    }
    asked
}

/// Asks what runs to stop at its next step. True when that was asked before.
pub fn ask_to_stop() -> bool {
    ASKED.swap(true, Ordering::Relaxed)
}

/// A new cell begins: an old wish to stop is forgotten.
pub fn forget_stop() {
    ASKED.store(false, Ordering::Relaxed);
    TOLD.store(false, Ordering::Relaxed);
}

/// The error of a work that stopped at the reader's request and has nothing to return; `next` says how to go on.
pub fn stopped_error(what: String, next: String) -> Error {
    Error::new(ErrorKind::Stopped, what).next(next)
}
