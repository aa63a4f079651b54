//! The exercises from a terminal: `aula exercise list|next|check|hint|solution|reset`.
//!
//! A learner writes in `my-exercises/ID.rs`. What checks it is a small program around that file, which the launcher
//! compiles against the compiled library, as the kernel does with a cell.

use std::path::{Path, PathBuf};

use super::{call, find, hint, reset, solution, state, Exercise, Judge, State, ALL};
use crate::error::{Error, ErrorKind, Result};
use crate::show::plain_table;
use crate::sys::io_error;

const USAGE: &str = "usage:
  aula exercise list            what is done and what is left
  aula exercise next [ID]       the task, and a file to write the answer in
  aula exercise check [ID]      compiles that file and judges it
  aula exercise hint [ID]       the next of three hints
  aula exercise solution [ID]   after a right answer or three tries
  aula exercise reset ID|all    begins anew; what was written is kept as ID.old.rs
without ID: the first that is left";

/// Does what the command line asks for; `program` and `proof` are for the launcher, which compiles the path they print.
pub fn terminal(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let chosen = |id: Option<&&str>| id.map_or_else(first_left, |id| find(id));
    match words.split_first() {
        Some((&"list", [])) => list(),
        Some((&"next", rest @ ([] | [_]))) => next(chosen(rest.first())?)?,
        Some((&"hint", rest @ ([] | [_]))) => hint(chosen(rest.first())?.id)?,
        Some((&"solution", rest @ ([] | [_]))) => solution(chosen(rest.first())?.id)?,
        Some((&"reset", [id])) => begin_anew(id)?,
        Some((&"program", rest @ ([] | [_]))) => println!("{}", program(chosen(rest.first())?)?.display()),
        Some((&"proof", [])) => println!("{}", written("proof.rs", &proof())?.display()),
        _ => return Err(Error::new(ErrorKind::BadSetting, USAGE)),
    }
    Ok(())
}

/// The first exercise that is not done and can be answered with a file.
fn first_left() -> Result<&'static Exercise> {
    let state = State::read(&state::file());
    let left = || ALL.iter().filter(|exercise| !state.of(exercise.id).passed);
    left().find(|exercise| is_function(exercise)).ok_or_else(|| {
        let others: Vec<&str> = left().map(|exercise| exercise.id).collect();
        let Some(first) = others.first() else {
            return Error::new(
                ErrorKind::NotFound,
                tr!("No queda ningún ejercicio: están todos.", "No exercise is left: all are done."),
            )
            .next("cargo aula exercise list");
        };
        let list = others.join(", ");
        Error::new(
            ErrorKind::NotFound,
            tr!(
                "De los que se responden con un archivo no queda ninguno. En el cuaderno quedan: {list}.",
                "Of those that are answered with a file none is left. In the notebook there are: {list}."
            ),
        )
        .next(in_the_notebook(first))
    })
}

fn is_function(exercise: &Exercise) -> bool {
    matches!(exercise.judge, Judge::Trials(_))
}

fn list() {
    let state = State::read(&state::file());
    let row = |exercise: &Exercise| {
        let record = state.of(exercise.id);
        let place = if is_function(exercise) { String::new() } else { tr!("en el cuaderno", "in the notebook") };
        vec![
            record.mark().to_string(),
            exercise.id.to_string(),
            exercise.page().title,
            record.tries.to_string(),
            record.hints.to_string(),
            place,
        ]
    };
    let heads = [
        String::new(),
        "id".to_string(),
        tr!("ejercicio", "exercise"),
        tr!("intentos", "tries"),
        tr!("pistas", "hints"),
        String::new(),
    ];
    let done = ALL.iter().filter(|exercise| state.of(exercise.id).passed).count();
    println!("{}", plain_table(&heads, &ALL.iter().map(row).collect::<Vec<_>>(), ""));
    println!("{done}/{}", ALL.len());
}

