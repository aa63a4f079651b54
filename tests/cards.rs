//! The texts that ship were written one by one: no two are alike, no wording returns often, and `data/README.md` says how
//! far. `cargo test --release --test cards -- --nocapture` prints what the cards must tell.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use aula::generate::GenerateConfig;
use aula::language_model::LanguageModel;
use aula::table::Table;

/// A file, the column with its texts, and the words with which each text begins by its form.
const COLLECTIONS: [(&str, &str, Form); 10] = [
    ("es/resenas.csv", "texto", Form::Free),
    ("en/reviews.csv", "text", Form::Free),
    ("es/peliculas.csv", "sinopsis", Form::Free),
    ("en/films.csv", "plot", Form::Free),
    ("es/articulos.jsonl", "texto", Form::Free),
    ("en/articles.jsonl", "text", Form::Free),
    ("es/diario.csv", "texto", Form::Begun),
    ("en/diary.csv", "text", Form::Begun),
    ("es/recetas.csv", "texto", Form::Begun),
    ("en/recipes.csv", "text", Form::Begun),
];

/// How texts begin.
#[derive(PartialEq)]
enum Form {
    /// As each likes.
    Free,
    /// With a day ("Day 12.") or a title up to the first full stop, which is no opening: the words after it are.
    Begun,
}

/// What is measured of a collection.
struct Figures {
    rows: usize,
    /// Rows in which the most frequent five words in a row stand, and the words.
    commonest: (usize, String),
    openings: usize,
    /// The greatest likeness of two rows, and their numbers from 1.
    nearest: (f64, usize, usize),
}

/// Words are what stands between spaces, without case and punctuation.
fn words(text: &str) -> Vec<String> {
    let bare = |word: &str| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    text.split_whitespace().map(bare).filter(|word: &String| !word.is_empty()).collect()
}

fn runs(words: &[String], length: usize) -> HashSet<&[String]> {
    words.windows(length).collect()
}

/// The likeness of two rows: of the runs of three words that stand in one of them, the share that stands in both (Jaccard).
/// Exact, over all pairs that share a run; the others have none.
fn nearest(texts: &[Vec<String>]) -> (f64, usize, usize) {
    let mut holders: HashMap<&[String], Vec<usize>> = HashMap::new();
    let mut nearest = (0.0, 0, 0);
    let sizes: Vec<usize> = texts.iter().map(|text| runs(text, 3).len()).collect();
    for (row, text) in texts.iter().enumerate() {
        let mut common: HashMap<usize, usize> = HashMap::new();
        for run in runs(text, 3) {
            let rows = holders.entry(run).or_default();
            rows.iter().for_each(|other| *common.entry(*other).or_default() += 1);
            rows.push(row);
        }
        for (other, shared) in common {
            let likeness = shared as f64 / (sizes[row] + sizes[other] - shared) as f64;
            if likeness > nearest.0 {
                nearest = (likeness, other + 1, row + 1);
            }
        }
    }
    nearest
}

fn table(name: &str) -> Table {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    Table::read(&path.to_string_lossy()).unwrap()
}

fn measure(name: &str, column: &str, form: &Form) -> Figures {
    let texts = table(name).texts(column).unwrap();
    let split: Vec<Vec<String>> = texts.iter().map(|text| words(text)).collect();
    let mut counts: HashMap<&[String], usize> = HashMap::new();
    for run in split.iter().flat_map(|text| runs(text, 5)) {
        *counts.entry(run).or_default() += 1;
    }
    let commonest = counts.iter().max_by_key(|(run, count)| (**count, std::cmp::Reverse(**run))).unwrap();
    let opening = |text: &String| {
        let body = if *form == Form::Begun { text.split_once(". ").unwrap().1 } else { text };
        words(body)[..3].to_vec()
    };
    Figures {
        rows: texts.len(),
        commonest: (*commonest.1, commonest.0.join(" ")),
        openings: texts.iter().map(opening).collect::<HashSet<_>>().len(),
        nearest: nearest(&split),
    }
}

