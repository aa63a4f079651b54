//! The story grammar's text: tables, rules and plots, read from a file (its syntax: `data/stories/README.md`).

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};

/// A piece of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    /// `{hero}`, `{^hero}` (capital), `{toy.where}`
    Variable {
        name: String,
        field: Option<String>,
        capital: bool,
    },
    /// `{hero:lo/la}`: by the variable's gender
    Gender {
        name: String,
        options: Vec<Template>,
    },
    /// `{cause?a|b}`: by the option that the variable drew
    Case {
        name: String,
        options: Vec<Template>,
    },
    /// `(a|b|)`
    Choice(Vec<Template>),
    /// `<open>`
    Rule(String),
}

pub(super) type Template = Vec<Node>;

/// A row of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub text: String,
    /// 0 masculine, 1 feminine, 2 neuter
    pub gender: usize,
    pub fields: BTreeMap<String, Vec<String>>,
    pub tags: Vec<String>,
}

/// Where a plot's variable takes its value from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Tables { names: Vec<String>, tags: Vec<String> },
    Options(Vec<String>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Plot {
    pub name: String,
    pub variables: Vec<(String, Source)>,
    /// The beats; true: told half of the time.
    pub beats: Vec<(bool, Template)>,
}

impl Plot {
    /// Primers are told apart from the other plots.
    pub fn is_primer(&self) -> bool {
        self.name.starts_with("primer")
    }
}

/// How a plot is told in one line.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    pub plot: String,
    pub template: Template,
    /// `!` before the plot's name: for testing only.
    pub kept_apart: bool,
}

/// Everything that a grammar file says.
#[derive(Clone, Debug, Default)]
pub(super) struct Grammar {
    pub tables: BTreeMap<String, Vec<Row>>,
    pub rules: BTreeMap<String, Vec<Template>>,
    pub plots: Vec<Plot>,
}

