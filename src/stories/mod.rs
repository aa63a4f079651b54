//! Stories for a small vocabulary, in the manner of TinyStories (Eldan and Li, arXiv 2305.07759), told by a grammar.
//!
//! The corpus on which the model that ships was pre-trained comes from here: `data/stories/{es,en}.txt`, expanded with
//! a seed, so that anyone can make the same text again.

mod grammar;
pub mod pairs;

use std::collections::HashMap;

use crate::error::Result;
use crate::rng::Rng;
use grammar::{Grammar, Node, Plot, Row, Source, Summary, Template};

/// The longest story that is kept, in words.
pub const MAX_WORDS: usize = 58;
/// The longest story that is kept, in words and runs of punctuation: about as many tokens, of which a reader is shown 80.
pub const MAX_PIECES: usize = 70;

/// One story in this many begins by presenting its hero.
const INTRODUCED: usize = 4;

/// Tells stories in one language.
#[derive(Clone, Debug)]
pub struct StoryTeller {
    grammar: Grammar,
    english: bool,
    summaries: Vec<Summary>,
}

/// One story and the plot it follows.
#[derive(Clone, Debug)]
pub struct Story {
    /// The story, one paragraph.
    pub text: String,
    /// The name of its plot in the grammar.
    pub plot: String,
    /// The story in one line; empty where its plot has none ([`StoryTeller::with_summaries`]).
    pub summary: String,
    /// True where the plot's summary is for testing only.
    pub kept_apart: bool,
}

/// What a variable of a plot holds during one story.
struct Value {
    row: Row,
    /// Which of the literal options was drawn.
    option: usize,
    /// Fields already drawn: a field keeps its value for the whole story.
    fields: HashMap<String, String>,
}

impl StoryTeller {
    /// A teller from a grammar's text; `language` is `es` or `en`.
    pub fn new(grammar: &str, language: &str) -> Result<Self> {
        Ok(Self { grammar: Grammar::parse(grammar)?, english: language == "en", summaries: Vec::new() })
    }

    /// Gives plots a summary of one line each, from a text with lines `plot = template`. The stories stay as they are.
    pub fn with_summaries(mut self, text: &str) -> Result<Self> {
        self.summaries = self.grammar.summaries(text)?;
        Ok(self)
    }

    /// Story number `index` of the family `seed`: always the same one.
    pub fn story(&self, seed: u64, index: u64) -> Story {
        self.tell(seed, index, |plot| !plot.is_primer())
    }

    /// Primer number `index` of the family `seed`: a few sentences that name two characters again and again.
    ///
    /// A small model learns from them that who was there is who comes back; stories alone, in which a name returns once
    /// or twice, did not teach it that in 16 million tokens. A grammar without primers gives a story.
    pub fn primer(&self, seed: u64, index: u64) -> Story {
        match self.grammar.plots.iter().any(Plot::is_primer) {
            true => self.tell(seed, index, Plot::is_primer),
            false => self.story(seed, index),
        }
    }

    /// Draws among the plots that are wanted; what is too long is drawn again.
    fn tell(&self, seed: u64, index: u64, wanted: fn(&Plot) -> bool) -> Story {
        let plots: Vec<&Plot> = self.grammar.plots.iter().filter(|plot| wanted(plot)).collect();
        let mut rng = Rng::stream(seed, index);
        let mut draw = || self.draw(plots[rng.below(plots.len())], &mut rng);
        let mut story = draw();
        // A grammar whose plots are all too long would never end: after 100 tries the last one is kept.
        for _ in 0..100 {
            if count_words(&story.text) <= MAX_WORDS && count_pieces(&story.text) <= MAX_PIECES {
                break;
            }
            story = draw();
        }
        story
    }

    /// The names of the plots, in the grammar's order.
    pub fn plots(&self) -> Vec<String> {
        self.grammar.plots.iter().map(|plot| plot.name.clone()).collect()
    }

    /// Rules that no plot uses.
    pub fn unused_rules(&self) -> Vec<String> {
        let written = format!("{:?}{:?}", self.grammar.plots, self.grammar.rules);
        let unused = |name: &&String| *name != "intro" && !written.contains(&format!("Rule(\"{name}\")"));
        self.grammar.rules.keys().filter(unused).cloned().collect()
    }

    fn draw(&self, plot: &Plot, rng: &mut Rng) -> Story {
        let mut values = self.cast(plot, rng);
        let mut text = String::new();
        self.introduce(plot, &mut values, rng, &mut text);
        for (half, beat) in &plot.beats {
            if *half && rng.below(2) == 0 {
                continue;
            }
            text.push(' ');
            self.expand(beat, &mut values, rng, &mut text);
        }
        let (mut summary, found) = (String::new(), self.summaries.iter().find(|one| one.plot == plot.name));
        if let Some(one) = found {
            // From a copy of the generator: the stories that follow must not change.
            self.expand(&one.template, &mut values, &mut rng.clone(), &mut summary);
        }
        Story {
            text: polish(&text, self.english),
            plot: plot.name.clone(),
            summary: polish(&summary, self.english),
            kept_apart: found.is_some_and(|one| one.kept_apart),
        }
    }

