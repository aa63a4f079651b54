//! Where a table's rows and columns come from: what a check for leaks must know and the values do not say.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Which part of a split a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    Train,
    Valid,
    Test,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Part::Train => tr!("entrenamiento", "train"),
            Part::Valid => tr!("validación", "validation"),
            Part::Test => tr!("prueba", "test"),
        })
    }
}

/// Where a table's rows and columns come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lineage {
    /// The part of a split that the rows are.
    pub(crate) part: Option<Part>,
    /// The columns that each made column was made from.
    made_from: BTreeMap<String, BTreeSet<String>>,
    /// Columns made with a number (a limit, a median) that rows outside the training part helped to find.
    pub(crate) peeked: BTreeSet<String>,
}

impl Lineage {
    /// Column `made` was made from `source`.
    pub(crate) fn made(&mut self, made: &str, source: &str) {
        if made != source {
            let roots = self.roots(source);
            self.made_from.entry(made.to_string()).or_default().extend(roots);
        }
    }

    /// The columns of the file that `column` goes back to: itself, where it was read.
    pub(crate) fn roots(&self, column: &str) -> BTreeSet<String> {
        match self.made_from.get(column) {
            Some(sources) => sources.clone(),
            None => BTreeSet::from([column.to_string()]),
        }
    }

    /// `old` has a new name.
    pub(super) fn rename(&mut self, old: &str, new: &str) {
        // A column that was read keeps its first name as its root.
        let roots = self.roots(old);
        self.made_from.remove(old);
        self.made_from.insert(new.to_string(), roots);
        if self.peeked.remove(old) {
            self.peeked.insert(new.to_string());
        }
    }
}
