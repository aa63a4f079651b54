//! Measures of texts equal those of rouge-score and sacrebleu (`tests/fixtures/metrics/texts.py`) where those are right.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod recorded;

use aula::error::ErrorKind;
use aula::metrics::*;
use recorded::{fixture, near, numbers, strings, texts};
use serde_json::Value;

#[test]
fn rouge_equals_rouge_score_on_ascii_with_and_without_stems() {
    let data = fixture("texts.json");
    for (stemming, all) in [Stemming::None, Stemming::English].into_iter().zip(data["rouge"].as_array().unwrap()) {
        for (pair, theirs) in data["pairs"].as_array().unwrap().iter().zip(all.as_array().unwrap()) {
            let pair = strings(pair);
            let ours = rouge_of_with(&pair[0], &pair[1], stemming);
            for (ours, theirs) in
                [ours.rouge1, ours.rouge2, ours.rouge_l, ours.rouge_lsum].iter().zip(theirs.as_array().unwrap())
            {
                for (ours, theirs) in [ours.precision, ours.recall, ours.f1].iter().zip(numbers(theirs)) {
                    near(*ours, theirs, 1e-12);
                }
            }
        }
    }
}

#[test]
fn english_stems_equal_nltks_and_spanish_ones_join_forms_of_a_word() {
    for (word, stem) in fixture("texts.json")["stems"].as_object().unwrap() {
        assert_eq!(stem_word(word, Stemming::English), stem.as_str().unwrap(), "{word}");
    }
    let spanish = |a: &str, b: &str| rouge_of_with(a, b, Stemming::Spanish).rouge1.f1;
    assert_eq!(
        (spanish("caminaba", "caminaban"), spanish("canciones", "canción"), spanish("casa", "mesa")),
        (1.0, 1.0, 0.0)
    );
    assert_eq!(rouge_of("caminaba", "caminaban").rouge1.f1, 0.0);
}

#[test]
fn letters_with_accents_are_letters_however_they_are_written() {
    // rouge-score reads "a o", "an o": both lose the ñ.
    assert_eq!(rouge_of("año", "ano").rouge1.f1, 0.0);
    assert_eq!(rouge_of("El Año pasó", "el año pasó").rouge1.f1, 1.0);
    assert_eq!(rouge_of("canción", "cancio\u{301}n").rouge1.f1, 1.0);
    assert_eq!(rouge_of("привет мир", "Привет, мир!").rouge2.f1, 1.0);
    assert_eq!(rouge_of("", "").rouge1.f1, 0.0);
}

#[test]
fn a_rouge_report_has_means_intervals_and_comparisons() {
    let references = texts(&["el gato duerme", "la casa es azul", "hoy llueve mucho", "vino ayer"]);
    let good = rouge(&references, &texts(&["el gato duerme", "la casa azul", "llueve mucho", "ayer vino"])).unwrap();
    let bad = rouge(&references, &texts(&["un perro", "la casa", "no", "vino"])).unwrap();
    near(good.rouge1, good.values("rouge1").unwrap().iter().sum::<f64>() / 4.0, 1e-12);
    let interval = good.interval("rouge_l").unwrap();
    assert!(interval.low <= interval.value && interval.value <= interval.high);
    let compared = compare_rouge(&bad, &good, "rouge1").unwrap();
    assert!(compared.certain() && compared.difference.value > 0.0, "{compared}");
    assert!(good.to_string().contains("rouge_lsum"));
    let board = rouge_scoreboard(&[bad.named("lead-3"), good.named("model")]).unwrap().to_string();
    assert!(board.contains("lead-3") && board.contains("rouge2"), "{board}");
    assert_eq!(good.interval("rouge9").unwrap_err().kind(), ErrorKind::BadSetting);
    assert_eq!(rouge(&references, &[]).unwrap_err().kind(), ErrorKind::BadData);
}

fn same_bleu(ours: &Bleu, theirs: &Value) {
    let theirs = numbers(theirs);
    near(ours.score, theirs[0], 1e-9);
    ours.precisions.iter().zip(&theirs[1..5]).for_each(|(ours, theirs)| near(*ours, *theirs, 1e-9));
    near(ours.brevity_penalty, theirs[5], 1e-12);
    assert_eq!((ours.tokens as f64, ours.reference_tokens as f64), (theirs[6], theirs[7]));
}

#[test]
fn bleu_equals_sacrebleu() {
    let data = &fixture("texts.json")["bleu"];
    let (references, guesses) = (strings(&data["references"]), strings(&data["guesses"]));
    let corpus = bleu(&references, &guesses).unwrap();
    same_bleu(&corpus, &data["corpus"]);
    let several: Vec<Vec<String>> =
        references.iter().zip(strings(&data["others"])).map(|(a, b)| vec![a.clone(), b]).collect();
    same_bleu(&bleu_of_several(&several, &guesses).unwrap(), &data["several"]);
    for ((reference, guess), theirs) in references.iter().zip(&guesses).zip(data["each"].as_array().unwrap()) {
        same_bleu(&bleu(&texts(&[reference]), &texts(&[guess])).unwrap(), theirs);
    }
    same_bleu(&bleu(&texts(&["a b c d"]), &texts(&["e f g h"])).unwrap(), &data["nothing"]);
    let interval = corpus.interval(&BootstrapConfig::default()).unwrap();
    assert!(interval.low < corpus.score && corpus.score < interval.high, "{interval}");
    assert_eq!(bleu_of_several(&[vec![]], &texts(&["a"])).unwrap_err().kind(), ErrorKind::BadData);
}