fn next(exercise: &'static Exercise) -> Result<()> {
    let id = exercise.id;
    super::exercise(id)?;
    if !is_function(exercise) {
        println!("\n{}", in_the_notebook(id));
        if let Some(below) = after(id, &State::read(&state::file())) {
            println!("{}", tr!("Aquí sigue: {}", "Next here: {}", call("next", below)));
        }
        return Ok(());
    }
    let file = answer_file(&folder(), id);
    if !file.exists() {
        let text = format!("// {id}: {}\n\n{}\n", exercise.page().title, exercise.stub_code());
        write(&file, &text)?;
    }
    let (shown, check) = (file.display(), call("check", id));
    println!("\n{}", tr!("Escribe en {shown} y después: {check}", "Write in {shown}, and then: {check}"));
    Ok(())
}

/// Where an exercise is handed in that asks for more than a function, and what to type to get there.
fn in_the_notebook(id: &str) -> String {
    let notebook = notebook(&id[..2]);
    let (exercise, hint) = (format!("exercise(\"{id}\")"), call("hint", id));
    tr!(
        "{id} pide un resultado del cuaderno, y se entrega allí: cargo lab, abre {notebook} y busca {exercise}. Las pistas \
         también salen aquí: {hint}",
        "{id} asks for a result of the notebook, and is handed in there: cargo lab, open {notebook} and look for {exercise}. \
         Hints come here too: {hint}"
    )
}

/// The notebook of a lesson, as seen from the course's folder.
fn notebook(lesson: &str) -> String {
    let folder = if crate::lang::spanish() { "notebooks/es" } else { "notebooks/en" };
    let files = std::fs::read_dir(state::course().join(folder)).into_iter().flatten().flatten();
    let mut names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    match names.find(|name| name.starts_with(lesson) && name.ends_with(".ipynb")) {
        Some(name) => format!("{folder}/{name}"),
        None => folder.to_string(),
    }
}

/// The first exercise below `id` that is not done and can be answered with a file.
fn after(id: &str, state: &State) -> Option<&'static str> {
    let below = ALL.iter().skip_while(|exercise| exercise.id != id).skip(1);
    below.filter(|exercise| is_function(exercise) && !state.of(exercise.id).passed).map(|exercise| exercise.id).next()
}

fn begin_anew(id: &str) -> Result<()> {
    reset(id)?;
    let ids: Vec<&str> =
        if matches!(id, "all" | "todo") { ALL.iter().map(|e| e.id).collect() } else { vec![find(id)?.id] };
    for id in ids {
        let file = answer_file(&folder(), id);
        if file.exists() {
            std::fs::rename(&file, file.with_extension("old.rs"))
                .map_err(|error| io_error(&file, "mover", "move", &error))?;
        }
    }
    Ok(())
}

/// Where a learner's answers lie: `my-exercises` (`mis-ejercicios`), whichever is there.
fn folder() -> PathBuf {
    let both = ["mis-ejercicios", "my-exercises"].map(|name| state::course().join(name));
    let found = both.iter().find(|folder| folder.is_dir());
    found.unwrap_or(&both[usize::from(!crate::lang::spanish())]).clone()
}

fn answer_file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.rs"))
}

/// Writes the program that judges the file of an exercise.
fn program(exercise: &Exercise) -> Result<PathBuf> {
    let id = exercise.id;
    if !is_function(exercise) {
        return Err(Error::new(ErrorKind::BadSetting, in_the_notebook(id)));
    }
    let file = answer_file(&folder(), id);
    if !file.exists() {
        let shown = file.display();
        return Err(Error::new(ErrorKind::NotFound, tr!("No hay {shown}.", "There is no {shown}."))
            .next(format!("cargo aula exercise next {id}")));
    }
    written(&format!("{id}.rs"), &program_text(exercise, &file))
}

/// The file itself is included, so that the compiler's messages name its lines.
fn program_text(exercise: &Exercise, file: &Path) -> String {
    let (id, function) = (exercise.id, function_name(&exercise.stub_code()));
    format!("{HEAD}include!({file:?});\nfn main() {{ std::process::exit(aula::exercise::exit_code(\"{id}\", {function})) }}\n")
}

