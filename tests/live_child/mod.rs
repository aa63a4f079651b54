//! The process of the cells, as `live.rs` plays it: each scenario prints what a cell would, evcxr's marks included.

use std::io::{BufRead, BufReader, Write};
use std::time::{Duration, Instant};

use aula::dataset::Dataset;
use aula::error::{Error, ErrorKind};
use aula::generate::GenerateConfig;
use aula::language_model::LanguageModel;
use aula::show::{display, Html, Live, Progress};
use aula::sys::{start_notebook, stopped};
use aula::table::Table;
use aula::train::{evaluate, fine_tune, sweep, TrainConfig};

pub const LINES: u64 = 200_000;

/// A line of 250 bytes.
pub fn numbered(number: u64) -> String {
    format!("{number:>249}").replace(' ', ".")
}

#[test]
#[ignore = "played by the other tests of live.rs in a process of its own"]
fn child() {
    let Ok(scenario) = std::env::var("AULA_TEST_CHILD") else { return };
    start_notebook();
    match scenario.as_str() {
        "order" => order(),
        "partial" => partial(),
        "marks" => marks(),
        "flood" => flood(),
        "broken" => broken(),
        "bar" => bar(),
        "updates" => updates(),
        "train" => train(),
        "sweep" => try_settings(),
        "write" => write(),
        "measure" => measure(),
        "failures" => failures(),
        "download" => download(),
        "exit" | "abort" => last_words(&scenario),
        "alone" => alone(),
        other => panic!("no scenario {other}"),
    }
    std::process::exit(0);
}

/// The cell is over; the next one begins when the test says so.
fn complete() {
    println!("EVCXR_EXECUTION_COMPLETE");
    wait_for_a_line();
}

