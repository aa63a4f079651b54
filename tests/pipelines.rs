//! Pipelines answer as those of transformers do, and as the steps by hand.
//!
//! The reference answers come from `tests/fixtures/pipelines/make.py` and `answers.py`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use aula::classifier::Classifier;
use aula::dataset::{Batch, Row};
use aula::generate::GenerateConfig;
use aula::pipeline::{pipeline, pipeline_tasks, softmax, Answer, Pipeline};
use aula::question_answerer::QuestionAnswerer;
use aula::seq2seq::Seq2Seq;
use reference::{difference, expected, fixture, path, rows};
use serde_json::Value;

const FAMILIES: [&str; 5] = ["bert", "deberta-v2", "distilbert", "roberta", "xlm-roberta"];

fn recorded(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture("pipelines").join(file)).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn near(mine: f64, theirs: &Value, what: &str) {
    let theirs = theirs.as_f64().unwrap();
    assert!((mine - theirs).abs() < 1e-4, "{what}: {mine} against {theirs}");
}

fn refused(pipeline: aula::error::Result<Pipeline>) -> String {
    pipeline.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn texts_get_the_labels_and_scores_that_transformers_gives() {
    for row in recorded("pipelines.json")["text-classification"].as_array().unwrap() {
        let name = text(&row["model"]);
        let answer = pipeline("sentiment-analysis", &path(name)).unwrap().run(text(&row["text"])).unwrap();
        let theirs = row["answer"].as_array().unwrap();
        assert_eq!(answer.choices.len(), theirs.len());
        assert_eq!((answer.label.as_str(), answer.input.as_str()), (text(&theirs[0]["label"]), text(&row["text"])));
        for (choice, theirs) in answer.choices.iter().zip(theirs) {
            assert_eq!(choice.label, text(&theirs["label"]), "{name}");
            near(choice.score, &theirs["score"], name);
        }
    }
}

#[test]
fn one_line_and_the_five_steps_by_hand_give_the_same() {
    let (name, sentence) = (path("bert/classify"), "La luna está muy alta.");
    let answer = pipeline("sentiment-analysis", &name).unwrap().run(sentence).unwrap();

    let classifier = Classifier::load(&name).unwrap();
    let ids = classifier.tokenizer().encode(sentence).unwrap();
    let logits = classifier.logits_of(&ids).unwrap();
    let shares = softmax(&logits);
    let best = (0..shares.len()).max_by(|a, b| shares[*a].total_cmp(&shares[*b])).unwrap();
    let label = &classifier.labels()[best];

    assert_eq!((&answer.label, answer.score), (label, shares[best]));
    assert!(classifier.logits_of(&[96]).is_err(), "the model knows 96 tokens");
}

#[test]
fn many_texts_get_the_answers_of_each_alone_in_their_order() {
    let mood = pipeline("text-classification", &path("distilbert/classify")).unwrap();
    let texts: Vec<String> = (0..40).map(|i| format!("El perro {}", "corre y ".repeat(i % 7))).collect();
    let answers = mood.run_all(&texts).unwrap();
    assert_eq!((answers.len(), answers.labels().len(), answers.scores().len()), (40, 40, 40));
    for (text, answer) in texts.iter().zip(&answers.rows) {
        let alone = mood.run(text).unwrap();
        assert_eq!((&answer.input, &answer.label), (text, &alone.label));
        assert!((answer.score - alone.score).abs() < 1e-6);
    }
    assert!(mood.run_all(&[]).unwrap().is_empty());
}

#[test]
fn gaps_get_the_words_and_scores_that_transformers_gives() {
    for row in recorded("pipelines.json")["fill-mask"].as_array().unwrap() {
        let name = text(&row["model"]);
        let answer = pipeline("fill-mask", &path(name)).unwrap().run(text(&row["text"])).unwrap();
        let theirs = row["answer"].as_array().unwrap();
        assert_eq!(answer.choices.len(), theirs.len());
        for (choice, theirs) in answer.choices.iter().zip(theirs) {
            assert_eq!(choice.label, text(&theirs["token_str"]).trim(), "{name}");
            near(choice.score, &theirs["score"], name);
            assert_eq!(choice.text, text(&row["text"]).replace("[MASK]", &choice.label), "{name}");
        }
        assert_eq!((&answer.label, &answer.text), (&answer.choices[0].label, &answer.choices[0].text));
    }
}

#[test]
fn spans_losses_and_gradients_are_those_of_transformers() {
    for family in FAMILIES {
        let name = format!("pipelines/questions/{family}");
        let (model, expected) = (QuestionAnswerer::load(&path(&name)).unwrap(), expected(&name));
        let ids = rows(&expected["input_ids"]);
        let token_types: Vec<u32> = (0..11).map(|i| u32::from(family == "bert" && i >= 4)).collect();
        let row = |(ids, labels): (&Vec<u32>, &Vec<u32>)| Row {
            ids: ids.clone(),
            labels: labels.clone(),
            token_types: if family == "bert" { token_types.clone() } else { Vec::new() },
            ..Row::default()
        };
        let batch = Batch::of(ids.iter().zip(&rows(&expected["labels"])).map(row).collect(), false).unwrap();
        assert!(difference(&model.logits(&batch).unwrap(), &expected["logits"]) < 1e-4, "{family}");
        // Both questions are of one length; the next test pads.
        reference::parts_equal(&model, "as it is", &batch.shards(1).unwrap(), &expected);
        reference::twenty_steps_follow(&model, &batch, &expected);
    }
}

#[test]
fn padding_moves_no_span_and_no_loss() {
    let model = QuestionAnswerer::load(&path("pipelines/questions/roberta")).unwrap();
    let row = |ids: &[u32], labels: [u32; 2]| Row { ids: ids.to_vec(), labels: labels.to_vec(), ..Row::default() };
    let rows = [row(&[0, 9, 8, 7, 2], [1, 2]), row(&[0, 5, 6, 7, 8, 9, 10, 11, 2], [4, 7])];
    let loss = |rows: &[Row]| {
        let batch = Batch::of(rows.to_vec(), false).unwrap();
        f64::from(aula::train::Trainable::loss(&model, &batch, false).unwrap().to_scalar::<f32>().unwrap())
    };
    let apart = (loss(&rows[..1]) + loss(&rows[1..])) / 2.0;
    assert!((loss(&rows) - apart).abs() < 1e-5);
}

#[test]
fn questions_get_the_answers_and_places_that_transformers_finds_in_short_and_long_texts() {
    let recorded = recorded("answers.json");
    let (mut windows, mut worst) = (0, 0f64);
    for row in recorded.as_array().unwrap() {
        let name = format!("pipelines/questions/{}", text(&row["model"]));
        let ask = pipeline("question-answering", &path(&name)).unwrap();
        let (question, context) = (text(&row["question"]), text(&row["context"]));
        let answer = ask.ask(question, context).unwrap();
        let theirs = row["answers"].as_array().unwrap();
        assert_eq!(answer.choices.len(), theirs.len());
        for (choice, theirs) in answer.choices.iter().zip(theirs) {
            assert_eq!(choice.text, text(&theirs["answer"]), "{name}: {question} {context}");
            assert_eq!(choice.start as u64, theirs["start"].as_u64().unwrap(), "{name}");
            assert_eq!(choice.end as u64, theirs["end"].as_u64().unwrap(), "{name}");
            near(choice.score, &theirs["score"], &name);
            worst = worst.max((choice.score - theirs["score"].as_f64().unwrap()).abs());
            let characters: String = context.chars().skip(choice.start).take(choice.end - choice.start).collect();
            assert_eq!(characters, choice.text);
        }
        let model = QuestionAnswerer::load(&path(&name)).unwrap();
        windows = windows.max(model.tokenizer().windows(question, context, 40, 20).unwrap().len());
        assert_eq!(model.answer(question, context).unwrap().text.is_empty(), answer.text.is_empty());
    }
    assert!(windows >= 3, "no text needed windows");
    println!("at most {windows} windows, scores off by at most {worst:.1e}");
}

#[test]
fn windows_cover_the_text_and_repeat_its_last_tokens() {
    let model = QuestionAnswerer::load(&path("pipelines/questions/bert")).unwrap();
    let context = "el gato y la luna y el perro y la cama y el parque".repeat(4);
    let windows = model.tokenizer().windows("la niña", &context, 20, 5).unwrap();
    let places = |window: &aula::tokenizer::Window| -> Vec<(usize, usize)> {
        window.second.iter().zip(&window.chars).filter(|(second, _)| **second).map(|(_, chars)| *chars).collect()
    };
    for pair in windows.windows(2) {
        let (before, after) = (places(&pair[0]), places(&pair[1]));
        assert_eq!(before[before.len() - 5..], after[..5]);
        assert!(pair[0].pair.length == 20 && pair[1].pair.ids.len() <= 20);
    }
    assert_eq!(places(&windows[0])[0].0, 0);
    assert_eq!(places(windows.last().unwrap()).last().unwrap().1, context.chars().count());
    // An overlap that leaves no room for anything new is made smaller; a question that leaves none is refused.
    assert!(model.tokenizer().windows("la niña", &context, 12, 11).unwrap().len() > windows.len());
    let error = model.answer(&"el perro ".repeat(30), &context).unwrap_err().to_string();
    assert!(error.contains("40"), "{error}");
    for (question, context) in [("", "el gato"), ("¿qué?", " ")] {
        assert!(model.answer(question, context).is_err());
    }
}

#[test]
fn labels_without_training_get_the_scores_that_transformers_gives() {
    for row in recorded("pipelines.json")["zero-shot-classification"].as_array().unwrap() {
        let name = text(&row["model"]);
        let mut choose = pipeline("zero-shot-classification", &path(&format!("pipelines/{name}"))).unwrap();
        assert_eq!(choose.template, "This example is {}.");
        choose.template = text(&row["template"]).to_string();
        choose.several = row["several"].as_bool().unwrap();
        let labels: Vec<&str> = row["labels"].as_array().unwrap().iter().map(text).collect();
        let answer = choose.choose(text(&row["text"]), &labels).unwrap();
        let theirs = (row["answer"]["labels"].as_array().unwrap(), row["answer"]["scores"].as_array().unwrap());
        assert_eq!(answer.choices.len(), labels.len());
        for (choice, (label, score)) in answer.choices.iter().zip(theirs.0.iter().zip(theirs.1)) {
            assert_eq!(choice.label, text(label), "{name}: {row}");
            near(choice.score, score, name);
        }
    }
}

#[test]
fn without_a_model_of_inference_labels_are_compared_by_their_vectors_and_that_is_said() {
    let choose = pipeline("zero-shot-classification", &path("bert/masked")).unwrap();
    let answer = choose.choose("el gato duerme", &["el gato duerme", "the moon is high"]).unwrap();
    assert_eq!(answer.label, "el gato duerme");
    assert!((answer.score - 1.0).abs() < 1e-5, "the same text has the same vector");
    assert!(!answer.to_string().contains('%'), "a cosine is no probability: {answer}");
    let embed = pipeline("feature-extraction", &path("bert/masked")).unwrap();
    let vectors = embed.run_all(&["el gato duerme".into(), "the moon is high".into()]).unwrap();
    let cosine = vectors.rows[0].vector.iter().zip(&vectors.rows[1].vector).map(|(a, b)| a * b).sum::<f32>();
    assert!((answer.choices[1].score - f64::from(cosine)).abs() < 1e-6);
    assert!(choose.choose("a", &[]).is_err());
}

#[test]
fn what_is_written_is_what_the_model_writes_after_the_prefix() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(fixture("t5/relu").join(file), folder.path().join(file)).unwrap();
    }
    let name = folder.path().to_string_lossy().into_owned();
    let (model, source) = (Seq2Seq::load(&name).unwrap(), "el perro corre");
    let written =
        |prompt: &str, config: &GenerateConfig| model.generate(prompt, config).unwrap().text.trim().to_string();
    let plain = GenerateConfig { temperature: 0.0, max_tokens: 12, ..Default::default() };

    let mut summarize = pipeline("summarization", &name).unwrap();
    assert_eq!(summarize.prefix, "");
    summarize.generate.max_tokens = 12;
    assert_eq!(summarize.run(source).unwrap().text, written(source, &plain));
    assert_eq!(pipeline("translation_en_to_fr", &name).unwrap().prefix, "translate English to French: ");

    // What config.json says of the task is done.
    let file = folder.path().join("config.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    config["task_specific_params"] = serde_json::json!({
        "summarization": {"prefix": "la luna ", "max_length": 9, "num_beams": 3},
        "translation_en_to_de": {"prefix": "el gato "},
    });
    std::fs::write(&file, config.to_string()).unwrap();
    let summarize = pipeline("summarization", &name).unwrap();
    let beams = GenerateConfig { max_tokens: 9, num_beams: 3, ..plain.clone() };
    assert_eq!(summarize.run(source).unwrap().text, written("la luna el perro corre", &beams));
    assert_eq!(summarize.run(source).unwrap().input, source);
    assert_eq!(pipeline("translation_en_to_de", &name).unwrap().prefix, "el gato ");
    assert!(refused(pipeline("translation", &name)).contains("translation_en_to_de"));

    let mut ask = pipeline("question-answering", &name).unwrap();
    ask.generate = plain.clone();
    let answer = ask.ask("y la luna", source).unwrap();
    assert_eq!(answer.text, written("question: y la luna context: el perro corre", &plain));
    assert!(answer.score.is_nan() && answer.input == "y la luna");
}

