use super::*;
use crate::table::Table;

fn table() -> Table {
    let rows = [
        ("¡Qué bueno! Mira https://a.es", 1.0, 10.0),
        ("¿Alguien sabe cómo se hace esto?", 2.0, 20.0),
        ("No me gusta nada esta película", 3.0, 30.0),
        ("", 100.0, 40.0),
        ("No me gusta nada esta película", 5.0, 50.0),
    ];
    let texts: Vec<String> = rows.iter().map(|row| row.0.to_string()).collect();
    let table = Table::from_texts("texto", &texts).unwrap();
    let table = table.with_numbers("puntaje", &rows.map(|row| row.1)).unwrap();
    table.with_numbers("orden", &rows.map(|row| row.2)).unwrap().with_numbers("uno", &[1.0; 5]).unwrap()
}

#[test]
fn a_description_counts_what_is_missing_and_tells_a_single_value() {
    let found = table().describe().unwrap();
    let text = found.column("texto").unwrap();
    assert_eq!((found.rows, text.missing, text.distinct, text.numeric), (5, 1, 3, false));
    assert_eq!((text.min, text.max), (29.0, 32.0));
    let score = found.column("puntaje").unwrap();
    assert_eq!((score.min, score.mean, score.max, score.constant), (1.0, 22.2, 100.0, false));
    assert!(found.column("uno").unwrap().constant);
    assert!(found.to_string().contains("puntaje") && found.html().html.contains("<table>"));
}

#[test]
fn values_are_counted_from_the_most_frequent() {
    let counts = table().value_counts("texto").unwrap();
    assert_eq!(counts.values[0], Count { value: "No me gusta nada esta película".into(), rows: 2 });
    assert_eq!((counts.count("no está"), counts.values.len()), (0, 4));
    assert!(counts.plot().unwrap().svg.contains("película"));
}

#[test]
fn correlations_are_those_that_numpy_gives() {
    // numpy.corrcoef([1, 2, 3, 100, 5], [10, 20, 30, 40, 50])[0, 1]
    let found = table().correlations().unwrap();
    assert!((found.between("puntaje", "orden").unwrap() - 0.385_141_5).abs() < 1e-6);
    assert_eq!(found.between("orden", "orden"), Some(1.0));
    assert!(found.between("uno", "orden").unwrap().is_nan(), "a column of one value has no correlation");
    assert!(found.plot().unwrap().svg.contains("0.39") && found.to_string().contains("—"));
    let text = Table::from_texts("t", &["a".to_string()]).unwrap().correlations().unwrap_err().to_string();
    assert!(text.contains("→"), "{text}");
}

#[test]
fn extremes_come_with_their_rows_and_quantiles_are_those_that_numpy_gives() {
    let found = table().extremes("puntaje", 2).unwrap();
    assert_eq!(found.highest.numbers("puntaje").unwrap(), [Some(100.0), Some(5.0)]);
    assert_eq!(found.lowest.numbers("orden").unwrap(), [Some(10.0), Some(20.0)]);
    assert_eq!(found.percentiles[2], (50, 3.0));
    // numpy.quantile([1, 2, 3, 5, 100], 0.99)
    assert!((quantile(&[1.0, 2.0, 3.0, 5.0, 100.0], 0.99) - 96.2).abs() < 1e-9);
    let text = table().extremes("texto", 2).unwrap_err().to_string();
    assert!(text.contains("puntaje, orden, uno"), "{text}");
}

#[test]
fn histograms_are_linear_or_by_powers_of_ten() {
    let rows: Vec<f64> = (0..500).map(|i| (f64::from(i) / 50.0).exp().round()).chain([0.0, -3.0]).collect();
    let table = Table::from_texts("t", &vec!["x".to_string(); 502]).unwrap().with_numbers("n", &rows).unwrap();
    assert!(table.histogram("n").unwrap().svg.contains("50 %"));
    let log = table.log_histogram("n").unwrap();
    assert!(log.svg.contains("\n10000\n") && log.summary.contains("(2 "), "{log}");
    assert!(table.with_numbers("n", &[-1.0; 502]).unwrap().log_histogram("n").is_ok());
    if let Ok(folder) = std::env::var("AULA_CHARTS") {
        log.save(&format!("{folder}/log.svg")).unwrap();
        self::table().correlations().unwrap().plot().unwrap().save(&format!("{folder}/heat.svg")).unwrap();
    }
}

#[test]
fn texts_are_measured_without_the_empty_ones() {
    let stats = table().text_stats("texto").unwrap();
    assert_eq!((stats.rows, stats.missing, stats.chars.len()), (5, 1, 4));
    assert_eq!((stats.count("exclamation"), stats.count("question"), stats.count("url")), (1, 1, 1));
    assert_eq!(stats.words, [4, 6, 6, 6]);
    assert!(stats.plot().is_ok() && stats.to_string().contains("exclamation"));
}

