//! Dates in a text: day, month and year, as far as they are given, and days of the week.

use std::ops::Range;

use super::Word;

const MONTHS_ES: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];
const MONTHS_EN: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS_ES: [&str; 7] = ["lunes", "martes", "miercoles", "jueves", "viernes", "sabado", "domingo"];
const DAYS_EN: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A date in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) span: Range<usize>,
    pub(super) day: Option<u32>,
    pub(super) month: Option<u32>,
    pub(super) year: Option<u32>,
    /// 1 is Monday.
    pub(super) weekday: Option<u32>,
    /// Of `3/4/2020` nobody knows which is the month.
    pub(super) either: bool,
}

impl Date {
    /// True where everything that this date says, `other` says too.
    pub(super) fn is_in(&self, other: &Date) -> bool {
        let same = |one: Option<u32>, two: Option<u32>| one.is_none() || one == two;
        let straight = same(self.day, other.day) && same(self.month, other.month);
        let crossed = (self.either || other.either) && same(self.day, other.month) && same(self.month, other.day);
        (straight || crossed) && same(self.year, other.year) && same(self.weekday, other.weekday)
    }
}

/// The month that a word names. English ones have a capital, else *may* and *march* are verbs.
fn month(word: &Word) -> Option<u32> {
    let at = |list: &[&str]| list.iter().position(|name| *name == word.folded).map(|i| i as u32 + 1);
    at(&MONTHS_ES).or_else(|| if word.capital { at(&MONTHS_EN) } else { None })
}

fn weekday(word: &Word) -> Option<u32> {
    let at = |list: &[&str]| {
        list.iter()
            .position(|name| word.folded == *name || word.folded.strip_suffix('s') == Some(name))
            .map(|i| i as u32 + 1)
    };
    at(&DAYS_ES).or_else(|| if word.capital { at(&DAYS_EN) } else { None })
}

/// The dates of a text, in their order.
pub(super) fn dates(text: &str, words: &[Word]) -> Vec<Date> {
    let mut found: Vec<Date> = Vec::new();
    for (i, word) in words.iter().enumerate() {
        if found.last().is_some_and(|date| word.span.start < date.span.end) {
            continue;
        }
        if let Some(date) = in_signs(text, word) {
            found.push(date);
        } else if let Some(weekday) = weekday(word) {
            found.push(Date { span: word.span.clone(), weekday: Some(weekday), ..NOTHING });
        } else if let Some(month) = month(word) {
            found.push(around(words, i, month));
        }
    }
    found
}

const NOTHING: Date = Date { span: 0..0, day: None, month: None, year: None, weekday: None, either: false };

/// The date around the month at place `i`: `4 de marzo de 2023`, `March 4, 2023`, `4th of March`.
fn around(words: &[Word], i: usize, month: u32) -> Date {
    let mut date = Date { span: words[i].span.clone(), month: Some(month), ..NOTHING };
    let skip = |word: &Word| ["de", "del", "of", "the"].contains(&word.folded.as_str());
    let before = (0..i).rev().find(|place| !skip(&words[*place])).filter(|place| i - place <= 3);
    if let Some(place) = before {
        if let Some(day) = day(&words[place].folded) {
            (date.day, date.span.start) = (Some(day), words[place].span.start);
        }
    }
    let mut next = i + 1;
    if date.day.is_none() && words.get(next).is_none_or(|word| year(&word.folded).is_none()) {
        if let Some(day) = words.get(next).and_then(|word| day(&word.folded)) {
            (date.day, date.span.end) = (Some(day), words[next].span.end);
            next += 1;
        }
    }
    if words.get(next).is_some_and(skip) {
        next += 1;
    }
    if let Some(year) = words.get(next).and_then(|word| year(&word.folded)) {
        (date.year, date.span.end) = (Some(year), words[next].span.end);
    }
    date
}

fn day(word: &str) -> Option<u32> {
    let digits = word.trim_end_matches(|c: char| c.is_alphabetic() || c == 'º' || c == '°');
    digits.parse().ok().filter(|day| (1..=31).contains(day) && word.len() <= digits.len() + 3)
}

fn year(word: &str) -> Option<u32> {
    word.parse().ok().filter(|year| (1000..=2999).contains(year))
}

/// `2023-05-12`, `12/05/2023`, `12-05-2023`: from the word on, which is its first part.
fn in_signs(text: &str, word: &Word) -> Option<Date> {
    let rest = &text[word.span.start..];
    let length = rest.find(|c: char| !c.is_ascii_digit() && !"-/".contains(c)).unwrap_or(rest.len());
    let whole = rest[..length].trim_end_matches(['-', '/']);
    let sign = if whole.contains('/') { '/' } else { '-' };
    let parts: Vec<u32> = whole.split(sign).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [a, b, c] = parts.as_slice() else { return None };
    let span = word.span.start..word.span.start + whole.len();
    match (1000..3000).contains(a) {
        true => Some(Date { span, year: Some(*a), month: Some(*b), day: Some(*c), ..NOTHING }),
        false if (1000..3000).contains(c) => {
            Some(Date { span, day: Some(*a), month: Some(*b), year: Some(*c), either: *a <= 12 && *b <= 12, ..NOTHING })
        }
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::words_of;
    use super::*;

    fn read(text: &str) -> Vec<(Option<u32>, Option<u32>, Option<u32>)> {
        dates(text, &words_of(text)).into_iter().map(|date| (date.day, date.month, date.year)).collect()
    }

    #[test]
    fn dates_are_read_in_both_languages_and_in_signs() {
        let whole = (Some(4), Some(3), Some(2023));
        for text in ["el 4 de marzo de 2023", "March 4, 2023", "on 4 March 2023", "the 4th of March 2023", "2023-03-04"]
        {
            assert_eq!(read(text), [whole], "{text}");
        }
        assert_eq!(read("en enero, y el 7 de octubre"), [(None, Some(1), None), (Some(7), Some(10), None)]);
        assert_eq!(read("They may march in May."), [(None, Some(5), None)]);
        assert_eq!(read("diciembre de 1999"), [(None, Some(12), Some(1999))]);
        let slashes = dates("3/4/2020", &words_of("3/4/2020"));
        let words = dates("April 3, 2020", &words_of("April 3, 2020"));
        assert!(slashes[0].is_in(&words[0]) && !slashes[0].is_in(&dates("April 5", &words_of("April 5"))[0]));
        assert_eq!(dates("los lunes", &words_of("los lunes"))[0].weekday, Some(1));
    }
}
