//! What has been run in this session, for consoles that ask (`history_request`).

use serde_json::{json, Value};

/// One cell that was run.
struct Entry {
    count: u64,
    code: String,
    result: Option<String>,
}

/// The cells of this session, in order.
#[derive(Default)]
pub struct History {
    entries: Vec<Entry>,
}

impl History {
    /// A cell begins.
    pub fn add(&mut self, count: u64, code: &str) {
        self.entries.push(Entry { count, code: code.to_owned(), result: None });
    }

    /// The last cell gave this value.
    pub fn result(&mut self, text: &str) {
        if let Some(entry) = self.entries.last_mut() {
            entry.result = Some(text.to_owned());
        }
    }

    /// The content of the `history_reply`. This session is number 1; others are not kept.
    pub fn reply(&self, request: &Value) -> Value {
        let number = |name: &str| request[name].as_u64().and_then(|number| usize::try_from(number).ok());
        let tail = |found: Vec<&Entry>, most: Option<usize>| {
            let skip = most.map_or(0, |most| found.len().saturating_sub(most));
            found.into_iter().skip(skip).map(|entry| row(entry, request)).collect::<Vec<_>>()
        };
        let all = || self.entries.iter();
        let rows = match request["hist_access_type"].as_str() {
            Some("tail") => tail(all().collect(), number("n")),
            Some("range") if matches!(request["session"].as_i64(), Some(0 | 1)) => {
                let start = request["start"].as_u64().unwrap_or(0);
                let stop = request["stop"].as_u64().unwrap_or(u64::MAX);
                tail(all().filter(|entry| (start..stop).contains(&entry.count)).collect(), None)
            }
            Some("search") => {
                let pattern = request["pattern"].as_str().unwrap_or("*");
                let mut found: Vec<&Entry> = all().filter(|entry| fits(pattern, &entry.code)).collect();
                if request["unique"].as_bool().unwrap_or(false) {
                    let newer = found.clone();
                    let mut at = 0;
                    found.retain(|entry| {
                        at += 1;
                        newer[at..].iter().all(|later| later.code != entry.code)
                    });
                }
                tail(found, number("n"))
            }
            _ => Vec::new(),
        };
        json!({ "status": "ok", "history": rows })
    }
}

fn row(entry: &Entry, request: &Value) -> Value {
    if request["output"].as_bool().unwrap_or(false) {
        json!([1, entry.count, [entry.code, entry.result]])
    } else {
        json!([1, entry.count, entry.code])
    }
}

/// Whether a text is what a pattern says: `*` is any text, `?` any character.
fn fits(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Which beginnings of the text fit the pattern so far.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for sign in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match sign {
                '*' => reached[at] || (at > 0 && next[at - 1]),
                _ => at > 0 && reached[at - 1] && (sign == '?' || sign == text[at - 1]),
            };
        }
        reached = next;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(request: Value) -> Vec<String> {
        let mut history = History::default();
        for (count, code) in [(1, "1 + 1"), (2, "let a = 3;"), (3, "1 + 1"), (4, "a")] {
            history.add(count, code);
        }
        history.result("3");
        let reply = history.reply(&request);
        reply["history"].as_array().unwrap().iter().map(|row| format!("{}:{}", row[1], row[2])).collect()
    }

    #[test]
    fn tails_ranges_and_searches_are_answered() {
        assert_eq!(asked(json!({ "hist_access_type": "tail", "n": 2 })), ["3:\"1 + 1\"", "4:\"a\""]);
        let range = json!({ "hist_access_type": "range", "session": 0, "start": 2, "stop": 3 });
        assert_eq!(asked(range), ["2:\"let a = 3;\""]);
        let search = json!({ "hist_access_type": "search", "pattern": "1*", "unique": true });
        assert_eq!(asked(search), ["3:\"1 + 1\""]);
        let output = json!({ "hist_access_type": "tail", "n": 1, "output": true });
        assert_eq!(asked(output), ["4:[\"a\",\"3\"]"]);
    }

    #[test]
    fn patterns_take_any_text_and_any_character() {
        assert!(fits("let *=*", "let a = 1") && fits("?", "ñ") && fits("*", ""));
        assert!(!fits("let", "let a") && !fits("?", ""));
    }
}
