//! Dates that people wrote in their own way, as ISO 8601 writes them: `17/03/2024` is `2024-03-17`.
//!
//! `03/04/2024` is the third of April in Madrid and the fourth of March in Chicago. Nothing here guesses which: either
//! the learner says the order, or such a date stays as it is and the report tells.

use super::run::{State, EXAMPLES};
use super::Step;
use crate::error::Result;
use crate::table::{listed, map_texts, Patch};
use chrono::NaiveDate;

/// What a learner may say about the order of day and month.
pub(super) const ORDERS: [&str; 3] = ["dmy", "mdy", "clear"];

/// How a text can be read as a date.
#[derive(Clone, Debug, PartialEq)]
enum Reading {
    /// It is ISO already, or empty.
    Stays,
    /// In one way alone; the text that takes its place, and whether the day came first (nothing where that is plain).
    Clear(String, Option<bool>),
    /// With the day first it is one date, with the month first another.
    Twofold(String, String),
    /// It is no date that this file knows.
    Unread,
}

/// What was done to a column of dates, and what was not.
#[derive(Default)]
struct Told {
    changed: Vec<usize>,
    twofold: Vec<usize>,
    unread: Vec<usize>,
    day_first: usize,
    month_first: usize,
}

impl State {
    /// Writes the dates of a column as ISO does, those that can be read in one way, or in the order that was said.
    pub(super) fn dates(&mut self, step: &Step, name: &str, order: &str) -> Result<()> {
        let column = self.table.string_column(name)?;
        let readings = map_texts(&column, |text| read(text.unwrap_or_default()));
        let (mut told, mut new) = (Told::default(), Patch::new(&column));
        let mut examples = Vec::new();
        for (row, reading) in readings.iter().enumerate().filter(|(row, _)| self.alive[*row]) {
            let text = match (reading, order) {
                (Reading::Stays, _) => continue,
                // The said order is no order that this date fits.
                (Reading::Clear(_, Some(true)), "mdy") | (Reading::Clear(_, Some(false)), "dmy") => None,
                (Reading::Clear(text, _), _) => Some(text),
                (Reading::Twofold(text, _), "dmy") | (Reading::Twofold(_, text), "mdy") => Some(text),
                _ => None,
            };
            match (text, reading) {
                (Some(text), _) => {
                    if examples.len() < EXAMPLES {
                        examples.push((column.get(row).unwrap_or_default().to_string(), text.clone()));
                    }
                    new.set(row, text);
                    told.changed.push(row);
                }
                (None, Reading::Twofold(..)) => told.twofold.push(row),
                (None, _) => told.unread.push(row),
            }
            if let Reading::Clear(_, Some(day_first)) = reading {
                *(if *day_first { &mut told.day_first } else { &mut told.month_first }) += 1;
            }
        }
        let text = |row: &usize| column.get(*row).unwrap_or_default().to_string();
        let note = told.note(name, text, |row| readings[*row].clone());
        self.report(step, self.left, told.changed.len(), examples);
        self.note(note);
        if !told.changed.is_empty() {
            self.keep_original(name)?;
            self.table = self.table.with_column(new.finish(name)?)?;
        }
        Ok(())
    }
}

impl Told {
    /// What stayed as it was and why, for the report; nothing where nothing did.
    fn note(&self, name: &str, text: impl Fn(&usize) -> String, reading: impl Fn(&usize) -> Reading) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(row) = self.twofold.first() {
            let (all, shown) = (self.twofold.len(), text(row));
            let (days, months) = (self.day_first, self.month_first);
            let Reading::Twofold(day, month) = reading(row) else { return None };
            parts.push(tr!(
                "{all} se pueden leer de dos maneras y se quedan como están: «{shown}» es {day} si el día va primero y \
                 {month} si va primero el mes. De las que se leen de una sola, {days} llevan primero el día y {months} el \
                 mes. Si sabes cómo se escribieron: Step::iso_dates(\"{name}\", \"dmy\") o \"mdy\".",
                "{all} can be read in two ways and stay as they are: \"{shown}\" is {day} with the day first and {month} \
                 with the month first. Of those that can be read in one way, {days} have the day first and {months} the \
                 month. If you know how they were written: Step::iso_dates(\"{name}\", \"dmy\") or \"mdy\"."
            ));
        }
        if !self.unread.is_empty() {
            let all = self.unread.len();
            let shown = listed(&self.unread.iter().take(4).map(text).collect::<Vec<_>>(), 3);
            parts.push(tr!(
                "{all} no se leen como fecha y se quedan como están: {shown}",
                "{all} are not read as dates and stay as they are: {shown}"
            ));
        }
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

/// How `text` can be read as a date: `2024-03-17`, `2024/3/17`, `17/03/2024`, `17.3.2024`, `17 de marzo de 2024`,
/// `March 17th, 2024`; after numbers, a time too. A year has four digits.
fn read(text: &str) -> Reading {
    let text = text.trim();
    if text.is_empty() || is_iso(text) {
        return Reading::Stays;
    }
    numeric(text).or_else(|| named(text)).unwrap_or(Reading::Unread)
}

fn date(year: u32, month: u32, day: u32) -> Option<String> {
    Some(NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?.format("%Y-%m-%d").to_string())
}

fn is_iso(text: &str) -> bool {
    let Some((day, rest)) = text.split_at_checked(10) else { return false };
    NaiveDate::parse_from_str(day, "%Y-%m-%d").is_ok() && !rest.starts_with(|c: char| c.is_alphanumeric() && c != 'T')
}

/// Three numbers with the same sign between them, and perhaps a time after a blank.
fn numeric(text: &str) -> Option<Reading> {
    let (day, time) = text.split_once([' ', 'T']).map_or((text, ""), |(day, time)| (day, time.trim()));
    let is_time = time.starts_with(|c: char| c.is_ascii_digit()) && time.contains(':');
    if !time.is_empty() && !is_time {
        return None;
    }
    let sign = day.chars().find(|c| !c.is_ascii_digit()).filter(|c| matches!(c, '/' | '-' | '.'))?;
    let parts: Vec<&str> = day.split(sign).collect();
    let [a, b, c] = parts[..] else { return None };
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok())?;
    let (x, y, z) = (number(a)?, number(b)?, number(c)?);
    let whole = |date: String| if time.is_empty() { date } else { format!("{date} {time}") };
    if a.len() == 4 && b.len() <= 2 && c.len() <= 2 {
        return Some(Reading::Clear(whole(date(x, y, z)?), None));
    }
    if a.len() > 2 || b.len() > 2 || c.len() != 4 {
        return None;
    }
    Some(match (date(z, y, x).map(whole), date(z, x, y).map(whole)) {
        // 04/04/2024 is the same day either way.
        (Some(day_first), Some(month_first)) if day_first == month_first => Reading::Clear(day_first, None),
        (Some(day_first), Some(month_first)) => Reading::Twofold(day_first, month_first),
        (Some(day_first), None) => Reading::Clear(day_first, Some(true)),
        (None, Some(month_first)) => Reading::Clear(month_first, Some(false)),
        (None, None) => return None,
    })
}

