//! Where in a text there are web addresses and mentions, and what else can be told of it without understanding it.

use std::ops::Range;

/// The web addresses of a text: `http://`, `https://` or `www.` up to a blank, without the sentence's own punctuation.
pub(crate) fn urls(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    while let Some(start) = url_start(text, bytes, from) {
        let end = url_end(text, start);
        let head = if bytes[start].eq_ignore_ascii_case(&b'w') { 4 } else { 8 };
        if end > start + head {
            found.push(start..end);
        }
        from = end.max(start + head).min(bytes.len());
    }
    found
}

fn url_start(text: &str, bytes: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let scheme = rest.match_indices("://").find_map(|(at, _)| {
        let at = from + at;
        let back = |word: &[u8]| {
            let start = at.checked_sub(word.len()).filter(|start| *start >= from)?;
            bytes[start..at].eq_ignore_ascii_case(word).then_some(start)
        };
        back(b"https").or_else(|| back(b"http"))
    });
    let starts_word = |at: usize| at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
    let mut dots = rest.match_indices("ww.").chain(rest.match_indices("WW."));
    let www = dots.find_map(|(at, _)| {
        let start = (from + at).checked_sub(1).filter(|start| *start >= from)?;
        (bytes[start].eq_ignore_ascii_case(&b'w') && starts_word(start)).then_some(start)
    });
    match (scheme, www) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn url_end(text: &str, start: usize) -> usize {
    let rest = &text[start..];
    let stops = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '«' | '»' | '“' | '”' | '|');
    let url = &rest[..rest.find(stops).unwrap_or(rest.len())];
    let trimmed = url.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '’', '*', '…']);
    // A bracket closes what the sentence opened, unless the address itself opened it.
    let trimmed = match trimmed.ends_with([')', ']']) && !trimmed.contains(['(', '[']) {
        true => trimmed.trim_end_matches([')', ']']),
        false => trimmed,
    };
    start + trimmed.len()
}

/// The mentions of people in a text: `@name`, `u/name`, `/u/name`. An e-mail address is none.
pub(crate) fn mentions(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'@') && !text.contains("u/") {
        return Vec::new();
    }
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let name = |from: usize| {
        let rest = &text[from..];
        let name = &rest[..rest.find(|c: char| !word(c)).unwrap_or(rest.len())];
        (name.chars().count() >= 2).then_some(from + name.len())
    };
    let free = |at: usize| text[..at].chars().next_back().is_none_or(|c| !word(c) && c != '.' && c != '/' && c != '@');
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'@', ..] if free(at) => name(at + 1),
            [b'u', b'/', ..] if free(at) => name(at + 2),
            [b'/', b'u', b'/', ..] if free(at) => name(at + 3),
            _ => None,
        };
        match end {
            Some(end) => {
                found.push(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// `text` with `with` in the place of each of these stretches, which are in order and apart; `None` where there is none.
pub(crate) fn replaced(text: &str, spans: &[Range<usize>], with: &str) -> Option<String> {
    if spans.is_empty() {
        return None;
    }
    let mut new = String::with_capacity(text.len());
    let mut copied = 0;
    for span in spans {
        new.push_str(&text[copied..span.start]);
        new.push_str(with);
        copied = span.end;
    }
    new.push_str(&text[copied..]);
    Some(new)
}

/// `text` with the letters that its HTML entities stand for, `&amp;` and `&#39;`; `None` where it has none. One without
/// its semicolon is left: `AT&T` and an address with `&copy=2` have none.
pub(crate) fn decode_entities(text: &str) -> Option<String> {
    match text.contains('&') && text.contains(';') {
        true => Some(html_escape::decode_html_entities(text).into_owned()).filter(|new| new != text),
        false => None,
    }
}

/// What a forum leaves where a comment was.
pub(crate) fn is_deleted(text: &str) -> bool {
    let text = text.trim();
    let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else { return false };
    let inside = inside.trim().to_lowercase();
    let known = ["deleted", "removed", "eliminado", "borrado", "suprimido", "quitado"];
    known.contains(&inside.as_str())
        || ["deleted by", "removed by", "eliminado por", "borrado por"].iter().any(|start| inside.starts_with(start))
}

/// A character that nobody sees and nobody typed: control characters but for the line end and the tab, marks of
/// direction, blanks of no width. What joins the parts of an emoji stays.
pub(crate) fn is_unseen(c: char) -> bool {
    let format = matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}');
    (c.is_control() && c != '\n' && c != '\t' && c != '\r') || format || ('\u{202a}'..='\u{202e}').contains(&c)
}

/// Ten letters or more, most of them capitals.
pub(crate) fn has_capitals(text: &str) -> bool {
    let (mut upper, mut letters) = (0, 0);
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        upper += usize::from(c.is_uppercase());
    }
    letters >= 10 && upper * 10 > letters * 7
}

/// An emoji.
pub(crate) fn has_emoji(text: &str) -> bool {
    // All of them are beyond what two bytes of UTF-8 hold.
    text.bytes().any(|byte| byte >= 0xe2)
        && text.chars().any(|c| matches!(u32::from(c), 0x2600..=0x27bf | 0x1f300..=0x1faff))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, spans: Vec<Range<usize>>) -> Vec<&str> {
        spans.into_iter().map(|span| &text[span]).collect()
    }

    #[test]
    fn addresses_end_where_the_sentence_goes_on() {
        let text =
            "mira (https://a.es/b?c=1), HTTP://B.ORG/x. o www.ñandú.com/á! [x](http://c.d/e_(f)) http:// www. wwwhat";
        assert_eq!(
            pieces(text, urls(text)),
            ["https://a.es/b?c=1", "HTTP://B.ORG/x", "www.ñandú.com/á", "http://c.d/e_(f))"]
        );
        assert!(urls("sin nada").is_empty() && urls("").is_empty());
    }

    #[test]
    fn mentions_are_names_and_no_mail() {
        let text = "@ana_1 dijo a u/juan-p y /u/ñu99, no a x@y.es ni menu/del dia @ u/";
        assert_eq!(pieces(text, mentions(text)), ["@ana_1", "u/juan-p", "/u/ñu99"]);
    }

    #[test]
    fn a_deleted_comment_is_only_its_mark() {
        assert!(is_deleted("[deleted]") && is_deleted(" [Removed] ") && is_deleted("[ Removed by moderators ]"));
        assert!(
            is_deleted("[eliminado]") && !is_deleted("[deleted] dijo") && !is_deleted("deleted") && !is_deleted("")
        );
    }

    #[test]
    fn shouting_emoji_and_unseen_characters_are_told() {
        assert!(has_capitals("NO PUEDE SER, ÑANDÚ!") && !has_capitals("OK") && !has_capitals("No Puede Ser Verdad"));
        assert!(has_emoji("bien 🦊") && has_emoji("☀") && !has_emoji("ñ €"));
        assert!(is_unseen('\u{7}') && is_unseen('\u{200b}') && !is_unseen('\n') && !is_unseen('\u{200d}'));
    }
}
