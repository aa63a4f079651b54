//! Reads the hand-written files: sections in square brackets, one comment a line, with what may be said in another way
//! in brackets: `(ayer|anoche)`.

use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;
use std::path::Path;

/// What a comment does; the file may say it in a sign before the comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `?`
    Question,
    /// `=`
    Answer,
    /// `.`, and what has no sign and asks nothing
    Remark,
    /// `*`
    Joke,
    /// `-`
    Complaint,
    /// `+`
    Thanks,
    /// `~`
    Irony,
}

/// A stretch of a comment: one way to say it, or several.
type Part = Vec<String>;

/// A hand-written comment.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) kind: Kind,
    parts: Vec<Part>,
}

/// The lines under one heading.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
}

/// Reads `path`.
///
/// # Errors
/// When it cannot be read, or a line stands before the first heading.
pub(super) fn read(path: &Path) -> Result<Vec<Section>> {
    let text = std::fs::read_to_string(path).map_err(|e| crate::sys::io_error(path, "leer", "read", &e))?;
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in text.lines().map(str::trim_end).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push(Section { name: name.to_string(), lines: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else {
            let (number, path) = (number + 1, path.display());
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "{path}, línea {number}: está antes de la primera sección.",
                    "{path}, line {number}: it stands before the first section."
                ),
            )
            .next(tr!("Pon antes una línea [nombre].", "Put a line [name] before it.")));
        };
        section.lines.push(Line::parse(line));
    }
    Ok(sections)
}

impl Line {
    fn parse(line: &str) -> Self {
        let sign = line.get(..2).and_then(|start| {
            Some(match start {
                "? " => Kind::Question,
                "= " => Kind::Answer,
                ". " => Kind::Remark,
                "* " => Kind::Joke,
                "- " => Kind::Complaint,
                "+ " => Kind::Thanks,
                "~ " => Kind::Irony,
                _ => return None,
            })
        });
        let text = if sign.is_some() { &line[2..] } else { line };
        let asks = text.ends_with('?') || first_sentence(text).ends_with('?');
        let kind = sign.unwrap_or(if asks { Kind::Question } else { Kind::Remark });
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text;
        // Brackets with no bar in them are the writer's own.
        while let Some((start, end)) = choice(rest) {
            parts.push(vec![rest[..start].to_string()]);
            parts.push(rest[start + 1..end].split('|').map(String::from).collect());
            rest = &rest[end + 1..];
        }
        parts.push(vec![rest.to_string()]);
        Self { kind, parts }
    }

    /// In how many ways it can be said.
    pub(super) fn ways(&self) -> usize {
        self.choices().max().unwrap_or(1)
    }

    /// Its way number `number`: of every choice the one in that place, since a joke's end goes with its beginning.
    pub(super) fn way(&self, number: usize) -> String {
        tidy(&self.parts.iter().map(|part| part[number % part.len()].as_str()).collect::<String>())
    }

    /// Any of its choices with any other: for what was written to be mixed.
    pub(super) fn mixed(&self, rng: &mut Rng) -> String {
        tidy(&self.parts.iter().map(|part| part[rng.below(part.len())].as_str()).collect::<String>())
    }

    fn choices(&self) -> impl Iterator<Item = usize> + '_ {
        self.parts.iter().map(Vec::len)
    }
}

/// Where the next choice opens and closes: brackets with a bar between them.
fn choice(text: &str) -> Option<(usize, usize)> {
    let mut open = None;
    let mut bar = false;
    for (at, c) in text.char_indices() {
        match c {
            '(' => (open, bar) = (Some(at), false),
            '|' => bar = true,
            ')' if bar => return open.map(|open| (open, at)),
            ')' => open = None,
            _ => {}
        }
    }
    None
}

/// Mends what the joints leave: two points where one half brought its own; ‹ › stand for brackets inside a choice.
fn tidy(text: &str) -> String {
    let mut tidy = text.trim().replace('‹', "(").replace('›', ")").replace(" ,", ",");
    for (joint, mended) in [("?.", "?"), ("!.", "!"), (".?", "?")] {
        tidy = tidy.replace(joint, mended);
    }
    tidy
}

/// The text up to the end of its first sentence.
pub(super) fn first_sentence(text: &str) -> &str {
    let ends = text.match_indices(['.', '?', '!']).map(|(at, _)| at + 1);
    let end = ends.filter(|end| text[*end..].starts_with(' ')).find(|end| text[..*end].chars().count() >= 12);
    &text[..end.unwrap_or(text.len())]
}

/// The section of a name.
///
/// # Errors
/// When there is none, or it is empty.
pub(super) fn section<'a>(sections: &'a [Section], name: &str, path: &Path) -> Result<&'a Section> {
    sections.iter().find(|section| section.name == name && !section.lines.is_empty()).ok_or_else(|| {
        let path = path.display();
        Error::new(
            ErrorKind::BadData,
            tr!("{path}: falta la sección [{name}].", "{path}: there is no section [{name}]."),
        )
        .next(tr!("Escríbela, con una línea al menos.", "Write it, with one line at least."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_takes_the_same_place_of_every_choice() {
        let line = Line::parse("= Pon (a|b|c) y (d|e), (g|h|i).");
        assert_eq!((line.kind, line.ways()), (Kind::Answer, 3));
        assert_eq!([0, 1, 2].map(|way| line.way(way)), ["Pon a y d, g.", "Pon b y e, h.", "Pon c y d, i."]);
    }

    #[test]
    fn brackets_without_a_bar_are_text() {
        let line = Line::parse("Wash it (really), (twice|again). Is it dry?");
        assert_eq!((line.way(1).as_str(), line.kind), ("Wash it (really), again. Is it dry?", Kind::Question));
        assert_eq!(Line::parse("¿No?. (a) ya").way(0), "¿No? (a) ya");
    }
}
