//! BERT, DeBERTa, DistilBERT, RoBERTa and XLM-RoBERTa against transformers, on tiny random models, each task in its folder.
//!
//! The reference numbers come from the `make.py` of each family in `tests/fixtures`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use std::collections::HashMap;

use aula::classifier::Classifier;
use aula::dataset::Batch;
use aula::embedder::Embedder;
use aula::language_model::LoraConfig;
use aula::masked_model::MaskedModel;
use aula::ops::IGNORE;
use candle_core::{DType, Tensor};
use reference::{difference, expected, fixture, floats, lengths, path, rows, tensors, texts};

const FAMILIES: [&str; 6] = ["bert", "deberta-v2", "deberta-v2/older", "distilbert", "roberta", "xlm-roberta"];
const CLASSIFIERS: [&str; 8] = [
    "bert/classify",
    "bert/several",
    "deberta-v2/classify",
    "deberta-v2/several",
    "deberta-v2/older/classify",
    "distilbert/classify",
    "roberta/classify",
    "xlm-roberta/classify",
];

/// The sentences that the fixtures' programs embed and classify.
const SENTENCES: [&str; 4] = [
    "El perro corre por el parque y la niña lo mira.",
    "Mañana iremos a la montaña con mi abuela, ¿vienes?",
    "La luna está muy alta y el gato duerme en la cama.",
    "Había una vez un pingüino que quería volar.",
];

fn sentences() -> Vec<String> {
    SENTENCES.map(String::from).to_vec()
}

fn whole(tensor: &Tensor) -> Vec<i64> {
    floats(tensor).into_iter().map(|x| x as i64).collect()
}

/// The padded batch with the labels that the fixture's program gave: one for each position, or some for each text.
fn batch(expected: &HashMap<String, Tensor>, per_position: bool) -> Batch {
    let texts = texts(expected);
    let all = whole(&expected["labels"]);
    let width = all.len() / texts.len();
    let labels: Vec<Vec<u32>> = texts
        .iter()
        .zip(all.chunks(width))
        .map(|(text, labels)| {
            let labels = labels.iter().map(|label| if *label < 0 { IGNORE } else { *label as u32 });
            labels.take(if per_position { text.len() } else { width }).collect()
        })
        .collect();
    Batch::labelled(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>(), &labels, &[], per_position).unwrap()
}

fn alone(ids: &[u32]) -> Batch {
    Batch::new(&[ids]).unwrap()
}

fn masked_equals_transformers(family: &str) {
    let name = format!("{family}/masked");
    let (model, expected) = (MaskedModel::load(&path(&name)).unwrap(), expected(&name));
    let single = model.logits(&alone(&rows(&expected["single_input_ids"])[0])).unwrap();
    assert!(difference(&single, &expected["single_logits"]) < 1e-4);
    let padded = model.logits(&batch(&expected, true)).unwrap();
    for (row, (text, length)) in texts(&expected).iter().zip(lengths(&expected)).enumerate() {
        let theirs = expected["logits"].get(row).unwrap().narrow(0, 0, length).unwrap();
        let mine = padded.get(row).unwrap().narrow(0, 0, length).unwrap();
        assert!(difference(&mine, &theirs) < 1e-4, "row {row}");
        let by_itself = model.logits(&alone(text)).unwrap().get(0).unwrap();
        assert!(difference(&by_itself, &mine) < 1e-5, "row {row}: padding moves it");
    }
    reference::loss_and_gradients_equal(&model, &batch(&expected, true), &expected);
    reference::twenty_steps_follow(&model, &batch(&expected, true), &expected);
}

fn classifier_equals_transformers(name: &str) {
    let (model, expected) = (Classifier::load(&path(name)).unwrap(), expected(name));
    let single = model.logits(&alone(&rows(&expected["single_input_ids"])[0])).unwrap();
    assert!(difference(&single, &expected["single_logits"]) < 1e-4);
    let padded = model.logits(&batch(&expected, false)).unwrap();
    assert!(difference(&padded, &expected["logits"]) < 1e-4);
    for (row, text) in texts(&expected).iter().enumerate() {
        let by_itself = model.logits(&alone(text)).unwrap().get(0).unwrap();
        assert!(difference(&by_itself, &padded.get(row).unwrap()) < 1e-5, "row {row}: padding moves it");
    }
    reference::loss_and_gradients_equal(&model, &batch(&expected, false), &expected);
    reference::twenty_steps_follow(&model, &batch(&expected, false), &expected);
}

