use super::*;
use crate::error::ErrorKind;
use crate::split::SplitConfig;

fn texts(table: &Table, column: &str) -> Vec<String> {
    table.strings(column).unwrap().into_iter().map(Option::unwrap_or_default).collect()
}

fn dirty() -> Table {
    let rows = [
        ("El niÃ±o dijo  hola", 5.0),
        ("[deleted]", 1.0),
        ("mira https://x.es/a y @ana", 7.0),
        ("El niÃ±o dijo  hola", 3.0),
        ("ok", 2.0),
        ("", 4.0),
        ("un comentario normal y corriente", 900.0),
        ("otro comentario, ya sin nada raro", 6.0),
    ];
    let table = Table::from_texts("texto", &rows.map(|row| row.0.to_string())).unwrap();
    table.with_numbers("puntaje", &rows.map(|row| row.1)).unwrap()
}

fn recipe() -> Recipe {
    Recipe::new(&[
        Step::drop_missing("texto"),
        Step::drop_deleted("texto"),
        Step::repair_mojibake("texto"),
        Step::tidy_spaces("texto"),
        Step::drop_duplicates("texto"),
        Step::replace_urls("texto"),
        Step::replace_mentions("texto"),
        Step::drop_short("texto", 5),
        Step::flag("texto_original", "url"),
        Step::lengths("texto"),
    ])
}

#[test]
fn every_step_is_counted_and_shown_before_and_after() {
    let table = dirty();
    let cleaned = recipe().apply(&table).unwrap();
    let user = if crate::lang::spanish() { "@usuario" } else { "@user" };
    let expected = [
        "El niño dijo hola".to_string(),
        format!("mira [url] y {user}"),
        "un comentario normal y corriente".into(),
        "otro comentario, ya sin nada raro".into(),
    ];
    assert_eq!(texts(&cleaned.table, "texto"), expected);
    let counts: Vec<(usize, usize, usize)> =
        cleaned.steps.iter().map(|step| (step.rows_before, step.rows_after, step.changed)).collect();
    assert_eq!(
        counts,
        [(8, 7, 0), (7, 6, 0), (6, 6, 2), (6, 6, 2), (6, 5, 0), (5, 5, 1), (5, 5, 1), (5, 4, 0), (4, 4, 1), (4, 4, 4)]
    );
    assert_eq!(cleaned.steps[2].examples[0], ("El niÃ±o dijo  hola".into(), "El niño dijo  hola".into()));
    assert_eq!(cleaned.steps[3].examples[0], ("El niño dijo  hola".into(), "El niño dijo hola".into()));
    assert_eq!(cleaned.removed.height() + cleaned.table.height(), table.height());
    assert_eq!(cleaned.table.numbers("texto_words").unwrap()[0], Some(4.0));
    assert!(cleaned.html().html.contains("<details>") && cleaned.to_string().contains("niÃ±o"));
    assert_eq!(recipe().apply(&table).unwrap().table.to_string(), cleaned.table.to_string(), "it can run twice");
}

#[test]
fn the_original_column_is_kept_until_it_is_dropped() {
    let table = dirty();
    let cleaned =
        Recipe::new(&[Step::repair_mojibake("texto"), Step::tidy_spaces("texto")]).apply(&table).unwrap().table;
    assert_eq!(texts(&cleaned, "texto_original"), texts(&table, "texto"));
    let back = cleaned.restore("texto").unwrap();
    assert_eq!((texts(&back, "texto"), back.columns()), (texts(&table, "texto"), table.columns()));
    assert!(cleaned.drop(&["texto_original"]).unwrap().restore("texto").is_err());
    let shorter = recipe().without(5).unwrap().apply(&table).unwrap();
    assert_eq!(shorter.table.height(), 5, "without drop_duplicates the copy is there");
    assert!(recipe().without(11).is_err());
}

