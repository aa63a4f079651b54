//! What waits for one peer of a socket, and how it leaves: at once where the peer reads, else as it reads.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

/// A peer with more than this waiting, in bytes, reads nothing of what it asks for.
const TOO_MUCH: usize = 512 << 20;

/// Locks; a task that panicked meanwhile has left nothing half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What waits for one peer.
#[derive(Clone, Default)]
pub(super) struct Outbox {
    state: Arc<Mutex<Waiting>>,
    changed: Arc<Notify>,
    /// Told whenever something has gone out.
    drained: Arc<Notify>,
}

#[derive(Default)]
struct Waiting {
    writer: Option<Arc<OwnedWriteHalf>>,
    queue: VecDeque<Arc<Vec<u8>>>,
    /// How much of the first has gone out.
    sent: usize,
    bytes: usize,
    closed: bool,
    progress: Option<Instant>,
}

impl Waiting {
    /// Writes what the peer takes now; gives false when the connection is broken.
    fn write_now(&mut self) -> bool {
        let Some(writer) = self.writer.clone() else { return true };
        while let Some(first) = self.queue.front() {
            match writer.try_write(&first[self.sent..]) {
                Ok(0) => return false,
                Ok(count) => {
                    self.progress = Some(Instant::now());
                    self.sent += count;
                    self.bytes -= count;
                    if self.sent == first.len() {
                        self.queue.pop_front();
                        self.sent = 0;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

impl Outbox {
    /// One that tells `drained` whenever something has gone out.
    pub(super) fn telling(drained: Arc<Notify>) -> Outbox {
        Outbox { drained, ..Outbox::default() }
    }

    /// Sends now what the peer takes, and keeps the rest.
    pub(super) fn push(&self, bytes: Arc<Vec<u8>>) {
        let mut state = lock(&self.state);
        if state.closed {
            return;
        }
        if state.queue.is_empty() {
            state.progress = Some(Instant::now());
        }
        state.bytes += bytes.len();
        state.queue.push_back(bytes);
        // Most messages leave here and now; the task below only carries on where the peer is slow.
        if state.queue.len() == 1 && !state.write_now() || state.bytes > TOO_MUCH {
            state.closed = true;
        }
        if state.closed || !state.queue.is_empty() {
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Nothing more goes out.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_one();
        self.drained.notify_waiters();
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        let state = lock(&self.state);
        if state.closed {
            0
        } else {
            state.bytes
        }
    }

    /// Whether something waits and the peer has taken nothing for so long.
    pub(super) fn is_stalled(&self, patience: Duration) -> bool {
        let state = lock(&self.state);
        !state.queue.is_empty() && state.progress.is_some_and(|at| at.elapsed() > patience)
    }

    /// Writes as the peer reads, until the outbox is closed.
    pub(super) async fn carry(self, writer: OwnedWriteHalf) {
        let writer = Arc::new(writer);
        lock(&self.state).writer = Some(writer.clone());
        loop {
            let waiting = {
                let mut state = lock(&self.state);
                if state.closed || !state.write_now() {
                    state.closed = true;
                    state.writer = None;
                    state.queue.clear();
                    break;
                }
                !state.queue.is_empty()
            };
            self.drained.notify_waiters();
            tokio::select! {
                _ = writer.writable(), if waiting => {}
                () = self.changed.notified() => {}
            }
        }
        self.drained.notify_waiters();
    }
}
