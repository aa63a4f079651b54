//! The forum that lesson 2 cleans is what its generator makes, its list of faults is true, and the library finds them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use std::collections::BTreeSet;
use std::path::PathBuf;

use aula::clean::{Recipe, Step};
use aula::forum::{Faults, Forum, ROWS, SEED};
use aula::table::Table;

struct Shipped {
    language: &'static str,
    file: &'static str,
    text: &'static str,
    score: &'static str,
    date: &'static str,
    /// How people of the language write a date.
    order: &'static str,
}

const SHIPPED: [Shipped; 2] = [
    Shipped { language: "es", file: "es/foro.csv", text: "comentario", score: "puntaje", date: "fecha", order: "dmy" },
    Shipped { language: "en", file: "en/forum.csv", text: "comment", score: "score", date: "date", order: "mdy" },
];

fn data(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name).to_string_lossy().into_owned()
}

impl Shipped {
    fn table(&self) -> Table {
        Table::read(&data(self.file)).unwrap()
    }

    fn faults(&self) -> Faults {
        Faults::read(&data(&format!("forum/{}-faults.json", self.language))).unwrap()
    }

    /// The steps that lesson 2 takes, but for those on the score.
    fn recipe(&self) -> Vec<Step> {
        let text = self.text;
        vec![
            Step::drop_missing(text),
            Step::drop_deleted(text),
            Step::html_entities(text),
            Step::repair_mojibake(text),
            Step::remove_control(text),
            Step::replace_urls(text),
            Step::mask_personal(text),
            Step::replace_mentions(text),
            Step::tidy_spaces(text),
            Step::drop_duplicates(text),
            Step::drop_near_duplicates(text, 0.8),
            Step::keep_language(text, self.language),
        ]
    }
}

fn ids(table: &Table) -> BTreeSet<usize> {
    table.numbers("id").unwrap().into_iter().flatten().map(|id| id as usize).collect()
}

/// The rows that a step takes away, or whose text it changes.
fn touched(table: &Table, column: &str, step: Step) -> BTreeSet<usize> {
    let cleaned = Recipe::new(&[step]).apply(table).unwrap();
    let removed = ids(&cleaned.removed);
    let before = table.strings(column).unwrap();
    let kept = ids(&cleaned.table);
    let after = cleaned.table.strings(column).unwrap();
    let changed = kept.into_iter().zip(after).filter(|(id, text)| before[*id - 1] != *text).map(|(id, _)| id);
    changed.chain(removed).collect()
}

#[test]
fn the_generator_makes_the_same_bytes_again() {
    for shipped in &SHIPPED {
        let (language, file) = (shipped.language, shipped.file);
        let made = Forum::make(&data("forum"), language, ROWS, SEED).unwrap();
        let text = std::fs::read_to_string(data(file)).unwrap();
        assert!(made.csv == text, "{file} is not what `cargo aula forum {language}` makes");
        assert_eq!(made.faults, shipped.faults(), "{language}");
        assert!(text.len() < 1_200_000, "{file}: {} bytes", text.len());
    }
}

#[test]
fn the_list_of_faults_says_what_is_in_the_file() {
    for shipped in &SHIPPED {
        let (table, faults) = (shipped.table(), shipped.faults());
        assert_eq!((table.height(), faults.rows), (ROWS, ROWS));
        let texts = table.strings(shipped.text).unwrap();
        let text = |id: usize| texts[id - 1].clone().unwrap_or_default();
        let scores = table.numbers(shipped.score).unwrap();
        let dates = table.strings(shipped.date).unwrap();
        let rows_where = |holds: &dyn Fn(usize) -> bool| (1..=ROWS).filter(|id| holds(*id)).collect::<Vec<_>>();
        // What anybody can see is there in exactly the rows of the list.
        let marks = |id| text(id).starts_with('[');
        let mut deleted = [faults.ids("deleted"), faults.ids("removed")].concat();
        deleted.sort_unstable();
        assert_eq!(rows_where(&marks), deleted);
        assert_eq!(rows_where(&|id| text(id).trim().is_empty()), faults.ids("empty"));
        assert_eq!(rows_where(&|id| scores[id - 1].is_none()), faults.ids("missing_score"));
        assert_eq!(rows_where(&|id| dates[id - 1].as_ref().unwrap().contains('/')), faults.ids("other_date"));
        assert_eq!(rows_where(&|id| text(id).contains("example.") && !text(id).contains('@')), faults.ids("url"));
        assert_eq!(rows_where(&|id| text(id).contains(';') && text(id).contains('&')), faults.ids("html_entity"));
        for id in faults.ids("duplicate") {
            let original = faults.copied_from[&id];
            assert!(original < id && text(original) == text(id), "row {id}");
        }
        for id in faults.ids("near_duplicate") {
            let original = faults.copied_from[&id];
            assert!(original < id && text(original) != text(id), "row {id}");
        }
        assert_eq!(faults.copied_from.len(), faults.ids("duplicate").len() + faults.ids("near_duplicate").len());
    }
}

