//! Our ids are those of Python's tokenizers, on 10,000 lines and four kinds of tokenizer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use std::path::{Path, PathBuf};

use aula::tokenizer::Tokenizer;
use sha2::{Digest, Sha256};

const WORDS: [&str; 36] = [
    "el",
    "la",
    "zorro",
    "niña",
    "Había",
    "una",
    "vez",
    "¿Qué",
    "pasó?",
    "the",
    "fox",
    "didn't",
    "ate",
    "bread,",
    "AÑO",
    "2024",
    "3.5%",
    "añadió:",
    "«sí»",
    "—",
    "…",
    "naïve",
    "🦊",
    "日本語",
    "https://a.es/x?y=1",
    "@ana",
    "e\u{301}l",
    "\u{a0}",
    "\t",
    "  ",
    "ß",
    "ﬁn",
    "İstanbul",
    "\u{200b}",
    "[MASK]",
    "<s>",
];

/// The same program as in `tests/fixtures/tokenizers/make.py`.
fn lines() -> Vec<String> {
    let mut state = 1u64;
    let mut next = move |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let line = |_| {
        let words: Vec<&str> = (0..1 + next(24)).map(|_| WORDS[next(WORDS.len() as u64) as usize]).collect();
        words.join(" ")
    };
    (0..10_000).map(line).collect()
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn ids_are_those_of_python_on_ten_thousand_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/fixtures/tokenizers");
    let expected: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("hashes.json")).unwrap()).unwrap();
    let texts = lines();
    let mut digest = Sha256::new();
    digest.update(texts.join("\n"));
    assert_eq!(hex(digest), expected["lines"].as_str().unwrap(), "the lines are the same");
    let files: [(&str, PathBuf); 4] = [
        ("wordpiece", folder.join("wordpiece.json")),
        ("bpe", folder.join("bpe.json")),
        ("unigram", folder.join("unigram.json")),
        ("cuentos", root.join("data/models/cuentos/tokenizer.json")),
    ];
    for (name, path) in files {
        let mut digest = Sha256::new();
        for ids in Tokenizer::read(&path).unwrap().encode_all(&texts).unwrap() {
            digest.update((ids.len() as u32).to_le_bytes());
            ids.iter().for_each(|id| digest.update(id.to_le_bytes()));
        }
        assert_eq!(hex(digest), expected[name].as_str().unwrap(), "{name}");
    }
}