#[test]
fn bert_equals_transformers() {
    masked_equals_transformers("bert");
    classifier_equals_transformers("bert/classify");
    classifier_equals_transformers("bert/several");
}

#[test]
fn deberta_equals_transformers() {
    masked_equals_transformers("deberta-v2");
    classifier_equals_transformers("deberta-v2/classify");
    classifier_equals_transformers("deberta-v2/several");
}

#[test]
fn deberta_with_positions_segments_a_convolution_and_projections_of_its_own_equals_transformers() {
    masked_equals_transformers("deberta-v2/older");
    classifier_equals_transformers("deberta-v2/older/classify");
}

#[test]
fn distilbert_equals_transformers() {
    masked_equals_transformers("distilbert");
    classifier_equals_transformers("distilbert/classify");
}

#[test]
fn roberta_equals_transformers() {
    masked_equals_transformers("roberta");
    classifier_equals_transformers("roberta/classify");
}

#[test]
fn xlm_roberta_equals_transformers() {
    masked_equals_transformers("xlm-roberta");
    classifier_equals_transformers("xlm-roberta/classify");
}

#[test]
fn gaps_are_filled_as_transformers_fills_them() {
    for family in FAMILIES {
        let name = format!("{family}/masked");
        let (model, uses) = (MaskedModel::load(&path(&name)).unwrap(), tensors(&name, "uses.safetensors"));
        // Either way of writing a gap will do.
        for text in ["El perro [MASK] por el parque.", "El perro <mask> por el parque."] {
            let filled = model.fill(text, 5).unwrap();
            let ids: Vec<i64> = filled.options.iter().map(|option| i64::from(option.id)).collect();
            assert_eq!(ids, whole(&uses["fill_ids"]), "{family}");
            for (option, share) in filled.options.iter().zip(floats(&uses["fill_shares"])) {
                assert!((f64::from(option.probability) - share).abs() < 1e-4, "{family}");
                assert!(option.text.starts_with("El perro") && option.text.contains(&option.token), "{family}");
            }
        }
        for text in ["El perro corre.", "[MASK] y [MASK]"] {
            assert!(model.fill(text, 5).unwrap_err().to_string().contains("[MASK]"), "{family}: {text}");
        }
    }
}

#[test]
fn sentence_vectors_equal_transformers_and_come_in_order() {
    for family in FAMILIES {
        let name = format!("{family}/masked");
        let embeddings = Embedder::load(&path(&name)).unwrap().embed(&sentences()).unwrap();
        let theirs = &tensors(&name, "uses.safetensors")["sentence_vectors"];
        let mine = Tensor::new(embeddings.vectors.clone(), &candle_core::Device::Cpu).unwrap();
        assert!(difference(&mine, theirs) < 1e-5, "{family}");
        assert!((embeddings.similarity(1, 1).unwrap() - 1.0).abs() < 1e-5);
        assert_eq!(embeddings.nearest(&embeddings, 2).unwrap()[0].0, SENTENCES[0]);
        assert!(embeddings.similarity(0, 4).is_err());
    }
}

#[test]
fn predictions_equal_transformers_and_come_in_order() {
    for name in CLASSIFIERS.into_iter().filter(|name| !name.ends_with("several")) {
        let model = Classifier::load(&path(name)).unwrap();
        let predictions = model.predict_all(&sentences()).unwrap();
        let theirs = rows_of_floats(&tensors(name, "uses.safetensors")["shares"]);
        for ((prediction, theirs), text) in predictions.iter().zip(theirs).zip(SENTENCES) {
            assert_eq!(prediction.text, text);
            for ((_, mine), theirs) in prediction.scores.iter().zip(&theirs) {
                assert!((f64::from(*mine) - theirs).abs() < 1e-4, "{name}");
            }
            let best = (0..3).max_by(|a, b| theirs[*a].total_cmp(&theirs[*b])).unwrap();
            assert_eq!(prediction.label, ["mala", "regular", "buena"][best]);
        }
    }
}

