//! Numbers in a text, in digits with either sign for decimals (`1.234,5`, `1,234.5`) or in words (*thirty-four*,
//! *treinta y cuatro*, *2,5 millones*), each as the values that it may mean.

use std::ops::Range;

use super::{fold, Word};

/// A number in a text.
#[derive(Clone, Debug)]
pub(super) struct Number {
    pub(super) span: Range<usize>,
    /// What it may mean: `1.234` is 1234 here and 1.234 there.
    pub(super) values: Vec<f64>,
    /// Words that only hint at a number (*both*, *dozen*, *third*): they back a number and need no backing.
    pub(super) hint: bool,
}

const SMALL_ES: [&str; 30] = [
    "cero",
    "uno",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "once",
    "doce",
    "trece",
    "catorce",
    "quince",
    "dieciseis",
    "diecisiete",
    "dieciocho",
    "diecinueve",
    "veinte",
    "veintiuno",
    "veintidos",
    "veintitres",
    "veinticuatro",
    "veinticinco",
    "veintiseis",
    "veintisiete",
    "veintiocho",
    "veintinueve",
];
const SMALL_EN: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS_ES: [&str; 7] = ["treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"];
const TENS_EN: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const HUNDREDS: [&str; 9] =
    ["ciento", "doscient", "trescient", "cuatrocient", "quinient", "seiscient", "setecient", "ochocient", "novecient"];
const ORDINALS_ES: [&str; 10] =
    ["primer", "segund", "tercer", "cuart", "quint", "sext", "septim", "octav", "noven", "decim"];
const ORDINALS_EN: [&str; 10] =
    ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];

/// What a word adds to a number.
enum Part {
    /// Below a hundred.
    Small(f64),
    /// 100 to 900 in one word.
    Hundreds(f64),
    /// Times a hundred, in English.
    Hundred,
    /// Times a thousand, a million, ...
    Times(f64),
}

fn part(word: &str, spanish: bool) -> Option<Part> {
    let at = |list: &[&str]| list.iter().position(|known| *known == word).map(|i| i as f64);
    if spanish {
        if ["un", "una", "veintiun", "veintiuna"].contains(&word) {
            return Some(Part::Small(if word.starts_with('v') { 21.0 } else { 1.0 }));
        }
        if word == "cien" {
            return Some(Part::Hundreds(100.0));
        }
        let hundreds = HUNDREDS
            .iter()
            .position(|stem| word == *stem || word.strip_prefix(stem).is_some_and(|end| ["os", "as"].contains(&end)));
        return match word {
            "mil" | "miles" => Some(Part::Times(1e3)),
            "millon" | "millones" => Some(Part::Times(1e6)),
            "billon" | "billones" => Some(Part::Times(1e12)),
            _ => at(&SMALL_ES)
                .or_else(|| at(&TENS_ES).map(|i| 30.0 + 10.0 * i))
                .map(Part::Small)
                .or_else(|| hundreds.map(|i| Part::Hundreds(100.0 * (i as f64 + 1.0)))),
        };
    }
    match word {
        "hundred" | "hundreds" => Some(Part::Hundred),
        "thousand" | "thousands" => Some(Part::Times(1e3)),
        "million" | "millions" => Some(Part::Times(1e6)),
        "billion" | "billions" => Some(Part::Times(1e9)),
        _ => at(&SMALL_EN).or_else(|| at(&TENS_EN).map(|i| 20.0 + 10.0 * i)).map(Part::Small),
    }
}

/// A word that hints at a number.
fn hint(word: &str, spanish: bool) -> Option<f64> {
    if spanish {
        return match word {
            "ambos" | "ambas" | "par" | "pareja" | "doble" | "dupla" => Some(2.0),
            "triple" => Some(3.0),
            "decena" | "decada" => Some(10.0),
            "docena" => Some(12.0),
            "centenar" | "siglo" => Some(100.0),
            "mitad" | "medio" | "media" => Some(0.5),
            _ => ORDINALS_ES
                .iter()
                .position(|stem| word.strip_prefix(stem).is_some_and(|end| ["", "o", "a", "os", "as"].contains(&end)))
                .map(|i| i as f64 + 1.0),
        };
    }
    match word {
        "both" | "pair" | "couple" | "twice" | "double" | "twin" | "twins" => Some(2.0),
        "triple" | "thrice" => Some(3.0),
        "decade" => Some(10.0),
        "dozen" => Some(12.0),
        "century" => Some(100.0),
        "half" => Some(0.5),
        _ => ORDINALS_EN.iter().position(|known| *known == word).map(|i| i as f64 + 1.0),
    }
}

