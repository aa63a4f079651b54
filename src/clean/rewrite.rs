//! What the steps that rewrite a text do to one text.

use super::Step;
use crate::look::{decode_entities, is_unseen, mask_personal_data, mentions, repair_mojibake, replaced, urls};

impl Step {
    /// The text after this step; `None` where it stays as it is.
    pub(super) fn rewrite(&self, text: &str) -> Option<String> {
        match self {
            Self::RepairMojibake { .. } => repair_mojibake(text),
            Self::HtmlEntities { .. } => decode_entities(text),
            Self::RemoveControl { .. } => without_unseen(text),
            Self::ReplaceUrls { with, .. } => replaced(text, &urls(text), with).filter(|new| new != text),
            Self::ReplaceMentions { with, .. } => replaced(text, &mentions(text), with).filter(|new| new != text),
            Self::MaskPersonal { .. } => mask_personal_data(text),
            Self::TidySpaces { .. } => tidied(text),
            _ => None,
        }
    }
}

/// The text after all of `steps`, and a bit for each step that changed it; `None` where none did.
pub(super) fn rewritten(steps: &[Step], text: &str) -> Option<(String, u32)> {
    let (mut new, mut bits) = (None::<String>, 0u32);
    for (i, step) in steps.iter().enumerate() {
        if let Some(next) = step.rewrite(new.as_deref().unwrap_or(text)) {
            new = Some(next);
            bits |= 1 << i;
        }
    }
    new.map(|new| (new, bits))
}

fn without_unseen(text: &str) -> Option<String> {
    // Of ASCII only these can be unseen; beyond it each character is looked at.
    let suspect = |byte: u8| (byte < 0x20 && !matches!(byte, b'\n' | b'\t' | b'\r')) || byte == 0x7f || byte >= 0xc2;
    if !text.bytes().any(suspect) || !text.chars().any(is_unseen) {
        return None;
    }
    Some(text.chars().filter(|c| !is_unseen(*c)).collect())
}

/// One blank between words, none at the ends of lines, at most one empty line.
fn tidied(text: &str) -> Option<String> {
    if is_tidy(text) {
        return None;
    }
    let mut tidy = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.split('\n') {
        let mut words = line.split_whitespace().peekable();
        if words.peek().is_none() {
            empty += 1;
            continue;
        }
        if !tidy.is_empty() {
            tidy.push_str(if empty > 0 { "\n\n" } else { "\n" });
        }
        empty = 0;
        for (i, word) in words.enumerate() {
            if i > 0 {
                tidy.push(' ');
            }
            tidy.push_str(word);
        }
    }
    (tidy != text).then_some(tidy)
}

/// A quick look that spares most texts the work: no blank beside another or at an end, no other white space.
fn is_tidy(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut before = b' ';
    for &byte in bytes {
        match byte {
            b' ' if before == b' ' || before == b'\n' => return false,
            b'\n' if before == b' ' => return false,
            b'\t' | b'\r' | 0x0b | 0x0c => return false,
            // Blanks beyond ASCII begin with one of these; such a text is looked at for real.
            0xc2 | 0xe1 | 0xe2 | 0xe3 => return false,
            _ => before = byte,
        }
    }
    bytes.is_empty() || (before != b' ' && before != b'\n' && !text.contains("\n\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_does_its_part_and_leaves_the_rest() {
        let after = |step: Step, text: &str| step.rewrite(text);
        assert_eq!(after(Step::replace_urls("t"), "ve a https://x.es/a, ya").unwrap(), "ve a [url], ya");
        assert_eq!(after(Step::remove_control("t"), "a\u{7}b\u{200b}c\nd").unwrap(), "abc\nd");
        assert_eq!(after(Step::repair_mojibake("t"), "aÃ±o").unwrap(), "año");
        assert_eq!(after(Step::html_entities("t"), "Tom &amp; &#39;Ana&#x27; &ntilde;").unwrap(), "Tom & 'Ana' ñ");
        assert_eq!(after(Step::html_entities("t"), "AT&T & Co; ?a=1&b=2 &nosuch; &amp"), None);
        assert_eq!(after(Step::tidy_spaces("t"), "  a \u{a0} b\t\r\n\n\n\n c ").unwrap(), "a b\n\nc");
        assert!(after(Step::mask_personal("t"), "x@y.es").unwrap().starts_with('['));
        assert!(after(Step::replace_mentions("t"), "hola @ana").unwrap().starts_with("hola @us"));
        for text in ["", "año – “sí”", "a\nb\n\nc", "una línea"] {
            assert_eq!(
                rewritten(&[Step::replace_urls("t"), Step::tidy_spaces("t"), Step::remove_control("t")], text),
                None,
                "{text:?}"
            );
        }
        assert_eq!(
            rewritten(&[Step::repair_mojibake("t"), Step::tidy_spaces("t")], "niÃ±o  x").unwrap(),
            ("niño x".into(), 3)
        );
    }
}