fn rows_of_floats(tensor: &Tensor) -> Vec<Vec<f64>> {
    tensor.to_dtype(DType::F64).unwrap().to_vec2().unwrap()
}

#[test]
fn adapters_learn_on_every_projection_and_a_classifiers_head_is_trained_in_full() {
    for family in FAMILIES {
        let name = format!("{family}/masked");
        let mut model = MaskedModel::load(&path(&name)).unwrap();
        model.add_lora(&LoraConfig::default()).unwrap();
        model.add_lora(&LoraConfig::default()).unwrap(); // run again: replaced, not stacked
        let batch = batch(&expected(&name), true);
        reference::adapters_learn(&model, &batch, &[]);
        let apart = model.logits(&batch).unwrap();
        model.merge_lora().unwrap();
        assert!(difference(&model.logits(&batch).unwrap(), &apart) < 1e-4, "{name}");
    }
    for name in CLASSIFIERS {
        let mut model = Classifier::load(&path(name)).unwrap();
        model.add_lora(&LoraConfig::default()).unwrap();
        // BERT's pooler is a part of the model that was read, DeBERTa's is a part of the head.
        let head = if name.starts_with("deberta") { &["pooler.", "classifier."][..] } else { &["classifier."] };
        reference::adapters_learn(&model, &batch(&expected(name), false), head);
    }
}

#[test]
fn a_classifiers_adapter_holds_its_head_too() {
    for name in CLASSIFIERS {
        let mut model = Classifier::load(&path(name)).unwrap();
        let batch = batch(&expected(name), false);
        let query = match name.split('/').next().unwrap() {
            "distilbert" => "q_lin",
            "deberta-v2" => "query_proj",
            _ => "query",
        };
        model.add_lora(&LoraConfig { target_modules: vec![query.into()], ..Default::default() }).unwrap();
        let mut optimizer = aula::optim::AdamW::new(Default::default());
        for _ in 0..3 {
            aula::train::train_step(&model, &batch, &mut optimizer, 1e-2).unwrap();
        }
        let out = format!("{}/{}-of-ours", env!("CARGO_TARGET_TMPDIR"), name.replace('/', "-"));
        model.save_adapter(&out).unwrap();
        let mut again = Classifier::load(&path(name)).unwrap();
        let untrained = again.logits(&batch).unwrap();
        again.load_adapter(&out).unwrap();
        let logits = model.logits(&batch).unwrap();
        assert!(difference(&again.logits(&batch).unwrap(), &logits) < 1e-6, "{name}");
        assert!(difference(&untrained, &logits) > 1e-3, "{name}: nothing was learned");
        keep_logits(&out, &batch, &logits); // for tests/peers/open_in_peft.py
    }
}

/// A model saved in target/tmp with its logits of a batch, which tests/peers/open_encoders.py opens and compares.
fn keep_logits(folder: &str, batch: &Batch, logits: &Tensor) {
    let tensors: HashMap<String, Tensor> =
        [("input_ids", batch.ids.clone()), ("logits", logits.clone())].map(|(name, t)| (name.to_string(), t)).into();
    candle_core::safetensors::save(&tensors, format!("{folder}.safetensors")).unwrap();
}

