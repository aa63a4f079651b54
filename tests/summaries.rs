//! Facts that a source lacks, new wording, and summaries of a text's own sentences, on texts by hand and those that ship.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use std::path::Path;

use aula::embedder::Embedder;
use aula::error::ErrorKind;
use aula::extract::{extract, extract_all, extract_all_with, extract_with, lead_all, ExtractConfig, Ranking};
use aula::metrics::{check_all_facts, check_facts, length_ratio, novelty, rouge, summary_report, FactKind};
use aula::table::Table;

fn articles(language: &str) -> (Vec<String>, Vec<String>) {
    let (file, text, summary) = match language {
        "es" => ("es/articulos.jsonl", "texto", "resumen"),
        _ => ("en/articles.jsonl", "text", "summary"),
    };
    let table = Table::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file).to_string_lossy()).unwrap();
    (table.texts(text).unwrap(), table.texts(summary).unwrap())
}

fn missing(source: &str, summary: &str) -> Vec<(String, FactKind)> {
    check_facts(source, summary).missing().into_iter().map(|fact| (fact.text, fact.kind)).collect()
}

#[test]
fn a_number_is_the_same_however_it_is_written() {
    let source = "El ayuntamiento pagó 1.234,5 euros por treinta y cuatro bancos, y tres millones por la plaza.";
    assert_eq!(missing(source, "Pagó 1,234.5 euros por 34 bancos y 3.000.000 por la plaza."), []);
    let wrong = missing(source, "Pagó 1.243,5 euros por 43 bancos y dos millones por la plaza.");
    let texts: Vec<&str> = wrong.iter().map(|fact| fact.0.as_str()).collect();
    assert_eq!(texts, ["1.243,5", "43", "dos millones"]);
    assert!(wrong.iter().all(|fact| fact.1 == FactKind::Number));
    let source = "The council bought two hundred and six chairs for its 40 schools.";
    assert_eq!(missing(source, "It bought 206 chairs for forty schools."), []);
    assert_eq!(missing(source, "It bought 260 chairs."), [("260".to_string(), FactKind::Number)]);
}

#[test]
fn dates_and_names_that_the_source_lacks_are_found() {
    let source = "La ingeniera Rebeca Solano revisó el puente el 4 de marzo de 2023, un lunes, en Villalbar.";
    assert_eq!(missing(source, "En marzo, Solano revisó el puente de Villalbar."), []);
    assert_eq!(missing(source, "El 2023-03-04 lo revisó Rebeca Solano."), []);
    let wrong = missing(source, "El 5 de marzo lo revisó Rebeca Prado, de Villanueva, un martes.");
    let texts: Vec<&str> = wrong.iter().map(|fact| fact.0.as_str()).collect();
    assert_eq!(texts, ["5 de marzo", "Prado", "Villanueva", "martes"]);
    let source = "Mr Penrose met Ann O'Brien on Monday, 3 April.";
    assert_eq!(missing(source, "On April 3 O'Brien saw Penrose's boat."), []);
    assert_eq!(missing(source, "On April 3 she saw Peter Penrose."), [("Peter".to_string(), FactKind::Name)]);
    // What begins a sentence has a capital anyway.
    assert_eq!(missing(source, "Boats are late. Nobody came."), []);
}

#[test]
fn what_is_missing_is_marked_in_words_too() {
    let check = check_facts("Vino Ana en mayo.", "Vino <b>Eva</b> en junio con 12 perros.");
    let shown = check.html();
    assert!(shown.plain.contains("⟦junio ← ") && shown.plain.contains("⟦12 ← "), "{}", shown.plain);
    assert!(shown.html.contains("<mark") && shown.html.contains("<sup") && !shown.html.contains("<b>Eva"));
    assert!(check_facts("Ana", "nada").to_string().lines().count() == 2);
}

/// The card of the texts says that every figure and name of a summary stands in its text.
#[test]
fn of_the_facts_in_the_summaries_that_ship_few_are_marked_and_of_changed_ones_nearly_all() {
    for language in ["es", "en"] {
        let (sources, summaries) = articles(language);
        let report = check_all_facts(&sources, &summaries).unwrap();
        let facts: usize = report.each.iter().map(|check| check.facts.len()).sum();
        let false_alarms: Vec<String> =
            report.each.iter().flat_map(|check| check.missing()).map(|fact| fact.text).collect();
        println!("{language}: {} of {facts} marked: {false_alarms:?}", false_alarms.len());
        assert!(facts > 150 && false_alarms.len() * 50 <= facts, "{language}: {false_alarms:?}");
        // The same with another article's summary: whatever it says is invented.
        let mut shifted = summaries.clone();
        shifted.rotate_left(1);
        let wrong = check_all_facts(&sources, &shifted).unwrap();
        println!("{language}: of another article's {facts} facts {:.3} marked", wrong.missing_share());
        assert!(wrong.missing_share() > 0.75, "{language}: {}", wrong.missing_share());
    }
}

