//! `aula exercise`: the exercises from a terminal. What a learner wrote is compiled against the compiled library, as a
//! cell is; everything else is the engine's.

use crate::engine;
use crate::kernel;
use crate::paths::Places;
use crate::problem::{Problem, Result};
use crate::process;
use crate::say;
use crate::setup::kernel_files::{self, Compiled};
use crate::setup::library;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Does what is asked for; the exit status of `check` is 0 when the answer is right.
pub fn main(places: &Places, arguments: &[OsString]) -> Result<u8> {
    match arguments.split_first() {
        Some((first, rest)) if first == "check" => check(places, rest),
        _ => engine::main(places, &["exercise"], arguments).map(|()| 0),
    }
}

/// Every stub must fail and every solution pass, compiled by themselves as they are shown to learners.
pub fn prove(places: &Places) -> Result<Command> {
    let compiled = kernel_files::compiled(places)?;
    match written(places, "proof", &[])? {
        Some(source) => program(places, &compiled, &source),
        None => Err(Problem::new(say!("No se pudo escribir la prueba.", "The proof could not be written."))),
    }
}

/// Compiles and runs the program that judges a learner's file.
fn check(places: &Places, arguments: &[OsString]) -> Result<u8> {
    let compiled = kernel_files::compiled(places)?;
    let Some(source) = written(places, "program", arguments)? else { return Ok(1) };
    let mut program = program(places, &compiled, &source)?;
    let status = program.status().map_err(|error| not_run(&program, &error))?;
    process::exit_code(status)
}

/// The program that the engine wrote; nothing where it said why there is none.
fn written(places: &Places, what: &str, arguments: &[OsString]) -> Result<Option<PathBuf>> {
    let mut engine = process::command(library::ensure_engine(places)?);
    engine.args(["exercise", what]).args(arguments).env("AULA_HOME", &places.root).stderr(Stdio::inherit());
    let output = engine.output().map_err(|error| not_run(&engine, &error))?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then(|| PathBuf::from(path)))
}

/// Compiles a program; what rustc says about it goes to the learner.
fn program(places: &Places, compiled: &Compiled, source: &Path) -> Result<Command> {
    let binary = source.with_extension("");
    let mut rustc = process::command("rustc");
    rustc.current_dir(&places.root).args(["--edition=2021", "--crate-name=exercise"]);
    rustc.args(kernel_files::program_flags(compiled)).arg("-o").arg(&binary).arg(source);
    let status = rustc.status().map_err(|error| not_run(&rustc, &error))?;
    if !status.success() {
        return Err(Problem::new(say!(
            "No compila: no hay nada que revisar.",
            "It does not compile: there is nothing to check."
        ))
        .next(say!(
            "Lee el primer mensaje, el de más arriba, y corrige esa línea.",
            "Read the first message, the one at the top, and mend that line."
        )));
    }
    let mut program = process::command(&binary);
    program.env("AULA_HOME", &places.root);
    kernel::find_libraries(&mut program, &compiled.folders);
    Ok(program)
}

fn not_run(command: &Command, error: &std::io::Error) -> Problem {
    let name = command.get_program().to_string_lossy();
    Problem::new(say!("`{name}` no arranca.", "`{name}` does not start.")).why(error).next("cargo aula setup")
}
