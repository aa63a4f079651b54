//! Displays that change in place while a cell runs, where the kernel's relay makes that possible.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{in_notebook, Html};
use crate::sys::relay::{connect, Relay};

/// One display whose content can be replaced.
pub struct Live {
    relay: &'static Relay,
    id: String,
    shown: bool,
}

impl Live {
    /// A display that shows nothing yet; none where displays cannot change.
    pub fn start() -> Option<Live> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let relay = relay()?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Some(Live { relay, id: format!("aula-{}-{number}", process_name()), shown: false })
    }

    /// Shows `content` in place of what the display showed before. False when it could not.
    pub fn show(&mut self, content: &Html) -> bool {
        let forms = [("text/html", content.html.as_str()), ("text/plain", content.plain.as_str())];
        let done = match self.shown {
            false => self.relay.display(Some(&self.id), &forms),
            true => self.relay.update(&self.id, &forms),
        };
        self.shown |= done;
        done
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("id", &self.id).field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// The relay, in a notebook that has one.
pub(super) fn relay() -> Option<&'static Relay> {
    in_notebook().then(connect).flatten()
}

/// Takes away what the running cell showed so far; with `wait`, only when the next output comes. Without the course's
/// kernel nothing is taken away.
pub fn clear_output(wait: bool) {
    if let Some(relay) = relay() {
        relay.clear(wait);
    }
}

/// A name that no other process of the same notebook had: displays of an earlier one must not change.
fn process_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{:x}-{:x}", std::process::id(), now.as_millis())
    })
}
