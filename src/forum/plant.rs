//! Plants faults, each kind in rows of its own, and keeps count of them.

use super::compose::{Comment, Frames};
use super::score::{by_rank, liking, score};
use crate::error::Result;
use crate::look::{plain, similarity};
use crate::rng::Rng;

/// Shares of all rows, in ten-thousandths: faults that a text gets.
const IN_TEXT: [(&str, usize); 7] = [
    ("mojibake", 180),
    ("html_entity", 130),
    ("url", 350),
    ("mention", 430),
    ("control", 130),
    ("extra_spaces", 200),
    ("personal", 90),
];
/// The same, of rows that are added.
const ADDED: [(&str, usize); 5] =
    [("deleted", 310), ("removed", 170), ("empty", 90), ("duplicate", 280), ("near_duplicate", 200)];
/// The same, of faults beside the text.
const MISSING_SCORE: usize = 150;
const OTHER_DATE: usize = 700;

/// A row before it is written.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) text: String,
    pub(super) community: usize,
    pub(super) score: Option<i64>,
    pub(super) is_author: bool,
    pub(super) other_date: bool,
    /// What was planted in it.
    pub(super) faults: Vec<&'static str>,
    /// The place of the row it was copied from.
    pub(super) copy_of: Option<usize>,
    /// Rows are written in the order of this.
    pub(super) order: u64,
}

/// How many rows there are of what.
pub(super) struct Plan {
    rows: usize,
    foreign: usize,
}

impl Plan {
    pub(super) fn new(rows: usize, foreign: usize) -> Self {
        Self { rows, foreign: foreign.min(rows / 20) }
    }

    fn of(&self, share: usize) -> usize {
        (self.rows * share).div_ceil(10_000)
    }

    /// Comments that must be made: what the added rows leave.
    pub(super) fn comments(&self) -> usize {
        self.rows - self.foreign - ADDED.iter().map(|(_, share)| self.of(*share)).sum::<usize>()
    }
}

/// What faults are written with.
pub(super) struct Words<'a> {
    pub(super) frames: &'a Frames,
    pub(super) foreign: Vec<String>,
    pub(super) language: &'a str,
}

/// The rows of the file, in no order yet.
pub(super) fn plant(made: &[Comment], plan: &Plan, words: &Words, seed: u64, rng: &mut Rng) -> Result<Vec<Row>> {
    let mut rows = comments(made, plan, seed, rng);
    let mut free: Vec<usize> = (0..rows.len()).collect();
    rng.shuffle(&mut free);
    free.retain(|row| rows[*row].faults.is_empty());
    for (fault, share) in IN_TEXT {
        let (mut left, mut kept) = (plan.of(share), Vec::new());
        for row in std::mem::take(&mut free) {
            let broken = if left > 0 { in_text(fault, &rows[row].text, words, rng)? } else { None };
            let Some(text) = broken.filter(|text| *text != rows[row].text) else {
                kept.push(row);
                continue;
            };
            rows[row].text = text;
            rows[row].faults.push(fault);
            left -= 1;
        }
        free = kept;
    }
    let mut originals = free;
    for (fault, share) in ADDED {
        for _ in 0..plan.of(share) {
            let row = added(fault, &rows, &mut originals, words, rng)?;
            rows.push(row);
        }
    }
    for text in words.foreign.iter().take(plan.foreign) {
        rows.push(Row { faults: vec!["other_language"], ..blank(text.clone(), rng) });
    }
    for row in &mut rows {
        if rng.below(10_000) < OTHER_DATE {
            row.other_date = true;
            row.faults.push("other_date");
        }
    }
    Ok(rows)
}

/// The comments with their scores. Those that lose theirs take no part in the ranking.
fn comments(made: &[Comment], plan: &Plan, seed: u64, rng: &mut Rng) -> Vec<Row> {
    let mut rows: Vec<Row> =
        made.iter().map(|comment| Row { community: comment.community, ..blank(comment.text.clone(), rng) }).collect();
    for _ in 0..plan.of(MISSING_SCORE) {
        let row = rng.below(rows.len());
        if rows[row].faults.is_empty() {
            rows[row].score = None;
            rows[row].faults.push("missing_score");
        }
    }
    let scored: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].score.is_some()).collect();
    let likings: Vec<i64> = scored.iter().map(|row| liking(&made[*row], rows[*row].is_author, seed, rng)).collect();
    for (row, score) in scored.into_iter().zip(by_rank(&likings)) {
        rows[row].score = Some(score);
    }
    rows
}

/// A row with this text and everything else by chance.
fn blank(text: String, rng: &mut Rng) -> Row {
    Row {
        text,
        community: rng.below(12),
        score: Some(score(f64::from(rng.uniform()))),
        is_author: rng.below(100) < 14,
        other_date: false,
        faults: Vec::new(),
        copy_of: None,
        order: rng.below(1 << 40) as u64,
    }
}

/// A row that is added to the comments.
fn added(fault: &'static str, rows: &[Row], originals: &mut Vec<usize>, words: &Words, rng: &mut Rng) -> Result<Row> {
    let text = match fault {
        "deleted" if words.language == "es" && rng.below(3) == 0 => "[eliminado]".to_string(),
        "deleted" => "[deleted]".to_string(),
        "removed" if rng.below(4) == 0 => "[ Removed by moderators ]".to_string(),
        "removed" => "[removed]".to_string(),
        "empty" => " ".repeat(rng.below(4)),
        _ => {
            // Copies come after what they copy, whose other faults would be copied too: such rows are not chosen.
            let (from, text) = loop {
                let Some(from) = originals.pop() else { return Ok(blank(String::new(), rng)) };
                let text = &rows[from].text;
                if fault == "duplicate" {
                    // A few are copied again and again.
                    if rng.below(6) == 0 {
                        originals.push(from);
                    }
                    break (from, text.clone());
                }
                let near = nearly(text, words, rng)?;
                let like = similarity(&plain(text), &plain(&near));
                if text.chars().count() >= 60 && near != *text && like >= 0.82 {
                    break (from, near);
                }
            };
            let later = rows[from].order + 1 + rng.below(1 << 39) as u64;
            let community = rows[from].community;
            return Ok(Row { faults: vec![fault], copy_of: Some(from), order: later, community, ..blank(text, rng) });
        }
    };
    Ok(Row { faults: vec![fault], ..blank(text, rng) })
}

