//! Facts that a summary states and its source lacks: numbers, dates, names. What a model invents is most often one of
//! these, and the only kind that a program can look up without understanding.

mod dates;
mod names;
mod numbers;

use std::collections::HashSet;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::UnicodeNormalization;

use crate::error::Result;
use crate::look::{guess_language, headers, percent, shown};
use crate::show::{cut, escape, Html, Progress};
use crate::sys::{stopped, stopped_error};
use dates::{dates, Date};
use names::names;
use numbers::{numbers, Number};

/// What a fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// A number, in digits or in words.
    Number,
    /// A date, a month, a day of the week.
    Date,
    /// A word with a capital that does not begin a sentence, or several.
    Name,
}

impl FactKind {
    const ALL: [FactKind; 3] = [FactKind::Number, FactKind::Date, FactKind::Name];

    /// What it is called.
    pub fn name(self) -> String {
        match self {
            FactKind::Number => tr!("número", "number"),
            FactKind::Date => tr!("fecha", "date"),
            FactKind::Name => tr!("nombre", "name"),
        }
    }

    fn colour(self) -> &'static str {
        match self {
            FactKind::Number => "#d55e00",
            FactKind::Date => "#0072b2",
            FactKind::Name => "#009e73",
        }
    }
}

/// A fact in a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// As it stands there.
    pub text: String,
    /// What it is.
    pub kind: FactKind,
    /// Where it begins, in bytes of the summary.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// True where the source has it too.
    pub in_source: bool,
}

/// A summary with its facts.
#[derive(Clone, Debug)]
pub struct FactCheck {
    /// The summary.
    pub summary: String,
    /// Its facts, in their order.
    pub facts: Vec<Fact>,
}

/// The facts of several summaries.
#[derive(Clone, Debug)]
pub struct FactReport {
    /// Each summary with its facts.
    pub each: Vec<FactCheck>,
}

/// A word of a text.
#[derive(Clone, Debug)]
struct Word {
    span: Range<usize>,
    /// In small letters, without accents.
    folded: String,
    /// True where it begins with a capital.
    capital: bool,
}

