//! What this process sent and received: every connection of the library is counted where it is made.

use crate::show::{display, html_table, plain_table};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

static SEEN: Mutex<BTreeMap<String, Traffic>> = Mutex::new(BTreeMap::new());

#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    connections: usize,
    sent: u64,
    received: u64,
}

fn seen() -> MutexGuard<'static, BTreeMap<String, Traffic>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection with `host` is tried.
pub(super) fn connecting(host: &str) {
    seen().entry(host.to_string()).or_default().connections += 1;
}

/// So many bytes went to `host`, and came from it.
pub(super) fn moved(host: &str, sent: usize, received: usize) {
    let mut seen = seen();
    let traffic = seen.entry(host.to_string()).or_default();
    traffic.sent += sent as u64;
    traffic.received += received as u64;
}

/// How often this process spoke with other machines through this library, and with which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkAudit {
    /// Connections tried, those that failed among them.
    pub connections: usize,
    /// Bytes sent: requests, never a learner's texts.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// With whom, as `host:port`, in alphabetical order.
    pub hosts: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Counts the connections with other machines that this process has tried so far.
///
/// The library has one place where it connects, and that place counts each TCP connection that it tries: `strace -f -yy
/// -e trace=connect` sees as many with `TCP` in their line. It also sees what is not counted here: the system's own
/// look-up of a host's name, over UDP, in which a name server learns that name (`huggingface.co`) and nothing else, and
/// sockets that the system points at the addresses it found, only to put them in order. What a cell connects to by
/// itself, without this library, is not in it; nor is the notebook's own talk with its kernel, which stays on this
/// machine.
pub fn network_audit() -> NetworkAudit {
    let seen = seen();
    let sum = |of: fn(&Traffic) -> u64| seen.values().map(of).sum();
    let row = |(host, traffic): (&String, &Traffic)| {
        vec![host.clone(), traffic.connections.to_string(), traffic.sent.to_string(), traffic.received.to_string()]
    };
    NetworkAudit {
        connections: seen.values().map(|traffic| traffic.connections).sum(),
        sent_bytes: sum(|traffic| traffic.sent),
        received_bytes: sum(|traffic| traffic.received),
        hosts: seen.keys().cloned().collect(),
        rows: seen.iter().map(row).collect(),
    }
}

impl NetworkAudit {
    /// Shows a sentence, or a table with a row for each machine.
    pub fn evcxr_display(&self) {
        match self.rows.is_empty() {
            true => display(&format!("<p>{}</p>", self.sentence()), &self.sentence()),
            false => display(&html_table(&headers(), &self.rows, &self.sentence()), &self.to_string()),
        }
    }

    fn sentence(&self) -> String {
        match self.connections {
            0 => tr!(
                "Conexiones con otras máquinas: 0. Todo se hizo en esta.",
                "Connections with other machines: 0. Everything was done on this one."
            ),
            n => tr!("Conexiones con otras máquinas: {n}.", "Connections with other machines: {n}."),
        }
    }
}

fn headers() -> Vec<String> {
    vec![
        tr!("máquina", "machine"),
        tr!("conexiones", "connections"),
        tr!("bytes enviados", "bytes sent"),
        tr!("bytes recibidos", "bytes received"),
    ]
}

impl fmt::Display for NetworkAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows.is_empty() {
            true => f.write_str(&self.sentence()),
            false => f.write_str(&plain_table(&headers(), &self.rows, &self.sentence())),
        }
    }
}
