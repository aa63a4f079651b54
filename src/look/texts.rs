//! What a column of texts is like: how long, and how many of them shout, ask, link, mention, or are broken.

use super::scan::{decode_entities, has_capitals, has_emoji, is_deleted, is_unseen, mentions, urls};
use super::{headers, mojibake::repair_mojibake, number, percent, quantile, shown};
use crate::error::Result;
use crate::plot::{histogram, Chart};
use crate::show::Html;
use crate::table::{watched_texts, Table};

/// What a column of texts is like.
#[derive(Clone, Debug)]
pub struct TextStats {
    /// The column.
    pub column: String,
    /// How many rows there are.
    pub rows: usize,
    /// Rows with no text, or blanks alone.
    pub missing: usize,
    /// Characters of each text that is there.
    pub chars: Vec<usize>,
    /// Words of each text that is there.
    pub words: Vec<usize>,
    /// What some texts have, by its name for `Step::flag`, and how many of them: `exclamation` is a `!`.
    pub shares: Vec<(String, usize)>,
}

/// What a text may have: the name that a flag takes, the words for it, and how it is found.
pub(crate) struct Trait {
    pub(crate) name: &'static str,
    es: &'static str,
    en: &'static str,
    pub(crate) holds: fn(&str) -> bool,
}

/// Everything that can be told of a text without understanding it.
pub(crate) const TRAITS: [Trait; 11] = [
    Trait { name: "exclamation", es: "con !", en: "with !", holds: |text| text.contains(['!', '¡']) },
    Trait { name: "question", es: "con ?", en: "with ?", holds: |text| text.contains(['?', '¿']) },
    Trait { name: "url", es: "con una dirección web", en: "with a web address", holds: |text| !urls(text).is_empty() },
    Trait {
        name: "mention",
        es: "con una mención (@)",
        en: "with a mention (@)",
        holds: |text| !mentions(text).is_empty(),
    },
    Trait { name: "capitals", es: "en mayúsculas", en: "in capitals", holds: has_capitals },
    Trait { name: "emoji", es: "con emoji", en: "with an emoji", holds: has_emoji },
    Trait {
        name: "digit",
        es: "con una cifra",
        en: "with a digit",
        holds: |text| text.bytes().any(|b| b.is_ascii_digit()),
    },
    Trait { name: "deleted", es: "[deleted], [removed]", en: "[deleted], [removed]", holds: is_deleted },
    Trait {
        name: "control",
        es: "con caracteres invisibles",
        en: "with invisible characters",
        holds: |text| text.chars().any(is_unseen),
    },
    Trait {
        name: "mojibake",
        es: "con mojibake (Ã±)",
        en: "with mojibake (Ã±)",
        holds: |text| repair_mojibake(text).is_some(),
    },
    Trait {
        name: "entity",
        es: "con entidades HTML (&amp;)",
        en: "with HTML entities (&amp;)",
        holds: |text| decode_entities(text).is_some(),
    },
];

/// The step of a recipe that mends what a flag tells, where it is a fault and not a manner of writing.
fn mended_by(flag: &str) -> Option<&'static str> {
    match flag {
        "deleted" => Some("drop_deleted"),
        "control" => Some("remove_control"),
        "mojibake" => Some("repair_mojibake"),
        "entity" => Some("html_entities"),
        _ => None,
    }
}

