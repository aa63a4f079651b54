//! TF-IDF with logistic regression gives what scikit-learn gives (`tests/fixtures/metrics/tfidf.py`); the rest by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod recorded;

use std::path::{Path, PathBuf};

use aula::baseline::{baseline_reports, Baseline, Tfidf, TfidfConfig};
use aula::error::ErrorKind;
use aula::metrics::{multi_label_report, split_labels, Prediction, Thresholds};
use aula::table::Table;
use recorded::{fixture, texts};
use serde_json::Value;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn table(name: &str) -> Table {
    Table::read(&root(&format!("data/{name}")).to_string_lossy()).unwrap()
}

/// The largest distance of any probability from those of scikit-learn.
fn distance(ours: &[Prediction], theirs: &Value) -> f64 {
    let theirs = theirs.as_array().unwrap();
    assert_eq!(ours.len(), theirs.len());
    let mut most = 0.0f64;
    for (ours, theirs) in ours.iter().zip(theirs) {
        let theirs: Vec<f64> = match theirs {
            Value::Array(all) => all.iter().map(|one| one.as_f64().unwrap()).collect(),
            second => vec![1.0 - second.as_f64().unwrap(), second.as_f64().unwrap()],
        };
        for ((_, score), theirs) in ours.scores.iter().zip(&theirs) {
            most = most.max((f64::from(*score) - theirs).abs());
        }
    }
    most
}

#[test]
fn words_and_regression_equal_scikit_learns_on_reviews_in_both_languages() {
    for name in ["en/reviews.csv", "es/resenas.csv"] {
        let (data, table) = (fixture("tfidf.json")[name].clone(), table(name));
        let column = |i: usize| table.texts(data["columns"][i].as_str().unwrap()).unwrap();
        let (all, labels, split) = (column(0), column(1), column(2));
        let train: Vec<usize> =
            (0..all.len()).filter(|row| ["train", "entrenar"].contains(&split[*row].as_str())).collect();
        let test: Vec<usize> = (0..all.len()).filter(|row| !train.contains(row)).collect();
        let pick = |rows: &[usize], from: &[String]| rows.iter().map(|row| from[*row].clone()).collect::<Vec<_>>();
        let tfidf = Tfidf::fit(&pick(&train, &all), &TfidfConfig::default()).unwrap();
        assert_eq!(tfidf.features.len() as u64, data["features"].as_u64().unwrap());
        let first = tfidf.transform(&all[test[0]]);
        assert_eq!(first.len(), data["first"].as_object().unwrap().len());
        for (place, value) in first {
            let theirs = data["first"][&tfidf.features[place as usize]].as_f64().unwrap();
            assert!((value - theirs).abs() < 1e-12);
        }
        let baseline = Baseline::tfidf(&pick(&train, &all), &pick(&train, &labels)).unwrap();
        let ours = baseline.predict_all(&pick(&test[..60], &all)).unwrap();
        let (exact, default) = (distance(&ours, &data["exact"]), distance(&ours, &data["default"]));
        // scikit-learn's own default stops a little before the minimum.
        assert!(exact < 1e-5 && default < 5e-3, "{name}: {exact} {default}");
    }
}

#[test]
fn several_classes_and_pairs_of_words_equal_scikit_learns() {
    let (data, table) = (fixture("tfidf.json")["en/diary.csv"].clone(), table("en/diary.csv"));
    let (all, moods) = (table.texts("text").unwrap(), table.texts("mood").unwrap());
    let config = TfidfConfig { max_ngram: 2, min_texts: 2, ..Default::default() };
    assert_eq!(Tfidf::fit(&all[..300], &config).unwrap().features.len() as u64, data["features"].as_u64().unwrap());
    let baseline = Baseline::tfidf_with(&all[..300], &moods[..300], &config).unwrap();
    let ours = baseline.predict_all(&all[300..340]).unwrap();
    let (exact, default) = (distance(&ours, &data["exact"]), distance(&ours, &data["default"]));
    assert!(exact < 1e-5 && default < 5e-3, "{exact} {default}");
}

