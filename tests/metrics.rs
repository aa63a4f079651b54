//! Figures of guesses equal those of scikit-learn and scipy (`tests/fixtures/metrics/labels.py`), and bad input is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod recorded;

use aula::error::ErrorKind;
use aula::metrics::*;
use recorded::{fixture, lists, near, numbers, strings, texts};
use serde_json::Value;

#[track_caller]
fn refuses<T>(result: aula::error::Result<T>, kind: ErrorKind, part: &str) {
    let Err(error) = result else { panic!("it was taken") };
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(part), "{part} is not in: {error}");
}

/// Predictions of a fixture: the scores of each row, under the labels of `labels`.
fn predictions(data: &Value) -> Vec<Prediction> {
    let labels = strings(&data["labels"]);
    let row = |row: &Value| {
        let scores: Vec<(String, f32)> =
            labels.iter().cloned().zip(numbers(row).into_iter().map(|score| score as f32)).collect();
        let best = scores.iter().cloned().reduce(|a, b| if b.1 > a.1 { b } else { a }).unwrap();
        Prediction { text: String::new(), label: best.0, score: best.1, scores }
    };
    data["scores"].as_array().unwrap().iter().map(row).collect()
}

fn same_figures(report: &ClassificationReport, data: &Value) {
    for (name, theirs) in data["figures"].as_object().unwrap() {
        near(report.figure(name).unwrap(), theirs.as_f64().unwrap(), 1e-12);
    }
    for row in data["per_label"].as_array().unwrap() {
        let ours = report.labels.iter().find(|label| label.label == row[0].as_str().unwrap()).unwrap();
        for (value, theirs) in [ours.precision, ours.recall, ours.f1, ours.support as f64].iter().zip(1..) {
            near(*value, row[theirs].as_f64().unwrap(), 1e-12);
        }
    }
}

#[test]
fn a_report_of_one_label_a_row_equals_scikit_learns() {
    let data = &fixture("labels.json")["single"];
    let report = classification_report(&strings(&data["truth"]), &strings(&data["guess"])).unwrap();
    same_figures(&report, data);
    assert_eq!(report.macro_f1, report.figure("macro_f1").unwrap());
    let shown = report.to_string();
    assert!(shown.contains("mixed") && shown.contains("⚠") && shown.contains("macro"), "{shown}");
}

#[test]
fn a_report_of_several_labels_a_row_equals_scikit_learns() {
    let data = &fixture("labels.json")["several"];
    same_figures(&multi_label_report(&lists(&data["truth"]), &lists(&data["guess"])).unwrap(), data);
}

#[test]
fn a_confusion_matrix_equals_scikit_learns_and_has_a_picture() {
    let data = &fixture("labels.json")["single"];
    let matrix = confusion_matrix(&strings(&data["truth"]), &strings(&data["guess"])).unwrap();
    let names = strings(&data["labels"]);
    for (i, row) in data["confusion"].as_array().unwrap().iter().enumerate() {
        for (j, count) in numbers(row).iter().enumerate() {
            assert_eq!(matrix.count(&names[i], &names[j]) as f64, *count);
        }
    }
    assert_eq!(matrix.mistakes()[0], ("ánimo".to_string(), "bad".to_string(), 33));
    let chart = matrix.plot().unwrap();
    assert!(chart.svg.contains("ánimo") && chart.svg.contains("55 %") && chart.summary.contains("bad 33"), "{chart}");
    assert!(matrix.html().html.contains("<img") && matrix.html().html.contains("<table"));
}

