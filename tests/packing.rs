//! Rows that hold several texts, prompts with answers, pairs: what the model learns from them is what it should be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use aula::classifier::Classifier;
use aula::dataset::{Batch, Dataset, Row};
use aula::language_model::LanguageModel;
use aula::masked_model::MaskedModel;
use aula::optim::{AdamW, AdamWConfig};
use aula::seq2seq::Seq2Seq;
use aula::train::{evaluate, train_step, Trainable};
use reference::{loss_and_gradients, path, relative};

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn texts() -> Vec<String> {
    strings(&[
        "the house",
        "a small dog",
        "she sees it",
        "no",
        "the sea is blue and cold today",
        "we go",
        "one more text",
    ])
}

/// Loss on the texts one a row, loss packed, and the loss and gradient length of one step on all of them.
fn compared(model: &dyn Trainable, data: &Dataset) {
    let packed = data.pack().unwrap();
    assert!(packed.len() < data.len() && packed.tokens() == data.tokens());
    let (apart, together) = (evaluate(model, data).unwrap(), evaluate(model, &packed).unwrap());
    assert_eq!(apart.tokens, together.tokens);
    assert!((apart.loss - together.loss).abs() < 1e-5, "{} against {}", apart.loss, together.loss);
    let step = |data: &Dataset| {
        let rows: Vec<usize> = (0..data.len()).collect();
        // A rate of zero moves nothing, so that both steps begin from the same weights.
        train_step(model, &data.batch(&rows).unwrap(), &mut AdamW::new(AdamWConfig::default()), 0.0).unwrap()
    };
    let ((loss, norm), (packed_loss, packed_norm)) = (step(data), step(&packed));
    assert!((loss - packed_loss).abs() < 1e-5, "{loss} against {packed_loss}");
    assert!((norm - packed_norm).abs() < 1e-4 * norm, "{norm} against {packed_norm}");
}

#[test]
fn texts_in_one_row_do_not_see_each_other() {
    for name in ["llama", "gpt2", "qwen2", "qwen3", "llama-rope/llama3"] {
        let model = LanguageModel::load(&path(name)).unwrap();
        compared(&model, &model.dataset(&texts(), 40).unwrap());
    }
}

#[test]
fn an_encoder_packs_too() {
    for name in ["bert/masked", "distilbert/masked", "roberta/masked", "xlm-roberta/masked"] {
        let model = MaskedModel::load(&path(name)).unwrap();
        let data = model.dataset(&texts(), 40).unwrap();
        // What is hidden is drawn for each text once, so that it is the same in both.
        let row = |i: usize| {
            let (ids, labels) = model.masking().hide(data.example(i).unwrap(), i as u64);
            Row { ids, labels, ..Row::default() }
        };
        let rows: Vec<Row> = (0..data.len()).map(row).collect();
        let packed = |rows: &[Row]| Row {
            ids: rows.iter().flat_map(|row| row.ids.clone()).collect(),
            labels: rows.iter().flat_map(|row| row.labels.clone()).collect(),
            parts: rows.iter().map(|row| row.ids.len()).collect(),
            ..Row::default()
        };
        let apart = [Batch::of(rows.clone(), true).unwrap()];
        let together = [Batch::of(rows.chunks(3).map(packed).collect(), true).unwrap()];
        assert_eq!(apart[0].counted(), together[0].counted());
        let ((loss, gradients), (packed_loss, packed_gradients)) =
            (loss_and_gradients(&model, &apart), loss_and_gradients(&model, &together));
        assert!((loss - packed_loss).abs() < 1e-5, "{name}: {loss} against {packed_loss}");
        for ((param, apart), (_, together)) in gradients.iter().zip(&packed_gradients) {
            let error = relative(together, apart);
            assert!(error < 1e-4, "{name}: {param} is off by {error}");
        }
        // What the dataset packs, hiding other words, is trained on and measured.
        let score = evaluate(&model, &data.pack().unwrap()).unwrap();
        assert!(score.loss.is_finite() && score.tokens > 0, "{name}");
    }
}

/// A model of the fixtures' whose dropouts are at work.
fn with_dropout<T>(name: &str, load: impl Fn(&str) -> aula::error::Result<T>) -> T {
    let home = tempfile::tempdir().unwrap();
    for file in ["tokenizer.json", "model.safetensors"] {
        std::fs::copy(reference::fixture(name).join(file), home.path().join(file)).unwrap();
    }
    let mut config = std::fs::read_to_string(reference::fixture(name).join("config.json")).unwrap();
    for setting in ["_prob\"", "_pdrop\"", "dropout\""] {
        config = config.replace(&format!("{setting}: 0.0"), &format!("{setting}: 0.2"));
    }
    std::fs::write(home.path().join("config.json"), config).unwrap();
    load(&home.path().to_string_lossy()).unwrap()
}

/// Loss and gradients of texts side by side, all in one row, and one row for each core, with the same dropout.
fn equal_without_padding(name: &str, model: &dyn Trainable, batch: &Batch) {
    let row = batch.in_one_row().unwrap();
    assert_eq!((row.ids.dims()[0], row.texts(), row.counted()), (1, batch.texts(), batch.counted()), "{name}");
    assert_eq!(row.lengths, [batch.lengths.iter().sum::<usize>()], "{name}: no padding");
    let ((loss, gradients), quiet) = (loss_and_gradients(model, std::slice::from_ref(batch)), model.loss(batch, false));
    assert!((reference::floats(&quiet.unwrap())[0] - loss).abs() > 1e-4, "{name}: dropout does nothing");
    for parts in [vec![row], batch.shards_in_rows(2).unwrap(), batch.in_one_row().unwrap().shards(3).unwrap()] {
        let (row_loss, row_gradients) = loss_and_gradients(model, &parts);
        assert!((loss - row_loss).abs() < 1e-5, "{name}: {loss} against {row_loss}");
        for ((param, one), (_, other)) in gradients.iter().zip(&row_gradients) {
            let error = relative(other, one);
            assert!(error < 1e-3, "{name}: {param} is off by {error}");
        }
    }
}