#[test]
fn saved_models_open_again_with_the_same_logits_and_the_same_names() {
    let place = |name: &str| format!("{}/{}-saved ñ", env!("CARGO_TARGET_TMPDIR"), name.replace('/', "-"));
    let names = |folder: &str| -> Vec<String> {
        aula::hub::load_weights(std::path::Path::new(folder)).unwrap().into_keys().collect()
    };
    for family in FAMILIES {
        let name = format!("{family}/masked");
        let mut model = MaskedModel::load(&path(&name)).unwrap();
        let (saved, batch) = (place(&name), batch(&expected(&name), true));
        model.add_lora(&LoraConfig::default()).unwrap();
        reference::adapters_learn(&model, &batch, &[]);
        model.save(&saved).unwrap();
        let (again, logits) = (MaskedModel::load(&saved).unwrap(), model.logits(&batch).unwrap());
        assert!(difference(&again.logits(&batch).unwrap(), &logits) < 1e-4, "{name}");
        assert_eq!(names(&saved), names(&path(&name)));
        keep_logits(&saved, &batch, &logits);
    }
    for name in CLASSIFIERS {
        let model = Classifier::load(&path(name)).unwrap();
        let (saved, batch) = (place(name), batch(&expected(name), false));
        reference::twenty_steps_follow(&model, &batch, &expected(name));
        model.save(&saved).unwrap();
        let (again, logits) = (Classifier::load(&saved).unwrap(), model.logits(&batch).unwrap());
        assert!(difference(&again.logits(&batch).unwrap(), &logits) < 1e-6, "{name}");
        assert_eq!(names(&saved), names(&path(name)));
        assert_eq!(again.labels(), model.labels());
        keep_logits(&saved, &batch, &logits);
    }
}

#[test]
fn a_new_head_on_a_model_that_had_another_learns_from_data() {
    for family in FAMILIES {
        let base = path(&format!("{family}/masked"));
        let error = Classifier::load(&base).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("Classifier::new"), "{error}");
        let mut model = Classifier::new(&base, &["español", "english"]).unwrap();
        let words = |i: usize| {
            if i.is_multiple_of(2) {
                ("el gato y la niña", "español")
            } else {
                ("the cat and the girl", "english")
            }
        };
        let texts: Vec<String> = (0..40).map(|i| format!("{} {i}", words(i).0)).collect();
        let labels: Vec<String> = (0..40).map(|i| words(i).1.to_string()).collect();
        let data = model.dataset(&texts, &labels, 30).unwrap();
        let (train, valid) = data.split(0.8, 1).unwrap();
        let config = aula::train::TrainConfig { epochs: 12, learning_rate: 3e-3, batch_size: 8, ..Default::default() };
        let history = aula::train::fine_tune(&mut model, &train, &valid, &config).unwrap();
        assert_eq!(history.moved, history.trainable, "{family}");
        assert!(!history.to_string().contains("perple"), "labels have no perplexity: {history}");
        assert_eq!(model.accuracy(&valid).unwrap(), 1.0, "{family}");
        assert_eq!(model.predict("the girl 7").unwrap().label, "english", "{family}");
        let error = model.dataset(&texts[..1], &["français".into()], 30).unwrap_err().to_string();
        assert!(error.contains("français") && error.contains("español, english"), "{error}");
        let saved = format!("{}/{}-languages-saved ñ", env!("CARGO_TARGET_TMPDIR"), family.replace('/', "-"));
        model.save(&saved).unwrap();
        assert_eq!(Classifier::load(&saved).unwrap().labels(), ["español", "english"]);
        let batch = batch(&expected(&format!("{family}/masked")), true);
        keep_logits(&saved, &batch, &model.logits(&batch).unwrap());
    }
}

#[test]
fn a_masked_model_learns_its_texts_with_other_gaps_each_time() {
    let mut model = MaskedModel::load(&path("bert/masked")).unwrap();
    let texts: Vec<String> = (0..24).map(|i| SENTENCES[i % 4].to_string()).collect();
    let data = model.dataset(&texts, 30).unwrap();
    let gaps = |seed| data.batch_seeded(&[0, 1], seed).unwrap();
    assert_eq!(gaps(1).labels, gaps(1).labels);
    assert_ne!(gaps(1).labels, gaps(2).labels);
    let (first, cls) = (gaps(1), [2u32, 3]);
    assert!(first.counted() >= 2 && first.labels.iter().all(|label| !cls.contains(label)), "marks stay");
    let (train, valid) = data.split(0.8, 1).unwrap();
    let before = model.evaluate(&valid).unwrap().loss;
    assert_eq!(before, model.evaluate(&valid).unwrap().loss, "measuring hides the same tokens");
    let config = aula::train::TrainConfig { epochs: 10, learning_rate: 1e-2, batch_size: 8, ..Default::default() };
    let history = aula::train::fine_tune(&mut model, &train, &valid, &config).unwrap();
    assert_eq!(history.moved, history.trainable);
    let after = model.evaluate(&valid).unwrap().loss;
    assert!(after < before - 0.5, "loss {before} to {after}");
}

