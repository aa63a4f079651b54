//! The forum that lesson 2 cleans: comments made of hand-written ones, with faults planted where a list says.
//!
//! `data/forum/{es,en}.txt` hold the comments, `*-frames.txt` what stands around them, `foreign.txt` those in other
//! languages. The same seed makes the same bytes on every machine.

mod compose;
mod plant;
mod score;
mod source;
mod write;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;
use crate::table::Table;
use compose::{Composer, Frames, Seen};
use serde::{Deserialize, Serialize};

/// Rows of the file.
pub const ROWS: usize = 4600;
/// The seed of the files that ship.
pub const SEED: u64 = 2;

/// Which faults were planted in which rows: the list beside a forum file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// How many rows the file has.
    pub rows: usize,
    /// The seed that it was made with.
    pub seed: u64,
    /// Each kind of fault with the `id` of its rows, in order: `deleted`, `url`, `mojibake`, ...
    pub faults: BTreeMap<String, Vec<usize>>,
    /// Of each copy, exact or almost, the `id` of the row it was copied from.
    pub copied_from: BTreeMap<usize, usize>,
}

/// A forum file and its list of faults.
#[derive(Clone, Debug)]
pub struct Forum {
    /// The table, as CSV.
    pub csv: String,
    /// What was planted in it.
    pub faults: Faults,
}

impl Faults {
    /// Reads a list that [`Forum::save`] wrote.
    ///
    /// # Errors
    /// When the file is not there or is no such list.
    pub fn read(path: &str) -> Result<Self> {
        let file = Path::new(path);
        let text = std::fs::read_to_string(file).map_err(|e| crate::sys::io_error(file, "leer", "read", &e))?;
        serde_json::from_str(&text).map_err(|error| {
            Error::new(
                ErrorKind::BadData,
                tr!("«{path}» no es una lista de fallos.", "\"{path}\" is not a list of faults."),
            )
            .why(error)
            .next(tr!("Se hace con: cargo aula forum es", "It is made by: cargo aula forum en"))
        })
    }

    /// The `id` of the rows with a fault; none where there is no such fault.
    pub fn ids(&self, fault: &str) -> Vec<usize> {
        self.faults.get(fault).cloned().unwrap_or_default()
    }

    /// How many of the rows with a fault are in `table`, by its column `id`: of what a recipe took away, for one, how
    /// much of a fault it found.
    ///
    /// # Errors
    /// When the table has no column `id` of numbers.
    pub fn count_in(&self, fault: &str, table: &Table) -> Result<usize> {
        let there: HashSet<usize> = table.numbers("id")?.into_iter().flatten().map(|id| id as usize).collect();
        Ok(self.ids(fault).iter().filter(|id| there.contains(id)).count())
    }
}

impl Forum {
    /// Makes the forum of `language` (`es`, `en`) from the files in `folder`, `data/forum`.
    ///
    /// # Errors
    /// When a file cannot be read, or has too few comments for so many rows.
    pub fn make(folder: &str, language: &str, rows: usize, seed: u64) -> Result<Self> {
        let folder = Path::new(folder);
        let communities = source::read(&folder.join(format!("{language}.txt")))?;
        let frames = Frames::read(&folder.join(format!("{language}-frames.txt")))?;
        let foreign = source::read(&folder.join("foreign.txt"))?;
        let foreign = foreign.iter().filter(|section| section.name != language).flat_map(|section| &section.lines);
        let foreign: Vec<String> = foreign.map(|line| line.way(0)).collect();

        let plan = plant::Plan::new(rows, foreign.len());
        let mut rng = Rng::stream(seed, 0);
        let made = Composer::new(&communities, &frames).compose(plan.comments(), &mut Seen::default(), &mut rng)?;
        if made.len() < plan.comments() {
            let (have, want) = (made.len(), plan.comments());
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "Con estos comentarios salen {have} distintos, y hacen falta {want}.",
                    "These comments make {have} different ones, and {want} are needed."
                ),
            )
            .next(tr!("Escribe más, o pide menos filas.", "Write more, or ask for fewer rows.")));
        }
        let names: Vec<String> = communities.iter().map(|section| section.name.clone()).collect();
        let planted = plant::plant(&made, &plan, &plant::Words { frames: &frames, foreign, language }, seed, &mut rng)?;
        Ok(write::write(planted, &names, language, seed))
    }

    /// Writes the table and its list.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, csv: &str, faults: &str) -> Result<()> {
        let list = serde_json::to_string(&self.faults).map_err(|error| {
            Error::new(ErrorKind::System, tr!("La lista no se pudo escribir.", "The list could not be written."))
                .why(error)
        })?;
        // A kind of fault a line.
        let list = list.replace("],", "],\n") + "\n";
        for (path, text) in [(csv, &self.csv), (faults, &list)] {
            let path = Path::new(path);
            std::fs::write(path, text).map_err(|e| crate::sys::io_error(path, "escribir", "write", &e))?;
        }
        Ok(())
    }
}