#[test]
fn texts_in_one_row_learn_as_they_do_side_by_side_dropout_included() {
    let model = with_dropout("gpt2", LanguageModel::load);
    let data = model.dataset(&texts(), 40).unwrap();
    let rows: Vec<usize> = (0..data.len()).collect();
    equal_without_padding("gpt2", &model, &data.batch(&rows).unwrap());
    for name in ["bert/classify", "distilbert/classify", "roberta/classify"] {
        let model = with_dropout(name, Classifier::load);
        let labels: Vec<String> =
            (0..texts().len()).map(|i| model.labels()[i % model.labels().len()].clone()).collect();
        let data = model.dataset(&texts(), &labels, 40).unwrap();
        equal_without_padding(name, &model, &data.batch(&rows).unwrap());
    }
    let model = with_dropout("bert/masked", MaskedModel::load);
    let row = |(i, ids): (usize, &[u32])| {
        let (ids, labels) = model.masking().hide(ids, i as u64);
        Row { ids, labels, seed: i as u64, ..Row::default() }
    };
    let data = model.dataset(&texts(), 40).unwrap();
    let rows = (0..data.len()).map(|i| row((i, data.example(i).unwrap()))).collect();
    equal_without_padding("bert/masked", &model, &Batch::of(rows, true).unwrap());
}

#[test]
fn a_model_that_cannot_pack_says_so() {
    let deberta = MaskedModel::load(&path("deberta-v2/masked")).unwrap();
    let packed = deberta.dataset(&texts(), 40).unwrap().pack().unwrap();
    assert!(evaluate(&deberta, &packed).is_err(), "distances between texts would count");
    let t5 = Seq2Seq::load(&path("t5/relu")).unwrap();
    let data = t5.dataset(&texts(), &texts(), 40, 40).unwrap();
    assert!(data.pack().and_then(|packed| evaluate(&t5, &packed)).is_err());
}

#[test]
fn only_the_answer_to_a_prompt_is_learned() {
    let model = LanguageModel::load(&path("llama")).unwrap();
    let (prompts, answers) = (strings(&["the dog", "a house"]), strings(&["sees", "is small"]));
    let data = model.prompt_dataset(&prompts, &answers, 40).unwrap();
    let batch = data.batch(&[0]).unwrap();
    let (asked, whole) = (model.tokenizer().encode("the dog").unwrap(), data.example(0).unwrap().to_vec());
    assert_eq!(whole[..asked.len()], asked[..]);
    assert_eq!(batch.counted(), whole.len() - asked.len(), "the answer's tokens and the end");
    compared(&model, &data);
    let long = vec!["the house ".repeat(60); 2];
    let told = model.prompt_dataset(&long, &answers, 20).unwrap_err().to_string();
    assert!(told.contains("→"), "no room for any answer: {told}");
    assert!(model.prompt_dataset(&prompts, &answers[..1], 40).is_err());
}

#[test]
fn two_texts_are_read_as_transformers_reads_them() {
    // AutoModelForSequenceClassification on Tokenizer.from_file(...).encode("the house is small", "who lives in it"),
    // with its type_ids where the model has a table for them (transformers 5.23, the fixtures of tests/fixtures).
    let expected = [
        ("bert/classify", [-1.435986f32, -0.617109, -0.43809]),
        ("roberta/classify", [0.139418, 0.412967, 0.48131]),
        ("distilbert/classify", [2.290837, -0.650722, 0.408932]),
    ];
    for (name, logits) in expected {
        let model = Classifier::load(&path(name)).unwrap();
        let (first, second) = (strings(&["the house is small"]), strings(&["who lives in it"]));
        let data = model.pair_dataset(&first, &second, &[model.labels()[0].clone()], 40).unwrap();
        let found: Vec<f32> =
            model.logits(&data.batch(&[0]).unwrap()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        for (a, b) in found.iter().zip(logits) {
            assert!((a - b).abs() < 1e-4, "{name}: {found:?}");
        }
        // Where the two are too long, both keep their beginnings and all the marks.
        let long = strings(&["the house is small and the dog is cold and the sea is blue"]);
        let cut = model.pair_dataset(&long, &long, &[model.labels()[0].clone()], 16).unwrap();
        assert_eq!((cut.example(0).unwrap().len(), cut.cut()), (16, 1), "{name}");
    }
}

#[test]
fn of_two_texts_that_are_too_long_as_much_is_kept_as_tokenizers_keeps() {
    // Tokenizer.from_file("tests/fixtures/bert/classify/tokenizer.json") of Python's tokenizers, after
    // enable_truncation(n, strategy="longest_first"): encode(first, second).ids without padding.
    let (a, b) = ("aa bb cc dd ee ff gg hh ii jj", "kk ll mm nn oo pp qq rr ss tt");
    let eleven = [7, 34, 8, 35, 9, 15, 42, 16, 43, 17, 44];
    let twelve = [7, 34, 8, 35, 9, 36, 15, 42, 16, 43, 17, 44];
    let model = Classifier::load(&path("bert/classify")).unwrap();
    let cases = [(a, b, 11, &eleven[..]), (&a[..8], b, 11, &eleven), (a, &b[..8], 12, &twelve), (a, b, 12, &twelve)];
    for (first, second, limit, ids) in cases {
        let pair = model.tokenizer().encode_pair_within(first, second, limit).unwrap();
        assert_eq!(pair.ids, ids, "{first} | {second} within {limit}");
    }
}