/// What the card says of a file: in the table that has the file among its columns, the cell of the row so named.
fn told(card: &str, file: &str, rows: &[&str]) -> Option<String> {
    let cells = |line: &str| line.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect::<Vec<_>>();
    let mut lines = card.lines().skip_while(|line| !(line.starts_with("| |") && line.contains(&format!("`{file}`"))));
    // The first cell of the head is empty: `| | file | file |`.
    let head = cells(lines.next()?.trim_start_matches("| "));
    let column = head.iter().position(|cell| *cell == format!("`{file}`"))?;
    let mut lines = lines.take_while(|line| line.starts_with('|'));
    let line = lines.find(|line| rows.iter().any(|row| cells(line)[0].starts_with(row)))?;
    cells(line).get(column + usize::from(!head[0].is_empty())).cloned()
}

/// `1,622` for 1622.
fn thousands(number: usize) -> String {
    match number {
        small if small < 1000 => small.to_string(),
        large => format!("{},{:03}", large / 1000, large % 1000),
    }
}

#[test]
fn no_two_texts_are_alike_and_no_wording_returns_often() {
    for (name, column, form) in COLLECTIONS {
        let Figures { rows, commonest: (count, words), openings, nearest } = measure(name, column, &form);
        let percent = |part: usize| 100.0 * part as f64 / rows as f64;
        println!(
            "{name}: {rows} rows; most frequent five words in {count} ({:.2} %): {words}; {openings} openings ({:.1} %); \
             nearest two rows {:.3} (rows {} and {})",
            percent(count),
            percent(openings),
            nearest.0,
            nearest.1,
            nearest.2
        );
        assert!(count == 1 || percent(count) <= 2.0, "{name}: \"{words}\" in {count} of {rows} rows");
        assert!(percent(openings) >= 90.0, "{name}: {openings} openings in {rows} rows");
        assert!(nearest.0 < 0.5, "{name}: rows {} and {} are {:.2} alike", nearest.1, nearest.2, nearest.0);
        // The same by the library: MinHash over stretches of five characters.
        let copies = table(name).duplicates(column, 0.5).unwrap();
        assert!(copies.repeated == 0 && copies.nearly == 0, "{name}: {:?}", copies.pairs);
    }
}

#[test]
fn the_cards_tell_what_is_in_the_files() {
    let card = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/README.md")).unwrap();
    let mut wrong = Vec::new();
    for (name, column, form) in COLLECTIONS {
        let figures = measure(name, column, &form);
        let (openings, nearest) = (thousands(figures.openings), figures.nearest.0);
        let mut check = |rows: &[&str], good: &dyn Fn(&str) -> bool, is: String| {
            let told = told(&card, name, rows);
            if !told.as_deref().is_some_and(good) {
                wrong.push(format!("{name}, {}: it is {is}, the card says {told:?}", rows[0]));
            }
        };
        let first = |cell: &str, wanted: &str| cell.split([' ', ':']).next() == Some(wanted);
        let rows = thousands(figures.rows);
        check(&["rows"], &|cell| first(&cell.replace(", ", " "), &rows), rows.clone());
        let words = format!("in {} row", figures.commonest.0);
        check(&["most frequent five words"], &|cell| cell.starts_with(&words), words.clone());
        check(&["different openings", "distinct openings"], &|cell| first(cell, &openings), openings.clone());
        let near = [format!("{nearest:.3}"), format!("{nearest:.2}")];
        let has = |cell: &str| cell.split([' ', '(']).any(|word| near.iter().any(|near| near == word));
        check(&["nearest two rows", "most similar pair"], &has, near[0].clone());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_samples_of_cuentos_come_again_from_their_seeds_and_end() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/models/cuentos");
    let page = std::fs::read_to_string(folder.join("samples.md")).unwrap();
    let model = LanguageModel::load(&folder.to_string_lossy()).unwrap();
    let told = |prompt: &str, seed: u64| {
        model.generate(prompt, &GenerateConfig { seed, max_tokens: 80, ..GenerateConfig::default() }).unwrap()
    };
    for (seed, prompt) in [(1, "Había una vez"), (2, "Once upon a time"), (3, "Un día"), (4, "One day")] {
        let text = told(prompt, seed);
        assert!(page.contains(&format!("\n{seed}. {text}\n")), "seed {seed}: {text}");
        assert!(text.ended, "{text}");
        assert_ne!(text.full_text(), told(prompt, seed + 100).full_text(), "another seed, another story");
    }
}