#[test]
fn a_text_goes_on_as_the_language_model_goes_on() {
    let name = path("llama");
    let write = pipeline("text-generation", &name).unwrap();
    let text =
        aula::language_model::LanguageModel::load(&name).unwrap().generate("Había una", &write.generate).unwrap();
    let answer = write.run("Había una").unwrap();
    assert_eq!(answer.text, text.full_text());
    assert!(answer.text.starts_with("Había una"));
}

#[test]
fn an_unknown_task_and_a_model_of_another_kind_are_refused_with_what_would_do() {
    let error = refused(pipeline("sentiment", &path("bert/classify")));
    assert!(pipeline_tasks().iter().all(|task| error.contains(task.as_str())), "{error}");
    for (task, model, able) in [
        ("sentiment-analysis", "bert/masked", "fill-mask"),
        ("fill-mask", "bert/classify", "text-classification"),
        ("question-answering", "roberta/masked", "fill-mask"),
        ("fill-mask", "pipelines/questions/bert", "question-answering"),
        ("summarization", "llama", "text-generation"),
        ("text-generation", "t5/relu", "summarization"),
        ("zero-shot-classification", "bert/classify", "sentiment-analysis"),
    ] {
        let error = refused(pipeline(task, &path(model)));
        let able = if able == "text-classification" { "sentiment-analysis" } else { able };
        assert!(error.contains(able), "{task} {model}: {error}");
    }
    assert!(refused(pipeline("fill-mask", "no-such-model")).contains("no-such-model"));
}

