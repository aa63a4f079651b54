//! A table of a learner's own, clean.

use crate::exercise::{given, other_kind, Exercise, Given, Ideas, Judge, Verdict};
use crate::rng::Rng;
use crate::table::Table;

/// Fewer rows say nothing.
const FEW: usize = 50;

pub mod stub {}

pub const EXERCISE: Exercise = Exercise {
    id: "02h",
    text: include_str!("02h.md"),
    code: include_str!("02h.rs"),
    judge: Judge::Own(judge),
    stub: || a_table(0, |_| String::new()),
    right: || a_table(60, |i| format!("text {i}")),
    wrong: || -> Ideas {
        vec![
            ("few_rows", a_table(20, |i| format!("text {i}"))),
            ("empty_texts", a_table(60, |i| if i == 7 { "  ".to_string() } else { format!("text {i}") })),
            ("markers", a_table(60, |i| if i == 7 { "[deleted]".to_string() } else { format!("text {i}") })),
            ("duplicates", a_table(60, |i| format!("text {}", i / 2))),
        ]
    },
};

fn a_table(rows: usize, text: fn(usize) -> String) -> Given {
    let texts: Vec<String> = (0..rows).map(text).collect();
    match Table::from_texts("text", &texts) {
        Ok(table) => Given::Table(Box::new(table)),
        Err(error) => given(&error.to_string()),
    }
}

fn judge(answer: &Given, _rng: &mut Rng) -> Verdict {
    let Given::Table(table) = answer else { return other_kind(answer, &(EXERCISE.right)()) };
    let Some(texts) = longest_texts(table) else {
        return Verdict::Wrong(tr!(
            "Esa tabla no tiene ninguna columna de textos.",
            "That table has no column of texts."
        ));
    };
    let mut seen = std::collections::HashSet::new();
    let tidy: Vec<&str> = texts.iter().map(|text| text.as_deref().unwrap_or_default().trim()).collect();
    if texts.len() < FEW {
        Verdict::Idea("few_rows")
    } else if tidy.contains(&"") {
        Verdict::Idea("empty_texts")
    } else if tidy.iter().any(|text| matches!(*text, "[deleted]" | "[removed]")) {
        Verdict::Idea("markers")
    } else if tidy.iter().any(|text| !seen.insert(*text)) {
        Verdict::Idea("duplicates")
    } else {
        Verdict::Right
    }
}

/// The column with the longest texts, the ones that a recipe keeps beside its own left out.
fn longest_texts(table: &Table) -> Option<Vec<Option<String>>> {
    let columns = table.text_columns().into_iter().filter(|name| !name.ends_with("_original"));
    let texts = columns.filter_map(|name| table.strings(&name).ok());
    texts.max_by_key(|texts| texts.iter().flatten().map(String::len).sum::<usize>())
}

#[cfg(test)]
pub mod solution {
    use crate::prelude::*;

    pub fn prepare(path: &str, column: &str) -> Result<Table> {
        let table = Table::read(path)?;
        let recipe = Recipe::new(&[
            Step::drop_missing(column),
            Step::drop_deleted(column),
            Step::tidy_spaces(column),
            Step::drop_duplicates(column),
        ]);
        let cleaned = recipe.apply(&table)?;
        Ok(cleaned.table)
    }
}
