//! Makes comments of the hand-written ones: each as it was written, then with a few words around it, two in one, and
//! quotes with an answer.

use super::source::{first_sentence, read, section, Kind, Line, Section};
use crate::error::Result;
use crate::look::{plain, stretches};
use crate::rng::Rng;
use std::collections::HashMap;
use std::path::Path;

/// No two comments that are made have this share of their stretches of five characters in common, so that every
/// duplicate and near-duplicate of the file is one that was planted.
const LIKE: f64 = 0.6;
/// The longest comment that is made, in words; a hand-written one may be longer.
const MOST_WORDS: usize = 80;

/// The small change of a forum: what stands before and after, answers to a quote, joints.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    sections: Vec<Section>,
    path: std::path::PathBuf,
}

impl Frames {
    pub(super) fn read(path: &Path) -> Result<Self> {
        Ok(Self { sections: read(path)?, path: path.to_path_buf() })
    }

    /// One line of a section.
    pub(super) fn any(&self, name: &str, rng: &mut Rng) -> Result<String> {
        let lines = &section(&self.sections, name, &self.path)?.lines;
        Ok(lines[rng.below(lines.len())].mixed(rng))
    }
}

/// A comment, and what its score depends on.
#[derive(Clone, Debug)]
pub(super) struct Comment {
    pub(super) text: String,
    pub(super) community: usize,
    /// Its hand-written comments: kind and number.
    pub(super) from: Vec<(Kind, usize)>,
}

/// Comments that are not too much alike.
#[derive(Default)]
pub(super) struct Seen {
    sizes: Vec<usize>,
    rows: HashMap<u32, Vec<u32>>,
}

impl Seen {
    /// Adds a text, unless it is too much like one before.
    pub(super) fn add(&mut self, text: &str) -> bool {
        let mine = stretches(&plain(text));
        let mut common: HashMap<u32, usize> = HashMap::new();
        for row in mine.iter().filter_map(|stretch| self.rows.get(stretch)).flatten() {
            *common.entry(*row).or_insert(0) += 1;
        }
        let like = |(row, common): (&u32, &usize)| {
            *common as f64 / (mine.len() + self.sizes[*row as usize] - common) as f64 >= LIKE
        };
        if common.iter().any(like) {
            return false;
        }
        let row = self.sizes.len() as u32;
        self.sizes.push(mine.len());
        mine.iter().for_each(|stretch| self.rows.entry(*stretch).or_default().push(row));
        true
    }
}

/// Makes comments of one language.
pub(super) struct Composer<'a> {
    communities: &'a [Section],
    frames: &'a Frames,
    /// The number of the first line of each community.
    first: Vec<usize>,
}

impl<'a> Composer<'a> {
    pub(super) fn new(communities: &'a [Section], frames: &'a Frames) -> Self {
        let before = |at: usize| communities[..at].iter().map(|community| community.lines.len()).sum();
        let first = (0..communities.len()).map(before).collect();
        Self { communities, frames, first }
    }

    /// `count` comments: every hand-written one comes at least once.
    pub(super) fn compose(&self, count: usize, seen: &mut Seen, rng: &mut Rng) -> Result<Vec<Comment>> {
        let mut made = Vec::with_capacity(count);
        for (community, section) in self.communities.iter().enumerate() {
            for (line, text) in section.lines.iter().enumerate() {
                for text in (0..text.ways()).map(|way| text.way(way)) {
                    if seen.add(&text) {
                        made.push(self.comment(text, community, &[line]));
                    }
                }
            }
        }
        // So many tries that a file of a few hundred comments is enough; one of a few dozen gives fewer rows.
        for _ in 0..count * 20 {
            if made.len() >= count {
                break;
            }
            let community = rng.below(self.communities.len());
            if let Some(comment) = self.draw(community, rng)? {
                if comment.text.split_whitespace().count() <= MOST_WORDS && seen.add(&comment.text) {
                    made.push(comment);
                }
            }
        }
        made.truncate(count);
        Ok(made)
    }

    fn comment(&self, text: String, community: usize, lines: &[usize]) -> Comment {
        let all = &self.communities[community].lines;
        let from = lines.iter().map(|line| (all[*line].kind, self.first[community] + line)).collect();
        Comment { text, community, from }
    }

    fn draw(&self, community: usize, rng: &mut Rng) -> Result<Option<Comment>> {
        let lines = &self.communities[community].lines;
        let one = rng.below(lines.len());
        let text = lines[one].way(rng.below(lines[one].ways()));
        Ok(match rng.below(100) {
            0..15 => Some(self.comment(self.framed(&lines[one], text, rng)?, community, &[one])),
            15..85 => {
                let other = rng.below(lines.len());
                match other != one && opens(lines[one].kind) && lines[other].kind != Kind::Thanks {
                    true => {
                        let other_text = lines[other].way(rng.below(lines[other].ways()));
                        let text = format!("{text}{}{other_text}", self.joint(rng)?);
                        Some(self.comment(text, community, &[one, other]))
                    }
                    false => None,
                }
            }
            _ => {
                let quoted = first_sentence(&text);
                let short = (3..=25).contains(&quoted.split_whitespace().count()) && lines[one].kind != Kind::Thanks;
                short.then_some(()).map(|()| self.answered(quoted, rng)).transpose()?.map(|text| {
                    // An answer to a joke is no joke.
                    Comment { from: vec![(Kind::Answer, self.first[community] + one)], text, community }
                })
            }
        })
    }

    /// With something before it, after it, or both.
    fn framed(&self, line: &Line, text: String, rng: &mut Rng) -> Result<String> {
        let (before, after) = match line.kind {
            Kind::Question => ("before_question", "after_question"),
            Kind::Answer => ("before_answer", "after_answer"),
            _ => ("before", "after"),
        };
        let which = rng.below(3);
        let mut framed = text;
        if which != 1 {
            framed = format!("{} {framed}", self.frames.any(before, rng)?);
        }
        if which != 0 {
            framed = format!("{framed} {}", self.frames.any(after, rng)?);
        }
        Ok(framed)
    }

    fn joint(&self, rng: &mut Rng) -> Result<String> {
        let joint = self.frames.any("joint", rng)?;
        // What is like a postscript opens a paragraph.
        Ok(if joint.ends_with(':') { format!("\n\n{joint} ") } else { format!(" {joint} ") })
    }

    fn answered(&self, quoted: &str, rng: &mut Rng) -> Result<String> {
        let answer = match quoted.ends_with('?') {
            true => self.frames.any("reply_question", rng)?,
            false => self.frames.any("reply", rng)?,
        };
        Ok(format!("> {quoted}\n\n{answer}"))
    }
}

/// Whether something else can follow a comment: one that asks waits for an answer.
fn opens(kind: Kind) -> bool {
    !matches!(kind, Kind::Question | Kind::Thanks)
}