    /// One story in [`INTRODUCED`] about a child presents that child first, where the grammar has a rule `intro`.
    fn introduce(&self, plot: &Plot, values: &mut HashMap<String, Value>, rng: &mut Rng, text: &mut String) {
        let child = |source: &Source| matches!(source, Source::Tables { names, .. } if names.as_slice() == ["kid"]);
        let about_a_child = plot.variables.iter().any(|(name, source)| name == "hero" && child(source));
        if let (Some(intros), true) = (self.grammar.rules.get("intro"), about_a_child) {
            if rng.below(INTRODUCED) == 0 {
                self.expand(&intros[rng.below(intros.len())], values, rng, text);
            }
        }
    }

    /// Draws who and what takes part; no row twice.
    fn cast(&self, plot: &Plot, rng: &mut Rng) -> HashMap<String, Value> {
        let mut values: HashMap<String, Value> = HashMap::new();
        for (name, source) in &plot.variables {
            let (row, option) = match source {
                Source::Options(options) => {
                    let option = rng.below(options.len());
                    (Row { text: options[option].clone(), ..Row::default() }, option)
                }
                Source::Tables { names, tags } => {
                    let fits = |row: &&Row| tags.iter().all(|tag| row.tags.contains(tag));
                    let tables = names.iter().flat_map(|table| self.grammar.tables.get(table).into_iter().flatten());
                    let rows: Vec<&Row> = tables.filter(fits).collect();
                    let fresh = |row: &&&Row| values.values().all(|value| value.row.text != row.text);
                    let free: Vec<&&Row> = rows.iter().filter(fresh).collect();
                    let row = match free.is_empty() {
                        true => rows[rng.below(rows.len())],
                        false => free[rng.below(free.len())],
                    };
                    (row.clone(), 0)
                }
            };
            values.insert(name.clone(), Value { row, option, fields: HashMap::new() });
        }
        values
    }

    fn expand(&self, template: &Template, values: &mut HashMap<String, Value>, rng: &mut Rng, out: &mut String) {
        for node in template {
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Variable { name, field, capital } => {
                    let text = values.get_mut(name).map(|value| value.text(field.as_deref(), rng)).unwrap_or_default();
                    match capital {
                        true => out.push_str(&capitalised(&text)),
                        false => out.push_str(&text),
                    }
                }
                Node::Gender { name, options } => {
                    let gender = values.get(name).map_or(0, |value| value.row.gender);
                    self.expand(&options[gender.min(options.len() - 1)], values, rng, out);
                }
                Node::Case { name, options } => {
                    let option = values.get(name).map_or(0, |value| value.option);
                    self.expand(&options[option.min(options.len() - 1)], values, rng, out);
                }
                Node::Choice(options) => self.expand(&options[rng.below(options.len())], values, rng, out),
                Node::Rule(name) => {
                    if let Some(alternatives) = self.grammar.rules.get(name) {
                        self.expand(&alternatives[rng.below(alternatives.len())], values, rng, out);
                    }
                }
            }
        }
    }
}

impl Value {
    fn text(&mut self, field: Option<&str>, rng: &mut Rng) -> String {
        let Some(field) = field else { return self.row.text.clone() };
        if let Some(drawn) = self.fields.get(field) {
            return drawn.clone();
        }
        let drawn = match self.row.fields.get(field) {
            Some(values) => values[rng.below(values.len())].clone(),
            None => String::new(),
        };
        self.fields.insert(field.into(), drawn.clone());
        drawn
    }
}

/// How many words a text has; punctuation alone is none.
pub fn count_words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