#[test]
fn new_wording_and_length_are_counted_by_hand() {
    assert_eq!(novelty("el gato duerme al sol", "el gato come al sol", 1), 0.2);
    assert_eq!(novelty("el gato duerme al sol", "el gato come al sol", 2), 0.5);
    assert_eq!((novelty("a b", "a b", 2), novelty("a b", "", 1), length_ratio("a b c d", "a b")), (0.0, 0.0, 0.5));
    let texts = |items: &[&str]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
    let report = summary_report(&texts(&["uno dos", "a b c d"]), &texts(&["uno dos tres cuatro", "a"])).unwrap();
    assert!(report.warnings.len() == 1 && report.warnings[0].contains('1'), "{report}");
    assert!((report.length_ratio - 1.125).abs() < 1e-12);
    let empty = summary_report(&texts(&["x"]), &texts(&[""])).unwrap().warnings;
    assert!(empty.len() == 1 && empty[0].contains(&aula::tr!("Quita esas filas", "Leave those rows out")), "{empty:?}");
}

#[test]
fn chosen_sentences_come_in_the_texts_order_and_no_one_twice() {
    let text = "Los gatos duermen mucho. Los perros ladran a los gatos. El pan cuesta dos euros. \
                Los gatos duermen mucho. Los gatos y los perros comen pan.";
    let config = ExtractConfig { sentences: 2, diversity: 0.5, ..Default::default() };
    let one = extract(text, &config).unwrap();
    assert!(one.chosen.len() == 2 && one.chosen[0] < one.chosen[1]);
    assert!(!(one.chosen.contains(&0) && one.chosen.contains(&3)), "{one}");
    let words = ExtractConfig { sentences: 5, max_words: 9, ..Default::default() };
    assert!(extract(text, &words).unwrap().summary().split_whitespace().count() <= 9);
    assert_eq!(extract("x", &config).unwrap().summary(), "x");
    assert_eq!(extract(" \n ", &config).unwrap_err().kind(), ErrorKind::BadData);
    let error = extract(text, &ExtractConfig { sentences: 0, diversity: 2.0, ..Default::default() }).unwrap_err();
    assert!(error.to_string().contains("sentences = 0") && error.to_string().contains("diversity = 2"), "{error}");
}

#[test]
fn sentences_that_matter_have_more_of_the_reference_than_random_ones() {
    for language in ["es", "en"] {
        let (sources, summaries) = articles(language);
        let lead = rouge(&summaries, &lead_all(&sources, 3)).unwrap();
        println!("{language} lead-3: {:.3} {:.3} {:.3}", lead.rouge1, lead.rouge2, lead.rouge_l);
        for ranking in [Ranking::TextRank, Ranking::Centroid] {
            let config = ExtractConfig { ranking, ..Default::default() };
            let ours = rouge(&summaries, &extract_all(&sources, &config).unwrap()).unwrap();
            println!("{language} {ranking:?}: {:.3} {:.3} {:.3}", ours.rouge1, ours.rouge2, ours.rouge_l);
            let last: Vec<String> = sources
                .iter()
                .map(|text| {
                    let all = aula::extract::split_sentences(text);
                    all[all.len().saturating_sub(3)..].join(" ")
                })
                .collect();
            assert!(ours.rouge1 > rouge(&summaries, &last).unwrap().rouge1, "{language} {ranking:?}");
        }
    }
}

#[test]
fn many_texts_read_by_a_model_at_once_are_summarized_as_one_by_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/models/lector");
    let reader = Embedder::load(&folder.to_string_lossy()).unwrap();
    let (texts, config) = (articles("es").0[..3].to_vec(), ExtractConfig::default());
    let alone: Vec<String> = texts.iter().map(|text| extract_with(text, &reader, &config).unwrap().summary()).collect();
    assert_eq!(extract_all_with(&texts, &reader, &config).unwrap(), alone);
    let error = extract_all_with(&[texts[0].clone(), " … ".into()], &reader, &config).unwrap_err();
    assert!(error.kind() == ErrorKind::BadData && error.to_string().contains("2"), "{error}");
}

#[test]
fn summaries_longer_than_their_source_and_texts_of_one_character_are_told_in_one_line() {
    let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<String>>();
    let report = summary_report(&texts(&["a", "b"]), &texts(&["uno dos tres", "b"])).unwrap();
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    assert!(report.warnings[0].contains('1'), "{:?}", report.warnings);
    let config = ExtractConfig::default();
    assert_eq!(extract_all(&texts(&["a", "b"]), &config).unwrap(), ["a", "b"]);
    let error = extract_all(&texts(&["a", "…"]), &config).unwrap_err();
    assert!(error.kind() == ErrorKind::BadData && error.to_string().contains('2'), "{error}");
    assert_eq!(rouge(&texts(&["a"]), &texts(&["a"])).unwrap().rouge1, 1.0);
}

/// What a model that only fills in templates cannot have seen is in the last part alone.
#[test]
fn no_summary_that_lesson_4_tests_on_is_trained_on() {
    for (file, part, train, test, other) in [
        ("es/cuentos-resumidos.csv", ("resumen", "trama", "parte"), "entrenar", "prueba", "otras tramas"),
        ("en/stories-summarized.csv", ("summary", "plot", "split"), "train", "test", "other plots"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file);
        let table = Table::read(&path.to_string_lossy()).unwrap();
        let of = |name: &str, column: &str| table.filter(part.2, name).unwrap().texts(column).unwrap();
        let (known, plots) = (of(train, part.0), of(train, part.1));
        assert!(of(test, part.0).iter().all(|summary| !known.contains(summary)), "{file}");
        assert!(of(test, part.1).iter().all(|plot| plots.contains(plot)), "{file}");
        assert!(of(other, part.1).iter().all(|plot| !plots.contains(plot)), "{file}");
    }
}