#[test]
fn the_step_that_mends_a_fault_is_named_where_there_is_one() {
    let sound = table().text_stats("texto").unwrap().html();
    assert!(!sound.plain.contains("Step::") && !sound.html.contains("Step::"), "{}", sound.plain);
    let texts = ["El niÃ±o comiÃ³", "[deleted]", "sal &amp; pimienta", "a\u{200b}b"].map(String::from);
    let steps = ["repair_mojibake", "drop_deleted", "html_entities", "remove_control"];
    for (text, step) in texts.iter().zip(steps) {
        let shown = Table::from_texts("t", std::slice::from_ref(text)).unwrap().text_stats("t").unwrap().to_string();
        let named: Vec<&str> =
            steps.into_iter().filter(|step| shown.contains(&format!("Step::{step}(\"t\")"))).collect();
        assert_eq!(named, [step], "{shown}");
    }
}

#[test]
fn short_comments_are_told_by_their_small_words() {
    let texts = [
        ("es", "No puedo creer que alguien compre esto."),
        ("es", "El partido de ayer estuvo malísimo"),
        ("es", "¡Gracias!"),
        ("en", "I love this thread"),
        ("en", "lol same here, thanks"),
        ("pt", "Eu não acredito que isso aconteceu"),
        ("pt", "Muito obrigado pela ajuda"),
        ("fr", "Je ne sais pas quoi dire"),
        ("fr", "C'est vraiment nul, je suis déçu"),
        ("de", "Das ist doch nicht dein Ernst"),
        ("de", "Vielen Dank für die Hilfe"),
        ("it", "Non ci posso credere"),
        ("it", "Questo film è bellissimo"),
        ("?", "12345"),
        ("?", "👍👍"),
        ("?", "xkcd"),
    ];
    for (code, text) in texts {
        let found = guess_language(text);
        assert_eq!(found.code, code, "{text}: {found:?}");
    }
    let all: Vec<String> = texts.iter().map(|text| text.1.to_string()).collect();
    let found = Table::from_texts("t", &all).unwrap().languages("t").unwrap();
    assert_eq!((found.count("es"), found.count("?"), found.rows.len()), (3, 3, 16));
}

#[test]
fn the_language_of_the_texts_that_ship_is_known() {
    for (path, column, code) in [("data/es/recetas.csv", "texto", "es"), ("data/en/recipes.csv", "text", "en")] {
        let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
        let table = Table::read(&path).unwrap();
        let column = if table.columns().iter().any(|name| name == column) {
            column
        } else {
            table.text_columns().pop().unwrap().leak()
        };
        let found = table.languages(column).unwrap();
        assert!(found.count(code) * 100 >= table.height() * 97, "{path}: {found}");
    }
}

#[test]
fn equal_and_nearly_equal_texts_are_found() {
    let texts = [
        "El servicio fue muy lento y la comida llegó fría a la mesa.",
        "Me encantó la película de anoche, la recomiendo.",
        "El servicio fue muy lento y la comida llegó fría a la mesa!!",
        "Me encantó la película de anoche, la recomiendo.",
        "Nada que ver con lo anterior, hablo de otra cosa.",
        "",
        "",
    ];
    let table = Table::from_texts("t", &texts.map(String::from)).unwrap();
    let found = table.duplicates("t", 0.8).unwrap();
    assert_eq!((found.repeated, found.nearly), (1, 1), "{found}");
    assert_eq!((found.pairs[0].first, found.pairs[0].second, found.pairs[0].similarity), (1, 3, 1.0));
    assert_eq!((found.pairs[1].first, found.pairs[1].second), (0, 2));
    assert_eq!(table.duplicates("t", 1.0).unwrap().nearly, 0);
    assert!(table.duplicates("t", 2.0).is_err());
}

#[test]
fn personal_data_are_counted_by_row_and_never_shown_whole() {
    let texts = ["escribe a ana@correo.es o luis@correo.es", "mi DNI es 12345678Z", "nada"].map(String::from);
    let found = Table::from_texts("t", &texts).unwrap().personal_data("t").unwrap();
    assert_eq!((found.count(PersonalKind::Email), found.count(PersonalKind::Dni)), (1, 1));
    assert_eq!((found.found.len(), found.where_found.clone()), (2, vec![0, 1]));
    let shown = found.to_string();
    assert!(shown.contains("⚠") && !shown.contains("12345678Z") && !shown.contains("ana@"), "{shown}");
}
