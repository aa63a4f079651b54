//! What is told of models before a download, searches and data sets, against the fake Hub.

use super::data::{from_hub, parts_of};
use super::describe::describe_in;
use super::fake_hub::FakeHub;
use super::places::Places;
use super::search::{available_in, search};
use super::*;
use serde_json::json;
use std::time::Duration;
use tempfile::TempDir;

/// The Hub's answer for a small BERT, with the figures of one that can be counted by hand.
fn told() -> serde_json::Value {
    json!({
        "pipeline_tag": "fill-mask", "gated": "auto", "tags": ["es", "license:mit"],
        "cardData": {"license": "mit", "language": ["es", "en"]},
        "config": {"model_type": "bert", "hidden_size": 10, "num_hidden_layers": 2, "vocab_size": 100},
        "safetensors": {"parameters": {"F32": 40_000}, "total": 40_000},
    })
}

fn weights() -> Vec<u8> {
    let values = vec![0; 4 * 40_000];
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![40_000], &values).unwrap();
    safetensors::serialize([("w", view)], None).unwrap()
}

fn hub() -> FakeHub {
    let hub = FakeHub::with(&[
        ("models/org/small/config.json", br#"{"model_type": "bert", "architectures": ["BertForMaskedLM"]}"#),
        ("models/org/small/tokenizer.json", b"{}"),
        ("models/org/small/model.safetensors", &weights()),
        ("models/org/small/onnx/model.onnx", &[0; 9_000]),
    ]);
    hub.state().told.insert("models/org/small".into(), told());
    hub
}

fn places(hub: &FakeHub) -> (TempDir, Places) {
    let cache = tempfile::tempdir().unwrap();
    let places = Places {
        home: Some(std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))),
        cache: cache.path().to_path_buf(),
        endpoint: hub.endpoint.clone(),
        token: None,
        offline: false,
        answer: Duration::from_millis(2_500),
        stall: Duration::from_secs(2),
        pauses: Vec::new(),
    };
    (cache, places)
}

