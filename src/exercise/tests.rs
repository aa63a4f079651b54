//! The course proves its own exercises: stubs fail, solutions pass, wrong ideas get their names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::list::{e02h, e03d, e03i, e05h, QUIZZES};
use super::*;
use crate::table::Table;

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn judged(exercise: &Exercise, given: &Given, seed: u64) -> Verdict {
    exercise.judged(given, &mut Rng::new(seed))
}

#[test]
fn every_text_is_whole_in_both_languages() {
    for exercise in ALL {
        let names: BTreeSet<String> = (exercise.wrong)().iter().map(|(name, _)| name.to_string()).collect();
        assert!(names.len() >= 2, "{}: fewer than two wrong ideas", exercise.id);
        for language in ["es", "en"] {
            let page = Page::parse(exercise.text, language);
            let id = format!("{} {language}", exercise.id);
            assert!(!page.title.is_empty() && page.task.len() > 80 && page.solution.len() > 40, "{id}: {page:?}");
            assert_eq!(page.hints.len(), 3, "{id}");
            assert!(page.own.len() > 120, "{id}: nothing to do on one's own data");
            let told: BTreeSet<String> = page.ideas.iter().map(|(name, _)| name.clone()).collect();
            assert_eq!(told, names, "{id}: the ideas in the text and those in the code");
        }
        let [es, en] = ["es", "en"].map(|language| Page::parse(exercise.text, language));
        assert_ne!(es.task, en.task, "{}: not translated", exercise.id);
        assert_ne!(es.own, en.own, "{}: not translated", exercise.id);
    }
}

#[test]
fn stubs_fail_solutions_pass_and_wrong_ideas_get_their_names() {
    for exercise in ALL {
        for seed in 0..8 {
            let id = format!("{}, seed {seed}", exercise.id);
            assert_eq!(judged(exercise, &(exercise.right)(), seed), Verdict::Right, "{id}");
            assert_ne!(judged(exercise, &(exercise.stub)(), seed), Verdict::Right, "{id}: the stub passes");
            for (name, given) in (exercise.wrong)() {
                assert_eq!(judged(exercise, &given, seed), Verdict::Idea(name), "{id}");
            }
        }
    }
}

#[test]
fn an_answer_that_looks_at_nothing_fails_and_one_of_another_kind_is_told_so() {
    for exercise in ALL {
        let right = (exercise.right)();
        let other = judged(exercise, &Given::Value(Datum::Flags(vec![true])), 1);
        let Verdict::Wrong(told) = other else { panic!("{}: {other:?}", exercise.id) };
        assert!(told.contains(&right.kind()), "{}: {told}", exercise.id);
        let (Given::Function(function), Judge::Trials(draw)) = (right, &exercise.judge) else { continue };
        // Whatever is right for one input is handed in for all of them.
        for seed in 0..20 {
            let always = (function.call)(&draw(&mut Rng::new(100 + seed))).unwrap();
            let call = Box::new(move |_: &[Datum]| Some(always.clone()));
            let constant = Given::Function(Function { signature: function.signature, call });
            assert_ne!(judged(exercise, &constant, seed), Verdict::Right, "{}, seed {seed}", exercise.id);
        }
    }
}

#[test]
fn a_function_that_panics_is_an_answer_like_others() {
    let exercise = find("03b").unwrap();
    let verdict = judged(exercise, &given(|x: &[f64]| x[99]), 1);
    assert!(matches!(verdict, Verdict::Wrong(ref why) if why.contains("the index is 99")), "{verdict:?}");
}

#[test]
fn functions_and_values_can_be_handed_in_as_they_are_typed() {
    fn mean(x: &[f64]) -> f64 {
        x.iter().sum::<f64>() / x.len() as f64
    }
    let signature = |given: Given| match given {
        Given::Function(function) => function.signature,
        _ => "none",
    };
    assert_eq!(signature(given(mean)), "fn(&[f64]) -> f64");
    let borrowed = &mean;
    assert_eq!(signature(given(borrowed)), "fn(&[f64]) -> f64");
    assert_eq!(signature(given(|a: &[f64], b: &[bool]| a[0] + f64::from(b[0]))), "fn(&[f64], &[bool]) -> f64");
    assert_eq!(given(&3usize).number(), Some(3.0));
    assert_eq!(given(&2.5).number(), Some(2.5));
    assert_eq!(given(&4).number(), Some(4.0));
    assert!(matches!(given(&"b"), Given::Value(Datum::Text(_))));
    assert!(matches!(given(&vec![1.0, 2.0]), Given::Value(Datum::Numbers(_))));
}