#[test]
fn roc_curves_equal_scikit_learns() {
    let data = &fixture("labels.json")["single"];
    let curves = roc_curves(&strings(&data["truth"]), &predictions(data)).unwrap();
    for (curve, theirs) in curves.curves.iter().zip(data["roc"].as_array().unwrap()) {
        assert_eq!(curve.label, theirs[0].as_str().unwrap());
        near(curve.auc, theirs[1].as_f64().unwrap(), 1e-12);
        let rates: (Vec<f64>, Vec<f64>) =
            curve.points.iter().map(|point| (point.false_positive_rate, point.true_positive_rate)).unzip();
        assert_eq!(rates.0.len(), numbers(&theirs[2]).len());
        rates.0.iter().zip(numbers(&theirs[2])).for_each(|(ours, theirs)| near(*ours, theirs, 1e-12));
        rates.1.iter().zip(numbers(&theirs[3])).for_each(|(ours, theirs)| near(*ours, theirs, 1e-12));
    }
    let data = &fixture("labels.json")["several"];
    let curves = multi_label_roc_curves(&lists(&data["truth"]), &predictions(data)).unwrap();
    near(curves.macro_auc, data["macro_auc"].as_f64().unwrap(), 1e-12);
    let interval = curves.curves[0].interval(&BootstrapConfig { resamples: 200, ..Default::default() }).unwrap();
    assert!(interval.low < interval.value && interval.value < interval.high && interval.high <= 1.0, "{interval}");
}

#[test]
fn calibration_equals_scikit_learns() {
    let data = &fixture("labels.json")["single"];
    let scores: Vec<Vec<f64>> = data["scores"].as_array().unwrap().iter().map(numbers).collect();
    let confidence: Vec<f64> = scores.iter().map(|row| row.iter().copied().fold(0.0, f64::max)).collect();
    let (truth, guess) = (strings(&data["truth"]), strings(&data["guess"]));
    let right: Vec<bool> = truth.iter().zip(&guess).map(|(truth, guess)| truth == guess).collect();
    let ours = calibration_of(&right, &confidence, 10).unwrap();
    let theirs = &data["calibration"];
    near(ours.ece, theirs["ece"].as_f64().unwrap(), 1e-12);
    near(ours.brier, theirs["brier"].as_f64().unwrap(), 1e-12);
    let filled: Vec<&CalibrationBin> = ours.bins.iter().filter(|bin| bin.rows > 0).collect();
    assert_eq!(filled.len(), numbers(&theirs["accuracy"]).len());
    filled.iter().zip(numbers(&theirs["accuracy"])).for_each(|(bin, theirs)| near(bin.accuracy, theirs, 1e-12));
    filled.iter().zip(numbers(&theirs["confidence"])).for_each(|(bin, theirs)| near(bin.confidence, theirs, 1e-12));
    assert_eq!(calibration(&truth, &predictions(data)).unwrap().rows, 300);
    assert!(ours.plot().unwrap().svg.contains("<svg"));
}

#[test]
fn an_interval_lies_where_numpys_many_draws_put_it_and_its_seed_repeats_it() {
    let data = &fixture("labels.json")["single"];
    let report = classification_report(&strings(&data["truth"]), &strings(&data["guess"])).unwrap();
    let config = BootstrapConfig { resamples: 5000, ..Default::default() };
    for (name, theirs) in [("accuracy", "interval"), ("macro_f1", "macro_f1_interval")] {
        let (ours, theirs) = (report.interval_with(name, &config).unwrap(), numbers(&data[theirs]));
        near(ours.low, theirs[0], 0.006);
        near(ours.high, theirs[1], 0.006);
        assert_eq!(ours.value, report.figure(name).unwrap());
    }
    let once = report.interval("macro_f1").unwrap();
    assert_eq!(once.low, report.interval("macro_f1").unwrap().low);
    let other = BootstrapConfig { seed: 43, ..Default::default() };
    assert_ne!(once.low, report.interval_with("macro_f1", &other).unwrap().low);
}

#[test]
fn mcnemar_equals_scipys_binomial_test() {
    let data = &fixture("labels.json")["single"];
    for of in data["mcnemar_of"].as_array().unwrap() {
        let of = numbers(of);
        let lists = |one: bool| vec![one; of[0] as usize].into_iter().chain(vec![!one; of[1] as usize]);
        let test = mcnemar(&lists(true).collect::<Vec<_>>(), &lists(false).collect::<Vec<_>>()).unwrap();
        near(test.p_value, of[2], 1e-9);
    }
    let truth = strings(&data["truth"]);
    let first = classification_report(&truth, &strings(&data["guess"])).unwrap().named("weak");
    let second = classification_report(&truth, &strings(&data["other"])).unwrap().named("strong");
    let compared = compare_models(&first, &second, "macro_f1").unwrap();
    let theirs = numbers(&data["mcnemar"]);
    assert_eq!((compared.mcnemar.only_first as f64, compared.mcnemar.only_second as f64), (theirs[0], theirs[1]));
    assert!((compared.mcnemar.p_value / theirs[2] - 1.0).abs() < 1e-9);
    assert!(compared.paired.certain() && compared.paired.higher == 1.0, "{compared}");
    assert!(compared.to_string().contains("strong"), "{compared}");
    // A model is not better than itself.
    let same = compare_models(&first, &first, "accuracy").unwrap();
    assert_eq!((same.paired.certain(), same.paired.higher, same.mcnemar.p_value), (false, 0.5, 1.0));
    let board = scoreboard(&[first, second], &["accuracy", "macro_f1"]).unwrap();
    assert!(board.to_string().contains("weak"), "{board}");
}

