//! What classifiers learn by besides plain labels: classes that weigh differently, and numbers in place of labels.
//!
//! The reference numbers come from `tests/fixtures/bert/make_losses.py`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use std::collections::HashMap;

use aula::classifier::Classifier;
use aula::dataset::{Batch, Dataset};
use aula::error::ErrorKind;
use aula::optim::{AdamW, AdamWConfig};
use aula::question_answerer::QuestionAnswerer;
use aula::train::{fine_tune, train_step_in_parts, ClassWeights, TrainConfig, Trainable};
use candle_core::Tensor;
use reference::{difference, floats, path, relative, tensors, texts};

type Expected = HashMap<String, Tensor>;

/// The fixture's texts with labels as `encode` keeps them.
fn batch(expected: &Expected, encode: fn(f64) -> u32) -> Batch {
    let texts = texts(expected);
    let all: Vec<u32> = floats(&expected["labels"]).into_iter().map(encode).collect();
    let labels: Vec<Vec<u32>> = all.chunks(all.len() / texts.len()).map(<[u32]>::to_vec).collect();
    Batch::labelled(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>(), &labels, &[], false).unwrap()
}

/// Loss and gradients, of the whole batch and of its parts added up by their weights, are PyTorch's.
fn weighted_equals_torch(name: &str, prefix: &str, smoothing: f64) {
    let expected = tensors(&format!("bert/{name}"), "weighted.safetensors");
    let model = Classifier::load(&path(&format!("bert/{name}"))).unwrap();
    let mut batch = batch(&expected, |label| label as u32);
    batch.class_weights = floats(&expected["weights"]);
    batch.smoothing = smoothing;
    let theirs = floats(&expected[&format!("{prefix}loss")])[0];
    for parts in 1..4 {
        let shards = batch.shards(parts).unwrap();
        let all: f64 = shards.iter().map(|shard| model.weight(shard)).sum();
        let (mut loss, mut gradients) = (0.0, Vec::new());
        for shard in &shards {
            let part = (model.loss(shard, true).unwrap() * (model.weight(shard) / all)).unwrap();
            loss += floats(&part)[0];
            gradients.push(part.backward().unwrap());
        }
        assert!((loss - theirs).abs() < 1e-5, "{name} {prefix} in {parts} parts: {loss} against {theirs}");
        let mut compared = 0;
        for param in model.params() {
            let mine = param.gradient(&gradients).unwrap().unwrap();
            let Some(theirs) = expected.get(&format!("{prefix}grad.{}", param.name)) else { continue };
            assert!(relative(&mine, theirs) < 1e-3, "{name} {prefix}: {}", param.name);
            compared += 1;
        }
        assert_eq!(compared, 3);
    }
    let step = train_step_in_parts(&model, &batch.shards(2).unwrap(), &mut AdamW::new(AdamWConfig::default()), 1e-3);
    assert!((step.unwrap().0 - theirs).abs() < 1e-5);
    assert!((floats(&model.loss(&batch, false).unwrap())[0] - theirs).abs() > 1e-3, "measuring stays plain");
}

#[test]
fn weighted_classes_equal_pytorch() {
    weighted_equals_torch("classify", "", 0.0);
    weighted_equals_torch("classify", "smoothed_", 0.2);
    weighted_equals_torch("several", "", 0.0);
}

#[test]
fn a_part_whose_classes_weigh_nothing_moves_nothing() {
    let model = Classifier::load(&path("bert/classify")).unwrap();
    let texts: [&[u32]; 2] = [&[2, 7, 8, 3], &[2, 9, 3]];
    let of = |labels: [u32; 2]| {
        let mut batch = Batch::labelled(&texts, &labels.map(|label| vec![label]), &[], false).unwrap();
        batch.class_weights = vec![0.0, 1.0, 1.0];
        batch
    };
    assert_eq!(floats(&model.loss(&of([0, 0]), true).unwrap()), [0.0]);
    let mut optimizer = AdamW::new(AdamWConfig::default());
    assert!(train_step_in_parts(&model, &[of([0, 0]), of([0, 0])], &mut optimizer, 0.1).is_err());
    assert!(train_step_in_parts(&model, &[of([0, 0]), of([0, 1])], &mut optimizer, 0.1).unwrap().0 > 0.0);
}

/// 9 texts of a class and 3 of another, which nothing tells apart.
fn unbalanced(model: &Classifier) -> Dataset {
    let labels: Vec<String> = (0..12).map(|i| if i % 4 == 0 { "rara" } else { "común" }.to_string()).collect();
    model.dataset(&vec!["el perro corre".to_string(); 12], &labels, 16).unwrap()
}

