//! What the relay answers by itself: who the kernel is, and whether a cell's text is whole.

use super::wire::PROTOCOL;
use crate::rust_text::{self, Kind};
use crate::say;
use serde_json::{json, Value};

/// `kernel_info_reply`: what evcxr says of the language, with our own name.
pub fn kernel_info() -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL,
        "implementation": "aula",
        "implementation_version": version,
        "language_info": {
            "name": "Rust",
            "version": "",
            "mimetype": "text/rust",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            "codemirror_mode": "rust",
        },
        "banner": say!("aula {version}: modelos de lenguaje pequeños en Rust (evcxr)", "aula {version}: small language models in Rust (evcxr)"),
        "debugger": false,
        "help_links": [
            { "text": say!("Biblioteca estándar de Rust", "Rust's standard library"), "url": "https://doc.rust-lang.org/stable/std/" },
        ],
    })
}

/// `is_complete_reply`: whether brackets, quotes and comments are closed and the last line does not go on.
pub fn is_complete(code: &str) -> Value {
    let mut open = Vec::new();
    for c in rust_text::masked(code).chars() {
        match c {
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => match (open.pop(), c) {
                (Some('('), ')') | (Some('['), ']') | (Some('{'), '}') => {}
                _ => return json!({ "status": "invalid" }),
            },
            _ => {}
        }
    }
    if !open.is_empty() || is_unfinished(code) {
        return json!({ "status": "incomplete", "indent": "    ".repeat(open.len()) });
    }
    json!({ "status": "complete" })
}

/// Whether the text ends inside a literal or a block comment, or with an operator.
fn is_unfinished(code: &str) -> bool {
    let trimmed = code.trim_end();
    let stretches = rust_text::stretches(trimmed);
    match stretches.last() {
        Some((Kind::Comment, text)) => text.starts_with("/*") && !(text.len() > 3 && text.ends_with("*/")),
        Some((Kind::Literal, text)) => !is_closed(text),
        Some((Kind::Code, text)) => {
            ["=", "+", "-", "*", "/", "&&", "||", ".", ",", ":"].iter().any(|end| text.trim_end().ends_with(end))
                && !text.trim_end().ends_with("..")
        }
        None => false,
    }
}

/// Whether a literal has its closing quote: with it, one more character begins something else.
fn is_closed(literal: &str) -> bool {
    let longer = format!("{literal} ");
    rust_text::stretches(&longer).len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: &str) -> String {
        is_complete(code)["status"].as_str().unwrap().to_owned()
    }

    #[test]
    fn whole_cells_are_complete() {
        for code in
            ["", "1 + 1", "let x = \"a(\";", "fn f() { /* ) */ }", "f(\n1)\n// done (", "'a'", "r#\"x\"#", "1.."]
        {
            assert_eq!(status(code), "complete", "{code}");
        }
    }

    #[test]
    fn cells_that_go_on_are_incomplete_and_know_their_depth() {
        for code in ["fn f() {", "let x =", "\"abc", "/* a", "f(1,", "x.iter()\n    .", "r#\"x\"", "let v = vec!["] {
            assert_eq!(status(code), "incomplete", "{code}");
        }
        assert_eq!(is_complete("fn f() { g(")["indent"], "        ");
    }

    #[test]
    fn a_bracket_that_closes_nothing_is_invalid() {
        for code in ["let x = );", "f(1]", "}"] {
            assert_eq!(status(code), "invalid", "{code}");
        }
    }
}
