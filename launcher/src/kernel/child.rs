//! evcxr's kernel as our child: its private folder and ports, its start, and its end, whoever dies first.
//!
//! A guard (`sh`, in a process group of its own) holds the other end of a pipe that only the relay has. However the
//! relay ends, the pipe closes; the guard then kills evcxr's process group, with the learner's process and the compiler
//! in it, and removes the private folder.

use super::notes::Notes;
use super::sockets::{Channel, Dialer, Incoming};
use super::wire::random;
use super::Connection;
use crate::problem::{Problem, Result};
use crate::say;
use crate::state;
use serde_json::json;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// The identity under which the relay speaks to evcxr. One for all sockets: evcxr asks for input by it.
pub const OWN: &[u8] = b"aula";

/// What the guard does: waits for the end of its standard input, then kills and removes.
/// What dies may still write for a moment.
const GUARD: &str = "read _; kill -s KILL -- \"-$1\"; for _ in 1 2 3 4 5; do rm -rf -- \"$2\" && exit; sleep 0.1; done";

/// evcxr, running.
pub struct Engine {
    /// Its process; also its process group.
    pub pid: u32,
    /// Requests.
    pub shell: Dialer,
    /// Requests that do not wait.
    pub control: Dialer,
    /// Answers to what a cell asks.
    pub stdin: Dialer,
    _iopub: Dialer,
    /// Replies and questions.
    pub replies: mpsc::Receiver<Incoming>,
    /// Output.
    pub output: mpsc::Receiver<Incoming>,
    /// Told when it ends, with how.
    pub ended: oneshot::Receiver<String>,
    /// What the learner's process says.
    pub notes: Notes,
    folder: PathBuf,
    guard: Child,
    pipe: Option<ChildStdin>,
}

impl Engine {
    /// Starts it; `command` is evcxr with its environment, without arguments.
    pub fn start(mut command: Command, connection: &Connection) -> Result<Engine> {
        let failed = |error: std::io::Error| {
            Problem::new(say!("evcxr no arranca.", "evcxr does not start.")).why(error).next("cargo aula setup")
        };
        let folder = private_folder()?;
        let notes = Notes::new(&folder.join("notes")).map_err(failed)?;
        let ports = free_ports().map_err(failed)?;
        let file = folder.join("connection.json");
        write_connection(&file, ports, connection).map_err(failed)?;
        command
            .arg("--control_file")
            .arg(&file)
            .env("AULA_NOTES", folder.join("notes"))
            // Its own of each kernel, and removed with it: two kernels in one would collide.
            .env("EVCXR_TMPDIR", folder.join("evcxr"))
            .stdin(Stdio::null())
            .process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        let pid = child.id();
        let (mut guard, pipe) = guard(pid, &folder).map_err(|error| {
            let _ = child.kill();
            failed(error)
        })?;
        let (tell, ended) = oneshot::channel();
        let waiter = std::thread::Builder::new().name("evcxr".to_owned()).spawn(move || {
            let how = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            let _ = tell.send(how);
        });
        if let Err(error) = waiter {
            drop(pipe);
            let _ = guard.wait();
            return Err(failed(error));
        }
        let (to_replies, replies) = mpsc::channel(64);
        let (to_output, output) = mpsc::channel(64);
        let dealer = |port, channel| Dialer::new(port, "DEALER", OWN, channel, to_replies.clone());
        Ok(Engine {
            pid,
            shell: dealer(ports[0], Channel::Shell),
            control: dealer(ports[1], Channel::Control),
            stdin: dealer(ports[2], Channel::Stdin),
            _iopub: Dialer::new(ports[3], "SUB", b"", Channel::Iopub, to_output),
            replies,
            output,
            ended,
            notes,
            folder,
            guard,
            pipe: Some(pipe),
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The guard does the work; a second is far more than it takes.
        drop(self.pipe.take());
        let begin = Instant::now();
        while self.folder.exists() && begin.elapsed() < Duration::from_secs(1) {
            if matches!(self.guard.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.guard.try_wait();
    }
}

/// A fresh folder that only its owner may enter, with a short path: a socket's may have 100 bytes.
fn private_folder() -> Result<PathBuf> {
    let mut base = std::env::temp_dir();
    // evcxr tells its process where a cell lies in one line, cut at spaces.
    if base.as_os_str().len() > 60 || base.to_string_lossy().contains(' ') {
        base = PathBuf::from("/tmp");
    }
    let folder = base.join(format!("aula-{}", random(8)));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
    made.map_err(|error| state::unwritable(&folder, &error))?;
    Ok(folder)
}

/// Ports of this machine that nobody listens on: shell, control, stdin, iopub, heartbeat.
fn free_ports() -> std::io::Result<[u16; 5]> {
    let mut ports = [0; 5];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn write_connection(file: &Path, ports: [u16; 5], front: &Connection) -> std::io::Result<()> {
    use std::io::Write;
    let text = json!({
        "shell_port": ports[0], "control_port": ports[1], "stdin_port": ports[2], "iopub_port": ports[3],
        "hb_port": ports[4], "ip": "127.0.0.1", "transport": "tcp", "key": front.key,
        "signature_scheme": "hmac-sha256", "kernel_name": "aula",
    });
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(text.to_string().as_bytes())
}

fn guard(group: u32, folder: &Path) -> std::io::Result<(Child, ChildStdin)> {
    let mut guard = Command::new("sh")
        .args(["-c", GUARD, "aula-guard", &group.to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()?;
    match guard.stdin.take() {
        Some(pipe) => Ok((guard, pipe)),
        None => Err(std::io::ErrorKind::BrokenPipe.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_folder_is_its_owners_alone_and_its_path_fits_a_socket() {
        let folder = private_folder().unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(folder.join("notes").as_os_str().len() < 100);
        std::fs::remove_dir(folder).unwrap();
    }

    #[test]
    fn five_ports_are_five() {
        let mut ports = free_ports().unwrap().to_vec();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 5);
    }

    #[test]
    fn the_guard_kills_the_group_and_removes_the_folder_when_the_pipe_closes() {
        let folder = private_folder().unwrap();
        std::fs::write(folder.join("x"), "x").unwrap();
        let mut child = Command::new("sh").args(["-c", "sleep 100 & wait"]).process_group(0).spawn().unwrap();
        let (mut guard, pipe) = guard(child.id(), &folder).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        drop(pipe);
        guard.wait().unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(!folder.exists());
    }
}