#[test]
fn limits_and_median_come_from_the_training_rows_alone() {
    let table = dirty();
    let recipe = Recipe::new(&[Step::winsorize("puntaje", 0.0, 0.5), Step::label_from_median("puntaje", "clase")]);
    let error = recipe.apply(&table).unwrap_err();
    assert!(error.kind() == ErrorKind::BadSetting && error.to_string().contains("fit"), "{error}");
    let config = SplitConfig { train: 0.5, valid: 0.0, test: 0.5, ..Default::default() };
    let split = table.split(&config).unwrap();
    let fitted = recipe.fit(&split.train).unwrap();
    let mut train: Vec<f64> = split.train.numbers("puntaje").unwrap().into_iter().flatten().collect();
    train.sort_by(f64::total_cmp);
    let middle = (train[1] + train[2]) / 2.0;
    let test = fitted.apply(&split.test).unwrap().table;
    assert!(test.numbers("puntaje").unwrap().iter().flatten().all(|value| (train[0]..=middle).contains(value)));
    assert_eq!(texts(&test, "puntaje_original"), texts(&split.test, "puntaje"));
    assert!(fitted.to_string().contains("4 "), "{fitted}");
    assert!(recipe.fit(&split.test).unwrap_err().to_string().contains("train"));
    assert!(test.split(&config).unwrap().warnings.is_empty());
}

#[test]
fn numbers_found_before_the_split_are_told_as_a_leak_when_it_comes() {
    let recipe = Recipe::new(&[Step::winsorize("puntaje", 0.0, 0.9)]);
    let early = recipe.fit(&dirty()).unwrap().apply(&dirty()).unwrap().table;
    let split = early.split(&SplitConfig { train: 0.5, valid: 0.0, test: 0.5, ..Default::default() }).unwrap();
    assert_eq!(split.warnings.len(), 1);
    assert!(split.warnings[0].contains("puntaje") && split.to_string().contains("fit"), "{split}");
}

#[test]
fn what_was_made_from_the_labels_source_is_a_leak() {
    let recipe = Recipe::new(&[
        Step::winsorize("puntaje", 0.0, 0.9),
        Step::label_from_median("puntaje", "clase"),
        Step::lengths("texto"),
    ]);
    let split = dirty().split(&SplitConfig { train: 0.8, valid: 0.0, test: 0.2, ..Default::default() }).unwrap();
    let train = recipe.fit(&split.train).unwrap().apply(&split.train).unwrap().table;
    let train = train.rename("puntaje", "votos").unwrap();
    let found = train.feature_leaks("clase", &["votos", "texto", "texto_chars", "clase"]).unwrap();
    let leaks: Vec<bool> = found.features.iter().map(|feature| feature.leaks).collect();
    assert_eq!(leaks, [true, false, false, true], "{found}");
    // A table that forgot where it comes from: the values themselves still tell.
    let rows: Vec<f64> = (0..40).map(f64::from).collect();
    let names: Vec<String> = (0..40).map(|i| if i < 19 { "a" } else { "b" }.to_string()).collect();
    let table = Table::from_texts("clase", &names).unwrap().with_numbers("puntos", &rows).unwrap();
    let table = table.with_numbers("azar", &(0..40).map(|i| f64::from(i * 7 % 11)).collect::<Vec<_>>()).unwrap();
    let found = table.feature_leaks("clase", &["puntos", "azar"]).unwrap();
    assert!(found.features[0].leaks && !found.features[1].leaks, "{found}");
}

#[test]
fn a_recipe_is_saved_as_readable_json_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receta.json").to_string_lossy().into_owned();
    let split = dirty().split(&SplitConfig { train: 0.5, valid: 0.0, test: 0.5, ..Default::default() }).unwrap();
    let mut steps = recipe().steps;
    steps.push(Step::winsorize("puntaje", 0.05, 0.95));
    let fitted = Recipe::new(&steps).fit(&split.train).unwrap();
    fitted.save(&path).unwrap();
    assert_eq!(Recipe::load(&path).unwrap(), fitted);
    let json = std::fs::read_to_string(&path).unwrap();
    assert!(json.contains("\"step\": \"drop_short\"") && json.contains("\"min_chars\": 5"), "{json}");
    std::fs::write(&path, json.replace("drop_short", "drop_shrt")).unwrap();
    let text = Recipe::load(&path).unwrap_err().to_string();
    assert!(text.contains("drop_shrt") && text.contains("drop_short"), "{text}");
    assert_eq!(Recipe::load("no/such.json").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_empty_table_names_the_step_that_emptied_it() {
    let text = Recipe::new(&[Step::drop_short("texto", 500)]).apply(&dirty()).unwrap_err().to_string();
    assert!(text.contains("500") && text.contains('8') && text.contains("→"), "{text}");
}

#[test]
fn a_wrong_setting_lists_the_allowed_ones() {
    for step in
        [Step::flag("texto", "urls"), Step::keep_language("texto", "español"), Step::winsorize("puntaje", 0.9, 0.1)]
    {
        let error = Recipe::new(&[step]).apply(&dirty()).unwrap_err();
        assert!(error.kind() == ErrorKind::BadSetting && error.to_string().contains("→"), "{error}");
    }
    let error = Recipe::new(&[Step::tidy_spaces("text")]).apply(&dirty()).unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("texto"), "{error}");
}