impl Grammar {
    /// Reads a grammar; gathers every problem with its line before it fails.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut grammar = Grammar::default();
        let mut problems = Vec::new();
        let mut section = Section::None;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(problem) = grammar.line(line, &mut section) {
                problems.push(format!("{}: {problem}", index + 1));
            }
        }
        problems.extend(grammar.unknown_names());
        if grammar.plots.is_empty() {
            problems.push("no [plot ...]".into());
        }
        found(grammar, &problems)
    }

    /// Reads lines `plot = template`, or `! plot = template`; gathers every problem with its line before it fails.
    pub(super) fn summaries(&self, text: &str) -> Result<Vec<Summary>> {
        let (mut summaries, mut problems) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match self.summary(line) {
                Ok(summary) => summaries.push(summary),
                Err(problem) => problems.push(format!("{}: {problem}", index + 1)),
            }
        }
        found(summaries, &problems)
    }

    fn summary(&self, line: &str) -> std::result::Result<Summary, String> {
        let (name, template) = line.split_once('=').ok_or(format!("expected `plot = template`: {line}"))?;
        let (plain, kept_apart) = (name.trim().trim_start_matches('!').trim(), name.starts_with('!'));
        let plot = self.plots.iter().find(|plot| plot.name == plain).ok_or(format!("no plot {plain}"))?;
        let (template, mut problems) = (parse_template(template.trim())?, Vec::new());
        self.check_template(plot, &template, &mut Vec::new(), &mut problems);
        match problems.is_empty() {
            true => Ok(Summary { plot: plain.into(), template, kept_apart }),
            false => Err(problems.join(", ")),
        }
    }

    fn line(&mut self, line: &str, section: &mut Section) -> std::result::Result<(), String> {
        if let Some(head) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            *section = self.open(head)?;
            return Ok(());
        }
        match section {
            Section::None => return Err(format!("text before the first [table], [rule] or [plot]: {line}")),
            Section::Table(name) => self.tables.entry(name.clone()).or_default().push(parse_row(line)?),
            Section::Rule(name) => self.rules.entry(name.clone()).or_default().push(parse_template(line)?),
            Section::PlotHead if line == "---" => *section = Section::PlotBody,
            Section::PlotHead => {
                let variable = parse_variable(line)?;
                if let Some(plot) = self.plots.last_mut() {
                    plot.variables.push(variable);
                }
            }
            Section::PlotBody => {
                let (half, beat) = match line.strip_prefix("? ") {
                    Some(rest) => (true, rest),
                    None => (false, line),
                };
                let beat = (half, parse_template(beat)?);
                if let Some(plot) = self.plots.last_mut() {
                    plot.beats.push(beat);
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, head: &str) -> std::result::Result<Section, String> {
        let (kind, name) = head.split_once(' ').ok_or(format!("[{head}] needs a name"))?;
        let name = name.trim().to_string();
        match kind {
            "table" => Ok(Section::Table(name)),
            "rule" => Ok(Section::Rule(name)),
            "plot" => {
                if self.plots.iter().any(|plot| plot.name == name) {
                    return Err(format!("a second plot named {name}"));
                }
                self.plots.push(Plot { name, ..Plot::default() });
                Ok(Section::PlotHead)
            }
            _ => Err(format!("[{kind} ...] is none of table, rule, plot")),
        }
    }

    /// Names that are used and not defined, plot by plot.
    fn unknown_names(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for plot in &self.plots {
            for (name, source) in &plot.variables {
                let Source::Tables { names, tags } = source else { continue };
                for table in names.iter().filter(|table| !self.tables.contains_key(*table)) {
                    problems.push(format!("plot {}: {name} = unknown table {table}", plot.name));
                }
                let rows = names.iter().flat_map(|table| self.tables.get(table).into_iter().flatten());
                if rows.filter(|row| tags.iter().all(|tag| row.tags.contains(tag))).count() == 0 {
                    problems.push(format!("plot {}: no row for {name}", plot.name));
                }
            }
            let mut seen = Vec::new();
            for (_, beat) in &plot.beats {
                self.check_template(plot, beat, &mut seen, &mut problems);
            }
        }
        problems
    }

    fn check_template(&self, plot: &Plot, template: &Template, seen: &mut Vec<String>, problems: &mut Vec<String>) {
        for node in template {
            match node {
                Node::Text(_) => {}
                Node::Rule(name) => match self.rules.get(name) {
                    None => problems.push(format!("plot {}: unknown rule <{name}>", plot.name)),
                    Some(_) if seen.contains(name) => {}
                    Some(alternatives) => {
                        seen.push(name.clone());
                        alternatives.iter().for_each(|t| self.check_template(plot, t, seen, problems));
                    }
                },
                Node::Choice(options) => {
                    options.iter().for_each(|t| self.check_template(plot, t, seen, problems));
                }
                Node::Variable { name, field, .. } => self.check_variable(plot, name, field.as_deref(), problems),
                Node::Gender { name, options } => {
                    self.check_variable(plot, name, None, problems);
                    options.iter().for_each(|t| self.check_template(plot, t, seen, problems));
                }
                Node::Case { name, options } => {
                    self.check_case(plot, name, options.len(), problems);
                    options.iter().for_each(|t| self.check_template(plot, t, seen, problems));
                }
            }
        }
    }

    fn check_variable(&self, plot: &Plot, name: &str, field: Option<&str>, problems: &mut Vec<String>) {
        let Some((_, source)) = plot.variables.iter().find(|(variable, _)| variable == name) else {
            problems.push(format!("plot {}: unknown variable {{{name}}}", plot.name));
            return;
        };
        let (Some(field), Source::Tables { names, tags }) = (field, source) else { return };
        let rows = names.iter().flat_map(|table| self.tables.get(table).into_iter().flatten());
        for row in rows.filter(|row| tags.iter().all(|tag| row.tags.contains(tag))) {
            if !row.fields.contains_key(field) {
                problems.push(format!("plot {}: {{{name}.{field}}}: \"{}\" has no {field}=", plot.name, row.text));
            }
        }
    }

    fn check_case(&self, plot: &Plot, name: &str, options: usize, problems: &mut Vec<String>) {
        match plot.variables.iter().find(|(variable, _)| variable == name) {
            Some((_, Source::Options(drawn))) if drawn.len() == options => {}
            Some((_, Source::Options(drawn))) => problems.push(format!(
                "plot {}: {{{name}?...}} has {options} texts for {} options",
                plot.name,
                drawn.len()
            )),
            _ => problems.push(format!("plot {}: {{{name}?...}} needs `{name} = a / b`", plot.name)),
        }
    }
}

/// What was read, or every mistake in it.
fn found<T>(read: T, problems: &[String]) -> Result<T> {
    if problems.is_empty() {
        return Ok(read);
    }
    Err(Error::new(
        ErrorKind::BadData,
        tr!("La gramática de cuentos tiene errores (línea: qué):", "The story grammar has mistakes (line: what):"),
    )
    .why(problems.join("\n  ")))
}

enum Section {
    None,
    Table(String),
    Rule(String),
    PlotHead,
    PlotBody,
}

fn parse_row(line: &str) -> std::result::Result<Row, String> {
    let mut parts = line.split('|').map(str::trim);
    let mut row = Row { text: parts.next().unwrap_or_default().into(), ..Row::default() };
    if row.text.contains(['(', ')', '{', '}', '<', '>']) {
        return Err(format!("a row's text is plain: {}", row.text));
    }
    for part in parts.filter(|part| !part.is_empty()) {
        match (part, part.split_once('=')) {
            ("m", _) => row.gender = 0,
            ("f", _) => row.gender = 1,
            ("n", _) => row.gender = 2,
            (_, Some((key, values))) => {
                let values = values.split('/').map(|value| value.trim().to_string()).collect();
                row.fields.insert(key.trim().into(), values);
            }
            _ if part.starts_with('+') => {
                row.tags.extend(part.split_whitespace().map(|tag| tag.trim_start_matches('+').to_string()));
            }
            _ => return Err(format!("neither m, f, n, key=value nor +tag: {part}")),
        }
    }
    Ok(row)
}

fn parse_variable(line: &str) -> std::result::Result<(String, Source), String> {
    let (name, value) = line.split_once('=').ok_or(format!("expected `name = ...` or `---`: {line}"))?;
    let source = if value.contains('/') {
        Source::Options(value.split('/').map(|option| option.trim().to_string()).collect())
    } else {
        let (names, tags) = value.split_once('+').map_or((value, String::new()), |(n, t)| (n, format!("+{t}")));
        Source::Tables {
            names: names.split(',').map(|table| table.trim().to_string()).collect(),
            tags: tags.split_whitespace().map(|tag| tag.trim_start_matches('+').to_string()).collect(),
        }
    };
    Ok((name.trim().into(), source))
}

fn parse_template(line: &str) -> std::result::Result<Template, String> {
    let characters: Vec<char> = line.chars().collect();
    let mut at = 0;
    let template = parse_until(&characters, &mut at, &[])?;
    if at < characters.len() {
        return Err(format!("unexpected {:?} in: {line}", characters[at]));
    }
    Ok(template)
}

/// Reads up to one of `stops` (not taken) or the end.
fn parse_until(text: &[char], at: &mut usize, stops: &[char]) -> std::result::Result<Template, String> {
    let mut nodes = Vec::new();
    let mut plain = String::new();
    while *at < text.len() && !stops.contains(&text[*at]) {
        let opening = text[*at];
        if !['(', '{', '<'].contains(&opening) {
            if [')', '}', '>'].contains(&opening) {
                return Err(format!("{opening:?} closes nothing"));
            }
            plain.push(opening);
            *at += 1;
            continue;
        }
        if !plain.is_empty() {
            nodes.push(Node::Text(std::mem::take(&mut plain)));
        }
        *at += 1;
        nodes.push(match opening {
            '(' => Node::Choice(parse_options(text, at, '|', ')')?),
            '<' => Node::Rule(take_until(text, at, '>')?),
            _ => parse_braces(text, at)?,
        });
    }
    if !plain.is_empty() {
        nodes.push(Node::Text(plain));
    }
    Ok(nodes)
}

fn parse_options(
    text: &[char],
    at: &mut usize,
    between: char,
    end: char,
) -> std::result::Result<Vec<Template>, String> {
    let mut options = Vec::new();
    loop {
        options.push(parse_until(text, at, &[between, end])?);
        match text.get(*at) {
            Some(c) if *c == between => *at += 1,
            Some(_) => {
                *at += 1;
                return Ok(options);
            }
            None => return Err(format!("missing {end:?}")),
        }
    }
}

fn parse_braces(text: &[char], at: &mut usize) -> std::result::Result<Node, String> {
    let mut name = String::new();
    while let Some(c) = text.get(*at) {
        *at += 1;
        match c {
            '}' => {
                let capital = name.starts_with('^');
                let name = name.trim_start_matches('^');
                let (name, field) = match name.split_once('.') {
                    Some((name, field)) => (name, Some(field.to_string())),
                    None => (name, None),
                };
                return Ok(Node::Variable { name: name.into(), field, capital });
            }
            ':' => return Ok(Node::Gender { name, options: parse_options(text, at, '/', '}')? }),
            '?' => return Ok(Node::Case { name, options: parse_options(text, at, '|', '}')? }),
            c => name.push(*c),
        }
    }
    Err("missing '}'".into())
}

fn take_until(text: &[char], at: &mut usize, end: char) -> std::result::Result<String, String> {
    let start = *at;
    while *at < text.len() && text[*at] != end {
        *at += 1;
    }
    if *at == text.len() {
        return Err(format!("missing {end:?}"));
    }
    *at += 1;
    Ok(text[start..*at - 1].iter().collect())
}
