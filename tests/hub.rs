//! The Hub as a learner's process meets it: settings from the environment and from `.env`, and what leaves the machine.
//!
//! Each test runs this file again as a process of its own, with its own environment, against the fake Hub.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod fake_hub;

use aula::error::ErrorKind;
use aula::hub::{describe, model_files, network_audit};
use aula::sys::{ask_to_stop, forget_stop};
use aula::table::Table;
use fake_hub::{FakeHub, COMMIT};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const TOKEN: &str = "hf_a_secret_of_the_tests";

fn weights() -> Vec<u8> {
    // 8 bytes of length, the header, and 400 kB of numbers.
    let header = br#"{"w":{"dtype":"F32","shape":[100000],"data_offsets":[0,400000]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header, &vec![7; 400_000]].concat()
}

fn hub() -> FakeHub {
    FakeHub::with(&[
        ("models/org/small/config.json", b"{}"),
        ("models/org/small/tokenizer.json", b"{}"),
        ("models/org/small/model.safetensors", &weights()),
        ("datasets/org/reviews/train.csv", b"texto,nota\nbueno,1\n"),
    ])
}

/// What a child does; the tests start it with an environment.
#[test]
#[ignore = "the other tests run it"]
fn child() {
    let Ok(task) = std::env::var("AULA_HUB_CHILD") else { return };
    let started = Instant::now();
    match task.as_str() {
        "model" => match model_files("org/small") {
            Ok(folder) => println!("FOLDER {}", folder.display()),
            Err(error) => println!("{error}\n{error:?}"),
        },
        "all" => {
            println!("{:?}", model_files("org/small").is_ok());
            println!("{}", Table::from_hub("org/reviews", "train").unwrap());
            println!("{}", describe("org/nothing").unwrap_err());
        }
        "stop" => {
            std::thread::spawn(|| {
                std::thread::sleep(Duration::from_millis(400));
                ask_to_stop();
            });
            let error = model_files("org/small").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
            assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
            forget_stop();
            println!("{error}\nFOLDER {}", model_files("org/small").unwrap().display());
        }
        other => panic!("{other}"),
    }
    println!("SECONDS {}", started.elapsed().as_secs_f64());
    println!("CONNECTIONS {}", network_audit().connections);
    println!("{}", network_audit());
}

/// This file as a process that does `task`, behind `before` (a command that runs another).
fn process(task: &str, before: &[&str], home: &Path, endpoint: &str) -> Command {
    let me = std::env::current_exe().unwrap();
    let mut command = match before.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(me);
            command
        }
        None => Command::new(me),
    };
    command.args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"]);
    for name in ["HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "HTTP_PROXY", "http_proxy"] {
        command.env_remove(name);
    }
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HF_HUB_ETAG_TIMEOUT"] {
        command.env_remove(name);
    }
    let course = Path::new(env!("CARGO_MANIFEST_DIR"));
    command.current_dir(home).env("AULA_HUB_CHILD", task).env("AULA_LANG", "en").env("AULA_HOME", course);
    command.env("HF_HOME", home.join("hf")).env("HF_ENDPOINT", endpoint);
    command
}

/// All that a process said.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

fn number(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    line.trim().parse().unwrap()
}

fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        eprintln!("not tested: {program} is not installed");
    }
    there
}

#[test]
fn the_audit_counts_the_connections_that_strace_sees() {
    if !has("strace") {
        return;
    }
    let hub = hub();
    // By its number, and by a name that the system has to look up.
    for endpoint in [hub.endpoint.clone(), hub.endpoint.replace("127.0.0.1", "localhost")] {
        let home = tempfile::tempdir().unwrap();
        let log = home.path().join("strace.log");
        let before = ["strace", "-f", "-qq", "-yy", "-e", "trace=connect", "-o", log.to_str().unwrap()];
        let text = said(&mut process("all", &before, home.path(), &endpoint));
        let log = std::fs::read_to_string(&log).unwrap();
        // What an interrupted call goes on with stands on a line of its own, without the address. Looking up a name
        // takes sockets of its own, over UDP.
        let internet = |line: &&str| line.contains("connect(") && line.contains("AF_INET") && !line.contains("<UDP");
        let seen = log.lines().filter(internet).count();
        assert!(seen >= 2, "the Hub and its store: {log}");
        assert_eq!(number(&text, "CONNECTIONS"), seen as f64, "{text}\n{log}");
        assert!(text.contains(endpoint.trim_start_matches("http://")), "{text}");
    }
}

#[test]
fn what_is_in_the_cache_makes_no_connection() {
    let (hub, home) = (hub(), tempfile::tempdir().unwrap());
    let first = said(&mut process("model", &[], home.path(), &hub.endpoint));
    assert!(number(&first, "CONNECTIONS") > 0.0 && first.contains("FOLDER"), "{first}");
    for (name, value) in [("HF_HUB_OFFLINE", "1"), ("HF_HUB_OFFLINE", "0")] {
        let again = said(process("model", &[], home.path(), &hub.endpoint).env(name, value));
        assert!(number(&again, "CONNECTIONS") == 0.0 && again.contains("FOLDER"), "{again}");
        assert!(again.contains("Everything was done on this one"), "{again}");
    }
}