/// The numbers of a text that lie outside `taken`, in their order.
pub(super) fn numbers(text: &str, words: &[Word], taken: &[Range<usize>], spanish: bool) -> Vec<Number> {
    let free = |span: &Range<usize>| !taken.iter().any(|other| span.start < other.end && other.start < span.end);
    let mut found: Vec<Number> = in_digits(text, words, spanish).into_iter().filter(|one| free(&one.span)).collect();
    let digits: Vec<Range<usize>> = found.iter().map(|one| one.span.clone()).collect();
    let outside = |span: &Range<usize>| !digits.iter().any(|other| span.start < other.end && other.start < span.end);
    found.extend(in_words(text, words, spanish).into_iter().filter(|one| free(&one.span) && outside(&one.span)));
    found.sort_by_key(|one| one.span.start);
    found
}

fn in_digits(text: &str, words: &[Word], spanish: bool) -> Vec<Number> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        if !bytes[i].is_ascii_digit() {
            i += 1;
            continue;
        }
        let start = i;
        let mut end = i;
        // A sign belongs to the number where a digit follows; of spaces only those that part thousands.
        loop {
            while end < bytes.len() && bytes[end].is_ascii_digit() {
                end += 1;
            }
            let rest = &text[end..];
            let sign =
                rest.chars().next().filter(|c| ".,:'\u{a0}\u{202f}\u{2009}".contains(*c)).map_or(0, char::len_utf8);
            match sign > 0 && rest[sign..].starts_with(|c: char| c.is_ascii_digit()) {
                true => end += sign,
                false => break,
            }
        }
        let mut number = Number { span: start..end, values: values(&text[start..end]), hint: false };
        // 2,5 millones; 3 mil.
        if let Some(next) = words.iter().find(|word| word.span.start >= end) {
            let near = text[end..next.span.start].chars().all(char::is_whitespace) && next.span.start > end;
            if let (true, Some(Part::Times(times))) = (near, part(&next.folded, spanish)) {
                number.values.iter_mut().for_each(|value| *value *= times);
                number.span.end = next.span.end;
            }
        }
        i = number.span.end;
        found.push(number);
    }
    found
}

/// What a number in digits and signs may mean.
fn values(digits: &str) -> Vec<f64> {
    let plain: String = digits.chars().filter(|c| c.is_ascii_digit() || ".,:".contains(*c)).collect();
    let signs: Vec<(usize, char)> = plain.char_indices().filter(|(_, c)| !c.is_ascii_digit()).collect();
    let read = |text: String| text.parse::<f64>().unwrap_or(f64::NAN);
    let without = || read(plain.chars().filter(char::is_ascii_digit).collect());
    let decimal = |at: usize| {
        let whole: String = plain[..at].chars().filter(char::is_ascii_digit).collect();
        read(format!("{whole}.{}", &plain[at + 1..]))
    };
    match signs.as_slice() {
        [] => vec![without()],
        [(at, sign)] => {
            let thousands = *sign != ':' && plain.len() - at - 1 == 3 && *at <= 3;
            if thousands {
                vec![without(), decimal(*at)]
            } else {
                vec![decimal(*at)]
            }
        }
        // Two different signs: the last one parts the decimals. The same one again: thousands.
        [.., (_, before), (at, last)] if before != last => vec![decimal(*at)],
        _ => vec![without()],
    }
}

/// A number that is being read in words.
#[derive(Default)]
struct Reading {
    span: Option<Range<usize>>,
    total: f64,
    current: f64,
}

impl Reading {
    /// True where the part goes on with the number; else a new one begins.
    fn takes(&self, part: &Part) -> bool {
        match part {
            Part::Small(value) => {
                let below = self.current % 100.0;
                self.span.is_none()
                    || below == 0.0 && *value > 0.0
                    || below >= 20.0 && below % 10.0 == 0.0 && *value < 10.0
            }
            Part::Hundreds(_) => self.current % 1000.0 == 0.0,
            Part::Hundred => self.current < 100.0,
            Part::Times(_) => true,
        }
    }