#[test]
fn balanced_classes_are_guessed_as_often_as_each_other() {
    let share = |class_weights: ClassWeights| {
        let mut model = Classifier::new(&path("bert/classify"), &["común", "rara"]).unwrap();
        let data = unbalanced(&model);
        let config =
            TrainConfig { epochs: 60, batch_size: 12, learning_rate: 5e-3, class_weights, ..Default::default() };
        fine_tune(&mut model, &data, &data, &config).unwrap();
        let prediction = model.predict("el perro corre").unwrap();
        f64::from(prediction.scores.iter().find(|(label, _)| label == "rara").unwrap().1)
    };
    // Texts that nothing tells apart get the share that their classes weigh: 3 of 12, and 3 · 2 of 9 · 2/3 + 3 · 2.
    for (weights, wanted) in [
        (ClassWeights::Equal, 0.25),
        (ClassWeights::Balanced, 0.5),
        (ClassWeights::Given(vec![2.0 / 3.0, 2.0]), 0.5),
        (ClassWeights::Given(vec![1.0, 0.0]), 0.0),
    ] {
        let found = share(weights.clone());
        assert!((found - wanted).abs() < 0.03, "{weights:?}: {found}");
    }
}

#[test]
fn weights_that_do_not_fit_are_told() {
    let mut model = Classifier::new(&path("bert/classify"), &["común", "rara"]).unwrap();
    let data = unbalanced(&model);
    let mut refused = |weights: &[f64], part: &str| {
        let config = TrainConfig { class_weights: ClassWeights::Given(weights.to_vec()), ..Default::default() };
        let error = fine_tune(&mut model, &data, &data, &config).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("class_weights") && error.contains("→"), "{error}");
    };
    refused(&[1.0, 2.0, 3.0], "3");
    refused(&[1.0, -2.0], "-2");
    refused(&[0.0, 0.0], "0.0");
    refused(&[1.0, f64::NAN], "NaN");
    let mut language = aula::language_model::LanguageModel::load(&path("llama")).unwrap();
    let data = language.dataset(&vec!["el gato come pan".to_string(); 4], 16).unwrap();
    let config = TrainConfig { class_weights: ClassWeights::Balanced, ..Default::default() };
    let error = fine_tune(&mut language, &data, &data, &config).unwrap_err().to_string();
    assert!(error.contains("class_weights"), "{error}");
}

#[test]
fn smoothing_is_refused_where_labels_are_no_classes() {
    let config = TrainConfig { label_smoothing: 0.1, max_steps: 1, ..Default::default() };
    let refused = |model: &mut dyn Trainable, data: &Dataset| {
        let error = fine_tune(model, data, data, &config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadSetting, "{error}");
        for part in ["✗ ", "label_smoothing = 0.1", "\n  Caus", "→"] {
            assert!(error.to_string().contains(part), "{part} is not in: {error}");
        }
        let plain = TrainConfig { label_smoothing: 0.0, ..config.clone() };
        fine_tune(model, data, data, &plain).unwrap();
    };
    let texts = vec!["el perro corre".to_string(); 4];
    let mut several = Classifier::load(&path("bert/several")).unwrap();
    let labels = vec![vec![several.labels()[0].clone()]; 4];
    let data = several.multi_label_dataset(&texts, &labels, 16).unwrap();
    refused(&mut several, &data);
    let mut number = Classifier::load(&path("bert/number")).unwrap();
    let data = number.number_dataset(&texts, &[0.5; 4], 16).unwrap();
    refused(&mut number, &data);
    let mut answerer = QuestionAnswerer::load(&path("pipelines/questions/bert")).unwrap();
    let questions = vec!["quien corre".to_string(); 4];
    let data = answerer.dataset(&questions, &texts, &vec!["el perro".to_string(); 4], 16).unwrap();
    refused(&mut answerer, &data);
    // A model that puts one label on each text bears it.
    let mut one = Classifier::load(&path("bert/classify")).unwrap();
    let labels = vec![one.labels()[0].clone(); 4];
    let data = one.dataset(&texts, &labels, 16).unwrap();
    fine_tune(&mut one, &data, &data, &config).unwrap();
}

#[test]
fn a_head_for_numbers_equals_transformers() {
    let (model, expected) = (Classifier::load(&path("bert/number")).unwrap(), reference::expected("bert/number"));
    let batch = batch(&expected, |number| (number as f32).to_bits());
    assert!(difference(&model.logits(&batch).unwrap(), &expected["logits"]) < 1e-4);
    reference::loss_and_gradients_equal(&model, &batch, &expected);
    reference::twenty_steps_follow(&model, &batch, &expected);
}