/// Words and runs of punctuation.
fn count_pieces(text: &str) -> usize {
    let kind = |c: char| if c.is_whitespace() { 0 } else { 1 + usize::from(c.is_alphanumeric()) };
    let mut pieces = 0;
    let mut before = 0;
    for kind in text.chars().map(kind) {
        pieces += usize::from(kind != 0 && kind != before);
        before = kind;
    }
    pieces
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// Joins what the grammar gave into written language: spaces, capitals, contractions.
fn polish(text: &str, english: bool) -> String {
    let mut words: Vec<String> = text.split_whitespace().map(str::to_string).collect();
    if english {
        for i in 1..words.len() {
            if matches!(words[i - 1].trim_start_matches('"'), "a" | "A") && starts_with_vowel(&words[i]) {
                words[i - 1].push('n');
            }
        }
    } else {
        contract(&mut words);
    }
    let joined = words.join(" ").replace(" ,", ",").replace(" .", ".").replace(" !", "!").replace(" ?", "?");
    capitalise_sentences(&joined)
}

fn starts_with_vowel(word: &str) -> bool {
    let word = word.to_lowercase();
    word.starts_with(['a', 'e', 'i', 'o', 'u']) && !["one", "once", "uni", "use"].iter().any(|w| word.starts_with(w))
}

/// `de el` becomes `del`, `a el` becomes `al`.
fn contract(words: &mut Vec<String>) {
    let mut i = 1;
    while i < words.len() {
        let joined = match (words[i - 1].as_str(), words[i].as_str()) {
            ("de", "el") => Some("del"),
            ("De", "el") => Some("Del"),
            ("a", "el") => Some("al"),
            ("A", "el") => Some("Al"),
            _ => None,
        };
        if let Some(joined) = joined {
            words[i - 1] = joined.into();
            words.remove(i);
        }
        i += 1;
    }
}

/// A capital at the start and after a full stop; after `! ?` too, unless a dash or a quote follows them, because what
/// comes then may go on with the sentence ("¿Vamos? —preguntó Ana").
fn capitalise_sentences(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut start = true;
    let mut after_question = false;
    for c in text.chars() {
        if c.is_alphanumeric() {
            match start {
                true => out.extend(c.to_uppercase()),
                false => out.push(c),
            }
            start = false;
            after_question = false;
            continue;
        }
        match c {
            '.' => start = true,
            '!' | '?' => {
                start = true;
                after_question = true;
            }
            '—' | '"' if after_question => start = false,
            ',' | ';' | ':' | '…' => start = false,
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAMMAR: &str = "
[table kid]
Ana | f
Leo | m
[table toy]
el tren | m | where=debajo de la cama / en el patio | +soft
[rule end]
y {hero:lo/la} vio (feliz|contenta|content{hero:o/a}).
[plot lost]
hero = kid
thing = toy +soft
cause = viento / perro
---
¿dónde está? —preguntó {hero}. la sombra de {thing} {cause?voló|corrió}.
{thing.where}, {thing.where}: <end>
";

    #[test]
    fn the_same_seed_tells_the_same_story() -> Result<()> {
        let teller = StoryTeller::new(GRAMMAR, "es")?;
        assert_eq!(teller.story(1, 2).text, teller.story(1, 2).text);
        Ok(())
    }

    #[test]
    fn a_story_is_polished_and_keeps_its_draws() -> Result<()> {
        let teller = StoryTeller::new(GRAMMAR, "es")?;
        for index in 0..50 {
            let text = teller.story(9, index).text;
            assert!(text.starts_with("¿Dónde está? —preguntó "), "{text}");
            assert!(text.contains("La sombra del tren"), "{text}");
            let (twice, _) = text.split_once(": y").unwrap_or_default();
            let drawn: Vec<&str> = twice.rsplit(". ").next().unwrap_or_default().split(", ").collect();
            assert_eq!(drawn[0].to_lowercase(), drawn[1].to_lowercase(), "{text}");
            assert!(!text.contains("Ana") || text.contains(" la vio "), "{text}");
        }
        Ok(())
    }

    #[test]
    fn a_summary_tells_what_the_story_told_and_leaves_the_stories_as_they_are() -> Result<()> {
        let bare = StoryTeller::new(GRAMMAR, "es")?;
        let teller =
            StoryTeller::new(GRAMMAR, "es")?.with_summaries("# nada\n! lost = {hero} vio {thing} {thing.where}.")?;
        for index in 0..50 {
            let story = teller.story(9, index);
            assert_eq!(story.text, bare.story(9, index).text);
            assert!(story.kept_apart);
            let (hero, place) = story.summary.split_once(" vio el tren ").unwrap_or_default();
            assert!(story.text.contains(hero), "{} / {}", story.summary, story.text);
            assert!(
                story.text.to_lowercase().contains(place.trim_end_matches('.')),
                "{} / {}",
                story.summary,
                story.text
            );
        }
        Ok(())
    }

    #[test]
    fn a_summary_of_no_plot_or_of_unknown_variables_is_told_with_its_line() -> Result<()> {
        let text = "lost = {who}.\nfound = x\nwhat";
        let error = StoryTeller::new(GRAMMAR, "es")?.with_summaries(text).map(|_| ()).unwrap_err().to_string();
        for part in ["1: plot lost: unknown variable {who}", "2: no plot found", "3: expected `plot = template`"] {
            assert!(error.contains(part), "{error}");
        }
        Ok(())
    }

    #[test]
    fn pieces_are_words_and_runs_of_punctuation() {
        assert_eq!(count_pieces("—¿Vamos? —dijo Ana, 12."), 9);
        assert_eq!(count_words("—¿Vamos? —dijo Ana, 12 …"), 4);
    }

    #[test]
    fn an_article_before_a_vowel_becomes_an() {
        assert_eq!(
            polish("a owl saw a unicorn. \"a apple!\" said the owl", true),
            "An owl saw a unicorn. \"An apple!\" said the owl"
        );
    }

    #[test]
    fn every_mistake_is_listed_with_its_line() {
        let error =
            StoryTeller::new("[plot p]\nx = nothing\n---\n{y} (a|b <z>", "es").map(|_| ()).unwrap_err().to_string();
        for part in ["4: missing ')'", "unknown table nothing"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
