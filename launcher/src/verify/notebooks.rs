//! What is checked in the notebooks without running them: both languages have the same lessons, cell by cell, and
//! the files are kept without outputs.

use crate::problem::{Problem, Result};
use crate::run;
use crate::rust_text::skeleton;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How long the Spanish prose may be, as a multiple of the English: in each cell, and in all.
const PROSE_RATIO: std::ops::RangeInclusive<f64> = 0.6..=1.6;

/// Characters below which a text cell's length says nothing: a title may need twice the words.
const PROSE_LENGTH: usize = 40;

/// Words that a text cell must have to count as prose: below that it may be the same in both languages.
const PROSE_WORDS: usize = 3;

/// The two notebooks of one lesson.
#[derive(Debug)]
pub struct Pair {
    /// The number with which both file names begin.
    pub number: String,
    /// The Spanish one.
    pub es: Option<PathBuf>,
    /// The English one.
    pub en: Option<PathBuf>,
}

/// Every lesson, in order. Files whose name does not begin with a number are no lessons.
pub fn pairs(folder: &Path) -> Result<Vec<Pair>> {
    let es = numbered(&list(&folder.join("es"))?);
    let mut en = numbered(&list(&folder.join("en"))?);
    let mut pairs: Vec<Pair> =
        es.into_iter().map(|(number, path)| Pair { en: en.remove(&number), es: Some(path), number }).collect();
    pairs.extend(en.into_iter().map(|(number, path)| Pair { number, es: None, en: Some(path) }));
    pairs.sort_by(|a, b| a.number.cmp(&b.number));
    Ok(pairs)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Problem::new(folder.display().to_string()).why(error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

/// Notebooks by the number that their name begins with.
fn numbered(paths: &[PathBuf]) -> BTreeMap<String, PathBuf> {
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "ipynb"))
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let number: String = name.chars().take_while(char::is_ascii_digit).collect();
            (!number.is_empty()).then(|| (number, path.clone()))
        })
        .collect()
}

