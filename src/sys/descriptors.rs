//! The calls to the system that live output needs: descriptors, signals, the end of the process.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// The read ends of the taps, for those who must wait until they are empty.
static TAPS: [AtomicI32; 2] = [AtomicI32::new(-1), AtomicI32::new(-1)];

/// A descriptor in whose place a pipe stands.
pub(super) struct Tap {
    /// What the process writes, read without waiting.
    pub(super) pipe: File,
    /// Where it went before.
    pub(super) real: File,
}

/// Puts a pipe in the place of descriptor 1 or 2.
pub(super) fn tap(descriptor: RawFd) -> io::Result<Tap> {
    let mut ends = [0; 2];
    // SAFETY: plain calls on descriptors; each one made here is owned by exactly one `File`, and 1 and 2 stay open.
    unsafe {
        let real = File::from_raw_fd(done(libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3))?);
        done(libc::pipe(ends.as_mut_ptr()))?;
        let (pipe, write) = (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]));
        done(libc::fcntl(pipe.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC))?;
        done(libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK))?;
        done(libc::dup2(write.as_raw_fd(), descriptor))?;
        if let Some(place) = usize::try_from(descriptor).ok().and_then(|at| TAPS.get(at.wrapping_sub(1))) {
            place.store(pipe.as_raw_fd(), Ordering::SeqCst);
        }
        Ok(Tap { pipe, real })
    }
}

fn done(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

impl Tap {
    /// Reads what is there: nothing when there is nothing, or when nobody can write any more.
    pub(super) fn read_now(&mut self, buffer: &mut [u8]) -> usize {
        loop {
            match self.pipe.read(buffer) {
                Ok(read) => return read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return 0,
            }
        }
    }
}

/// Waits until one of `descriptors` has something to read, at most `patience`; true when one has.
pub(super) fn wait_readable(descriptors: [RawFd; 2], patience: Option<Duration>) -> bool {
    let mut waiting = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let limit = patience.map_or(-1, |patience| i32::try_from(patience.as_millis()).unwrap_or(i32::MAX).max(1));
    // SAFETY: the array outlives the call, and its length is the one that is told.
    unsafe {
        libc::poll(waiting.as_mut_ptr(), waiting.len() as libc::nfds_t, limit);
    }
    waiting.iter().any(|one| one.revents & libc::POLLIN != 0)
}

/// What the process wrote last must reach the reader even if it ends now, by `exit` or by `abort`.
pub(super) fn settle_at_the_end() {
    // SAFETY: both functions only look at atomics, count what waits in a pipe, and sleep.
    unsafe {
        libc::atexit(settle);
        libc::signal(libc::SIGABRT, aborted as *const () as libc::sighandler_t);
    }
}

/// Gives the thread that reads the taps up to a quarter of a second to empty them, and a moment to send what it read.
extern "C" fn settle() {
    for _ in 0..50 {
        if TAPS.iter().all(|tap| waiting_in(tap.load(Ordering::SeqCst)) == 0) {
            break;
        }
        pause(5);
    }
    pause(40);
}

/// Bytes in a pipe.
fn waiting_in(descriptor: RawFd) -> i32 {
    let mut count = 0;
    // SAFETY: the pointer is to an int, as this request wants.
    let answered = descriptor >= 0 && unsafe { libc::ioctl(descriptor, libc::FIONREAD, &raw mut count) } == 0;
    if answered {
        count
    } else {
        0
    }
}

fn pause(milliseconds: i64) {
    let time = libc::timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
    // SAFETY: the pointer is to a timespec; a signal handler may sleep.
    unsafe {
        libc::nanosleep(&raw const time, std::ptr::null_mut());
    }
}

extern "C" fn aborted(signal: libc::c_int) {
    settle();
    // SAFETY: the default action, then the signal again: the process ends as it was about to.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// From now on Ctrl-C asks what runs to stop at its next step; a second one ends the process as ever.
pub fn stop_on_ctrl_c() {
    // SAFETY: the handler only touches an atomic and restores the default action.
    unsafe {
        libc::signal(libc::SIGINT, interrupted as *const () as libc::sighandler_t);
    }
}

extern "C" fn interrupted(signal: libc::c_int) {
    super::stop::ask_to_stop();
    // SAFETY: as `stop_on_ctrl_c`.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_its_time_is_up_or_bytes_are_there() {
        let mut ends = [0; 2];
        // SAFETY: as in `tap`.
        let (read, write) = unsafe {
            assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
            (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
        };
        let both = [read.as_raw_fd(), read.as_raw_fd()];
        assert!(!wait_readable(both, Some(Duration::from_millis(20))));
        assert_eq!(waiting_in(read.as_raw_fd()), 0);
        io::Write::write_all(&mut &write, b"abc").unwrap();
        let begin = std::time::Instant::now();
        assert!(wait_readable(both, None));
        assert!(begin.elapsed() < Duration::from_secs(1));
        assert_eq!(waiting_in(read.as_raw_fd()), 3);
        assert_eq!(waiting_in(-1), 0);
    }
}
