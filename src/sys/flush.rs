//! Text that `print!` left without a newline, shown while the cell runs and before it ends.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

/// A text without a newline is shown after this time at the latest.
const OFTEN: Duration = Duration::from_millis(100);

/// What the thread that empties the buffer of `print!` is told.
pub(super) enum Flush {
    /// A cell runs: do it often.
    Begin,
    /// Do it now and say so.
    Now(SyncSender<()>),
    /// No cell runs.
    End,
}

/// `print!` without a newline stays in a buffer; here it is emptied often enough to see dots come one by one.
///
/// In a thread of its own, because the buffer's lock may be held by one that waits for the tap to be read.
pub(super) fn flush_often(requests: &Receiver<Flush>) {
    let mut running = false;
    loop {
        let request = match running {
            true => requests.recv_timeout(OFTEN),
            false => requests.recv().map_err(RecvTimeoutError::from),
        };
        match request {
            Ok(Flush::Begin) => running = true,
            Ok(Flush::End) => running = false,
            Ok(Flush::Now(done)) => {
                let _ = std::io::stdout().flush();
                let _ = done.send(());
            }
            Err(RecvTimeoutError::Timeout) => {
                let _ = std::io::stdout().flush();
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
