//! Tokenizers without `tokenizer.json` against transformers, on a few hundred lines.
//!
//! The reference numbers come from `tests/fixtures/vocab/make.py`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use aula::masked_model::MaskedModel;
use aula::tokenizer::Tokenizer;
use reference::{expected, fixture, floats, path};

fn tokenizer(name: &str) -> Tokenizer {
    let folder = fixture("vocab").join(name);
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    Tokenizer::of_model(&folder, &serde_json::from_str(&config).unwrap()).unwrap()
}

fn cuts_as_transformers(name: &str) {
    let (tokenizer, expected) = (tokenizer(name), expected(&format!("vocab/{name}")));
    let lines = std::fs::read_to_string(fixture("vocab").join("lines.txt")).unwrap();
    let lines: Vec<&str> = lines.strip_suffix('\n').unwrap().split('\n').collect();
    let all = floats(&expected["ids"]);
    let mut start = 0;
    assert!(lines.len() > 200);
    assert_eq!(lines.len(), expected["lengths"].elem_count());
    for (line, length) in lines.iter().zip(floats(&expected["lengths"])) {
        let theirs: Vec<u32> = all[start..start + length as usize].iter().map(|id| *id as u32).collect();
        start += length as usize;
        assert_eq!(tokenizer.encode(line).unwrap(), theirs, "{name}: {line:?}");
    }
}

#[test]
fn wordpiece_from_vocab_txt_with_lower_case_and_accents_as_asked() {
    for name in ["bert-cased", "bert-uncased", "distilbert-accents"] {
        cuts_as_transformers(name);
    }
    let text = "Mañana iré";
    let decoded = |name: &str| tokenizer(name).decode(&tokenizer(name).encode(text).unwrap()).unwrap();
    assert_eq!(decoded("bert-cased"), text);
    assert_eq!(decoded("distilbert-accents"), "mañana iré");
    assert_eq!(decoded("bert-uncased"), "manana ire");
}

#[test]
fn byte_level_from_vocab_json_and_merges_txt() {
    for name in ["gpt2", "roberta"] {
        cuts_as_transformers(name);
    }
}

#[test]
fn sentencepiece_of_t5_mt5_and_xlm_roberta() {
    for name in ["t5", "mt5", "xlm-roberta"] {
        cuts_as_transformers(name);
    }
    assert_eq!(tokenizer("t5").vocab_size(), tokenizer("mt5").vocab_size() + 100, "marks of gaps");
    assert_eq!(tokenizer("t5").id("<extra_id_99>"), Some(tokenizer("mt5").vocab_size() as u32));
    assert_eq!(tokenizer("xlm-roberta").id("<mask>"), Some(tokenizer("xlm-roberta").vocab_size() as u32 - 1));
}

#[test]
fn sentencepiece_of_deberta() {
    cuts_as_transformers("deberta-v2");
    assert_eq!(tokenizer("deberta-v2").id("[MASK]"), Some(tokenizer("deberta-v2").vocab_size() as u32 - 1));
}

#[test]
fn sentencepiece_of_llama_has_bytes_for_what_it_does_not_know() {
    cuts_as_transformers("llama");
    let tokenizer = tokenizer("llama");
    for text in ["中文 😀", "Había una vez"] {
        assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
    }
}

#[test]
fn a_model_with_an_older_tokenizer_is_loaded_and_saved_with_todays() {
    let home = tempfile::tempdir().unwrap();
    let base = fixture("bert/masked");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(base.join(file), home.path().join(file)).unwrap();
    }
    let load = || MaskedModel::load(&home.path().to_string_lossy());
    let error = load().map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("→"), "{error}");
    let theirs: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(base.join("tokenizer.json")).unwrap()).unwrap();
    let mut vocab: Vec<(u64, &str)> = theirs["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(token, id)| (id.as_u64().unwrap(), &**token))
        .collect();
    vocab.sort_unstable();
    let lines: Vec<&str> = vocab.into_iter().map(|(_, token)| token).collect();
    std::fs::write(home.path().join("vocab.txt"), lines.join("\n")).unwrap();
    std::fs::write(home.path().join("tokenizer_config.json"), r#"{"do_lower_case": true, "strip_accents": false}"#)
        .unwrap();
    let (mine, text) = (load().unwrap(), "El perro [MASK] por el parque.");
    let whole = MaskedModel::load(&path("bert/masked")).unwrap();
    assert_eq!(mine.fill(text, 3).unwrap().to_string(), whole.fill(text, 3).unwrap().to_string());
    let saved = home.path().join("saved");
    mine.save(&saved.to_string_lossy()).unwrap();
    assert!(saved.join("tokenizer.json").is_file());
    let again = MaskedModel::load(&saved.to_string_lossy()).unwrap();
    assert_eq!(again.fill(text, 3).unwrap().to_string(), whole.fill(text, 3).unwrap().to_string());
}

#[test]
fn what_is_damaged_or_of_another_family_is_told() {
    let home = tempfile::tempdir().unwrap();
    let kind = |kind: &str| serde_json::json!({ "model_type": kind });
    let refused = |model_type: &str, file: &str, bytes: &[u8], part: &str| {
        std::fs::write(home.path().join(file), bytes).unwrap();
        let error = Tokenizer::of_model(home.path(), &kind(model_type)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("→"), "{error}");
        std::fs::remove_file(home.path().join(file)).unwrap();
    };
    refused("bert", "vocab.txt", b"hola\nmundo\n", "[UNK]");
    refused("qwen2", "vocab.txt", b"hola\n", "qwen2");
    refused("t5", "spiece.model", b"not a model", "spiece.model");
    let bpe = std::fs::read(fixture("vocab/llama").join("tokenizer.model")).unwrap();
    refused("t5", "spiece.model", &bpe, "bpe");
    let error = Tokenizer::of_model(home.path(), &kind("t5")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("vocab.json + merges.txt") && error.contains("spiece.model"), "{error}");
}