    fn add(&mut self, part: &Part, span: &Range<usize>) {
        match part {
            Part::Small(value) | Part::Hundreds(value) => self.current += value,
            Part::Hundred => self.current = self.current.max(1.0) * 100.0,
            Part::Times(times) => {
                self.total += self.current.max(1.0) * times;
                self.current = 0.0;
            }
        }
        self.span = Some(self.span.as_ref().map_or(span.start, |before| before.start)..span.end);
    }

    fn end(&mut self, found: &mut Vec<Number>) {
        let done = std::mem::take(self);
        if let Some(span) = done.span {
            found.push(Number { span, values: vec![done.total + done.current], hint: false });
        }
    }
}

fn in_words(text: &str, words: &[Word], spanish: bool) -> Vec<Number> {
    let mut found = Vec::new();
    let mut reading = Reading::default();
    for (i, word) in words.iter().enumerate() {
        let joined = reading.span.as_ref().is_some_and(|span| {
            let gap = fold(&text[span.end..word.span.start]);
            let gap = gap.trim();
            gap.is_empty() || gap == "-" || (spanish && gap == "y") || (!spanish && gap == "and")
        });
        if !joined {
            // The joining word itself: it only counts where a number goes on behind it.
            let joins = word.folded == if spanish { "y" } else { "and" };
            if joins && reading.span.as_ref().is_some_and(|span| goes_on(span, text, words, i, spanish)) {
                continue;
            }
            reading.end(&mut found);
        }
        match part(&word.folded, spanish) {
            Some(part) => {
                if !reading.takes(&part) {
                    reading.end(&mut found);
                }
                reading.add(&part, &word.span);
            }
            None => {
                let joins = word.folded == if spanish { "y" } else { "and" };
                if !(joins && reading.span.as_ref().is_some_and(|span| goes_on(span, text, words, i, spanish))) {
                    reading.end(&mut found);
                }
                if let Some(value) = hint(&word.folded, spanish) {
                    found.push(Number { span: word.span.clone(), values: vec![value], hint: true });
                }
            }
        }
    }
    reading.end(&mut found);
    found
}

/// True where behind *y* or *and* the same number goes on: thirty and four, a hundred and six.
fn goes_on(span: &Range<usize>, text: &str, words: &[Word], i: usize, spanish: bool) -> bool {
    let before = fold(&text[span.clone()]);
    let last = before.split([' ', '-']).next_back().unwrap_or_default();
    let Some(next) = words.get(i + 1).and_then(|word| part(&word.folded, spanish)) else { return false };
    match (spanish, next) {
        (true, Part::Small(value)) => TENS_ES.contains(&last) && value < 10.0,
        (false, Part::Small(_)) => ["hundred", "thousand", "million"].contains(&last),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::words_of;
    use super::*;

    fn read(text: &str, spanish: bool) -> Vec<Vec<f64>> {
        numbers(text, &words_of(text), &[], spanish).into_iter().map(|number| number.values).collect()
    }

    #[test]
    fn digits_are_read_with_either_sign() {
        assert_eq!(read("1.234,5 y 1,234.5", true), [[1234.5], [1234.5]]);
        assert_eq!(read("6.400 euros", true), [[6400.0, 6.4]]);
        assert_eq!(read("a las 13.10, o 13:10; 3,5.", true), [[13.1], [13.1], [3.5]]);
        assert_eq!(read("1.234.567, 1\u{a0}200", true), [[1_234_567.0], [1200.0]]);
        assert_eq!(read("2,5 millones, 3 mil", true), [[2.5e6], [3e3]]);
        assert_eq!(read("the 40th of 2,000", false), [vec![40.0], vec![2000.0, 2.0]]);
    }

    #[test]
    fn words_are_read_in_both_languages() {
        assert_eq!(read("treinta y cuatro casas y dos perros", true), [[34.0], [2.0]]);
        assert_eq!(read("mil doscientos veintiún años", true), [[1221.0]]);
        assert_eq!(read("dos millones trescientos mil", true), [[2_300_000.0]]);
        assert_eq!(read("ciento seis", true), [[106.0]]);
        assert_eq!(read("twenty-two men and three dogs", false), [[22.0], [3.0]]);
        assert_eq!(read("a hundred and six, two thousand five hundred", false), [[106.0], [2500.0]]);
        assert_eq!(read("two, three or four", false), [[2.0], [3.0], [4.0]]);
        // Eleven in one language, a time in the other.
        assert_eq!((read("once", true), read("once", false)), (vec![vec![11.0]], vec![]));
    }
}
