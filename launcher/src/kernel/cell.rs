//! A cell on its way through the relay, and which variables the cells have made.

use super::stop::Stop;
use super::wire::Message;
use crate::rust_text;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How a cell failed, as `error` and `execute_reply` tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of error.
    pub ename: String,
    /// Its first line.
    pub evalue: String,
    /// What is shown, line by line.
    pub traceback: Vec<String>,
}

impl Failure {
    /// One whose text says all.
    pub fn new(ename: &str, text: &str) -> Failure {
        let traceback: Vec<String> = text.lines().map(str::to_owned).collect();
        let evalue = traceback.first().cloned().unwrap_or_default();
        Failure { ename: ename.to_owned(), evalue, traceback }
    }

    /// What an `error` message says.
    pub fn read(content: &Value) -> Failure {
        let text = |name: &str| content[name].as_str().unwrap_or_default().to_owned();
        let lines = content["traceback"].as_array().map(Vec::as_slice).unwrap_or_default();
        let traceback = lines.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Failure { ename: text("ename"), evalue: text("evalue"), traceback }
    }

    /// The content of an `error` message.
    pub fn content(&self) -> Value {
        json!({ "ename": self.ename, "evalue": self.evalue, "traceback": self.traceback })
    }

    /// Adds a sentence of ours under the text.
    pub fn explain(&mut self, sentence: String) {
        if !sentence.is_empty() {
            self.traceback.extend(sentence.lines().map(str::to_owned));
        }
    }
}

/// A cell that is being run, or waits for evcxr.
pub struct Cell {
    /// The `execute_request`.
    pub request: Message,
    /// The number that the front end shows.
    pub count: u64,
    /// When the request came.
    pub arrived: Instant,
    /// Whether evcxr has it.
    pub sent: bool,
    /// Whether a line says that it waits.
    pub waits: bool,
    /// Whether evcxr has replied.
    pub replied: bool,
    /// Whether evcxr's output of it is complete.
    pub idle: bool,
    /// The id of the question to evcxr, for a cell that asks for help.
    pub help: Option<String>,
    /// The number that evcxr gave it.
    pub engine_count: u64,
    /// Whether evcxr's reply is an error.
    pub engine_failed: bool,
    /// A failure that was noted and not yet told.
    pub note: Option<Failure>,
    /// How it failed, once the front end has been told.
    pub failure: Option<Failure>,
    /// Pages for the front end to show.
    pub payload: Vec<Value>,
    /// The stop button.
    pub stop: Stop,
    /// What it cost the relay to hand it on.
    pub before: Duration,
    /// When the last word of evcxr came.
    pub last: Instant,
}

impl Cell {
    /// A cell as it was asked for.
    pub fn new(request: Message, count: u64, arrived: Instant) -> Cell {
        Cell {
            request,
            count,
            arrived,
            sent: false,
            waits: false,
            replied: false,
            idle: false,
            help: None,
            engine_count: 0,
            engine_failed: false,
            note: None,
            failure: None,
            payload: Vec::new(),
            stop: Stop::default(),
            before: Duration::ZERO,
            last: arrived,
        }
    }

    /// Its text.
    pub fn code(&self) -> &str {
        self.request.content["code"].as_str().unwrap_or_default()
    }

    /// Whether it is to leave no trace.
    pub fn is_silent(&self) -> bool {
        is_silent(&self.request)
    }

    /// The path that it asks for help with: a cell that is `?path` and nothing else, which is no Rust.
    pub fn asks_help(&self) -> Option<&str> {
        let path = self.code().trim().strip_prefix('?')?.trim();
        let name = |c: char| c.is_alphanumeric() || "_:!".contains(c);
        (!path.is_empty() && path.chars().all(name)).then_some(path)
    }

    /// The content of its `execute_reply`.
    pub fn reply(&self) -> Value {
        match &self.failure {
            None => json!({
                "status": "ok", "execution_count": self.count, "user_expressions": {}, "payload": self.payload,
            }),
            Some(failure) => {
                let mut content = failure.content();
                content["status"] = json!("error");
                content["execution_count"] = json!(self.count);
                content
            }
        }
    }
}

/// Whether an `execute_request` is to leave no trace.
pub fn is_silent(request: &Message) -> bool {
    request.content["silent"].as_bool().unwrap_or(false)
}

/// Whether an `execute_request` takes a number of its own.
pub fn is_counted(request: &Message) -> bool {
    !is_silent(request) && request.content["store_history"].as_bool().unwrap_or(true)
}

/// Why a variable is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The cell of that number, which was to make it, failed.
    Failed(u64),
    /// The learner's process ended.
    Ended,
}