/// What a solution needs that is a file of its own, and a cell does not.
const FRAME: &str = "use crate prelude Result";

/// The words of a piece of code.
fn words(code: &str) -> BTreeSet<String> {
    let parts = code.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_string);
    parts.filter(|word| word.starts_with(|c: char| c.is_alphabetic())).collect()
}

/// What stands as code in a text, between backticks.
fn code_in(markdown: &str) -> String {
    markdown.split('`').skip(1).step_by(2).collect::<Vec<_>>().join(" ")
}

/// Code without what stands in its strings and comments.
fn bare(code: &str) -> String {
    let code = code.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The lessons of `exercises/known.md` with their words.
fn known() -> Vec<(String, BTreeSet<String>)> {
    let known = std::fs::read_to_string(home().join("exercises/known.md")).unwrap();
    known.split("\n## ").skip(1).map(|part| (part[..2].to_string(), words(&code_in(part)))).collect()
}

#[test]
fn solutions_are_short_and_use_only_what_was_taught() {
    let known = known();
    for exercise in ALL {
        let lesson = &exercise.id[..2];
        let taught = known.iter().filter(|(number, _)| number.as_str() <= lesson).map(|(_, words)| words.clone());
        let taught: BTreeSet<String> = taught.flatten().chain(words(FRAME)).collect();
        let code = exercise.solution_code();
        if code.is_empty() {
            assert!(matches!(exercise.judge, Judge::Own(_)), "{}: no solution", exercise.id);
            continue;
        }
        let lines = code.lines().filter(|line| !matches!(line.trim(), "" | "}")).count();
        assert!((3..=20).contains(&lines), "{}: {lines} lines", exercise.id);
        // What the solution names by itself needs no lesson: its function, its parameters, its variables.
        let mut own: BTreeSet<String> = code
            .split(|c: char| "(),;&{}".contains(c) || c == '\n')
            .flat_map(|part| {
                let part = part.trim();
                let named = [part.strip_prefix("let mut "), part.strip_prefix("let "), part.strip_prefix("for ")];
                let named = named.into_iter().flatten().next().or(part.split_once(':').map(|(name, _)| name));
                let named = named.or(part.strip_prefix("fn ")).unwrap_or_default();
                named.split([' ', ':', '=']).next().map(str::to_string)
            })
            .collect();
        own.extend(code.split('|').skip(1).step_by(2).flat_map(words)); // |closures|
        let strings: String = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        let strange: Vec<String> = words(&strings)
            .into_iter()
            .filter(|word| !taught.contains(word) && !own.contains(word) && word != "as")
            .collect();
        assert!(strange.is_empty(), "{} uses what no lesson taught: {strange:?}", exercise.id);
    }
}

/// The code that a learner has seen once a lesson is read and its tasks are open, in one language: cells, what stands as
/// code in texts and tasks, and the code that exercises begin from.
fn code_met(lesson: &str, language: &str) -> String {
    let folder = home().join("notebooks").join(language);
    let mut notebooks = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let of_lesson = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(lesson);
    let notebook = notebooks.find(of_lesson).unwrap();
    let notebook: serde_json::Value = serde_json::from_slice(&std::fs::read(notebook).unwrap()).unwrap();
    let mut met = String::new();
    for cell in notebook["cells"].as_array().unwrap() {
        let source: String = cell["source"].as_array().unwrap().iter().filter_map(|line| line.as_str()).collect();
        met += &if cell["cell_type"] == "code" { bare(&source) } else { code_in(&source) };
        met.push('\n');
    }
    for exercise in ALL.iter().filter(|exercise| exercise.id.starts_with(lesson)) {
        let task = code_in(&Page::parse(exercise.text, language).task);
        met += &format!("{task}\n{}\n", exercise.stub_code());
    }
    met
}

#[test]
fn each_word_that_counts_as_taught_is_met_in_a_lesson_or_a_task() {
    for language in ["es", "en"] {
        let mut met = BTreeSet::new();
        for (lesson, taught) in known() {
            met.extend(words(&code_met(&lesson, language)));
            let hidden: Vec<&String> = taught.difference(&met).collect();
            assert!(hidden.is_empty(), "lesson {lesson}, {language}: in no cell and no task: {hidden:?}");
        }
    }
}

#[test]
fn every_file_of_the_exercises_is_in_the_list() {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(home().join("exercises")).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        let names = std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name());
        found.extend(names.map(|name| name.to_string_lossy().into_owned()));
    }
    let quizzes = QUIZZES.iter().map(|_| "quiz.md".to_string());
    let mut listed: Vec<String> = ALL.iter().flat_map(|e| [format!("{}.md", e.id), format!("{}.rs", e.id)]).collect();
    listed.extend(quizzes);
    found.sort();
    listed.sort();
    assert_eq!(found, listed);
}

