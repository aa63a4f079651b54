//! The heavy subcommands: handed over, with all their arguments, to the binary that has the library in it.

use crate::paths::Places;
use crate::problem::Result;
use crate::process;
use crate::setup::library;
use std::ffi::OsString;

/// Becomes `aula-engine SUBCOMMAND ARGUMENTS...`, compiled first when it is not there.
pub fn main(places: &Places, subcommand: &[&str], arguments: &[OsString]) -> Result<()> {
    let mut engine = process::command(library::ensure_engine(places)?);
    engine.args(subcommand).args(arguments).env("AULA_HOME", &places.root);
    process::tune(&mut engine);
    Err(process::replace(engine))
}