/// What is wrong with one lesson; empty when nothing is.
pub fn check(pair: &Pair) -> Result<Vec<String>> {
    let number = &pair.number;
    let (Some(es_path), Some(en_path)) = (&pair.es, &pair.en) else {
        let missing = if pair.es.is_none() { "es" } else { "en" };
        return Ok(vec![format!("{number}: missing in notebooks/{missing}")]);
    };
    let (es, en) = (run::read(es_path)?, run::read(en_path)?);
    let mut problems = alone(&es, &name(es_path));
    problems.extend(alone(&en, &name(en_path)));
    problems.extend(together(&es, &en, number));
    Ok(problems)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn cells(notebook: &Value) -> &[Value] {
    notebook["cells"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What must hold for one file.
fn alone(notebook: &Value, name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, cell) in cells(notebook).iter().enumerate() {
        let place = format!("{name}, cell {}", index + 1);
        if cell["id"].as_str().is_none_or(str::is_empty) {
            problems.push(format!("{place}: no id"));
        }
        if cell["cell_type"] != "code" {
            continue;
        }
        if cell["outputs"].as_array().is_none_or(|outputs| !outputs.is_empty()) {
            problems.push(format!("{place}: has outputs"));
        }
        if !cell["execution_count"].is_null() {
            problems.push(format!("{place}: has an execution count"));
        }
    }
    problems
}

/// What must hold between the two languages.
fn together(es: &Value, en: &Value, number: &str) -> Vec<String> {
    let (es, en) = (cells(es), cells(en));
    if es.len() != en.len() {
        return vec![format!("{number}: {} cells in es, {} in en", es.len(), en.len())];
    }
    let mut problems = Vec::new();
    let (mut es_length, mut en_length) = (0_usize, 0_usize);
    for (index, (left, right)) in es.iter().zip(en).enumerate() {
        let place = format!("{number}, cell {}", index + 1);
        if left["cell_type"] != right["cell_type"] {
            problems.push(format!("{place}: {} in es, {} in en", left["cell_type"], right["cell_type"]));
            continue;
        }
        let (left_text, right_text) = (run::source(left), run::source(right));
        if left["cell_type"] == "code" {
            if skeleton(&left_text) != skeleton(&right_text) {
                problems.push(format!("{place}: the code differs beyond literals and comments"));
            }
            continue;
        }
        let lengths = (left_text.chars().count(), right_text.chars().count());
        es_length += lengths.0;
        en_length += lengths.1;
        if lengths.0.max(lengths.1) >= PROSE_LENGTH {
            problems.extend(too_long(lengths, &place));
        }
        if left_text.trim() == right_text.trim() && words(&left_text) >= PROSE_WORDS {
            problems.push(format!("{place}: the text is the same in both languages"));
        }
    }
    problems.extend(too_long((es_length, en_length), number));
    problems
}

/// A problem where the Spanish length and the English are too far apart.
fn too_long((es, en): (usize, usize), place: &str) -> Option<String> {
    let ratio = es as f64 / en.max(1) as f64;
    let good = es + en == 0 || PROSE_RATIO.contains(&ratio);
    (!good).then(|| format!("{place}: the Spanish prose is {ratio:.2} times as long as the English"))
}

/// Words of prose in a text cell: code, formulas, tags and addresses are none.
fn words(markdown: &str) -> usize {
    let mut inside: Option<&str> = None;
    let mut text = String::new();
    let mut rest = markdown;
    while let Some(c) = rest.chars().next() {
        let mark = ["```", "`", "$$", "$"].into_iter().find(|mark| rest.starts_with(mark));
        match (inside, mark) {
            (None, Some(mark)) => inside = Some(mark),
            (Some(open), Some(mark)) if open == mark => inside = None,
            (None, None) => text.push(c),
            _ => {}
        }
        rest = &rest[mark.map_or(c.len_utf8(), str::len)..];
    }
    let text = without_tags(&text);
    text.split_whitespace()
        .filter(|word| !word.contains("://") && !word.contains("]("))
        .filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() >= 2)
        .count()
}

fn without_tags(text: &str) -> String {
    let mut depth = 0_i32;
    text.chars()
        .filter(|c| {
            match c {
                '<' => depth += 1,
                '>' if depth > 0 => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn notebook(prose: &str, code: &str) -> Value {
        json!({ "cells": [
            { "id": "a", "cell_type": "markdown", "source": prose },
            { "id": "b", "cell_type": "code", "source": code, "outputs": [], "execution_count": null },
        ]})
    }

    #[test]
    fn a_translated_lesson_has_no_problem() {
        let es = notebook("Lee una tabla de recetas.", "// mira\nlet t = Table::read(\"recetas.csv\")?;");
        let en = notebook("Read a table of recipes.", "let t = Table::read(\"recipes.csv\")?; // look");
        assert_eq!(together(&es, &en, "01"), Vec::<String>::new());
        assert_eq!(alone(&es, "01-x.ipynb"), Vec::<String>::new());
    }

    #[test]
    fn other_code_untranslated_prose_and_a_missing_cell_are_found() {
        let es = notebook("Read a table of recipes.", "t.head(5)");
        let en = notebook("Read a table of recipes.", "t.head(6)");
        assert_eq!(together(&es, &en, "01").len(), 2);
        let short = json!({ "cells": [] });
        assert_eq!(together(&es, &short, "01").len(), 1);
    }

    #[test]
    fn a_formula_may_be_the_same_in_both_languages() {
        assert_eq!(words("$$ loss = x + y + z $$ <img src=\"a b c\"> `let x`"), 0);
        assert_eq!(words("Read a table of recipes."), 4);
    }

    #[test]
    fn a_summary_in_place_of_a_translation_is_found() {
        let es = notebook("Corto.", "x");
        let en = notebook("This text is longer than the other.", "x");
        assert_eq!(together(&es, &en, "01").len(), 1);
    }

    #[test]
    fn one_summary_among_translations_is_found_and_a_short_title_is_none() {
        let cells = |prose: [&str; 3]| {
            let cells = prose.map(|text| json!({ "id": "a", "cell_type": "markdown", "source": text }));
            json!({ "cells": cells })
        };
        let long = "Aquí se lee una tabla de recetas, se mira lo que tiene y se quitan las filas que no dicen nada. "
            .repeat(3);
        let same =
            "Here a table of recipes is read, we look at what is in it and drop the rows that say nothing. ".repeat(3);
        let es = cells([&long, "## Lo que viene después", "Se entrena el modelo."]);
        let en = cells([&same, "## Next", "Now the model is trained on what you have just read, for three epochs."]);
        let problems = together(&es, &en, "01");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("01, cell 3: the Spanish prose is 0.3"), "{problems:?}");
    }

    #[test]
    fn outputs_counts_and_missing_ids_are_found() {
        let dirty = json!({ "cells": [
            { "cell_type": "code", "source": "1", "outputs": [{}], "execution_count": 2 },
        ]});
        assert_eq!(alone(&dirty, "01-x.ipynb").len(), 3);
    }

    #[test]
    fn lessons_are_matched_by_their_number() {
        let folder = std::env::temp_dir().join(format!("aula pairs {}", std::process::id()));
        for file in ["es/01-tabla.ipynb", "en/01-table.ipynb", "es/02-x.ipynb", "en/notes.ipynb"] {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
        let pairs = pairs(&folder).unwrap();
        assert_eq!(pairs.len(), 2);
        assert!(pairs[0].es.is_some() && pairs[0].en.is_some());
        assert!(pairs[1].es.is_some() && pairs[1].en.is_none());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