#[test]
fn quizzes_have_one_right_option_and_a_reason_for_each_in_both_languages() {
    for (lesson, text) in QUIZZES {
        let [es, en] = ["es", "en"].map(|language| Question::parse(text, language));
        assert!(es.len() >= 4 && es.len() == en.len(), "{lesson}");
        for question in es.iter().chain(&en) {
            let right = question.options.iter().filter(|(right, _, _)| *right).count();
            assert!(right == 1 && question.options.len() >= 3, "{lesson}: {question:?}");
            assert!(question.options.iter().all(|(_, text, why)| text.len() > 3 && why.len() > 10), "{question:?}");
        }
    }
}

#[test]
fn the_solutions_that_train_a_model_pass_for_real() {
    std::env::set_var("AULA_HOME", home());
    let diary = home().join("data/en/diary.csv");
    let texts = Table::read(&diary.to_string_lossy()).unwrap().texts("text").unwrap();
    let learned = e03d::solution::by_heart(&texts).unwrap();
    assert_eq!(judged(find("03d").unwrap(), &Given::History(Box::new(learned)), 1), Verdict::Right);
    let few = tempfile::tempdir().unwrap();
    let file = few.path().join("mine.csv").to_string_lossy().into_owned();
    std::fs::write(&file, std::fs::read_to_string(&diary).unwrap().lines().take(101).collect::<Vec<_>>().join("\n"))
        .unwrap();
    let adapted = e03i::solution::adapt(&file, "text").unwrap();
    assert_eq!(judged(find("03i").unwrap(), &Given::History(Box::new(adapted)), 1), Verdict::Right);
}

#[test]
fn the_solution_that_cleans_a_file_passes_for_real() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.csv").to_string_lossy().into_owned();
    let mut rows: Vec<String> = (0..70).map(|i| format!("comment {i},{i}")).collect();
    rows.extend(["[deleted],1", "  comment 3 ,2", "comment 4,3", "\"\",4"].map(String::from));
    std::fs::write(&file, format!("text,score\n{}\n", rows.join("\n"))).unwrap();
    let exercise = find("02h").unwrap();
    let dirty = Given::Table(Box::new(Table::read(&file).unwrap()));
    assert!(matches!(judged(exercise, &dirty, 1), Verdict::Idea(_)));
    let clean = given(&e02h::solution::prepare(&file, "text").unwrap());
    assert_eq!(judged(exercise, &clean, 1), Verdict::Right);
}

#[test]
fn the_solution_that_tidies_labels_passes_for_real() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.csv").to_string_lossy().into_owned();
    let mut rows: Vec<String> = (0..60).map(|i| format!("comment {i},{}", ["Praise", "complaint"][i % 2])).collect();
    rows.extend(["very good, praise ", "so bad,Complaint", "no label,", ",praise"].map(String::from));
    std::fs::write(&file, format!("text,kind\n{}\n", rows.join("\n"))).unwrap();
    let exercise = find("05h").unwrap();
    let dirty = given(&Table::read(&file).unwrap().rename("kind", "label").unwrap());
    assert!(matches!(judged(exercise, &dirty, 1), Verdict::Idea(_)));
    let clean = given(&e05h::solution::prepare(&file, "text", "kind").unwrap());
    assert_eq!(judged(exercise, &clean, 1), Verdict::Right);
}

#[test]
fn an_exercise_goes_from_its_task_to_its_solution() {
    let folder = tempfile::tempdir().unwrap();
    std::env::set_var("AULA_PROGRESS", folder.path().join("progress.json"));
    exercise("03b").unwrap();
    assert!(exercise("99z").unwrap_err().to_string().contains("03b"));
    let state = || State::read(Path::new(&std::env::var("AULA_PROGRESS").unwrap())).of("03b");
    check("03b", |x: &[f64]| x[0]).unwrap();
    assert_eq!(state().tries, 0, "the stub as it stands is no try");
    for tries in 1..=3 {
        check("03b", |x: &[f64]| x[x.len() - 1]).unwrap();
        assert_eq!((state().tries, state().passed), (tries, false));
    }
    hint("03b").unwrap();
    solution("03b").unwrap();
    check("03b", |x: &[f64]| (x.iter().sum::<f64>() / x.len() as f64).exp()).unwrap();
    assert_eq!(state(), Record { passed: true, tries: 4, hints: 1 });
    progress();
    quiz("03").unwrap();
    assert!(quiz("77").is_err());
    reset("03b").unwrap();
    assert_eq!(state(), Record::default());
}