#[test]
fn dropout_repeats_by_its_seed_and_does_not_see_the_padding_or_the_split() {
    for name in ["deberta-v2/classify", "deberta-v2/older/classify"] {
        let home = tempfile::tempdir().unwrap();
        for file in ["config.json", "tokenizer.json", "model.safetensors"] {
            std::fs::copy(fixture(name).join(file), home.path().join(file)).unwrap();
        }
        let config = std::fs::read_to_string(home.path().join("config.json")).unwrap();
        let config = config.replace("_prob\": 0.0", "_prob\": 0.2").replace("_dropout\": 0.0", "_dropout\": 0.2");
        std::fs::write(home.path().join("config.json"), config).unwrap();
        let model = Classifier::load(&home.path().to_string_lossy()).unwrap();
        let mut batch = batch(&expected(name), false);
        let loss = |batch: &Batch| floats(&aula::train::Trainable::loss(&model, batch, true).unwrap())[0];
        let first = loss(&batch);
        assert_eq!(first, loss(&batch), "{name}: the same seed");
        let sum: f64 = batch.shards(2).unwrap().iter().map(&loss).sum();
        assert!((sum / 2.0 - first).abs() < 1e-5, "{name}: one text a part");
        batch.seeds = vec![11, 12];
        assert!((loss(&batch) - first).abs() > 1e-3, "{name}: another seed");
    }
}

#[test]
fn older_names_and_a_missing_prefix_are_understood() {
    let home = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json"] {
        std::fs::copy(fixture("bert/masked").join(file), home.path().join(file)).unwrap();
    }
    let old: HashMap<String, Tensor> = aula::hub::load_weights(&fixture("bert/masked"))
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| {
            let name = name.trim_start_matches("bert.");
            let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
            (name, tensor)
        })
        .collect();
    candle_core::safetensors::save(&old, home.path().join("model.safetensors")).unwrap();
    let batch = batch(&expected("bert/masked"), true);
    let logits = |folder: &str| MaskedModel::load(folder).unwrap().logits(&batch).unwrap();
    assert_eq!(difference(&logits(&home.path().to_string_lossy()), &logits(&path("bert/masked"))), 0.0);
}

#[test]
fn what_cannot_be_done_is_named() {
    let home = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(fixture("bert/masked").join(file), home.path().join(file)).unwrap();
    }
    let folder = home.path().to_string_lossy().into_owned();
    let config = std::fs::read_to_string(home.path().join("config.json")).unwrap();
    let with = |from: &str, to: &str| {
        assert!(config.contains(from), "{from} is not in config.json");
        std::fs::write(home.path().join("config.json"), config.replace(from, to)).unwrap();
        MaskedModel::load(&folder).map(|_| ()).unwrap_err().to_string()
    };
    let error = with("\"hidden_act\": \"gelu\"", "\"hidden_act\": \"mish\"");
    assert!(error.contains("mish") && error.contains("gelu_new"), "{error}");
    let error = with("\"model_type\": \"bert\"", "\"model_type\": \"electra\"");
    assert!(error.contains("electra") && error.contains("distilbert"), "{error}");
    let error = with("\"vocab_size\": 96", "\"vocab_size\": 90");
    assert!(error.contains("word_embeddings") && error.contains("[96, 32]"), "{error}");
    let texts = vec!["el gato".to_string(); 3];
    let model = Classifier::load(&path("bert/classify")).unwrap();
    assert!(model.dataset(&texts, &["buena".into()], 20).is_err(), "three texts, one label");
    assert!(Classifier::new(&path("bert/masked"), &["una"]).is_err(), "one label says nothing");
}
