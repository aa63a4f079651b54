//! Labels as people's files hold them: what is wrong with them, and the same as numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, percent, shown};
use crate::show::{escape, say, Html};
use crate::table::{count, listed};

/// More labels than this are told to the reader.
const MANY: usize = 50;
/// Labels that a table shows.
const SHOWN: usize = 20;

/// The labels of a column in which a cell holds several, such as `drama|crime`. Spaces around them are left out, and
/// those that differ only by capitals are joined as [`clean_labels`] does, which tells what it changed.
pub fn split_labels(column: &[String], separator: &str) -> Vec<Vec<String>> {
    let parts = |cell: &String| -> Vec<String> {
        let parts: Vec<&str> = if separator.is_empty() { vec![cell] } else { cell.split(separator).collect() };
        parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).map(String::from).collect()
    };
    let rows: Vec<Vec<String>> = column.iter().map(parts).collect();
    let mut cleaned = clean_labels(&rows.concat()).into_iter();
    let mut row = |parts: &Vec<String>| {
        let mut labels: Vec<String> = Vec::with_capacity(parts.len());
        for label in cleaned.by_ref().take(parts.len()) {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        labels
    };
    rows.iter().map(&mut row).collect()
}

/// The same labels without stray spaces, and where they differ only by capitals, in the form that most rows have.
///
/// Tells what it changed.
pub fn clean_labels(labels: &[String]) -> Vec<String> {
    let forms = forms(labels.iter());
    let mut changed: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let cleaned: Vec<String> = labels
        .iter()
        .map(|label| {
            let best = forms.get(&plain(label)).map_or(label.as_str(), |forms| forms[0].0.as_str());
            if best != label {
                *changed.entry((label.as_str(), best)).or_default() += 1;
            }
            best.to_string()
        })
        .collect();
    for ((from, to), rows) in changed.iter().take(SHOWN) {
        say(&tr!("{from:?} → {to:?} en {rows} filas", "{from:?} → {to:?} in {rows} rows"));
    }
    if changed.len() > SHOWN {
        let more = changed.len() - SHOWN;
        say(&tr!("... y {more} formas más", "... and {more} more forms"));
    }
    cleaned
}

/// A label without what a slip of the keyboard adds.
fn plain(label: &str) -> String {
    label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// For each plain label its forms (without stray spaces) with their rows, the most frequent first.
fn forms<'a>(labels: impl Iterator<Item = &'a String>) -> HashMap<String, Vec<(String, usize)>> {
    let mut counts: HashMap<String, BTreeMap<String, usize>> = HashMap::new();
    for label in labels {
        let trimmed = label.split_whitespace().collect::<Vec<_>>().join(" ");
        *counts.entry(plain(label)).or_default().entry(trimmed).or_default() += 1;
    }
    let sorted = |forms: BTreeMap<String, usize>| {
        let mut forms: Vec<(String, usize)> = forms.into_iter().collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.1));
        forms
    };
    counts.into_iter().map(|(label, forms)| (label, sorted(forms))).collect()
}

/// What a column of labels holds, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct LabelCheck {
    /// Each label with its rows, the most frequent first.
    pub labels: Vec<(String, usize)>,
    /// Rows.
    pub rows: usize,
    /// What should be mended before a training.
    pub warnings: Vec<String>,
}

/// Looks at a column of labels, one a row: how many of each there are, and what is wrong with them.
///
/// # Errors
/// When there are no labels, or so many different ones that they are no classes.
pub fn inspect_labels(labels: &[String]) -> Result<LabelCheck> {
    inspect(labels, labels.len())
}