#[test]
fn a_model_is_described_before_and_after_its_download_and_offline() {
    let hub = hub();
    let (_cache, mut places) = places(&hub);
    let before = describe_in("org/small", &places).unwrap();
    assert_eq!((before.place.as_str(), before.gated), ("hub", true));
    assert_eq!(before.licence.as_deref(), Some("mit"));
    assert_eq!(before.task.as_deref(), Some("fill-mask"));
    assert_eq!(before.languages, ["es", "en"]);
    assert_eq!(before.family.as_deref(), Some("bert"));
    assert_eq!((before.parameters, before.memory_bytes), (Some(40_000), Some(160_000)));
    // 16 for each parameter, and 68 x 10 hidden x 2 layers x 512 tokens.
    assert_eq!(before.training_bytes, Some(640_000 + 696_320));
    let files = [r#"{"model_type": "bert", "architectures": ["BertForMaskedLM"]}"#.len(), 2, weights().len()];
    assert_eq!(before.disk_bytes, files.iter().sum::<usize>() as u64, "what is not used does not count");
    assert!(before.fits() && before.fits_training());
    assert!(before.epoch_seconds.is_some_and(|seconds| seconds > 0.0 && seconds < 60.0));
    assert!(before.to_string().contains("fill-mask"), "{before}");

    find("org/small", &places).unwrap();
    places.offline = true;
    let after = describe_in("org/small", &places).unwrap();
    assert_eq!((after.place.as_str(), after.licence.as_deref()), ("cache", Some("mit")));
    assert_eq!((after.parameters, after.disk_bytes), (before.parameters, before.disk_bytes));
    let error = describe_in("org/other", &places).unwrap_err();
    assert!(error.to_string().contains("org/small") && error.to_string().contains("cuentos"), "{error}");
}

#[test]
fn what_ships_is_described_and_listed_with_no_hub() {
    let hub = hub();
    let (_cache, mut places) = places(&hub);
    places.offline = true;
    let course = describe_in("cuentos", &places).unwrap();
    assert_eq!((course.place.as_str(), course.parameters), ("course", Some(3_221_952)));
    assert_eq!(course.licence.as_deref(), Some("MIT OR Apache-2.0"));
    assert_eq!(course.task.as_deref(), Some("text-generation"));
    let table = available_in(&places).unwrap();
    assert!(table.strings(&table.columns()[0]).unwrap().contains(&Some("cuentos".into())));
    assert!(hub.seen().is_empty());
}

#[test]
fn a_search_asks_for_what_was_wished_and_drops_what_is_too_large() {
    let hub = hub();
    let (_cache, mut places) = places(&hub);
    hub.state().found = json!([
        {"id": "org/big", "pipeline_tag": "fill-mask", "tags": ["es"], "downloads": 9,
         "safetensors": {"parameters": {"F16": 400_000_000u64}, "total": 400_000_000u64}},
        {"id": "org/small", "pipeline_tag": "fill-mask", "tags": ["es", "pytorch", "license:mit"], "downloads": 5, "likes": 2,
         "gated": false, "safetensors": {"parameters": {"F32": 40_000_000, "I64": 500_000}, "total": 40_500_000}},
        {"id": "org/mute", "tags": []},
    ]);
    let wish = search("fill-mask").language("es").licence("mit").max_mb(500).word("bert").sort("likes");
    let table = wish.run_in(&places).unwrap();
    let asked = hub.seen()[0].path.clone();
    for part in
        ["pipeline_tag=fill-mask", "filter=es", "filter=license%3Amit", "search=bert", "sort=likes", "=safetensors"]
    {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    let columns = table.columns();
    assert_eq!(table.strings(&columns[0]).unwrap(), [Some("org/small".to_string())]);
    assert_eq!(table.numbers("MB").unwrap(), [Some(164.0)], "40 M of 4 bytes and half a million of 8");
    assert_eq!(table.strings(&columns[3]).unwrap(), [Some("mit".to_string())]);
    assert_eq!(table.strings(&columns[4]).unwrap(), [Some("es".to_string())]);
    assert_eq!(search("").limit(2).run_in(&places).unwrap().height(), 2);

    assert!(search("").sort("size").run_in(&places).unwrap_err().to_string().contains("downloads"));
    hub.state().found = json!([]);
    let error = search("fil-mask").run_in(&places).unwrap_err().to_string();
    assert!(error.contains("fill-mask"), "{error}");
    places.offline = true;
    assert!(search("fill-mask").run_in(&places).unwrap_err().to_string().contains("cuentos"));
}

#[test]
fn the_files_of_a_split_are_found_by_their_names() {
    let part = |part: &str, split: &str, n| (part.to_string(), split.to_string(), n);
    assert_eq!(
        parts_of(&[
            "README.md",
            "data/train-00000-of-00002.parquet",
            "data/train-00001-of-00002.parquet",
            "data/test-0.parquet"
        ]),
        [part("", "test", 1), part("", "train", 2)]
    );
    assert_eq!(
        parts_of(&["es/train.csv", "es/dev.csv", "en/train.csv", "dataset_infos.json"]),
        [part("en", "train", 1), part("es", "train", 1), part("es", "validation", 1)]
    );
    assert_eq!(parts_of(&["plain_text/train/0000.parquet"]), [part("plain_text", "train", 1)]);
    assert_eq!(parts_of(&["reviews.jsonl", "constrained.txt"]), [part("", "train", 1)]);
    assert_eq!(parts_of(&["train.csv", "train.parquet"]), [part("", "train", 1)], "the same rows twice");
}

#[test]
fn a_data_set_of_the_hub_becomes_a_table_once_for_all() {
    let hub = FakeHub::with(&[
        ("datasets/org/reviews/data/train-00000-of-00002.csv", b"texto,nota\nbueno,1\n"),
        ("datasets/org/reviews/data/train-00001-of-00002.csv", b"texto,nota\nmalo,0\nregular,0\n"),
        ("datasets/org/reviews/data/test.jsonl", b"{\"texto\": \"otro\", \"nota\": 1}\n"),
        ("datasets/org/langs/es/train.csv", b"t\nuno\n"),
        ("datasets/org/langs/en/train.csv", b"t\none\n"),
        ("datasets/org/audio/a.wav", b"RIFF"),
    ]);
    let (_cache, mut places) = places(&hub);
    let read = |name: &str, split: &str, places: &Places| from_hub(name, split, places);
    let train = read("org/reviews", "train", &places).unwrap();
    assert_eq!(train.strings("texto").unwrap(), ["bueno", "malo", "regular"].map(|t| Some(t.to_string())));
    assert_eq!(read("org/reviews", "test", &places).unwrap().height(), 1);
    let error = read("org/reviews", "validation", &places).unwrap_err().to_string();
    assert!(error.contains("test, train"), "{error}");
    let error = read("org/langs", "train", &places).unwrap_err().to_string();
    assert!(error.contains("en/train, es/train"), "{error}");
    assert_eq!(read("org/langs", "es/train", &places).unwrap().height(), 1);
    assert!(read("org/audio", "train", &places).unwrap_err().to_string().contains("a.wav"));
    assert!(read("mis datos", "train", &places).unwrap_err().to_string().contains("Table::read"));
    assert!(places.cache.join("datasets--org--reviews/refs/main").is_file());

    places.offline = true;
    let page = "https://huggingface.co/datasets/org/reviews";
    assert_eq!(read(page, "train", &places).unwrap().height(), 3);
    assert!(read("org/other", "train", &places).unwrap_err().to_string().contains("HF_HUB_OFFLINE"));
}

#[test]
fn a_table_in_parquet_comes_through_the_store_of_large_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet").to_string_lossy().into_owned();
    crate::table::Table::from_texts("texto", &["a".into(), "b".into()]).unwrap().save(&path).unwrap();
    let hub = FakeHub::with(&[("datasets/org/large/train.parquet", &std::fs::read(&path).unwrap())]);
    let (_cache, places) = places(&hub);
    assert_eq!(from_hub("org/large", "train", &places).unwrap().height(), 2);
    assert!(hub.seen().iter().any(|seen| hub.store.ends_with(&seen.host)));
}
