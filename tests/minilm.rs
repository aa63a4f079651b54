//! The real all-MiniLM-L6-v2 against sentence-transformers, where it is at hand: installed by set-up in `.aula/venv`, or
//! `AULA_MINILM=FOLDER cargo test --release --test minilm`.
//!
//! `tests/fixtures/minilm/make.py` says where the model comes from, and made the vectors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use aula::embedder::Embedder;
use candle_core::{Device, Tensor};

#[test]
fn sentence_vectors_of_minilm_equal_sentence_transformers() {
    let folder = std::env::var("AULA_MINILM").unwrap_or_else(|_| "minilm".into());
    if folder == "minilm" && !aula::hub::shipped_models().iter().any(|name| name == "all-MiniLM-L6-v2") {
        println!("skipped: set-up did not install the model, and AULA_MINILM names no folder");
        return;
    }
    let texts = std::fs::read_to_string(reference::fixture("minilm").join("sentences.txt")).unwrap();
    let texts: Vec<String> = texts.lines().map(String::from).collect();
    let model = Embedder::load(&folder).unwrap();
    assert_eq!(model.max_tokens(), 256);
    let mine = model.embed(&texts).unwrap();
    let theirs = &reference::expected("minilm")["vectors"];
    let off = reference::difference(&Tensor::new(mine.vectors.clone(), &Device::Cpu).unwrap(), theirs);
    println!("{} sentences, vectors off by at most {off:.1e}", texts.len());
    assert!(off < 1e-5, "off by {off}");
    assert!(mine.similarity(0, 1).unwrap() > 0.8 && mine.similarity(0, 4).unwrap() < 0.3);
}