#[test]
fn the_library_finds_nearly_all_that_was_planted_and_little_else() {
    for shipped in &SHIPPED {
        let (table, faults, text) = (shipped.table(), shipped.faults(), shipped.text);
        let steps = [
            ("deleted", Step::drop_deleted(text)),
            ("removed", Step::drop_deleted(text)),
            ("empty", Step::drop_missing(text)),
            ("missing_score", Step::drop_missing(shipped.score)),
            ("duplicate", Step::drop_duplicates(text)),
            ("near_duplicate", Step::drop_near_duplicates(text, 0.8)),
            ("url", Step::replace_urls(text)),
            ("mention", Step::replace_mentions(text)),
            ("html_entity", Step::html_entities(text)),
            ("mojibake", Step::repair_mojibake(text)),
            ("control", Step::remove_control(text)),
            ("extra_spaces", Step::tidy_spaces(text)),
            ("personal", Step::mask_personal(text)),
            ("other_language", Step::keep_language(text, shipped.language)),
        ];
        let planted: BTreeSet<usize> = faults.faults.values().flatten().copied().collect();
        for (fault, step) in steps {
            let found = touched(&table, text, step);
            let ids = faults.ids(fault);
            let hits = ids.iter().filter(|id| found.contains(id)).count();
            // A row with another fault may be found rightly: an empty text of blanks is untidy too.
            let false_alarms = found.difference(&planted).count();
            println!("{} {fault}: {hits} of {}, {false_alarms} sound rows", shipped.language, ids.len());
            assert!(hits * 100 >= ids.len() * 95, "{} {fault}: {hits} of {}", shipped.language, ids.len());
            assert!(false_alarms * 100 <= ROWS, "{} {fault}: {false_alarms} sound rows", shipped.language);
        }
    }
}

#[test]
fn what_a_recipe_took_away_is_counted_beside_what_was_planted() {
    for shipped in &SHIPPED {
        let (table, faults) = (shipped.table(), shipped.faults());
        assert_eq!(faults.count_in("url", &table).unwrap(), faults.ids("url").len());
        assert_eq!(faults.count_in("no such fault", &table).unwrap(), 0);
        let cleaned = Recipe::new(&[Step::drop_deleted(shipped.text)]).apply(&table).unwrap();
        for kind in ["deleted", "removed"] {
            assert_eq!(faults.count_in(kind, &cleaned.removed).unwrap(), faults.ids(kind).len(), "{kind}");
            assert_eq!(faults.count_in(kind, &cleaned.table).unwrap(), 0, "{kind}");
        }
        assert!(faults.count_in("url", &table.select(&[shipped.text]).unwrap()).is_err(), "no column of ids");
    }
}

#[test]
fn the_steps_that_text_stats_names_mend_what_it_found() {
    for shipped in &SHIPPED {
        let (table, text) = (shipped.table(), shipped.text);
        let steps = [
            ("drop_deleted", Step::drop_deleted(text)),
            ("html_entities", Step::html_entities(text)),
            ("repair_mojibake", Step::repair_mojibake(text)),
            ("remove_control", Step::remove_control(text)),
        ];
        let told = |table: &Table| table.text_stats(text).unwrap().to_string();
        for (name, _) in &steps {
            assert!(told(&table).contains(&format!("Step::{name}(\"{text}\")")), "{name}: {}", told(&table));
        }
        let mended = Recipe::new(&steps.map(|(_, step)| step)).apply(&table).unwrap().table;
        assert!(!told(&mended).contains("Step::"), "{}", told(&mended));
    }
}

#[test]
fn dates_in_a_second_format_are_found_all_of_them_and_none_is_guessed() {
    for shipped in &SHIPPED {
        let (table, ids) = (shipped.table(), shipped.faults().ids("other_date"));
        let planted: BTreeSet<usize> = ids.iter().copied().collect();
        let dates = table.strings(shipped.date).unwrap();
        let said = Step::iso_dates(shipped.date, shipped.order);
        assert_eq!(touched(&table, shipped.date, said.clone()), planted);
        let cleaned = Recipe::new(&[said]).apply(&table).unwrap();
        assert!(cleaned.steps[0].note.is_none());
        let after = cleaned.table.strings(shipped.date).unwrap();
        assert!(after.iter().flatten().is_sorted(), "the file's rows are in the order of their days");
        // Without a word on the order, only those that it makes no difference to.
        let plain = |id: &usize| {
            let date = dates[id - 1].as_ref().unwrap();
            let (a, b) = (date[..2].parse::<u32>().unwrap(), date[3..5].parse::<u32>().unwrap());
            a > 12 || b > 12 || a == b
        };
        let found = touched(&table, shipped.date, Step::iso_dates(shipped.date, "clear"));
        assert_eq!(found, planted.iter().filter(|id| plain(id)).copied().collect());
        println!("{}: {} of {} dates are clear", shipped.language, found.len(), planted.len());
    }
}

#[test]
fn the_cleaned_rows_are_54_to_46_by_the_median() {
    for shipped in &SHIPPED {
        let mut steps = shipped.recipe();
        steps.push(Step::drop_missing(shipped.score));
        let cleaned = Recipe::new(&steps).apply(&shipped.table()).unwrap().table;
        let mut scores: Vec<f64> = cleaned.numbers(shipped.score).unwrap().into_iter().flatten().collect();
        scores.sort_by(f64::total_cmp);
        let median = scores[scores.len() / 2];
        let share = |count: usize| count as f64 / scores.len() as f64;
        let at_least = share(scores.iter().filter(|score| **score >= median).count());
        let above = share(scores.iter().filter(|score| **score > median).count());
        println!("{}: {} rows, median {median}, {at_least:.3}, {above:.3}", shipped.language, scores.len());
        assert!((at_least - 0.54).abs() < 0.006 && (above - 0.46).abs() < 0.006, "{at_least} {above}");
        assert!(scores[0] < 0.0 && scores[scores.len() - 1] > 100.0 * median, "heavy above, some below zero");
    }
}