#[test]
fn a_question_asked_in_the_wrong_way_is_told_the_right_one() {
    let mood = pipeline("sentiment-analysis", &path("bert/classify")).unwrap();
    assert!(mood.ask("a", "b").unwrap_err().to_string().contains(".run("));
    assert!(mood.choose("a", &["b"]).unwrap_err().to_string().contains(".run("));
    let ask = pipeline("question-answering", &path("pipelines/questions/bert")).unwrap();
    assert!(ask.run("a").unwrap_err().to_string().contains(".ask("));
    let choose = pipeline("zero-shot-classification", &path("pipelines/inference")).unwrap();
    assert!(choose.run("a").unwrap_err().to_string().contains(".choose("));
    assert!(choose.choose("a", &[]).is_err());
}

#[test]
fn answers_are_shown_as_tables() {
    let shown = |answer: &Answer| answer.to_string();
    let answer = pipeline("fill-mask", &path("bert/masked")).unwrap().run("el [MASK] corre").unwrap();
    assert_eq!(shown(&answer).lines().count(), 2 + 5, "{answer}");
    let answer = pipeline("question-answering", &path("pipelines/questions/bert")).unwrap();
    let answer = answer.ask("el perro", "la luna y el gato").unwrap();
    assert!(shown(&answer).contains(&format!("{}–{}", answer.start, answer.end)), "{answer}");
    let mood = pipeline("sentiment-analysis", &path("bert/classify")).unwrap();
    let answers = mood.run_all(&["el perro".into(), "la luna".into()]).unwrap();
    assert!(answers.to_string().contains("el perro") && answers.to_string().contains('%'), "{answers}");
    assert!(mood.to_string().contains("sentiment-analysis"));
}