/// A learner's warnings are not what is judged here.
const HEAD: &str = "#![allow(warnings)]\nextern crate aula_built as aula;\nuse aula::prelude::*;\n";

/// The name of the first function in a code.
fn function_name(code: &str) -> String {
    let after = code.split_once("fn ").map_or("", |(_, after)| after);
    after.split('(').next().unwrap_or_default().to_string()
}

/// A program in which every stub must fail and every solution pass, as they are shown to learners.
fn proof() -> String {
    let mut text = format!("{HEAD}fn main() {{\n    let mut wrong = 0;\n");
    let mut modules = String::new();
    for exercise in ALL.iter().filter(|exercise| is_function(exercise)) {
        let (id, function) = (exercise.id, function_name(&exercise.stub_code()));
        for (kind, code, right) in [("stub", exercise.stub_code(), false), ("solution", exercise.solution_code(), true)]
        {
            modules += &format!("mod {kind}_{id} {{\n    use aula::prelude::*;\n    pub {code}\n}}\n");
            text += &format!(
                "    wrong += i32::from(aula::exercise::passes(\"{id}\", {kind}_{id}::{function}).ok() != Some({right}));\n"
            );
        }
    }
    let all = ALL.iter().filter(|exercise| is_function(exercise)).count();
    format!("{text}    println!(\"{all} exercises, {{wrong}} wrong\");\n    std::process::exit(wrong);\n}}\n{modules}")
}

/// Writes a program under `.aula/exercises`.
fn written(name: &str, text: &str) -> Result<PathBuf> {
    let file = state::course().join(".aula/exercises").join(name);
    write(&file, text)?;
    Ok(file)
}

fn write(file: &Path, text: &str) -> Result<()> {
    let make = || {
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(file, text)
    };
    make().map_err(|error| io_error(file, "escribir", "write", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_hands_in_the_function_of_the_stub() {
        let text = program_text(find("03f").unwrap(), Path::new("/año 1/03f.rs"));
        assert!(text.contains("include!(\"/año 1/03f.rs\");"), "{text}");
        assert!(text.contains("exit_code(\"03f\", choose)"), "{text}");
        assert_eq!(function_name("// x\nfn a_b(x: f64) -> f64 {}"), "a_b");
    }

    #[test]
    fn a_command_that_is_none_tells_those_there_are() {
        for wrong in [vec![], vec!["lst"], vec!["reset"], vec!["next", "02a", "02b"]] {
            let wrong: Vec<String> = wrong.into_iter().map(String::from).collect();
            assert!(terminal(&wrong).unwrap_err().to_string().contains("exercise list"), "{wrong:?}");
        }
    }

    #[test]
    fn an_exercise_of_the_notebook_says_where_and_what_comes_next_here() {
        for exercise in ALL.iter().filter(|exercise| !is_function(exercise)) {
            let told = program(exercise).unwrap_err().to_string();
            let lesson = &exercise.id[..2];
            assert!(told.contains("cargo lab") && told.contains("notebooks/"), "{told}");
            // A lesson that is there is named; the others come with their lesson.
            let named = notebook(lesson).ends_with(".ipynb");
            assert_eq!(named, told.contains(&format!("/{lesson}-")), "{told}");
        }
        let mut state = State::default();
        assert_eq!((after("02h", &state), after("05h", &state)), (Some("03a"), None));
        state.exercises.insert("03a".into(), super::super::Record { passed: true, ..Default::default() });
        assert_eq!(after("02h", &state), Some("03b"));
    }

    #[test]
    fn the_proof_holds_every_function_once_as_a_stub_and_once_solved() {
        let text = proof();
        let functions = ALL.iter().filter(|exercise| is_function(exercise)).count();
        assert!(functions > 20);

        assert_eq!(text.matches("Some(true)").count(), functions);
        assert_eq!(text.matches("Some(false)").count(), functions);
    }
}
