//! A set-up that is interrupted says where it stopped, ends what it started, and goes on from there.
//!
//! The command is the real one, in a clone whose Python is a script that takes its time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use rustix::process::{kill_process, Pid, Signal};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Makes an environment, at once or (with a file `slow` beside it) never; what installs packages never ends. While it
/// works, a program that it started writes into `beats`, deaf to Ctrl-C as shells make what they start with `&`.
const PYTHON: &str = r##"#!/bin/sh
here=$AULA_TEST_FOLDER
work() { (while :; do echo beat >> "$here/beats"; sleep 0.1; done) & wait; }
echo "$*" >> "$here/calls"
case "$*" in
    *--version) echo "Python 3.12.0" ;;
    "-m venv --clear "*)
        if [ -e "$here/slow" ]; then work; fi
        mkdir -p "$4/bin"
        cp "$0" "$4/bin/python"
        echo "#!$4/bin/python" > "$4/bin/pip" ;;
    "-m pip install "*) work ;;
esac
"##;

/// A clone with nothing in it but what set-up looks at first, in a folder with a space and an accent in its name.
struct Course(PathBuf);

impl Course {
    fn new() -> Course {
        let root = std::env::temp_dir().join(format!("aula interrupción {}", std::process::id()));
        for folder in ["notebooks", "launcher"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("Cargo.toml"), "[workspace]\n").unwrap();
        std::fs::write(root.join("launcher/requirements.txt"), "jupyterlab\n").unwrap();
        std::fs::write(root.join("python"), PYTHON).unwrap();
        std::fs::set_permissions(root.join("python"), PermissionsExt::from_mode(0o755)).unwrap();
        Course(root)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// `aula setup`, interrupted once its Python works.
    fn interrupted(&self, signal: Signal, language: &str) -> Output {
        let _ = std::fs::remove_file(self.file("beats"));
        let setup = Command::new(env!("CARGO_BIN_EXE_aula"))
            .arg("setup")
            .current_dir(&self.0)
            .env("CARGO_MANIFEST_DIR", &self.0)
            .env("AULA_PYTHON", self.file("python"))
            .env("AULA_TEST_FOLDER", &self.0)
            .env("AULA_LANG", language)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.wait_for_work(setup, signal)
    }

    fn wait_for_work(&self, mut setup: Child, signal: Signal) -> Output {
        let begin = Instant::now();
        while !self.file("beats").exists() {
            let ended = setup.try_wait().unwrap();
            if ended.is_some() || begin.elapsed() > Duration::from_secs(60) {
                let _ = setup.kill();
                panic!("{ended:?}: {:?}", setup.wait_with_output().unwrap());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let begin = Instant::now();
        kill_process(Pid::from_raw(setup.id() as i32).unwrap(), signal).unwrap();
        let output = setup.wait_with_output().unwrap();
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
        let beats = || std::fs::metadata(self.file("beats")).unwrap().len();
        let before = beats();
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(beats(), before, "what set-up started goes on without it");
        output
    }

    /// How often an environment was asked for.
    fn environments(&self) -> usize {
        let calls = std::fs::read_to_string(self.file("calls")).unwrap();
        calls.lines().filter(|call| call.starts_with("-m venv ")).count()
    }
}

/// Exit status 130, and one message, with these words in it.
fn told(output: &Output, words: [&str; 3]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert_eq!(text.matches('✗').count(), 1, "{text}");
    for words in words {
        assert!(text.contains(words), "{text}");
    }
    assert!(output.stdout.is_empty(), "{:?}", output.stdout);
}

#[test]
fn an_interrupted_set_up_says_where_it_stopped_and_goes_on_from_there() {
    let course = Course::new();
    let english = ["Interrupted at this step", "Nothing is lost", "The same command goes on from there"];
    let spanish = ["Interrumpido en este paso", "No se pierde nada", "La misma orden sigue desde ahí"];
    std::fs::write(course.file("slow"), "").unwrap();
    let first = course.interrupted(Signal::INT, "en");
    told(&first, english);
    told(&first, ["this step: Python environment", "", ""]);
    std::fs::remove_file(course.file("slow")).unwrap();
    let second = course.interrupted(Signal::TERM, "es");
    told(&second, spanish);
    told(&second, ["este paso: Paquetes de Python (JupyterLab)", "", ""]);
    assert_eq!(course.environments(), 2, "the one that was not finished is made anew");
    told(&course.interrupted(Signal::INT, "es"), spanish);
    assert_eq!(course.environments(), 2, "the finished one is not");
    std::fs::remove_dir_all(&course.0).unwrap();
}
