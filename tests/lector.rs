//! The small encoder that ships, and the sentiment beside it, do what their card says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use aula::classifier::Classifier;
use aula::embedder::Embedder;
use aula::masked_model::MaskedModel;
use aula::pipeline::pipeline;
use sha2::{Digest, Sha256};

fn models() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/models")
}

#[test]
fn the_cards_name_the_hashes_of_the_files() {
    for folder in ["lector", "lector-sentiment"] {
        let card = std::fs::read_to_string(models().join(folder).join("README.md")).unwrap();
        let bytes = std::fs::read(models().join(folder).join("model.safetensors")).unwrap();
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(card.contains(&hash), "{folder}: {hash}");
        assert!(bytes.len() < 12_000_000, "{folder}: {} bytes", bytes.len());
    }
}

#[test]
fn both_have_at_most_four_million_parameters() {
    let place = |folder: &str| models().join(folder).to_string_lossy().into_owned();
    let lector = MaskedModel::load(&place("lector")).unwrap().count_parameters().1;
    let sentiment = Classifier::load(&place("lector-sentiment")).unwrap().count_parameters().1;
    for (folder, count) in [("lector", lector), ("lector-sentiment", sentiment)] {
        assert!((1..=4_000_000).contains(&count), "{folder} has {count} parameters");
    }
    let card = std::fs::read_to_string(models().join("lector/README.md")).unwrap();
    assert!(card.contains(&format!("{lector} parameters")), "the card says otherwise: {lector}");
}

#[test]
fn gaps_are_filled_with_words_that_fit_in_both_languages() {
    let fill = pipeline("fill-mask", &models().join("lector").to_string_lossy()).unwrap();
    for (text, word) in [
        ("Hoy llueve, y mi madre abre el [MASK].", "paraguas"),
        ("En invierno hace [MASK].", "frío"),
        ("The snow is [MASK].", "white"),
        ("At night the stars [MASK].", "shine"),
    ] {
        assert_eq!(fill.run(text).unwrap().label, word, "{text}");
    }
}

#[test]
fn plain_praise_and_blame_are_told_apart_in_both_languages() {
    let sentiment = pipeline("sentiment-analysis", &models().join("lector-sentiment").to_string_lossy()).unwrap();
    for (text, label) in [
        ("Excelente. Volvería mañana mismo.", "POSITIVE"),
        ("Pésimo. No se lo recomiendo a nadie.", "NEGATIVE"),
        ("Excellent. I would come back tomorrow.", "POSITIVE"),
        ("Awful. I want my money back.", "NEGATIVE"),
    ] {
        assert_eq!(sentiment.run(text).unwrap().label, label, "{text}");
    }
}

#[test]
fn sentences_that_are_alike_are_nearer() {
    let embedder = Embedder::load(&models().join("lector").to_string_lossy()).unwrap();
    let texts = ["The dog eats meat.", "The cat eats fish.", "The teacher explains the lesson."].map(String::from);
    let vectors = embedder.embed(&texts).unwrap();
    assert!(vectors.similarity(0, 1).unwrap() > vectors.similarity(0, 2).unwrap());
}
