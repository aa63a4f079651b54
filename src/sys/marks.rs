//! What the process of the cells writes, cut into the learner's text and the marks that evcxr reads.
//!
//! evcxr 0.22 knows a mark by its line (`eval_context.rs`, `runtime.rs`). A mark that follows text with no newline
//! would be missed, and the cell never end; here it is found there too.

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The cell is over.
    Complete,
    /// The cell returned early through `?`.
    Error,
    /// The cell panicked.
    Panic,
    /// Anything else between the process and evcxr: rich content, a request of input.
    Other,
}

/// A stretch of the output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// The learner's text, partial lines too.
    Text(&'a [u8]),
    /// Bytes for evcxr alone, whole lines.
    Mark(Mark, &'a [u8]),
}

const PREFIX: &[u8] = b"EVCXR_";
const COMPLETE: &[u8] = b"EVCXR_EXECUTION_COMPLETE";
const ERROR: &[u8] = b"EVCXR_ERROR_OCCURRED";
const PANIC: &[u8] = b"EVCXR_PANIC_NOTIFICATION";
const BEGIN: &[u8] = b"EVCXR_BEGIN_CONTENT ";
const END: &[u8] = b"EVCXR_END_CONTENT";
/// Marks that go on after their name.
const OPEN: [&[u8]; 3] = [BEGIN, b"EVCXR_INPUT_REQUEST", b"EVCXR_VARIABLE_CHANGED_TYPE:"];

/// Cuts a stream of bytes that comes in chunks of any size.
#[derive(Default)]
pub(super) struct Splitter {
    /// The end of what came, kept back because a mark may begin there.
    held: Vec<u8>,
    /// True where the line's beginning was already given away.
    inside_line: bool,
    /// True between `EVCXR_BEGIN_CONTENT` and `EVCXR_END_CONTENT`.
    inside_content: bool,
}

impl Splitter {
    /// Hands what `chunk` completes to `each`, in order.
    pub(super) fn feed(&mut self, chunk: &[u8], each: &mut impl FnMut(Piece)) {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(chunk);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let line = rest.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
            let taken = match (line, self.inside_content) {
                (Some(end), true) => self.content_line(&rest[..end], each),
                (Some(end), false) => self.line(&rest[..end], each),
                (None, true) => self.content_end(rest, each),
                (None, false) => self.partial(rest, each),
            };
            if taken == 0 {
                break;
            }
            rest = &rest[taken..];
        }
        self.held = rest.to_vec();
    }

    /// Gives away what was kept back, when nothing follows for a while: an `E` at the end of a text is just an `E`.
    pub(super) fn give_up(&mut self, each: &mut impl FnMut(Piece)) {
        if !self.inside_content && !self.held.is_empty() && self.held.len() < PREFIX.len() {
            self.inside_line = true;
            each(Piece::Text(&std::mem::take(&mut self.held)));
        }
    }

    /// True when [`Self::give_up`] would give something away.
    pub(super) fn waits(&self) -> bool {
        !self.inside_content && !self.held.is_empty() && self.held.len() < PREFIX.len()
    }

    /// A whole line outside of content.
    fn line(&mut self, line: &[u8], each: &mut impl FnMut(Piece)) -> usize {
        let content = &line[..line.len() - 1];
        let at_start = !self.inside_line;
        self.inside_line = false;
        let Some((at, mark)) = find(content, at_start) else {
            each(Piece::Text(line));
            return line.len();
        };
        if at > 0 {
            each(Piece::Text(&line[..at]));
        }
        self.inside_content = line[at..].starts_with(BEGIN);
        each(Piece::Mark(mark, &line[at..]));
        line.len()
    }

    /// The beginning of a line outside of content: everything before the place where a mark may begin.
    fn partial(&mut self, part: &[u8], each: &mut impl FnMut(Piece)) -> usize {
        let whole = part.windows(PREFIX.len()).position(|window| window == PREFIX);
        let tail = (1..PREFIX.len()).rev().find(|&length| part.ends_with(&PREFIX[..length]));
        let keep = whole.or(tail.map(|length| part.len() - length)).unwrap_or(part.len());
        if keep > 0 {
            self.inside_line = true;
            each(Piece::Text(&part[..keep]));
        }
        keep
    }

    /// A whole line of content: evcxr's, up to the end mark. A panic ends the content too.
    fn content_line(&mut self, line: &[u8], each: &mut impl FnMut(Piece)) -> usize {
        let content = &line[..line.len() - 1];
        let at_start = !self.inside_line;
        self.inside_line = false;
        let panicked = at_start && content == PANIC;
        self.inside_content = !(panicked || at_start && content == END);
        each(Piece::Mark(if panicked { Mark::Panic } else { Mark::Other }, line));
        line.len()
    }

    /// The beginning of a line of content: kept back only while it may be the line that ends it.
    fn content_end(&mut self, part: &[u8], each: &mut impl FnMut(Piece)) -> usize {
        if !self.inside_line && (END.starts_with(part) || PANIC.starts_with(part)) {
            return 0;
        }
        self.inside_line = true;
        each(Piece::Mark(Mark::Other, part));
        part.len()
    }
}

