//! `aula bench kernel`: how long a learner waits for the kernel and what memory it takes, beside the stock kernel.

use crate::paths::Places;
use crate::problem::{Problem, Result};
use crate::process;
use crate::say;
use crate::setup;
use clap::Args;

const BENCH_PY: &str = include_str!("bench.py");

/// The arguments of `aula bench kernel`.
#[derive(Args)]
pub struct Options {
    /// Later cells that are timed
    #[arg(long, default_value_t = 20)]
    cells: u32,
    /// Times that each kernel is started
    #[arg(long, default_value_t = 3)]
    starts: u32,
    /// Write the figures to this file too, as JSON
    #[arg(long)]
    json: Option<std::path::PathBuf>,
}

/// Measures and prints a table; gives the exit status.
pub fn main(places: &Places, options: &Options) -> Result<u8> {
    if !places.kernelspec().join("kernel.json").exists() {
        setup::run(places)?;
    }
    crate::run::prepare_jupyter(places)?;
    let mut bench = process::command(places.python());
    bench
        .current_dir(&places.root)
        .args(["-I", "-c", BENCH_PY])
        .args(["--cells", &options.cells.to_string(), "--starts", &options.starts.to_string()])
        .envs(places.jupyter_environment())
        .env("AULA_EVCXR", places.evcxr())
        .env("AULA_SAY", crate::say::language());
    if let Some(file) = &options.json {
        bench.arg("--json").arg(std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    }
    let status = bench.status().map_err(|error| {
        Problem::new(say!("No se pudo ejecutar Python.", "Python could not be run."))
            .why(error)
            .next("cargo aula setup")
    })?;
    process::exit_code(status)
}
