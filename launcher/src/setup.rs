//! `aula setup`: everything that the notebooks need, each step only when it is not done yet.
//!
//! A step writes beside and renames, or is cargo's or pip's own, so that an interrupted set-up goes on where it was.
//! When everything is done nothing here uses the network.

pub mod evcxr;
pub mod kernel_files;
pub mod library;
pub mod link;
pub mod minilm;
pub mod python;
pub mod standard;
pub mod toolchain;

use crate::interrupt;
use crate::paths::Places;
use crate::problem::{Check, Problem, Result};
use crate::say;
use crate::state;
use std::process::Command;

/// Sets everything up and gives one line per thing that was checked.
pub fn run(places: &Places) -> Result<Vec<Check>> {
    check_place(places)?;
    let _setup = interrupt::during_setup();
    let checks = steps(places);
    if checks.is_err() {
        interrupt::before_a_failure_is_told();
    }
    checks
}

/// Every step. Those that only wait for a program are named again by it.
fn steps(places: &Places) -> Result<Vec<Check>> {
    interrupt::step(say!("lo que ya debe estar: Rust, C, Python", "what must be there: Rust, C, Python"));
    for folder in [places.state(), places.kernel(), places.aula.join("bin")] {
        state::sweep(&folder);
    }
    let mut checks = vec![toolchain::rust(places), toolchain::c_compiler()];
    if python::is_ready(places) {
        // Python made its environment once; nothing more is asked of it.
        toolchain::demand(&checks)?;
    } else {
        checks.push(toolchain::python());
        toolchain::demand(&checks)?;
    }
    interrupt::step("JupyterLab".to_owned());
    checks.push(python::ensure(places)?);
    interrupt::step("evcxr_jupyter".to_owned());
    checks.push(evcxr::ensure(places)?);
    interrupt::step(say!("Biblioteca del curso", "The course's library"));
    let (shared_object, check) = library::ensure(places)?;
    checks.push(check);
    interrupt::step(say!("Tipos de la biblioteca estándar", "Types of the standard library"));
    checks.push(standard::ensure(places)?);
    interrupt::step(say!("Archivos del núcleo", "The kernel's files"));
    checks.push(kernel_files::ensure(places, &shared_object)?);
    interrupt::step("all-MiniLM-L6-v2".to_owned());
    checks.push(minilm::ensure(places));
    Ok(checks)
}

/// `aula setup` itself: sets up and prints the lines.
pub fn main(places: &Places) -> Result<()> {
    minilm::try_again(places);
    for check in run(places)? {
        println!("{check}");
    }
    println!("{}", say!("Listo. `cargo lab` abre el curso.", "Ready. `cargo lab` opens the course."));
    Ok(())
}

/// Refuses a place that no tool can work in: a colon separates paths in `LD_LIBRARY_PATH`, Python refuses it too.
fn check_place(places: &Places) -> Result<()> {
    let root = places.root.to_string_lossy();
    if root.contains([':', '\n', '"']) {
        return Err(Problem::new(say!(
            "La carpeta del curso tiene dos puntos o comillas en su ruta: {root}",
            "The path of the course's folder has a colon or a quotation mark in it: {root}"
        ))
        .next(say!(
            "Muévela a otra carpeta; los espacios y los acentos no molestan.",
            "Move it to another folder; spaces and accents do no harm."
        )));
    }
    Ok(())
}

/// Compiles fewer crates at a time where memory is short: the large ones take more than a gigabyte each.
pub fn limit_jobs(command: &mut Command) {
    if std::env::var_os("CARGO_BUILD_JOBS").is_some() {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let Some(bytes) = crate::machine::free_memory() else {
        return;
    };
    let fits = (bytes / 1_500_000_000).max(1);
    if fits < cores {
        command.env("CARGO_BUILD_JOBS", fits.to_string());
    }
}

/// `aula standard`: what `launcher/standard.tar.gz` is made from.
pub fn write_standard(places: &Places, folder: &std::path::Path) -> Result<()> {
    match toolchain::rust_src(places) {
        Some(library) => standard::copy(&library, folder),
        None => {
            Err(Problem::new(say!("Falta rust-src.", "rust-src is missing.")).next("rustup component add rust-src"))
        }
    }
}