impl Table {
    /// What the texts of a column are like: their lengths, and how many have `!`, `?`, web addresses, mentions,
    /// capitals, emoji, digits, `[deleted]`, invisible characters, mojibake, HTML entities.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn text_stats(&self, column: &str) -> Result<TextStats> {
        let texts = self.string_column(column)?;
        let look = |text: Option<&str>| {
            let text = text.filter(|text| !text.trim().is_empty())?;
            let has = TRAITS.iter().enumerate().filter(|(_, look)| (look.holds)(text));
            let bits = has.fold(0u16, |bits, (i, _)| bits | 1 << i);
            Some((text.chars().count(), text.split_whitespace().count(), bits))
        };
        let found: Vec<(usize, usize, u16)> =
            watched_texts(&tr!("Mirando los textos", "Looking at the texts"), &texts, look)?
                .into_iter()
                .flatten()
                .collect();
        let share = |i: usize| found.iter().filter(|found| found.2 >> i & 1 == 1).count();
        Ok(TextStats {
            column: column.to_string(),
            rows: texts.len(),
            missing: texts.len() - found.len(),
            chars: found.iter().map(|found| found.0).collect(),
            words: found.iter().map(|found| found.1).collect(),
            shares: TRAITS.iter().enumerate().map(|(i, look)| (look.name.to_string(), share(i))).collect(),
        })
    }
}

impl TextStats {
    /// How many texts have what a flag of this name tells: `exclamation`, `question`, `url`, ...
    pub fn count(&self, name: &str) -> usize {
        self.shares.iter().find(|share| share.0 == name).map_or(0, |share| share.1)
    }

    /// A histogram of the texts' lengths in characters, with its quarter marks.
    pub fn plot(&self) -> Result<Chart> {
        let sorted = sorted(&self.chars);
        let marks: Vec<(String, f64)> = match sorted.is_empty() {
            true => Vec::new(),
            false => [25, 50, 75, 100]
                .map(|p| (format!("{p} %: {}", number(quantile(&sorted, f64::from(p) / 100.0))), f64::from(p) / 100.0))
                .map(|(name, share)| (name, quantile(&sorted, share)))
                .to_vec(),
        };
        let title = tr!("Largo de «{}»", "Length of \"{}\"", self.column);
        histogram(&title, &tr!("caracteres", "characters"), &tr!("textos", "texts"), &sorted, &marks)
    }

    /// As a page shows it, and in plain text. Where a fault is found that a step mends, the step is named as one writes it.
    pub fn html(&self) -> Html {
        let lengths = headers(
            &["largo", "mínimo", "25 %", "50 %", "75 %", "máximo"],
            &["length", "min", "25 %", "50 %", "75 %", "max"],
        );
        let line = |name: String, values: &[usize]| {
            let sorted = sorted(values);
            let mut row = vec![name];
            row.extend([0.0, 0.25, 0.5, 0.75, 1.0].map(|share| number(quantile(&sorted, share))));
            row
        };
        let rows = [line(tr!("caracteres", "characters"), &self.chars), line(tr!("palabras", "words"), &self.words)];
        let (column, texts, missing) = (&self.column, self.chars.len(), self.missing);
        let caption = tr!(
            "«{column}»: {texts} textos, {missing} filas sin texto",
            "\"{column}\": {texts} texts, {missing} rows without text"
        );
        let remedy = |(name, with): &(String, usize)| {
            let step = mended_by(name).filter(|_| *with > 0)?;
            Some(format!("Step::{step}(\"{column}\")"))
        };
        let anything = self.shares.iter().any(|share| remedy(share).is_some());
        let share = |share: &(String, usize)| {
            let (name, with) = share;
            let words = TRAITS.iter().find(|look| look.name == name);
            let words = words.map_or("", |look| if crate::lang::spanish() { look.es } else { look.en });
            let mut row = vec![words.to_string(), with.to_string(), percent(*with, texts), name.clone()];
            row.extend(anything.then(|| remedy(share).unwrap_or_default()));
            row
        };
        let shares: Vec<Vec<String>> = self.shares.iter().map(share).collect();
        let mut titles = headers(&["textos", "cuántos", "parte", "marca"], &["texts", "how many", "share", "flag"]);
        titles.extend(anything.then(|| tr!("lo arregla", "mended by")));
        let parts = [Html::table(&lengths, &rows, &caption), Html::table(&titles, &shares, "")];
        Html {
            html: parts.iter().map(|part| part.html.as_str()).collect(),
            plain: parts.map(|part| part.plain).join("\n\n"),
        }
    }
}

shown!(TextStats);

fn sorted(values: &[usize]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().map(|value| *value as f64).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}
