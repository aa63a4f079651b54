//! Jupyter's stop button, in three steps: ask the learner's process, then evcxr, then start evcxr anew.
//!
//! The first press asks running work to end at its next step, which keeps every variable, and cancels a compile. A
//! second press, or ten seconds without an end, is evcxr's own interrupt, which loses the variables.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long work may take to end by itself.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Two presses closer than this are one: a double click must not cost the variables.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);

/// After so long a line says what a second press does.
const TELL: Duration = Duration::from_secs(2);

/// evcxr's program, as the system names the learner's process too.
const EVCXR: &str = "evcxr_jupyter";

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask the learner's process; kill compilers as they appear.
    Ask,
    /// Tell that a second press interrupts at once.
    Tell,
    /// evcxr's own interrupt.
    Interrupt,
    /// evcxr does not answer: start it anew.
    Restart,
}

/// How far the stop of one cell has come.
#[derive(Default)]
pub struct Stop {
    pressed: Option<Instant>,
    told: bool,
    interrupted: Option<Instant>,
    /// A compiler of this cell was killed.
    pub cancelled: bool,
}

impl Stop {
    /// The button was pressed while a cell runs.
    pub fn press(&mut self, now: Instant) -> Option<Step> {
        match self.pressed {
            None => {
                self.pressed = Some(now);
                Some(Step::Ask)
            }
            Some(first) if self.interrupted.is_none() && now - first >= DOUBLE_CLICK => self.interrupt(now),
            Some(_) => None,
        }
    }

    /// What time has made due; to be asked a few times a second while `is_pressed`.
    pub fn tick(&mut self, now: Instant) -> Option<Step> {
        let first = self.pressed?;
        match self.interrupted {
            Some(since) if now - since >= PATIENCE => {
                self.interrupted = Some(now);
                Some(Step::Restart)
            }
            Some(_) => None,
            None if now - first >= PATIENCE => self.interrupt(now),
            None if now - first >= TELL && !self.told => {
                self.told = true;
                Some(Step::Tell)
            }
            None => None,
        }
    }

    fn interrupt(&mut self, now: Instant) -> Option<Step> {
        self.interrupted = Some(now);
        Some(Step::Interrupt)
    }

    /// Whether a stop is under way.
    pub fn is_pressed(&self) -> bool {
        self.pressed.is_some()
    }

    /// Whether evcxr was told to kill the learner's process.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.is_some()
    }
}

/// A process: its parent and its program's name.
type Processes = HashMap<u32, (u32, String)>;

/// Kills what evcxr compiles with, cargo and all below it; gives whether there was any.
pub fn cancel_compile(evcxr: u32) -> bool {
    let found = compilers(&processes(), evcxr);
    for &pid in &found {
        kill(pid);
    }
    !found.is_empty()
}

/// Every process below evcxr but the learner's and what that has started. Parents come before their children.
fn compilers(all: &Processes, evcxr: u32) -> Vec<u32> {
    let children = |of: u32| all.iter().filter(move |(_, (parent, _))| *parent == of).map(|(pid, _)| *pid);
    let mut found: Vec<u32> = children(evcxr).filter(|pid| all[pid].1 != EVCXR).collect();
    let mut at = 0;
    while at < found.len() {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

/// Every process of this machine that we may see.
fn processes() -> Processes {
    let Ok(entries) = std::fs::read_dir("/proc") else { return processes_by_ps() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let found: Processes = numbers.filter_map(|pid| Some((pid, read_stat(pid)?))).collect();
    if found.is_empty() {
        processes_by_ps()
    } else {
        found
    }
}

/// `/proc/PID/stat`: `1 (name, perhaps with spaces) S parent ...`.
fn read_stat(pid: u32) -> Option<(u32, String)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (before, after) = text.rsplit_once(')')?;
    let name = before.split_once('(')?.1;
    let mut fields = after.split_whitespace();
    // What is already dead has compiled its last.
    if fields.next()? == "Z" {
        return None;
    }
    Some((fields.next()?.parse().ok()?, name.to_owned()))
}

/// The same where there is no `/proc`.
fn processes_by_ps() -> Processes {
    let output = Command::new("ps").args(["-axo", "pid=,ppid=,comm="]).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().filter_map(parse_ps).collect()
}

fn parse_ps(line: &str) -> Option<(u32, (u32, String))> {
    let (pid, rest) = line.trim_start().split_once(char::is_whitespace)?;
    let (parent, path) = rest.trim_start().split_once(char::is_whitespace)?;
    let name = path.trim().rsplit('/').next()?;
    Some((pid.parse().ok()?, (parent.parse().ok()?, name.to_owned())))
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: f64) -> Instant {
        *BEGIN.get_or_init(Instant::now) + Duration::from_secs_f64(seconds)
    }

    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();

    #[test]
    fn one_press_asks_and_after_ten_seconds_interrupts_and_after_ten_more_restarts() {
        let mut stop = Stop::default();
        assert_eq!(stop.tick(after(0.0)), None);
        assert_eq!(stop.press(after(0.0)), Some(Step::Ask));
        assert_eq!(stop.tick(after(1.0)), None);
        assert_eq!(stop.tick(after(2.5)), Some(Step::Tell));
        assert_eq!(stop.tick(after(9.0)), None);
        assert_eq!(stop.tick(after(10.0)), Some(Step::Interrupt));
        assert_eq!(stop.tick(after(19.0)), None);
        assert_eq!(stop.tick(after(20.5)), Some(Step::Restart));
    }

    #[test]
    fn a_second_press_interrupts_at_once_and_a_double_click_does_not() {
        let mut stop = Stop::default();
        stop.press(after(0.0));
        assert_eq!(stop.press(after(0.2)), None);
        assert_eq!(stop.press(after(1.0)), Some(Step::Interrupt));
        assert_eq!(stop.press(after(2.0)), None);
        assert!(stop.is_interrupted());
    }

    #[test]
    fn compilers_are_all_below_evcxr_but_the_learners_process() {
        let one = |pid, parent, name: &str| (pid, (parent, name.to_owned()));
        let all: Processes = [
            one(10, 1, EVCXR),
            one(11, 10, EVCXR),
            one(12, 11, "sh"),
            one(20, 10, "cargo"),
            one(21, 20, "rustc"),
            one(22, 21, "cc"),
            one(30, 1, "cargo"),
        ]
        .into();
        assert_eq!(compilers(&all, 10), [20, 21, 22]);
        assert_eq!(compilers(&all, 99), [0; 0]);
    }

    #[test]
    fn processes_are_found_with_their_parents_both_ways() {
        let own = std::process::id();
        let parent = std::os::unix::process::parent_id();
        assert_eq!(processes()[&own].0, parent);
        assert_eq!(parse_ps("  12   7 /a b/evcxr_jupyter"), Some((12, (7, EVCXR.to_owned()))));
    }

    #[test]
    fn a_compile_is_cancelled() {
        let mut compiler = Command::new("sleep").arg("100").spawn().unwrap();
        let all = compilers(&processes(), std::process::id());
        assert!(all.contains(&compiler.id()));
        kill(compiler.id());
        assert!(!compiler.wait().unwrap().success());
    }
}