/// What the cells have made, as far as their text tells.
#[derive(Default)]
pub struct Variables {
    known: BTreeMap<String, u64>,
    lost: BTreeMap<String, Loss>,
}

impl Variables {
    /// A cell ran to its end.
    pub fn made(&mut self, code: &str, count: u64) {
        for name in names(code) {
            self.lost.remove(&name);
            self.known.insert(name, count);
        }
    }

    /// A cell failed; gives the variables that it was to make and did not.
    pub fn failed(&mut self, code: &str, count: u64) -> Vec<String> {
        let new: Vec<String> = names(code).into_iter().filter(|name| !self.known.contains_key(name)).collect();
        for name in &new {
            self.lost.insert(name.clone(), Loss::Failed(count));
        }
        new
    }

    /// The learner's process ended; gives what it held.
    pub fn lose_all(&mut self) -> Vec<String> {
        let names: Vec<String> = std::mem::take(&mut self.known).into_keys().collect();
        self.lost.extend(names.iter().map(|name| (name.clone(), Loss::Ended)));
        names
    }

    /// Why a variable is gone, if it is.
    pub fn loss(&self, name: &str) -> Option<Loss> {
        self.lost.get(name).copied()
    }

    /// Whether a cell has made it.
    pub fn is_known(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }
}

/// The names that a cell's own `let`s bind, patterns included; those inside braces are not kept.
pub fn names(code: &str) -> Vec<String> {
    let text = rust_text::masked(code);
    let (mut depth, mut found) = (0_i32, Vec::new());
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            'l' if depth == 0 && !word(before) => {
                let rest = text[at..].strip_prefix("let").filter(|rest| rest.starts_with(char::is_whitespace));
                found.extend(rest.map(bound).unwrap_or_default());
            }
            _ => {}
        }
        before = c;
    }
    found
}

/// The names in a pattern, up to its type or value.
fn bound(rest: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let end = rest.char_indices().find(|&(at, c)| {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        let path = rest[at..].starts_with("::") || rest[..at].ends_with(':');
        depth == 0 && (c == '=' || c == ';' || c == ':' && !path)
    });
    let pattern = &rest[..end.map_or(rest.len(), |(at, _)| at)];
    let words = pattern.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let named = words.filter(|word| !matches!(*word, "mut" | "ref" | "_"));
    named.filter(|word| word.starts_with(|c: char| c.is_lowercase() || c == '_')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_cells_own_lets() {
        let code = "let a = 1; let mut b: Vec<u8> = vec![]; let (c, mut d) = f(); { let no = 1; }\n// let e = 1;\n\
                    let Some(g) = h else { let z = 1; };\nif true { let y = 2; } outlet; let s = \"let t = 1\";";
        assert_eq!(names(code), ["a", "b", "c", "d", "g", "s"]);
    }

    #[test]
    fn a_failed_cell_loses_what_is_new_and_no_more() {
        let mut variables = Variables::default();
        variables.made("let a = 1;", 1);
        assert_eq!(variables.failed("let a = 2; let b = 3;", 2), ["b"]);
        assert_eq!(variables.loss("b"), Some(Loss::Failed(2)));
        assert_eq!(variables.loss("a"), None);
        variables.made("let b = 3;", 3);
        assert_eq!(variables.loss("b"), None);
        assert_eq!(variables.lose_all(), ["a", "b"]);
        assert_eq!(variables.loss("a"), Some(Loss::Ended));
        assert!(!variables.is_known("a"));
    }

    fn cell(content: Value) -> Cell {
        let request = Message::new("execute_request", "s", None, content, &super::super::wire::Key::new(""));
        Cell::new(request, 1, Instant::now())
    }

    #[test]
    fn help_is_asked_with_a_question_mark_in_front_only() {
        assert_eq!(cell(json!({ "code": " ?Table::read\n" })).asks_help(), Some("Table::read"));
        assert_eq!(cell(json!({ "code": "table.head(5)?" })).asks_help(), None);
        assert_eq!(cell(json!({ "code": "?" })).asks_help(), None);
        assert_eq!(cell(json!({ "code": "? let x = 1" })).asks_help(), None);
    }

    #[test]
    fn replies_tell_how_it_went() {
        let mut cell = cell(json!({ "code": "1" }));
        assert_eq!(cell.reply()["status"], "ok");
        cell.failure = Some(Failure::new("Panic", "a\nb"));
        let reply = cell.reply();
        assert_eq!(
            (&reply["status"], &reply["evalue"], &reply["traceback"]),
            (&json!("error"), &json!("a"), &json!(["a", "b"]))
        );
    }
}
