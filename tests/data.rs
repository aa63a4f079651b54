//! The texts that ship are what their cards say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use std::path::PathBuf;

use aula::table::Table;
use sha2::{Digest, Sha256};

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data")
}

fn sha256(path: &std::path::Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_file_has_the_sha256_of_its_card() {
    let card = std::fs::read_to_string(data().join("README.md")).unwrap();
    let lines = card.lines().filter_map(|line| line.split_once("  ")).filter(|(sum, _)| sum.len() == 64);
    let listed: Vec<(String, String)> = lines.map(|(sum, name)| (sum.to_string(), name.trim().to_string())).collect();
    for (sum, name) in &listed {
        assert_eq!(&sha256(&data().join(name)), sum, "{name} changed: measure it again and write its card anew");
    }
    for folder in ["es", "en"] {
        for entry in std::fs::read_dir(data().join(folder)).unwrap().flatten() {
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            assert!(listed.iter().any(|(_, listed)| *listed == name), "{name} has no line in data/README.md");
        }
    }
}

#[test]
fn the_model_that_ships_has_the_sha256_of_its_card_and_is_small() {
    let folder = data().join("models/cuentos");
    let card = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let weights = folder.join("model.safetensors");
    assert!(card.contains(&sha256(&weights)), "the card is of other weights");
    assert!(std::fs::metadata(&weights).unwrap().len() <= 16_000_000);
    let model = aula::language_model::LanguageModel::load(&folder.to_string_lossy()).unwrap();
    assert!(model.count_parameters().1 <= 4_000_000);
}

#[test]
fn the_collections_have_at_least_400_different_texts() {
    for (name, column) in
        [("es/diario.csv", "texto"), ("en/diary.csv", "text"), ("es/recetas.csv", "texto"), ("en/recipes.csv", "text")]
    {
        let mut texts = Table::read(&data().join(name).to_string_lossy()).unwrap().texts(column).unwrap();
        texts.sort();
        texts.dedup();
        assert!(texts.len() >= 400, "{name} has {} different texts", texts.len());
    }
}

#[test]
fn a_file_in_another_encoding_says_what_it_was_converted_from() {
    const FILE: &str = "AULA_TEST_FILE";
    if let Ok(file) = std::env::var(FILE) {
        Table::read(&file).unwrap();
        return;
    }
    // What is printed can only be read from outside: this test once more, as a program.
    let folder = tempfile::tempdir().unwrap();
    let files =
        [("a.csv", b"texto\na\xf1o\n".as_slice(), "Windows-1252"), ("b.csv", b"\xff\xfea\0\n\0b\0\n\0", "UTF-16")];
    for (name, bytes, encoding) in files {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "a_file_in_another_encoding_says_what_it_was_converted_from", "--nocapture"]);
        let output = again.env(FILE, &file).env("AULA_LANG", "en").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let line = said.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("nothing said: {said}"));
        assert!(line.contains(encoding) && line.contains("converted"), "{line}");
    }
}
