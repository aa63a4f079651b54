//! Rust source as text: where comments and string literals are, where items begin, and the value of a `let`.
//!
//! A small scanner, not a parser: enough to compare two cells whose prose differs, to change a value in a notebook,
//! and to put an attribute before each item of a file.

/// What a stretch of source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Code: anything that is neither a literal nor a comment.
    Code,
    /// A string, byte string, C string, raw or not, or a character; quotes and prefix included.
    Literal,
    /// A comment, without the end of its line.
    Comment,
}

/// Cuts source into stretches; together they are the whole text.
pub fn stretches(source: &str) -> Vec<(Kind, &str)> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < source.len() {
        let rest = &source[at..];
        let special = special_length(rest, source[..at].chars().next_back());
        match special {
            Some((kind, length)) => {
                if start < at {
                    found.push((Kind::Code, &source[start..at]));
                }
                found.push((kind, &rest[..length]));
                at += length;
                start = at;
            }
            None => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    if start < source.len() {
        found.push((Kind::Code, &source[start..]));
    }
    found
}

/// The kind and length of the comment or literal with which `rest` begins.
fn special_length(rest: &str, before: Option<char>) -> Option<(Kind, usize)> {
    if rest.starts_with("//") {
        return Some((Kind::Comment, rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        return Some((Kind::Comment, block_comment(rest)));
    }
    // A prefix such as `b` or `r` counts only where a word begins.
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let prefix = if in_word {
        0
    } else {
        ["br", "cr", "b", "c", "r"]
            .into_iter()
            .find(|prefix| {
                let after = rest.strip_prefix(prefix);
                let raw = prefix.ends_with('r');
                after.is_some_and(|after| {
                    after.starts_with('"')
                        || (raw && after.trim_start_matches('#').starts_with('"') && after.starts_with('#'))
                        || (*prefix == "b" && after.starts_with('\''))
                })
            })
            .map_or(0, str::len)
    };
    let raw = rest[..prefix].ends_with('r');
    let body = &rest[prefix..];
    if raw {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(hashes));
        let inside = hashes + 1;
        let length = body.get(inside..)?.find(&close).map_or(body.len(), |end| inside + end + close.len());
        return Some((Kind::Literal, prefix + length));
    }
    if body.starts_with('"') {
        return Some((Kind::Literal, prefix + quoted(body, '"')));
    }
    if body.starts_with('\'') && is_character(body) {
        return Some((Kind::Literal, prefix + quoted(body, '\'')));
    }
    None
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a quoted literal, both quotes included.
fn quoted(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}

/// Whether an apostrophe begins a character and not a lifetime.
fn is_character(body: &str) -> bool {
    let mut chars = body.chars().skip(1);
    matches!((chars.next(), chars.next()), (Some('\\'), Some(_)) | (Some(_), Some('\'')))
}

/// The source with every comment gone, every literal empty, and white space made even: what must be equal between
/// the languages.
pub fn skeleton(source: &str) -> String {
    let mut text = String::new();
    for (kind, part) in stretches(source) {
        match kind {
            Kind::Code => text.push_str(part),
            Kind::Literal => text.push_str("\"\""),
            Kind::Comment => text.push(' '),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The source with literals and comments overwritten by spaces, byte for byte, so that offsets stay what they were.
pub fn masked(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    for (kind, part) in stretches(source) {
        match kind {
            Kind::Code => text.push_str(part),
            _ => text.extend(part.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' })),
        }
    }
    text
}

/// Where the value lies in the first `let NAME = value;` of a cell, with or without `mut` and a type.
pub fn let_value(source: &str, name: &str) -> Option<std::ops::Range<usize>> {
    lets(source).into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
}

/// Every `let NAME = value;` of a cell, in order: its name and where its value lies.
pub fn lets(source: &str) -> Vec<(String, std::ops::Range<usize>)> {
    let text = masked(source);
    let mut found = Vec::new();
    for (at, _) in text.match_indices("let") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        found.extend(one_let(source, &text, at + 3));
    }
    found
}

fn one_let(source: &str, text: &str, after: usize) -> Option<(String, std::ops::Range<usize>)> {
    let rest = text[after..].strip_prefix(char::is_whitespace)?.trim_start();
    let rest = match rest.strip_prefix("mut") {
        Some(more) if more.starts_with(char::is_whitespace) => more.trim_start(),
        _ => rest,
    };
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let tail = rest.get(name.len()..)?;
    let begins = tail.trim_start();
    if name.is_empty() || !begins.starts_with([':', '=']) || begins.starts_with("==") {
        return None;
    }
    let base = text.len() - tail.len();
    let equals = base + find_flat(tail, '=')?;
    let end = equals + 1 + find_flat(&text[equals + 1..], ';')?;
    let value = &source[equals + 1..end];
    let start = equals + 1 + (value.len() - value.trim_start().len());
    Some((name, start..start + value.trim().len()))
}

/// Where `wanted` first stands outside all brackets. Literals and comments must be masked.
fn find_flat(text: &str, wanted: char) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            c if c == wanted && depth == 0 => return Some(at),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    None
}

/// The source of a file with `attribute` on a line of its own before each of its items; what stands before the first
/// item (inner attributes and the file's own documentation) keeps its place.
pub fn before_each_item(source: &str, attribute: &str) -> String {
    let text = masked(source);
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(start) = item_start(&text, at) {
        starts.push(start);
        at = item_end(&text, start);
    }
    let mut out = String::new();
    let mut from = 0;
    for start in starts {
        out.push_str(&source[from..start]);
        out.push_str(attribute);
        out.push('\n');
        from = start;
    }
    out.push_str(&source[from..]);
    out
}

/// Where the next item or attribute group begins, at or after `at`; inner attributes are passed over.
fn item_start(text: &str, at: usize) -> Option<usize> {
    let start = at + text.get(at..)?.find(|c: char| !c.is_whitespace())?;
    if text[start..].starts_with("#!") {
        return item_start(text, start + find_flat(&text[start + 2..], '\n').map_or(2, |end| end + 2));
    }
    Some(start)
}

/// The end of the item that begins at `start`: its `;` or the brace that closes it.
fn item_end(text: &str, start: usize) -> usize {
    let mut depth = 0_i32;
    let mut at = start;
    for (offset, c) in text[start..].char_indices() {
        at = start + offset + c.len_utf8();
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth == 0 && !text[at..].trim_start().starts_with(';') {
                    return at;
                }
            }
            ';' if depth == 0 => return at,
            _ => {}
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_differ_in_comments_and_literals_have_one_skeleton() {
        let es = "// lee la tabla\nlet t = Table::read(\"recetas.csv\")?; /* dos\nlíneas */\nt.head(5)";
        let en = "let t = Table::read(\"recipes.csv\")?; // read it\n// and show it\nt.head(5)";
        assert_eq!(skeleton(es), skeleton(en));
        assert_eq!(skeleton(en), "let t = Table::read(\"\")?; t.head(5)");
    }

    #[test]
    fn numbers_and_names_count() {
        assert_ne!(skeleton("t.head(5)"), skeleton("t.head(6)"));
    }

    #[test]
    fn all_kinds_of_literals_are_blanked() {
        let source = r####"a(r#"x " y"#, b"z", c"w", 'ñ', '\'', b'q', "esc \" \\")"####;
        assert_eq!(skeleton(source), r#"a("", "", "", "", "", "", "")"#);
    }

    #[test]
    fn lifetimes_are_code_and_names_that_end_in_r_are_too() {
        assert_eq!(skeleton("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(skeleton("let r#type = var; r#\"x\"#"), "let r#type = var; \"\"");
    }

    #[test]
    fn comment_marks_inside_literals_and_nested_comments_are_understood() {
        assert_eq!(skeleton("f(\"// no\") /* a /* b */ c */ + 1"), "f(\"\") + 1");
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_text() {
        assert_eq!(skeleton("f(\"x"), "f(\"\"");
        assert_eq!(skeleton("r#\"x"), "\"\"");
    }

    #[test]
    fn a_let_is_found_with_mut_with_a_type_and_over_lines() {
        let source =
            "// let epochs = 1;\nlet mut epochs: usize = 3;\nlet text = \"a;b\";\nlet c = C { x: 1, y: f(2; 3) };";
        let value = |name| &source[let_value(source, name).unwrap()];
        assert_eq!(value("epochs"), "3");
        assert_eq!(value("text"), "\"a;b\"");
        assert_eq!(value("c"), "C { x: 1, y: f(2; 3) }");
        assert_eq!(let_value(source, "epoch"), None);
    }

    #[test]
    fn what_is_no_plain_let_is_left_out() {
        assert_eq!(lets("if let Some(x) = y { } let (a, b) = c;"), []);
        assert_eq!(lets("outlet x = 3;"), []);
    }

    #[test]
    fn every_item_gets_the_attribute_and_the_head_keeps_its_place() {
        let source = "//! Doc.\n#![warn(missing_docs)]\n\n/// A.\npub mod a;\npub use b::{c, d};\n#[derive(Debug)]\npub struct S {\n    x: [u8; 3],\n}\n";
        let got = before_each_item(source, "#[cfg(x)]");
        let expected = "//! Doc.\n#![warn(missing_docs)]\n\n/// A.\n#[cfg(x)]\npub mod a;\n#[cfg(x)]\npub use b::{c, d};\n#[cfg(x)]\n#[derive(Debug)]\npub struct S {\n    x: [u8; 3],\n}\n";
        assert_eq!(got, expected);
    }
}