#[test]
fn a_new_head_learns_where_answers_are_and_the_saved_model_opens_again() {
    let mut model = QuestionAnswerer::new(&path("bert/masked")).unwrap();
    let places = ["el parque", "la cama", "la montaña", "el tree"];
    let contexts: Vec<String> = (0..48)
        .map(|i| format!("{} {} y la niña está en {} .", "el perro corre".repeat(i % 2), "la luna", places[i % 4]))
        .collect();
    let questions = vec!["la niña está en".to_string(); 48];
    let answers: Vec<String> = (0..48).map(|i| places[i % 4].to_string()).collect();
    let data = model.dataset(&questions, &contexts, &answers, 40).unwrap();
    let config = aula::train::TrainConfig { epochs: 15, learning_rate: 3e-3, batch_size: 8, ..Default::default() };
    let (train, valid) = data.split(0.8, 1).unwrap();
    let history = aula::train::fine_tune(&mut model, &train, &valid, &config).unwrap();
    assert_eq!(history.moved, history.trainable);
    let right = |model: &QuestionAnswerer| {
        (0..4).filter(|i| model.answer(&questions[0], &contexts[*i]).unwrap().text == answers[*i]).count()
    };
    assert_eq!(right(&model), 4);
    let saved = format!("{}/questions-saved ñ", env!("CARGO_TARGET_TMPDIR"));
    model.save(&saved).unwrap();
    assert_eq!(right(&QuestionAnswerer::load(&saved).unwrap()), 4);
    pipeline("question-answering", &saved).unwrap().ask(&questions[0], &contexts[0]).unwrap();
    let error = model.dataset(&questions[..1], &contexts[..1], &["el gato".into()], 40).unwrap_err().to_string();
    assert!(error.contains("el gato"), "{error}");
}
