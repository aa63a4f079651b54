//! Texts and labels of a learner's own, ready to be learned.

use std::collections::{BTreeSet, HashMap};

use crate::exercise::{given, other_kind, Exercise, Given, Ideas, Judge, Verdict};
use crate::rng::Rng;
use crate::table::Table;

/// Fewer rows say nothing.
const FEW: usize = 50;
/// Labels with fewer rows than this, taken all together, are no classes.
const EACH: usize = 10;
/// What the column of labels may be called.
const NAMES: [&str; 2] = ["label", "etiqueta"];

pub mod stub {}

pub const EXERCISE: Exercise = Exercise {
    id: "05h",
    text: include_str!("05h.md"),
    code: include_str!("05h.rs"),
    judge: Judge::Own(judge),
    stub: || a_table(0, |_| ["", ""].map(String::from)),
    right: || a_table(60, |i| row(i, ["good", "bad"][i % 2])),
    wrong: || -> Ideas {
        vec![
            ("few_rows", a_table(20, |i| row(i, ["good", "bad"][i % 2]))),
            (
                "empty_texts",
                a_table(60, |i| [if i == 7 { " ".into() } else { format!("text {i}") }, ["a", "b"][i % 2].into()]),
            ),
            ("empty_labels", a_table(60, |i| row(i, ["good", "bad", ""][i % 3]))),
            ("stray", a_table(60, |i| row(i, ["good", "bad", "Good "][i % 3]))),
            ("one_label", a_table(60, |i| row(i, "good"))),
            ("too_many", a_table(60, |i| row(i, &format!("label {i}")))),
        ]
    },
};

fn row(i: usize, label: &str) -> [String; 2] {
    [format!("the text of row {i}"), label.to_string()]
}

fn a_table(rows: usize, row: fn(usize) -> [String; 2]) -> Given {
    let (texts, labels): (Vec<String>, Vec<String>) = (0..rows).map(row).map(|[text, label]| (text, label)).unzip();
    match Table::from_texts("text", &texts).and_then(|table| table.with_texts("label", &labels)) {
        Ok(table) => Given::Table(Box::new(table)),
        Err(error) => given(&error.to_string()),
    }
}

fn judge(answer: &Given, _rng: &mut Rng) -> Verdict {
    let Given::Table(table) = answer else { return other_kind(answer, &(EXERCISE.right)()) };
    let Some(labels) = NAMES.iter().find_map(|name| table.strings(name).ok()) else {
        return Verdict::Wrong(tr!(
            "Esa tabla no tiene una columna `etiqueta`. Cámbiale el nombre a la tuya: table.rename(\"sentimiento\", \"etiqueta\")?",
            "That table has no column `label`. Rename yours: table.rename(\"sentiment\", \"label\")?"
        ));
    };
    let others = table.text_columns().into_iter().filter(|name| !NAMES.contains(&name.as_str()));
    let texts = others.filter_map(|name| table.strings(&name).ok());
    let Some(texts) = texts.max_by_key(|texts| texts.iter().flatten().map(String::len).sum::<usize>()) else {
        return Verdict::Wrong(tr!(
            "Además de la etiqueta hace falta una columna con los textos.",
            "Besides the label there must be a column with the texts."
        ));
    };
    let empty =
        |cells: &[Option<String>]| cells.iter().flatten().filter(|cell| !cell.trim().is_empty()).count() < cells.len();
    let mut forms: HashMap<String, BTreeSet<&str>> = HashMap::new();
    for label in labels.iter().flatten() {
        let plain = label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        forms.entry(plain).or_default().insert(label);
    }
    let stray = |forms: &BTreeSet<&str>| forms.len() > 1 || forms.iter().any(|form| form.trim() != *form);
    if texts.len() < FEW {
        Verdict::Idea("few_rows")
    } else if empty(&texts) {
        Verdict::Idea("empty_texts")
    } else if empty(&labels) {
        Verdict::Idea("empty_labels")
    } else if forms.values().any(stray) {
        Verdict::Idea("stray")
    } else if forms.len() < 2 {
        Verdict::Idea("one_label")
    } else if forms.len() * EACH > labels.len() {
        Verdict::Idea("too_many")
    } else {
        Verdict::Right
    }
}

#[cfg(test)]
pub mod solution {
    use crate::prelude::*;

    pub fn prepare(path: &str, text: &str, label: &str) -> Result<Table> {
        let table = Table::read(path)?;
        let table = table.select(&[text, label])?.rename(label, "label")?;
        let recipe = Recipe::new(&[
            Step::drop_missing(text),
            Step::drop_missing("label"),
            Step::tidy_spaces(text),
            Step::drop_duplicates(text),
        ]);
        let cleaned = recipe.apply(&table)?;
        let labels = clean_labels(&cleaned.table.texts("label")?);
        cleaned.table.with_texts("label", &labels)
    }
}
