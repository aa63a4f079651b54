//! A learner's own sentences put to models, and the file that keeps every run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use aula::error::ErrorKind;
use aula::masked_model::MaskedModel;
use aula::testbed::TestBed;

const SENTENCES: [(&str, &str); 3] = [
    ("La nieve es [MASK].", "blanca"),
    ("The sky is <mask>.", "blue"),
    ("Mi perra se llama [MASK].", "Canela la \"loca\""),
];

fn reader() -> MaskedModel {
    MaskedModel::load("lector").unwrap()
}

#[test]
fn places_are_those_of_fill_and_every_run_is_kept_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mi banco ñ.csv").to_string_lossy().into_owned();
    let (bed, reader) = (TestBed::new(&file, &SENTENCES).unwrap(), reader());
    let run = bed.run(&reader, "lector, a \"secas\"").unwrap();
    for (answer, (sentence, expected)) in run.answers.iter().zip(SENTENCES) {
        let all = reader.fill(sentence, 5000).unwrap().options;
        let place = all.iter().position(|option| option.token == expected);
        assert_eq!(answer.place, place.map(|place| place + 1), "{sentence}");
        let probability = place.map_or(0.0, |place| all[place].probability);
        assert!((answer.probability - f64::from(probability)).abs() < 1e-6);
    }
    // `samples.md` of the model: blanca 98 %, blue 88 %; a word of several tokens cannot be right.
    assert_eq!(run.answers.iter().map(|answer| answer.place).collect::<Vec<_>>(), [Some(1), Some(1), None]);
    assert!((run.hits(1) - 2.0 / 3.0).abs() < 1e-9 && run.mean_probability() > 0.5);
    bed.run(&reader, "otra vez").unwrap();
    // Another day, another process, fewer sentences.
    let again = TestBed::new(&file, &SENTENCES[..1]).unwrap();
    again.run(&reader, "otra vez").unwrap();
    let history = again.history().unwrap();
    assert_eq!(history.runs.len(), 3);
    assert_eq!(history.runs[0].model, "lector, a \"secas\"");
    assert_eq!(history.runs[0].answers[2].expected, SENTENCES[2].1);
    assert_eq!(history.runs[0].answers[2].place, None);
    assert_eq!(history.runs[2].answers.len(), 1);
    assert!((history.runs[0].answers[0].probability - run.answers[0].probability).abs() < 1e-4);
    let shown = history.to_string();
    assert!(shown.contains("67 %") && shown.contains("otra vez") && shown.contains("The sky is <mask>."), "{shown}");
}

#[test]
fn what_others_wrote_in_the_file_stays_and_a_file_of_another_form_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let bed = TestBed::new(&path("a.csv"), &SENTENCES[..1]).unwrap();
    bed.run(&reader(), "one").unwrap();
    // A spreadsheet wrote it again without the last end of line, and with a row of notes.
    let text = std::fs::read_to_string(path("a.csv")).unwrap() + ",my own note,,,,,";
    std::fs::write(path("a.csv"), &text).unwrap();
    bed.run(&reader(), "two").unwrap();
    assert!(std::fs::read_to_string(path("a.csv")).unwrap().starts_with(&text), "nothing is taken away");
    let history = bed.history().unwrap();
    assert_eq!((history.runs.len(), history.unread), (2, 1));
    std::fs::write(path("b.csv"), "x,y\n1,2\n").unwrap();
    assert_eq!(TestBed::new(&path("b.csv"), &SENTENCES).unwrap_err().kind(), ErrorKind::BadData);
    assert_eq!(std::fs::read_to_string(path("b.csv")).unwrap(), "x,y\n1,2\n");
}

#[test]
fn sentences_without_one_gap_or_without_a_word_are_errors_that_show_them() {
    for sentences in [&[][..], &[("No gap.", "x")], &[("[MASK] [MASK]", "x")], &[("A [MASK].", " ")]] {
        let error = TestBed::new("never-written.csv", sentences).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadSetting);
        assert!(sentences.iter().all(|(text, _)| error.to_string().contains(text)), "{error}");
    }
    assert_eq!(TestBed::new("a.txt", &SENTENCES).unwrap_err().kind(), ErrorKind::BadSetting);
    assert!(!std::path::Path::new("never-written.csv").exists());
}
