//! `aula`, the one command that people type: set-up, doctor, JupyterLab, notebooks headless, verification.
//!
//! It is a small program of its own so that it runs before, and without, the library's many crates. What needs the
//! library is handed over to `aula-engine`.

#[cfg(not(unix))]
compile_error!("on Windows the course runs in WSL2 (https://learn.microsoft.com/windows/wsl/install)");

mod bench;
mod doctor;
mod engine;
mod exercise;
mod interrupt;
mod kernel;
mod lab;
mod machine;
mod paths;
mod problem;
mod process;
mod progress;
mod run;
mod rust_text;
mod say;
mod setup;
mod state;
mod verify;

use clap::{Args, Parser, Subcommand};
use problem::Result;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// The course's command. `cargo lab` and `cargo verify` are short for two of its subcommands.
#[derive(Parser)]
#[command(name = "aula", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set everything up under .aula/ without opening anything; safe to run again
    Setup,
    /// Set up, then open the course in JupyterLab
    Lab {
        /// Port of JupyterLab (its own choice without this)
        #[arg(long)]
        port: Option<u16>,
        /// Do not open a browser
        #[arg(long)]
        no_browser: bool,
    },
    /// Look at everything that can be wrong, with its remedy
    Doctor,
    /// Run a notebook from the terminal; the exit status is not 0 when a cell fails
    Run(run::Options),
    /// Run every check of the project, cheapest first
    Verify {
        /// Run the lessons in full, as learners do
        #[arg(long)]
        full: bool,
        /// Only the lessons, without the checks of the code
        #[arg(long)]
        lessons: bool,
        /// Only drive the course in a real browser (Chromium and Node.js must be there)
        #[arg(long)]
        browser: bool,
    },
    /// Print the figures: `bench kernel`
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
    /// The exercises from a terminal: list, next, check, hint, solution, reset
    #[command(disable_help_flag = true)]
    Exercise(Rest),
    /// Make the models that ship with the course again
    #[command(disable_help_flag = true)]
    Pretrain(Rest),
    /// Make the stories that the shipped models are trained on
    #[command(disable_help_flag = true)]
    Stories(Rest),
    /// Make the forum that lesson 2 cleans
    #[command(disable_help_flag = true)]
    Forum(Rest),
    /// Write the signatures of the standard library, as the kernel reads them, to a folder
    #[command(hide = true)]
    Standard {
        /// Must not exist
        folder: PathBuf,
    },
    /// Start the notebooks' kernel (Jupyter does this)
    #[command(hide = true)]
    Kernel {
        /// The file in which Jupyter wrote the ports
        #[arg(long)]
        connection_file: PathBuf,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Time and memory of the notebooks' kernel
    Kernel(bench::Options),
}

/// Arguments that go on as they are.
#[derive(Args)]
struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    let places = paths::Places::find()?;
    let code = match command {
        Command::Setup => setup::main(&places).map(|()| 0)?,
        Command::Lab { port, no_browser } => lab::main(&places, port, !no_browser).map(|()| 0)?,
        Command::Doctor => doctor::main(&places)?,
        Command::Run(options) => run::main(&places, &options)?,
        Command::Verify { browser: true, .. } => verify::browser(&places)?,
        Command::Verify { full, lessons: true, .. } => verify::only_lessons(&places, full)?,
        Command::Verify { full, .. } => verify::main(&places, full)?,
        Command::Bench { what: Bench::Kernel(options) } => bench::main(&places, &options)?,
        Command::Exercise(rest) => exercise::main(&places, &rest.arguments)?,
        Command::Pretrain(rest) => engine::main(&places, &["pretrain"], &rest.arguments).map(|()| 0)?,
        Command::Stories(rest) => engine::main(&places, &["stories"], &rest.arguments).map(|()| 0)?,
        Command::Forum(rest) => engine::main(&places, &["forum"], &rest.arguments).map(|()| 0)?,
        Command::Standard { folder } => setup::write_standard(&places, &folder).map(|()| 0)?,
        Command::Kernel { connection_file } => kernel::main(&places, &connection_file).map(|()| 0)?,
    };
    Ok(ExitCode::from(code))
}