#[test]
fn numbers_are_learned_saved_and_given() {
    let texts: Vec<String> = ["el perro corre", "la luna", "mañana iremos", "el gato duerme en la cama"]
        .iter()
        .flat_map(|text| vec![text.to_string(); 3])
        .collect();
    let numbers: Vec<f64> = (0..12).map(|i| f64::from(i / 3) * 0.5 - 0.75).collect();
    let mut model = Classifier::for_numbers(&path("bert/masked")).unwrap();
    let data = model.number_dataset(&texts, &numbers, 20).unwrap();
    let config = TrainConfig { epochs: 150, batch_size: 12, learning_rate: 5e-3, ..Default::default() };
    fine_tune(&mut model, &data, &data, &config).unwrap();
    let given = model.predict_numbers(&texts).unwrap();
    for (given, number) in given.iter().zip(&numbers) {
        assert!((given - number).abs() < 0.1, "{given} in place of {number}");
    }
    let squares = given.iter().zip(&numbers).map(|(given, number)| (given - number).powi(2)).sum::<f64>();
    assert!((model.loss_on(&data).unwrap() - squares / 12.0).abs() < 1e-5);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("números").to_string_lossy().into_owned();
    model.save(&folder).unwrap();
    let again = Classifier::load(&folder).unwrap();
    assert_eq!(again.predict_numbers(&texts).unwrap(), given);
    // Labels and numbers are not mixed up.
    let labels = Classifier::load(&path("bert/classify")).unwrap();
    for error in [
        labels.predict_numbers(&texts).unwrap_err(),
        labels.number_dataset(&texts, &numbers, 20).unwrap_err(),
        again.predict("la luna").unwrap_err(),
        again.dataset(&texts, &texts, 20).unwrap_err(),
        again.accuracy(&data).unwrap_err(),
        again.number_dataset(&texts, &numbers[1..], 20).unwrap_err(),
        again.number_dataset(&texts, &[f64::NAN; 12], 20).unwrap_err(),
    ] {
        assert!(error.to_string().contains("→"), "{error}");
    }
}

/// The slope of a logit as one token's vector is made longer, by two steps: the token stands once in the text.
fn slope(model: &Classifier, ids: &[u32], token: u32, label: usize) -> f64 {
    let table = model.params().into_iter().find(|param| param.name.ends_with("word_embeddings.weight")).unwrap();
    let before = table.var().as_detached_tensor().copy().unwrap();
    let logit_with = |factor: f64| {
        let mut rows: Vec<Vec<f32>> = before.to_vec2().unwrap();
        rows[token as usize].iter_mut().for_each(|value| *value *= factor as f32);
        table.set(&Tensor::new(rows, before.device()).unwrap()).unwrap();
        model.logits_of(ids).unwrap()[label]
    };
    let slope = (logit_with(1.01) - logit_with(0.99)) / 0.02;
    table.set(&before).unwrap();
    slope
}

#[test]
fn what_words_did_is_the_slope_of_the_logit_along_their_vectors() {
    for family in ["bert", "deberta-v2", "distilbert", "roberta", "xlm-roberta"] {
        let model = Classifier::load(&path(&format!("{family}/classify"))).unwrap();
        let text = "El perro corre.";
        let ids = model.tokenizer().encode(text).unwrap();
        for (place, label) in model.labels().iter().enumerate() {
            let found = model.explain_label(text, label).unwrap();
            let words: Vec<&str> = found.words.iter().map(|word| word.word.as_str()).collect();
            assert_eq!(words, ["El", "perro", "corre."]);
            let mut distinct = ids.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let all: f64 = distinct.iter().map(|id| slope(&model, &ids, *id, place)).sum();
            let mine = found.marks + found.words.iter().map(|word| word.share).sum::<f64>();
            assert!((mine - all).abs() < 0.02 * all.abs().max(0.05), "{family} {label}: {mine} against {all}");
            // A word is the sum of its pieces: those that the tokenizer cuts it into.
            let first = model.tokenizer().encode_all_bare(&["El".to_string()]).unwrap().remove(0);
            if first.iter().all(|id| ids.iter().filter(|known| *known == id).count() == 1) {
                let theirs: f64 = first.iter().map(|id| slope(&model, &ids, *id, place)).sum();
                let mine = found.words[0].share;
                assert!((mine - theirs).abs() < 0.02 * theirs.abs().max(0.05), "{family}: {mine} against {theirs}");
            }
        }
    }
}

#[test]
fn an_explanation_is_of_the_models_answer_and_shows_its_words() {
    let model = Classifier::load(&path("bert/classify")).unwrap();
    let found = model.explain("El perro corre.").unwrap();
    assert_eq!(found.label, model.predict("El perro corre.").unwrap().label);
    let top = found.top(2);
    assert!(top.len() == 2 && top[0].share.abs() >= top[1].share.abs());
    assert!(found.to_string().contains("perro"));
    assert!(model.explain("  ").is_err());
    let error = model.explain_label("El perro corre.", "otra").unwrap_err().to_string();
    assert!(error.contains("otra") && error.contains("mala"), "{error}");
}

#[test]
fn the_labels_of_a_column_are_a_new_heads_and_what_is_no_class_is_told() {
    let column = |labels: &[&str]| labels.iter().map(ToString::to_string).collect::<Vec<_>>();
    let folder = path("bert/masked");
    let model = Classifier::for_labels(&folder, &column(&["sí", "no", "sí"])).unwrap();
    assert_eq!(model.labels(), ["no", "sí"]);
    let error = Classifier::for_labels(&folder, &column(&["no", "no"])).err().unwrap().to_string();
    assert!(error.contains("All rows have the label \"no\"") || error.contains("tienen la etiqueta \"no\""), "{error}");
    assert!(error.contains("→"), "{error}");
    let ids: Vec<String> = (0..400).map(|i| format!("id {i}")).collect();
    let error = Classifier::for_labels(&folder, &ids).err().unwrap().to_string();
    assert!(error.contains("400"), "{error}");
}