/// A date with the month's name in it, in Spanish or English.
fn named(text: &str) -> Option<Reading> {
    let (mut month, mut day, mut year) = (None, None, None);
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        let number = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        let place = match (number.parse::<u32>(), number.len()) {
            (Ok(value), 4) if word.len() == 4 => year.replace(value),
            (Ok(value), 1 | 2) if matches!(&word[number.len()..], "" | "st" | "nd" | "rd" | "th" | "º") => {
                day.replace(value)
            }
            (Err(_), _) if matches!(word.as_str(), "de" | "del" | "of" | "the" | "el") => None,
            (Err(_), _) => month.replace(month_of(&word)?),
            _ => return None,
        };
        if place.is_some() {
            return None;
        }
    }
    Some(Reading::Clear(date(year?, month?, day?)?, None))
}

/// The number of a month: its name, or the first letters of it, three at least.
fn month_of(word: &str) -> Option<u32> {
    const NAMES: [[&str; 2]; 12] = [
        ["enero", "january"],
        ["febrero", "february"],
        ["marzo", "march"],
        ["abril", "april"],
        ["mayo", "may"],
        ["junio", "june"],
        ["julio", "july"],
        ["agosto", "august"],
        ["septiembre", "september"],
        ["octubre", "october"],
        ["noviembre", "november"],
        ["diciembre", "december"],
    ];
    let is = |names: &[&str; 2]| word.len() >= 3 && names.iter().any(|name| name.starts_with(word));
    let place = NAMES.iter().position(is).or(matches!(word, "setiembre" | "set").then_some(8))?;
    Some(place as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clear(date: &str, day_first: Option<bool>) -> Reading {
        Reading::Clear(date.into(), day_first)
    }

    #[test]
    fn a_date_that_can_be_read_in_one_way_is_read() {
        assert_eq!(read("17/03/2024"), clear("2024-03-17", Some(true)));
        assert_eq!(read("03/17/2024"), clear("2024-03-17", Some(false)));
        assert_eq!(read("29.2.2024"), clear("2024-02-29", Some(true)));
        assert_eq!(read(" 31-12-2023 18:05 "), clear("2023-12-31 18:05", Some(true)));
        for text in ["2024/3/17", "04/04/2024"] {
            assert!(matches!(read(text), Reading::Clear(_, None)), "{text}");
        }
        for text in ["17 de marzo de 2024", "March 17th, 2024", "17-mar-2024", "Mar. 17, 2024", "el 17 Marzo del 2024"]
        {
            assert_eq!(read(text), clear("2024-03-17", None), "{text}");
        }
        assert_eq!(read("1 de setiembre de 2024"), clear("2024-09-01", None));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_never_guessed() {
        assert_eq!(read("03/04/2024"), Reading::Twofold("2024-04-03".into(), "2024-03-04".into()));
        for text in
            ["03/04/24", "30/02/2024", "13/13/2024", "ayer", "2024", "17 de brumario de 2024", "1/2/3/2024", "a/b/2024"]
        {
            assert_eq!(read(text), Reading::Unread, "{text}");
        }
        for text in ["", "2024-03-17", "2024-03-17T10:00:00Z", "2024-03-17 10:00"] {
            assert_eq!(read(text), Reading::Stays, "{text}");
        }
    }
}