#[test]
fn thresholds_reach_the_best_f1_of_scikit_learns_curve() {
    let data = &fixture("labels.json")["several"];
    let (truth, predictions) = (lists(&data["truth"]), predictions(data));
    let chosen = Thresholds::choose(&truth, &predictions).unwrap();
    let report = multi_label_report(&truth, &chosen.apply(&predictions).unwrap()).unwrap();
    for ((label, _), (f1, theirs)) in chosen.values.iter().zip(chosen.f1.iter().zip(numbers(&data["best_f1"]))) {
        near(*f1, theirs, 1e-12);
        near(report.figure(&format!("f1/{label}")).unwrap(), theirs, 1e-12);
    }
    let half = Thresholds::same(&predictions, 0.5).unwrap().apply(&predictions).unwrap();
    assert_eq!(half, lists(&data["guess"]));
    let sweep = Thresholds::sweep(&truth, &predictions, "drama").unwrap();
    near(sweep.best.f1, chosen.f1[2], 1e-12);
    assert!(sweep.plot().unwrap().svg.contains("F1"));
}

#[test]
fn labels_that_differ_by_spaces_or_capitals_are_told_and_joined() {
    let labels = texts(&["Good", "good ", "good", "good", "bad", " bad", "BAD", "bad"]);
    let check = inspect_labels(&labels).unwrap();
    assert!(check.warnings.iter().any(|warning| warning.contains("clean_labels")), "{check}");
    assert_eq!(clean_labels(&labels), texts(&["good", "good", "good", "good", "bad", "bad", "bad", "bad"]));
    assert!(inspect_labels(&clean_labels(&labels)).unwrap().warnings.is_empty());
    // Where only the guesses are written in another way, the report says so.
    let report = classification_report(&texts(&["good", "bad"]), &texts(&["Good", "Bad"])).unwrap();
    assert!(report.warnings.iter().any(|warning| warning.contains("clean_labels")), "{report}");
}

#[test]
fn several_labels_of_a_cell_are_parted_and_joined_where_only_capitals_or_spaces_differ() {
    let cells =
        texts(&["drama|crime", " Drama | crime", "drama", "Science  Fiction|drama|DRAMA", "science fiction", ""]);
    let mut expected: Vec<Vec<String>> = vec![texts(&["drama", "crime"]); 2];
    expected.push(texts(&["drama"]));
    expected.push(texts(&["Science Fiction", "drama"]));
    expected.push(texts(&["Science Fiction"]));
    expected.push(Vec::new());
    assert_eq!(split_labels(&cells, "|"), expected);
    assert_eq!(split_labels(&texts(&["a|b"]), ""), [texts(&["a|b"])]);
}