#[test]
fn a_token_from_the_file_env_reaches_the_hub_and_no_output() {
    let (hub, home) = (hub(), tempfile::tempdir().unwrap());
    std::fs::write(home.path().join(".env"), format!("# mine\nexport HF_TOKEN=\"{TOKEN}\"\n")).unwrap();
    for refuse in [true, false] {
        if refuse {
            hub.state().refused.insert("org/small".into(), ("403 Forbidden", "x-error-code: GatedRepo\r\n"));
        }
        let text = said(&mut process("model", &[], home.path(), &hub.endpoint));
        assert!(!text.contains(TOKEN) && text.contains("FOLDER") != refuse, "{text}");
        hub.state().refused.clear();
    }
    for seen in hub.seen() {
        let bearer = seen.header("authorization") == Some(&format!("bearer {TOKEN}"));
        assert_eq!(bearer, hub.endpoint.ends_with(&seen.host), "{seen:?}");
    }
    // The environment is stronger than the file, and the file of `hf auth login` the weakest.
    hub.state().seen.clear();
    std::fs::write(home.path().join(".env"), "").unwrap();
    let mut other = process("model", &[], home.path(), &hub.endpoint);
    std::fs::remove_dir_all(home.path().join("hf")).unwrap();
    std::fs::create_dir_all(home.path().join("hf")).unwrap();
    std::fs::write(home.path().join("hf/token"), format!("{TOKEN}_file\n")).unwrap();
    said(&mut other);
    assert_eq!(hub.seen()[0].header("authorization"), Some(format!("bearer {TOKEN}_file").as_str()));
}

#[test]
fn a_machine_without_a_network_says_so_within_three_seconds() {
    let (home, names) = (tempfile::tempdir().unwrap(), ["unshare", "-n", "-r"]);
    if !has("unshare") || !Command::new("unshare").args(["-n", "-r", "true"]).status().is_ok_and(|s| s.success()) {
        eprintln!("not tested: no network of one's own can be made here");
        return;
    }
    let text = said(&mut process("model", &names, home.path(), "https://huggingface.co"));
    assert!(number(&text, "SECONDS") < 3.0, "{text}");
    assert!(text.contains("could not be reached") && text.contains("cuentos"), "{text}");
}

#[test]
fn the_stop_button_ends_a_download_and_the_next_goes_on() {
    let (hub, home) = (hub(), tempfile::tempdir().unwrap());
    hub.state().slow = Duration::from_millis(12); // 400 kB take five seconds
    let text = said(&mut process("stop", &[], home.path(), &hub.endpoint));
    assert!(text.contains("FOLDER"), "{text}");
    let ranges: Vec<String> = hub.seen().iter().filter_map(|seen| seen.header("range").map(String::from)).collect();
    let from = ranges.iter().filter_map(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().ok());
    assert!(from.into_iter().any(|from: u64| from > 0), "{ranges:?}");
    let folder = home.path().join("hf/hub/models--org--small/snapshots").join(COMMIT);
    assert_eq!(std::fs::read(folder.join("model.safetensors")).unwrap(), weights());
}

/// `AULA_PYTHON=python3 cargo test --release --test hub python -- --ignored` with huggingface_hub installed.
#[test]
#[ignore = "needs Python with huggingface_hub"]
fn python_and_we_share_one_download() {
    let python = std::env::var("AULA_PYTHON").expect("AULA_PYTHON");
    let (hub, ours, theirs) = (hub(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |home: &Path, code: &str| {
        let mut command = Command::new(&python);
        command.args(["-c", code]).env("HF_HOME", home.join("hf")).env("HF_ENDPOINT", &hub.endpoint);
        said(&mut command)
    };
    said(&mut process("model", &[], ours.path(), &hub.endpoint));
    let read = "import huggingface_hub as h; print(h.snapshot_download('org/small', local_files_only=True));\
                print(h.hf_hub_download('org/small', 'model.safetensors'));\
                print([r.repo_id for r in h.scan_cache_dir().repos], h.scan_cache_dir().warnings)";
    let before = hub.seen().iter().filter(|seen| hub.store.ends_with(&seen.host)).count();
    let text = run(ours.path(), read);
    assert!(text.contains(COMMIT) && text.contains("['org/small'] []"), "{text}");
    let after = hub.seen().iter().filter(|seen| hub.store.ends_with(&seen.host)).count();
    assert_eq!(before, after, "Python downloaded nothing again");

    let write = "import huggingface_hub as h\nfor f in ['config.json', 'tokenizer.json', 'model.safetensors']: h.hf_hub_download('org/small', f)";
    run(theirs.path(), write);
    let text = said(&mut process("model", &[], theirs.path(), &hub.endpoint));
    assert!(number(&text, "CONNECTIONS") == 0.0 && text.contains("FOLDER"), "{text}");
    let names = |home: &Path| {
        let folder = home.join("hf/hub/models--org--small/blobs");
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(ours.path()), names(theirs.path()));
}