/// Where in a line a mark begins. At a line's start any `EVCXR_...` is one.
fn find(line: &[u8], at_start: bool) -> Option<(usize, Mark)> {
    for (name, mark) in [(COMPLETE, Mark::Complete), (ERROR, Mark::Error), (PANIC, Mark::Panic)] {
        if line.ends_with(name) {
            return Some((line.len() - name.len(), mark));
        }
    }
    if at_start && line.starts_with(PREFIX) {
        return Some((0, Mark::Other));
    }
    let places = line.windows(PREFIX.len()).enumerate().filter(|(_, window)| *window == PREFIX);
    let mut places = places.map(|(at, _)| at);
    places.find(|&at| OPEN.iter().any(|name| line[at..].starts_with(name))).map(|at| (at, Mark::Other))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of `chunks`: text between quotes, marks between brackets.
    fn cut(chunks: &[&str]) -> String {
        let (mut splitter, mut told) = (Splitter::default(), String::new());
        for chunk in chunks {
            splitter.feed(chunk.as_bytes(), &mut |piece| match piece {
                Piece::Text(text) => told += &format!("'{}'", String::from_utf8_lossy(text)),
                Piece::Mark(mark, bytes) => told += &format!("[{mark:?} {}]", String::from_utf8_lossy(bytes)),
            });
        }
        told
    }

    #[test]
    fn text_goes_through_and_marks_are_told_apart() {
        assert_eq!(cut(&["a\nb"]), "'a\n''b'");
        assert_eq!(cut(&["a\nEVCXR_EXECUTION_COMPLETE\nb"]), "'a\n'[Complete EVCXR_EXECUTION_COMPLETE\n]'b'");
        assert_eq!(cut(&["EVCXR_VARIABLE_CHANGED_TYPE:x\n"]), "[Other EVCXR_VARIABLE_CHANGED_TYPE:x\n]");
    }

    #[test]
    fn a_mark_after_text_with_no_newline_is_found() {
        assert_eq!(cut(&["50 %EVCXR_ERROR_OCCURRED\n"]), "'50 %'[Error EVCXR_ERROR_OCCURRED\n]");
        assert_eq!(cut(&["Name?", "EVCXR_INPUT_REQUEST:x\n"]), "'Name?'[Other EVCXR_INPUT_REQUEST:x\n]");
        assert_eq!(cut(&["EVCXR_oEVCXR_EXECUTION_COMPLETE\n"]), "'EVCXR_o'[Complete EVCXR_EXECUTION_COMPLETE\n]");
    }

    #[test]
    fn a_text_that_speaks_of_marks_stays_text() {
        assert_eq!(cut(&["the EVCXR_ prefix and EVCXR_EXECUTION_COMPLETE in a text\n"]).matches('[').count(), 0);
    }

    #[test]
    fn content_is_evcxrs_to_its_last_byte() {
        let text = "x\nEVCXR_BEGIN_CONTENT text/plain\nEVCXR_not\ny\nEVCXR_END_CONTENT\nz\n";
        let told = cut(&[text]);
        assert!(
            told.starts_with("'x\n'[Other EVCXR_BEGIN") && told.ends_with("[Other EVCXR_END_CONTENT\n]'z\n'"),
            "{told}"
        );
        assert_eq!(told.matches('\'').count(), 4, "{told}");
        let told = cut(&["EVCXR_BEGIN_CONTENT text/plain\nhalf", "\nEVCXR_PANIC_NOTIFICATION\nz\n"]);
        assert!(told.ends_with("[Panic EVCXR_PANIC_NOTIFICATION\n]'z\n'"), "{told}");
    }

    #[test]
    fn chunks_of_any_size_give_the_same() {
        let text = "uno\ndos EVCXR no\nEVCXR_BEGIN_CONTENT text/html\n<b>EV</b>\nEVCXR_END_CONTENT\n\
                    tres EEVCXR_PANIC_NOTIFICATION\nE EVCXR_EXECUTION_COMPLETE\nfin E";
        let joined = |told: String| told.replace("''", "").replace("][Other ", "");
        let mut one_by_one = text.char_indices().map(|(i, c)| &text[i..i + c.len_utf8()]).collect::<Vec<_>>();
        assert_eq!(joined(cut(&one_by_one)), joined(cut(&[text])));
        one_by_one.push("VCXR_ERROR_OCCURRED\n");
        assert!(
            cut(&one_by_one).ends_with("'fin '[Error EVCXR_ERROR_OCCURRED\n]") || cut(&one_by_one).contains("[Error")
        );
    }

    #[test]
    fn what_is_kept_back_is_given_away_when_nothing_follows() {
        let (mut splitter, mut told) = (Splitter::default(), Vec::new());
        let mut each = |piece: Piece| {
            if let Piece::Text(text) = piece {
                told.extend_from_slice(text);
            }
        };
        splitter.feed("TRE".as_bytes(), &mut each);
        splitter.give_up(&mut each);
        assert!(!splitter.waits());
        splitter.feed(b"S\n", &mut each);
        assert_eq!(told, b"TRES\n");
    }
}