#[test]
fn a_median_that_parts_nothing_is_an_error() {
    let table = dirty().with_numbers("uno", &[1.0; 8]).unwrap();
    let split = table.split(&SplitConfig { train: 0.5, valid: 0.0, test: 0.5, ..Default::default() }).unwrap();
    let error = Recipe::new(&[Step::label_from_median("uno", "clase")]).fit(&split.train).unwrap_err();
    assert!(error.kind() == ErrorKind::BadData && error.to_string().contains("value_counts"), "{error}");
}

#[test]
fn other_languages_and_near_duplicates_leave() {
    let rows = [
        "Esto es una prueba y no tiene nada de raro, de verdad",
        "This is a test and there is nothing strange about it",
        "Esto es una prueba y no tiene nada de raro, ¡de verdad!",
        "12345",
    ];
    let table = Table::from_texts("t", &rows.map(String::from)).unwrap();
    let steps = [Step::keep_language("t", "es"), Step::drop_near_duplicates("t", 0.8)];
    let cleaned = Recipe::new(&steps).apply(&table).unwrap();
    assert_eq!(texts(&cleaned.table, "t"), [rows[0], rows[3]]);
    assert_eq!(texts(&cleaned.removed, "t"), [rows[1], rows[2]]);
}

#[test]
fn dates_and_entities_are_rewritten_counted_and_can_be_undone() {
    let dates = ["2024-03-17", "17/03/2024", "03/17/2024", "03/04/2024", "05/04/2024", "ayer", "", "1 de mayo de 2024"];
    let entities = ["Tom &amp; Jerry", "AT&T", "&iquest;S&iacute;?", "no", "sí", "a &lt; b", "&#39;", "ñ"];
    let table = Table::from_texts("fecha", &dates.map(String::from)).unwrap();
    let table = table.with_texts("texto", &entities.map(String::from)).unwrap();
    let run = |order: &str| {
        Recipe::new(&[Step::html_entities("texto"), Step::iso_dates("fecha", order)]).apply(&table).unwrap()
    };
    let clear = run("clear");
    let expected = ["2024-03-17", "2024-03-17", "2024-03-17", "03/04/2024", "05/04/2024", "ayer", "", "2024-05-01"];
    assert_eq!(texts(&clear.table, "fecha"), expected);
    assert_eq!(texts(&clear.table, "texto"), ["Tom & Jerry", "AT&T", "¿Sí?", "no", "sí", "a < b", "'", "ñ"]);
    assert_eq!((clear.steps[0].changed, clear.steps[1].changed), (4, 3));
    assert_eq!(clear.steps[1].examples[0], ("17/03/2024".into(), "2024-03-17".into()));
    // What is not clear is told with both readings, and what the other rows say; nothing is guessed.
    let note = clear.steps[1].note.clone().unwrap();
    for told in ["03/04/2024", "2024-04-03", "2024-03-04", "ayer", "Step::iso_dates(\"fecha\", \"dmy\")"] {
        assert!(note.contains(told) && clear.to_string().contains(told), "{told}: {note}");
    }
    assert_eq!(texts(&run("dmy").table, "fecha")[1..5], ["2024-03-17", "03/17/2024", "2024-04-03", "2024-04-05"]);
    assert_eq!(texts(&run("mdy").table, "fecha")[1..5], ["17/03/2024", "2024-03-17", "2024-03-04", "2024-05-04"]);
    assert!(run("dmy").steps[1].note.clone().unwrap().contains("03/17/2024"), "it does not fit the order");
    let back = clear.table.restore("fecha").unwrap().restore("texto").unwrap();
    assert_eq!((texts(&back, "fecha"), texts(&back, "texto")), (texts(&table, "fecha"), texts(&table, "texto")));
    let error = Recipe::new(&[Step::iso_dates("fecha", "ymd")]).apply(&table).unwrap_err().to_string();
    assert!(error.contains("dmy, mdy, clear"), "{error}");
}