/// The text with something small changed.
fn nearly(text: &str, words: &Words, rng: &mut Rng) -> Result<String> {
    let end = text.trim_end_matches(['.', '!']);
    Ok(match rng.below(5) {
        0 => format!("{end}!!!"),
        1 => text.to_lowercase(),
        2 => format!("{} {text}", words.frames.any("hem", rng)?),
        3 => format!("{end}. {}", words.frames.any("hem", rng)?),
        _ => {
            // Two neighbouring letters of a long word change places.
            let typo = |word: &str| {
                let mut letters: Vec<char> = word.chars().collect();
                letters.swap(2, 3);
                letters.into_iter().collect::<String>()
            };
            let long = text.split(' ').find(|word| word.chars().count() >= 7 && word.chars().all(char::is_alphabetic));
            long.map_or_else(|| format!("{end}…"), |word| text.replacen(word, &typo(word), 1))
        }
    })
}

/// The text with a fault in it; `None` where it has nothing to break.
fn in_text(fault: &str, text: &str, words: &Words, rng: &mut Rng) -> Result<Option<String>> {
    Ok(match fault {
        "mojibake" => mojibake(text, words.language),
        "html_entity" => html(text),
        "control" => Some(control(text, rng)),
        "extra_spaces" => Some(spaced(text, rng)),
        _ if text.starts_with('>') => None, // a quote stays one
        "mention" => {
            let nick = format!("{}_{}", words.frames.any("nick", rng)?, words.frames.any("nick_end", rng)?);
            let nick = if rng.below(2) == 0 { format!("u/{nick}") } else { format!("@{nick}") };
            Some(format!("{} {text}", words.frames.any("mention", rng)?.replace("{}", &nick)))
        }
        "url" => {
            let address = words.frames.any("address", rng)?.replace("{}", &rng.below(9000).to_string());
            Some(format!("{text} {}", words.frames.any("url", rng)?.replace("{}", &address)))
        }
        _ => {
            let nick = format!("{}.{}", words.frames.any("nick", rng)?, rng.below(90) + 10);
            let server = ["example.org", "example.com", "example.net"][rng.below(3)];
            // 555-0100 to 555-0199 belong to nobody (North American Numbering Plan).
            let phone = format!("+1 {} 555 {:04}", 201 + rng.below(700), 100 + rng.below(100));
            Some(match rng.below(5) {
                0..3 => {
                    format!("{text} {}", words.frames.any("email", rng)?.replace("{}", &format!("{nick}@{server}")))
                }
                _ => format!("{text} {}", words.frames.any("phone", rng)?.replace("{}", &phone)),
            })
        }
    })
}

/// UTF-8 read as Windows-1252. English has few letters to break, but its apostrophe, once it is a curly one.
fn mojibake(text: &str, language: &str) -> Option<String> {
    let curly = if language == "en" { text.replace('\'', "’") } else { text.to_string() };
    let broken = encoding_rs::WINDOWS_1252.decode_without_bom_handling(curly.as_bytes()).0;
    (!curly.is_ascii()).then(|| broken.into_owned())
}

/// Signs and letters as HTML writes them.
fn html(text: &str) -> Option<String> {
    const ENTITIES: [(char, &str); 11] = [
        ('&', "&amp;"),
        ('"', "&quot;"),
        ('\'', "&#39;"),
        ('>', "&gt;"),
        ('¿', "&iquest;"),
        ('á', "&aacute;"),
        ('é', "&eacute;"),
        ('í', "&iacute;"),
        ('ó', "&oacute;"),
        ('ú', "&uacute;"),
        ('ñ', "&ntilde;"),
    ];
    let entity = |c: char| ENTITIES.iter().find(|entity| entity.0 == c).map(|entity| entity.1);
    let written = text.chars().map(|c| entity(c).map_or(c.to_string(), String::from)).collect::<String>();
    text.chars().any(|c| entity(c).is_some()).then_some(written)
}

/// One to three characters that nobody sees.
fn control(text: &str, rng: &mut Rng) -> String {
    const UNSEEN: [char; 6] = ['\u{7}', '\u{8}', '\u{200b}', '\u{feff}', '\u{ad}', '\u{1f}'];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..1 + rng.below(3) {
        chars.insert(rng.below(chars.len() + 1), UNSEEN[rng.below(UNSEEN.len())]);
    }
    chars.into_iter().collect()
}

/// Blanks between words doubled, or more, here and there; sometimes at the ends.
fn spaced(text: &str, rng: &mut Rng) -> String {
    let mut words = text.split(' ');
    let mut spaced = words.next().unwrap_or_default().to_string();
    for word in words {
        let more = ["", "", "", " ", "  ", "\t", "\u{a0}"][rng.below(7)];
        spaced = format!("{spaced} {more}{word}");
    }
    match rng.below(3) {
        0 => format!("  {spaced}"),
        1 => format!("{spaced}   "),
        _ => format!(" {spaced} "),
    }
}