fn fold(text: &str) -> String {
    text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

fn words_of(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_alphanumeric() || is_combining_mark(c), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                let word = &text[from..at];
                let capital = word.starts_with(char::is_uppercase);
                words.push(Word { span: from..at, folded: fold(word), capital });
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// What a source says.
struct Source {
    numbers: HashSet<i64>,
    /// Those outside dates.
    alone: HashSet<i64>,
    dates: Vec<Date>,
    words: HashSet<String>,
    spanish: bool,
}

/// A value as a key: four decimals are enough to tell numbers in texts apart.
fn key(value: f64) -> i64 {
    (value * 1e4).round() as i64
}

impl Source {
    fn read(text: &str) -> Self {
        let spanish = guess_language(text).code == "es";
        let words = words_of(text);
        let dates = dates(text, &words);
        let values = |taken: &[Range<usize>]| -> HashSet<i64> {
            numbers(text, &words, taken, spanish).iter().flat_map(|number| number.values.clone()).map(key).collect()
        };
        let spans: Vec<Range<usize>> = dates.iter().map(|date| date.span.clone()).collect();
        let (numbers, alone) = (values(&[]), values(&spans));
        Self { numbers, alone, dates, words: words.into_iter().map(|word| word.folded).collect(), spanish }
    }

    fn has_number(&self, number: &Number) -> bool {
        number.hint || number.values.iter().any(|value| *value == 1.0 || self.numbers.contains(&key(*value)))
    }

    /// As one date of the source has it; or the month of one with a day that stands alone (*12 y 13 de abril*).
    fn has_date(&self, date: &Date) -> bool {
        let number = |value: Option<u32>, values: &HashSet<i64>| {
            value.is_none_or(|value| values.contains(&key(f64::from(value))))
        };
        self.dates.iter().any(|other| {
            let same_month = date.month.is_some() && date.month == other.month;
            let day = date.day == other.day || number(date.day, &self.alone);
            date.is_in(other) || same_month && day && number(date.year, &self.numbers)
        })
    }
}

/// Looks for the numbers, dates and names of a summary in its source.
///
/// It cannot know that *forty* and *thirty-nine and one more* are the same, nor whether a fact is in its right place: what it marks should
/// be looked at, and what it does not mark may be wrong.
pub fn check_facts(source: &str, summary: &str) -> FactCheck {
    facts_in(&Source::read(source), summary)
}

fn facts_in(source: &Source, summary: &str) -> FactCheck {
    let words = words_of(summary);
    let dates = dates(summary, &words);
    let mut taken: Vec<Range<usize>> = dates.iter().map(|date| date.span.clone()).collect();
    let fact = |span: &Range<usize>, kind, in_source| Fact {
        text: summary[span.clone()].to_string(),
        kind,
        start: span.start,
        end: span.end,
        in_source,
    };
    let mut facts: Vec<Fact> =
        dates.iter().map(|date| fact(&date.span, FactKind::Date, source.has_date(date))).collect();
    for number in numbers(summary, &words, &taken, source.spanish) {
        // "Una" and "first" are hardly ever facts.
        if !number.hint && number.values != [1.0] {
            facts.push(fact(&number.span, FactKind::Number, source.has_number(&number)));
        }
        taken.push(number.span);
    }
    for (span, known) in names(summary, &words, &taken, &source.words) {
        facts.push(fact(&span, FactKind::Name, known));
    }
    facts.sort_by_key(|fact| fact.start);
    FactCheck { summary: summary.to_string(), facts }
}

/// As [`check_facts`], of many summaries, each with its source.
///
/// # Errors
/// When there is not one source for each summary, or the reader stops it.
pub fn check_all_facts(sources: &[String], summaries: &[String]) -> Result<FactReport> {
    super::check_same_length(sources.len(), summaries.len())?;
    let mut progress = Progress::start(&tr!("Buscando hechos", "Looking up facts"), summaries.len());
    let mut each = Vec::with_capacity(summaries.len());
    for (source, summary) in sources.iter().zip(summaries) {
        if stopped() {
            return Err(stopped_error(
                tr!("Parado antes de ver todos los resúmenes.", "Stopped before all summaries were seen."),
                tr!("Da menos resúmenes.", "Give fewer summaries."),
            ));
        }
        each.push(check_facts(source, summary));
        progress.update(each.len(), &tr!("resúmenes", "summaries"));
    }
    progress.end(&tr!("resúmenes", "summaries"));
    Ok(FactReport { each })
}

impl FactCheck {
    /// The facts that the source lacks.
    pub fn missing(&self) -> Vec<Fact> {
        self.facts.iter().filter(|fact| !fact.in_source).cloned().collect()
    }

    /// The summary with what the source lacks marked: in colour, and in words for those who do not see colours.
    pub fn html(&self) -> Html {
        let missing = self.missing();
        let (mut html, mut plain, mut at) = (String::new(), String::new(), 0);
        for fact in &missing {
            let (before, name, colour) = (&self.summary[at..fact.start], fact.kind.name(), fact.kind.colour());
            html += &escape(before);
            html += &format!(
                "<mark style=\"background:transparent;color:inherit;border:2px solid {colour};border-radius:4px;\
                 padding:0 .2em\">{}<sup style=\"color:{colour}\"> {name}?</sup></mark>",
                escape(&fact.text)
            );
            plain += &format!("{before}⟦{} ← {name}?⟧", fact.text);
            at = fact.end;
        }
        html += &escape(&self.summary[at..]);
        plain += &self.summary[at..];
        let legend = self.legend(missing.len());
        let html = format!(
            "<p style=\"max-width:48em;line-height:1.7;white-space:pre-wrap\">{html}</p><p style=\"opacity:.75\">{}</p>",
            escape(&legend)
        );
        Html { html, plain: format!("{plain}\n{legend}") }
    }

    fn legend(&self, missing: usize) -> String {
        let all = self.facts.len();
        match (all, missing) {
            (0, _) => {
                tr!("El resumen no tiene números, fechas ni nombres.", "The summary has no numbers, dates or names.")
            }
            (_, 0) => tr!(
                "Los {all} números, fechas y nombres están en el texto.",
                "All {all} numbers, dates and names stand in the source."
            ),
            _ => tr!(
                "Marcado con su clase y «?»: {missing} de {all} números, fechas y nombres que el texto no tiene.",
                "Marked with its kind and \"?\": {missing} of {all} numbers, dates and names that the source lacks."
            ),
        }
    }
}

shown!(FactCheck);

impl FactReport {
    /// Summaries with at least one fact that the source lacks.
    pub fn with_missing(&self) -> usize {
        self.each.iter().filter(|check| check.facts.iter().any(|fact| !fact.in_source)).count()
    }

    /// The share of all facts that the sources lack; 0 where there are no facts.
    pub fn missing_share(&self) -> f64 {
        let all = self.each.iter().map(|check| check.facts.len()).sum::<usize>().max(1);
        self.each.iter().map(|check| check.missing().len()).sum::<usize>() as f64 / all as f64
    }

    /// As a page shows it, and in plain text: by kind, and the first facts that are missing.
    pub fn html(&self) -> Html {
        let mut rows = Vec::new();
        for kind in FactKind::ALL {
            let facts: Vec<&Fact> =
                self.each.iter().flat_map(|check| &check.facts).filter(|fact| fact.kind == kind).collect();
            let missing: Vec<&&Fact> = facts.iter().filter(|fact| !fact.in_source).collect();
            let examples: Vec<String> = missing.iter().take(5).map(|fact| cut(&fact.text, 30)).collect();
            let share = percent(missing.len(), facts.len());
            rows.push(vec![
                kind.name(),
                facts.len().to_string(),
                missing.len().to_string(),
                share,
                examples.join(", "),
            ]);
        }
        let headers = headers(
            &["hechos", "hay", "faltan en el texto", "de todos", "por ejemplo"],
            &["facts", "there are", "not in the source", "of all", "for example"],
        );
        let (with, all) = (self.with_missing(), self.each.len());
        let caption = tr!(
            "{with} de {all} resúmenes dicen algo que su texto no tiene",
            "{with} of {all} summaries say something that their source lacks"
        );
        Html::table(&headers, &rows, &caption)
    }
}

shown!(FactReport);