#[test]
fn several_labels_a_text_equal_one_regression_for_each() {
    let (data, table) = (fixture("tfidf.json")["en/films.csv"].clone(), table("en/films.csv"));
    let part = |name: &str| {
        let table = table.filter("split", name).unwrap();
        (table.texts("plot").unwrap(), split_labels(&table.texts("genres").unwrap(), "|"))
    };
    let ((train, genres), (test, truth)) = (part("train"), part("test"));
    let baseline = Baseline::multi_label_tfidf(&train, &genres, &TfidfConfig::default()).unwrap();
    let ours = baseline.predict_all(&test).unwrap();
    let exact = distance(&ours, &data["exact"]);
    assert!(exact < 1e-5, "{exact}");
    // Rare genres never reach one half: thresholds of their own find some of them.
    let (valid, valid_truth) = part("valid");
    let half = Thresholds::same(&ours, 0.5).unwrap().apply(&ours).unwrap();
    let chosen =
        Thresholds::choose(&valid_truth, &baseline.predict_all(&valid).unwrap()).unwrap().apply(&ours).unwrap();
    let (half, chosen) = (multi_label_report(&truth, &half).unwrap(), multi_label_report(&truth, &chosen).unwrap());
    assert!(chosen.micro_f1 > half.micro_f1, "{} {}", chosen.micro_f1, half.micro_f1);
    let majority = Baseline::multi_label_majority(&genres).unwrap().predict("x");
    assert_eq!(majority.label, "drama");
    assert!((majority.score - 127.0 / 450.0).abs() < 1e-6);
    assert!(Baseline::multi_label_length(&train, &genres).unwrap().predict("x").scores.len() == 10);
}

#[test]
fn simple_baselines_say_what_their_names_say() {
    let labels = texts(&["no", "no", "no", "yes", "yes"]);
    let long = texts(&["a b", "c d", "b a", "a b c d e f g h", "h g f e d c b a"]);
    let majority = Baseline::majority(&labels).unwrap().predict("anything");
    assert_eq!((majority.label.as_str(), majority.score), ("no", 0.6));
    assert_eq!(Baseline::always("yes", &labels).unwrap().predict("x").label, "yes");
    assert_eq!(Baseline::always("maybe", &labels).unwrap_err().kind(), ErrorKind::NotFound);
    let length = Baseline::length(&long, &labels).unwrap();
    assert_eq!(length.predict("z z z z z z z z z").label, "yes");
    assert_eq!(length.predict("z").label, "no");
    let words = texts(&["bad film", "bad play", "bad end", "good film", "good play"]);
    let tfidf = Baseline::tfidf(&words, &labels).unwrap();
    assert_eq!((tfidf.predict("good").label, tfidf.predict("bad").label), ("yes".into(), "no".into()));
    let weights = tfidf.words("no", 1).unwrap();
    assert_eq!((weights.for_it[0].0.as_str(), weights.against[0].0.as_str()), ("bad", "good"));
    assert!(weights.to_string().contains("bad") && length.words("no", 1).is_err());
    let reports = baseline_reports(&words, &labels, &words, &labels).unwrap();
    assert_eq!(reports.len(), 4);
    assert!((reports[0].accuracy, reports[1].accuracy, reports[3].accuracy) == (0.6, 0.4, 1.0));
}

#[test]
fn what_cannot_be_learned_is_told() {
    let one = texts(&["a", "a", "a"]);
    let error = Baseline::tfidf(&texts(&["one text", "two texts", "three"]), &one).unwrap_err();
    assert!(error.kind() == ErrorKind::BadData && error.to_string().contains("Baseline::majority"), "{error}");
    let error = Baseline::tfidf(&texts(&["x", "y", "z"]), &texts(&["a", "b", "a"])).unwrap_err();
    assert!(error.kind() == ErrorKind::BadData && error.to_string().contains("→"), "{error}");
    let error = Baseline::length(&one, &texts(&["a", "b"])).unwrap_err();
    assert!(error.to_string().contains('2') && error.to_string().contains('3'), "{error}");
    let config = TfidfConfig { max_ngram: 0, freedom: -1.0, ..Default::default() };
    let error = Baseline::tfidf_with(&one, &texts(&["a", "b", "a"]), &config).unwrap_err();
    assert!(error.to_string().contains("max_ngram = 0") && error.to_string().contains("freedom = -1"), "{error}");
    // A text of one letter beside others: nothing is known of it, and nothing fails.
    let baseline = Baseline::tfidf(&texts(&["good film", "bad film", "x"]), &texts(&["a", "b", "b"])).unwrap();
    assert_eq!(baseline.predict("?").label, "b");
}