#[test]
fn bad_labels_are_told_with_what_to_do() {
    let many: Vec<String> = (0..400).map(|i| format!("word {i}")).collect();
    refuses(classification_report(&many, &many), ErrorKind::BadData, "400");
    let classes: Vec<String> = (0..4_000).map(|i| format!("class {}", i % 400)).collect();
    let report = classification_report(&classes, &classes).unwrap();
    assert!(report.warnings[0].contains("400") && report.to_string().lines().count() < 40, "{report}");
    assert!(confusion_matrix(&classes, &classes).unwrap().plot().unwrap().svg.len() < 200_000);
    refuses(classification_report(&texts(&["a", "b"]), &texts(&["a"])), ErrorKind::BadData, "2");
    refuses(classification_report(&[], &[]), ErrorKind::BadData, "→");
    let one = texts(&["a", "a", "a"]);
    assert!(classification_report(&one, &one).unwrap().warnings[0].contains("\"a\""));
    let check = inspect_labels(&one).unwrap();
    let next = aula::tr!("Junta filas de otra clase", "Gather rows of another class");
    assert!(check.warnings[0].contains(&next), "{check}");
    refuses(roc_curve("a", &[true, true], &[0.1, 0.2]), ErrorKind::BadData, "\"a\"");
    refuses(classification_report(&one, &one).unwrap().figure("f2"), ErrorKind::BadSetting, "macro_f1");
    refuses(calibration_of(&[true], &[1.5], 10), ErrorKind::BadData, "1.5");
    refuses(bootstrap(&[], &BootstrapConfig::default()), ErrorKind::BadData, "✗");
    let few = BootstrapConfig { resamples: 3, ..Default::default() };
    refuses(bootstrap(&[1.0], &few), ErrorKind::BadSetting, "resamples = 3");
}

#[test]
fn a_model_that_predicts_nothing_or_always_the_same_sounds_the_alarm() {
    let data = &fixture("labels.json")["several"];
    let (truth, predictions) = (lists(&data["truth"]), predictions(data));
    let nothing = Thresholds::same(&predictions, 1.0).unwrap().apply(&predictions).unwrap();
    let report = multi_label_report(&truth, &nothing).unwrap();
    assert!(report.warnings.iter().any(|warning| warning.contains("ALARM")), "{report}");
    assert_eq!((report.micro_f1, report.macro_f1), (0.0, 0.0));
    let same = classification_report(&texts(&["a", "b", "a"]), &texts(&["a", "a", "a"])).unwrap();
    assert!(same.warnings.iter().any(|warning| warning.contains("\"a\"")), "{same}");
    // Fewer validation texts than labels.
    let chosen = Thresholds::choose(&truth[..3], &predictions[..3]).unwrap();
    assert!(chosen.warnings[0].contains('3') && chosen.warnings[0].contains('5'), "{chosen}");
    assert_eq!(chosen.of("war"), Some(0.5));
}

#[test]
fn thresholds_that_cannot_be_trusted_are_told_with_what_to_do() {
    let prediction = |high: f32| Prediction {
        text: String::new(),
        label: "drama".into(),
        score: high,
        scores: ["drama", "war", "crime"].iter().zip([high, 0.1, 0.2]).map(|(l, s)| (l.to_string(), s)).collect(),
    };
    let predictions: Vec<Prediction> = (0..6).map(|i| prediction(0.3 + 0.1 * i as f32)).collect();
    let mut truth = vec![texts(&["drama"]); 6];
    truth[0] = texts(&["drama", "crime", "Western"]);
    let warnings = Thresholds::choose(&truth, &predictions).unwrap().warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    let next = [
        ("war", aula::tr!("Suma a la validación textos", "Add texts with those labels")),
        ("crime", aula::tr!("Junta más textos", "Gather more texts")),
        ("Western", aula::tr!("Corrige cómo se escriben", "Correct how they are written")),
    ];
    for (warning, (label, step)) in warnings.iter().zip(next) {
        assert!(warning.contains(label) && warning.contains(&step), "{label}: {warning}");
    }
}

#[test]
fn mistakes_come_the_surest_first_ten_a_page() {
    let said = |row: usize| Prediction {
        text: format!("<{row}>"),
        label: "a".into(),
        score: 0.5 + row as f32 / 100.0,
        scores: Vec::new(),
    };
    let truth: Vec<String> = (0..13).map(|row| if row < 12 { "b" } else { "a" }.to_string()).collect();
    let predictions: Vec<Prediction> = (0..13).map(said).collect();
    let found = mistakes(&truth, &predictions).unwrap();
    assert_eq!((found.all.len(), found.rows, found.all[0].row, found.all[11].row), (12, 13, 11, 0));
    let (first, second) = (found.to_string(), found.page(2).to_string());
    assert!(first.contains("<11>") && first.contains("<2>") && !first.contains("<1>") && !first.contains("<12>"));
    assert!(second.contains("<1>") && second.contains("<0>") && !second.contains("<2>"));
    assert!(mistakes(&truth[1..], &predictions).is_err());
}