/// Writes as evcxr does, whose buffer is not that of the cells.
fn from_evcxr(line: &str) {
    let mut out = std::fs::OpenOptions::new().write(true).open("/dev/stdout").unwrap();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn wait_for_a_line() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

/// A number of kilobytes in /proc/self/status.
fn memory(name: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn order() {
    println!("one");
    display("<b>1</b>", "");
    print!("two ñ");
    display("<b>2</b>", "");
    eprintln!("oh");
    std::thread::sleep(Duration::from_millis(50));
    println!("three");
    print!("four");
    complete();
    print!("left in the buffer");
    from_evcxr("EVCXR_EXECUTION_COMPLETE");
    wait_for_a_line();
}

fn partial() {
    print!("12 %");
    wait_for_a_line();
    println!();
    complete();
}

fn marks() {
    println!("before");
    println!("EVCXR_BEGIN_CONTENT text/plain");
    println!("not EVCXR_ a mark\n\nEVCXR_END_CONTENT");
    print!("your name? ");
    println!("EVCXR_INPUT_REQUEST:name");
    println!("after EVCXR");
    println!("EVCXR_VARIABLE_CHANGED_TYPE:x");
    print!("THE");
    complete();
}

fn flood() {
    let before = memory("VmHWM");
    for number in 0..LINES {
        println!("{}", numbered(number));
    }
    println!("{}", memory("VmHWM") - before);
    complete();
}

fn broken() {
    let progress = Progress::start("Job", 9);
    println!("heard");
    wait_for_a_line();
    std::thread::sleep(Duration::from_millis(200));
    println!("alone");
    eprintln!("also alone");
    display("<b>rich</b>", "plain");
    let mut progress = progress;
    progress.update(9, "");
    progress.finish("");
    print!("no newline");
    complete();
}

fn bar() {
    let mut progress = Progress::start("Job", 2_500);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2_500) {
        progress.update(begin.elapsed().as_millis() as usize, "going");
    }
    progress.update(2_500, "");
    progress.finish("done <3");
    complete();
}

fn updates() {
    let mut live = Live::start().unwrap();
    let page = |i: usize| Html::new(&format!("<p>{i}{}</p>", "x".repeat(2_000)), "p");
    (0..1_000).for_each(|i| assert!(live.show(&page(i))));
    let before = memory("VmRSS");
    (0..29_001).for_each(|i| assert!(live.show(&page(i))));
    println!("{}", memory("VmRSS") - before);
    complete();
}

fn model_and_texts(count: usize) -> (LanguageModel, Vec<String>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama");
    let texts = (0..count).map(|i| format!("el gato come pan {i} the cat eats bread")).collect();
    (LanguageModel::load(&folder.to_string_lossy()).unwrap(), texts)
}

fn data(count: usize) -> (LanguageModel, Dataset) {
    let (model, texts) = model_and_texts(count);
    let data = model.dataset(&texts, 24).unwrap();
    (model, data)
}

fn train() {
    let (mut model, data) = data(20);
    let (train, valid) = data.split(0.8, 1).unwrap();
    let config = TrainConfig { epochs: 250_000, batch_size: 4, ..TrainConfig::default() };
    let history = fine_tune(&mut model, &train, &valid, &config).unwrap();
    let settings = GenerateConfig { max_tokens: 5, ..GenerateConfig::default() };
    let texts = model.generate_all(&["el gato", "the", "pan"], &settings).unwrap();
    aula::sys::forget_stop();
    println!("steps {}", history.steps.len());
    println!("history {}", history.stopped_line().unwrap());
    println!("moved {} of {}", history.moved, history.trainable);
    let loss = evaluate(&model, &valid).unwrap().loss;
    let last = history.epochs.last().unwrap();
    let same = last.step == history.steps.len() && last.valid_loss == loss;
    println!("the last epoch's loss is that of the weights: {same}");
    let empty = texts.iter().all(|text| text.text.is_empty() && !text.ended);
    println!("texts after the stop: {}, {}", texts.len(), if empty { "empty" } else { "not empty" });
    complete();
    while stopped() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let tokens = model.generate("el gato", &settings).unwrap().tokens;
    println!("stopped: {}, tokens: {tokens}", stopped());
    complete();
}

fn try_settings() {
    let (model, data) = data(20);
    let (train, valid) = data.split(0.8, 1).unwrap();
    let before = evaluate(&model, &valid).unwrap().loss;
    let config = TrainConfig { epochs: 250_000, batch_size: 4, ..TrainConfig::default() };
    let found = sweep(&model, &train, &valid, &config.vary("max_steps", &[8.0, 1e6, 8.0]).unwrap()).unwrap();
    aula::sys::forget_stop();
    let (best, first) = (found.best().unwrap().history.steps.len(), &found.trials[0]);
    let known = first.whole() && first.valid_loss().is_finite() && found.to_string().contains("stopped at step");
    println!("{} trials, the best has {best} steps, the first one's loss is known: {known}", found.trials.len());
    println!("the model is as before: {}", evaluate(&model, &valid).unwrap().loss == before);
    complete();
}

fn write() {
    let (model, _) = model_and_texts(1);
    let prompts = vec!["el gato"; 50_000];
    let texts = model.generate_all(&prompts, &GenerateConfig::default()).unwrap();
    println!("all {} texts: {}", texts.len(), texts[0].tokens > 0);
    println!("the last is empty: {}", texts.last().unwrap().text.is_empty());
    complete();
}

fn measure() {
    let (model, texts) = model_and_texts(40_000);
    let data = model.dataset(&texts, 24).unwrap();
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::fs::write(file.path(), "a,b\n1,2\n").unwrap();
    println!("ready");
    wait_for_a_line();
    while !stopped() {
        std::thread::sleep(Duration::from_millis(5));
    }
    model.evaluate(&data).unwrap();
    println!("{}", model.dataset(&texts, 24).unwrap_err());
    println!("{}", Table::read(&file.path().to_string_lossy()).unwrap_err());
    complete();
}

/// What evcxr's code around a cell does with the error of a `?`.
fn question_mark(error: &dyn std::fmt::Display) {
    eprintln!("{error}");
    println!("EVCXR_ERROR_OCCURRED");
}

fn failures() {
    println!("before");
    eprintln!("a warning");
    question_mark(&Error::new(ErrorKind::NotFound, "No such file.").why("gone").next("Look again."));
    complete();
    question_mark(&"x".parse::<i32>().unwrap_err());
    complete();
    if std::panic::catch_unwind(|| panic!("index {}", 9)).is_err() {
        println!("EVCXR_PANIC_NOTIFICATION");
    }
    complete();
    eprintln!("✗ not a failure");
    let _ = std::panic::catch_unwind(|| panic!("caught one"));
    complete();
}

/// A Hub on loopback whose model comes byte by byte; tells how many connections asked for the weights, and from where.
fn slow_hub() -> (String, std::sync::mpsc::Receiver<usize>) {
    const SIZE: usize = 1_000_000;
    // Of a million x: only what a checksum will prove is put together from parts.
    const SHA256: &str = "1b977e9f84f1b26b6ed7f68b0498faee2385ea4125bd29adce4a7d9106ba3134";
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    let answer = move |mut stream: std::net::TcpStream| -> std::io::Result<()> {
        let lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
        let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let listing = r#"{"sha": "c0ffee", "siblings": [{"rfilename": "model.safetensors", "size": 1000000}]}"#;
        if request[0].contains("/api/models/") {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", listing.len());
            return stream.write_all((head + listing).as_bytes());
        }
        let range = request.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(String::from));
        let range = range.unwrap_or_default();
        let from: usize = range.split('-').next().and_then(|from| from.parse().ok()).unwrap_or(0);
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-length: {}\r\nconnection: close\r\nx-linked-etag: \"{SHA256}\"\r\nx-repo-commit: c0ffee\r\n\
             content-range: bytes {from}-{}/{SIZE}\r\n\r\n",
            if range.is_empty() { "200 OK" } else { "206 Partial Content" },
            SIZE - from,
            SIZE - 1
        );
        stream.write_all(head.as_bytes())?;
        let _ = sender.send(from);
        for _ in from..SIZE {
            stream.write_all(b"x")?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream));
        }
    });
    (endpoint, receiver)
}

fn download() {
    let (endpoint, asked) = slow_hub();
    let home = tempfile::tempdir().unwrap();
    std::env::set_var("HF_ENDPOINT", &endpoint);
    std::env::set_var("HF_HUB_CACHE", home.path());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        std::env::remove_var(name);
    }
    println!("{}", aula::hub::model_files("org/slow").unwrap_err());
    println!("asked {}", asked.try_iter().last().unwrap());
    complete();
    while stopped() {
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("{}", aula::hub::model_files("org/slow").unwrap_err());
    println!("asked {}", asked.try_iter().last().unwrap());
    complete();
}

fn last_words(way: &str) {
    println!("last words");
    eprintln!("and why");
    match way {
        "exit" => std::process::exit(3),
        _ => std::process::abort(),
    }
}

fn alone() {
    display("<b>rich</b>", "plain");
    let mut progress = Progress::start("Job", 3);
    progress.update(3, "");
    progress.finish("ok");
}