/// As [`inspect_labels`], of the labels of some rows together.
pub(super) fn inspect(labels: &[String], rows: usize) -> Result<LabelCheck> {
    if labels.is_empty() {
        return Err(Error::new(ErrorKind::BadData, tr!("No hay ninguna etiqueta.", "There are no labels."))
            .next(tr!("Mira si leíste la columna correcta.", "Look whether you read the right column.")));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    labels.iter().for_each(|label| *counts.entry(label).or_default() += 1);
    let kinds = counts.len();
    if kinds > SHOWN && kinds * 2 > labels.len() {
        let example = listed(&counts.keys().take(3).map(|name| crate::show::cut(name, 40)).collect::<Vec<_>>(), 3);
        return Err(Error::new(
            ErrorKind::BadData,
            tr!(
                "Hay {kinds} etiquetas distintas en {rows} filas ({example}, ...): no son clases.",
                "There are {kinds} different labels in {rows} rows ({example}, ...): they are no classes."
            ),
        )
        .next(tr!(
            "Elige la columna de las clases; si cada celda lleva varias, sepáralas: split_labels(&columna, \"|\").",
            "Choose the column of classes; if each cell holds several, part them: split_labels(&column, \"|\")."
        )));
    }
    let mut sorted: Vec<(String, usize)> = counts.iter().map(|(name, rows)| (name.to_string(), *rows)).collect();
    sorted.sort_by_key(|label| std::cmp::Reverse(label.1));
    let warnings = warnings(&sorted, rows);
    Ok(LabelCheck { labels: sorted, rows, warnings })
}

fn warnings(labels: &[(String, usize)], rows: usize) -> Vec<String> {
    let mut warnings = stray(labels);
    let kinds = labels.len();
    if kinds == 1 {
        let name = &labels[0].0;
        warnings.push(tr!(
            "Todas las filas tienen la misma etiqueta, {name:?}: no hay nada que distinguir. Junta filas de otra clase, y \
             mira si al filtrar el archivo quedó una sola.",
            "All rows have the same label, {name:?}: there is nothing to tell apart. Gather rows of another class, and see \
             whether filtering the file left only one."
        ));
    }
    if kinds > MANY {
        let rare = labels.iter().filter(|label| label.1 < 10).count();
        let each = rows / kinds;
        warnings.push(tr!(
            "Hay {kinds} etiquetas, unas {each} filas por cada una, y {rare} tienen menos de 10. Une las raras en una \
             («otras») o elige una columna con menos clases.",
            "There are {kinds} labels, about {each} rows for each, and {rare} have fewer than 10. Join the rare ones in \
             one (\"other\") or choose a column with fewer classes."
        ));
    }
    if labels.iter().any(|label| label.0.trim().is_empty()) {
        warnings.push(tr!(
            "Hay filas con la etiqueta vacía: quítalas o ponles una.",
            "Some rows have an empty label: leave them out or give them one."
        ));
    }
    warnings
}

/// Labels that a reader takes for one and a program for several.
pub(super) fn stray(labels: &[(String, usize)]) -> Vec<String> {
    let mut same: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    labels.iter().for_each(|label| same.entry(plain(&label.0)).or_default().push(&label.0));
    let doubles: Vec<String> = same
        .values()
        .filter(|forms| forms.len() > 1 || forms[0].trim().len() < forms[0].len())
        .map(|forms| forms.iter().map(|form| format!("{form:?}")).collect::<Vec<_>>().join(" = "))
        .collect();
    if doubles.is_empty() {
        return Vec::new();
    }
    let list = listed(&doubles, 4);
    vec![tr!(
        "Etiquetas que difieren solo en espacios o mayúsculas: {list}. Únelas: let etiquetas = clean_labels(&etiquetas);",
        "Labels that differ only by spaces or capitals: {list}. Join them: let labels = clean_labels(&labels);"
    )]
}

impl LabelCheck {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let row = |(name, rows): &(String, usize)| vec![name.clone(), count(*rows), percent(*rows, self.rows)];
        let rows: Vec<Vec<String>> = self.labels.iter().take(SHOWN).map(row).collect();
        let (kinds, all) = (self.labels.len(), count(self.rows));
        let mut caption = tr!("{kinds} etiquetas en {all} filas", "{kinds} labels in {all} rows");
        if kinds > SHOWN {
            caption += &tr!("; las {SHOWN} más frecuentes", "; the {SHOWN} most frequent");
        }
        let headers = headers(&["etiqueta", "filas", "de todas"], &["label", "rows", "of all"]);
        with_warnings(Html::table(&headers, &rows, &caption), &self.warnings)
    }
}

shown!(LabelCheck);

/// A result with its warnings below it.
pub(super) fn with_warnings(html: Html, warnings: &[String]) -> Html {
    let Html { mut html, mut plain } = html;
    for warning in warnings {
        html += &format!("<p>⚠ {}</p>", escape(warning));
        plain += &format!("\n⚠ {warning}");
    }
    Html { html, plain }
}

/// The error for a column in which all rows have one label.
pub(crate) fn one_class(label: &str) -> Error {
    Error::new(
        ErrorKind::BadData,
        tr!(
            "Todas las filas tienen la etiqueta {label:?}: no hay nada que aprender.",
            "All rows have the label {label:?}: there is nothing to learn."
        ),
    )
    .next(tr!(
        "Junta filas de otra clase, y mira si al separar o filtrar el archivo quedó una sola.",
        "Gather rows of another class, and see whether parting or filtering the file left only one."
    ))
}

/// That there is one guess for each right answer, and at least one.
pub(crate) fn check_same_length(truth: usize, guess: usize) -> Result<()> {
    if truth == 0 && guess == 0 {
        return Err(Error::new(ErrorKind::BadData, tr!("No hay nada que comparar.", "There is nothing to compare."))
            .next(tr!("Da al menos una fila.", "Give at least one row.")));
    }
    if truth == guess {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::BadData,
        tr!(
            "Hay {truth} respuestas correctas y {guess} predicciones.",
            "There are {truth} right answers and {guess} guesses."
        ),
    )
    .next(tr!(
        "Tiene que haber una por fila, en el mismo orden: usa las mismas filas para las dos.",
        "There must be one for each row, in the same order: use the same rows for both."
    )))
}

/// The right labels and the guessed ones as places in a sorted list of names.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    pub(super) names: Vec<String>,
    pub(super) truth: Vec<Vec<u32>>,
    pub(super) guess: Vec<Vec<u32>>,
    /// True where a row may have any number of labels.
    pub(super) several: bool,
}

impl Coded {
    pub(super) fn several(truth: &[Vec<String>], guess: &[Vec<String>]) -> Result<Self> {
        check_same_length(truth.len(), guess.len())?;
        let names: BTreeSet<&str> = truth.iter().chain(guess).flatten().map(String::as_str).collect();
        let place: HashMap<&str, u32> = names.iter().zip(0..).map(|(name, i)| (*name, i)).collect();
        let code = |row: &Vec<String>| {
            let mut places: Vec<u32> = row.iter().map(|label| place[label.as_str()]).collect();
            places.sort_unstable();
            places.dedup();
            places
        };
        let (truth, guess) = (truth.iter().map(code).collect(), guess.iter().map(code).collect());
        Ok(Self { names: names.iter().map(ToString::to_string).collect(), truth, guess, several: true })
    }

    /// One label a row.
    pub(super) fn single(truth: &[String], guess: &[String]) -> Result<Self> {
        Ok(Self { several: false, ..Self::several(&one_each(truth), &one_each(guess))? })
    }
}

/// Each label alone in its row.
pub(super) fn one_each(labels: &[String]) -> Vec<Vec<String>> {
    labels.iter().map(|label| vec![label.clone()]).collect()
}
