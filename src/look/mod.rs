//! Looking at a table before anything is done to it: what its columns hold, and what is wrong with them.
//!
//! Everything here is a method of [`Table`] that changes nothing and returns a named result, which a cell shows as
//! a table or a chart.

mod counts;
mod describe;
mod duplicates;
mod language;
mod minhash;
mod mojibake;
mod numeric;
mod personal;
mod scan;
mod texts;

#[cfg(test)]
mod tests;

pub use counts::{Count, ValueCounts};
pub use describe::{ColumnSummary, Description};
pub use duplicates::{Duplicates, Pair};
pub use language::{guess_language, Language, Languages};
pub use mojibake::repair_mojibake;
pub use numeric::{Correlations, Extremes};
pub use personal::{mask_personal_data, PersonalData, PersonalKind};
pub use texts::TextStats;

pub(crate) use duplicates::{check_similarity, fingerprint, groups};
pub(crate) use language::{guess, CODES};
pub(crate) use minhash::{plain, similarity, stretches};

pub(crate) use scan::{decode_entities, is_deleted, is_unseen, mentions, replaced, urls};
pub(crate) use texts::TRAITS;

#[allow(unused_imports)] // the methods are on it
use crate::table::Table;

/// What a result needs to be seen: its `html()` in a notebook, the same in plain text elsewhere.
macro_rules! shown {
    ($name:ident) => {
        impl $name {
            /// Shows it in a notebook's cell.
            pub fn evcxr_display(&self) {
                self.html().evcxr_display();
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.html().plain)
            }
        }
    };
}
pub(crate) use shown;

/// A number with the digits that a reader wants.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if !value.is_finite() => "—".into(),
        value if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        value if value.abs() >= 1e7 || value.abs() < 1e-3 => format!("{value:.2e}"),
        value if value.abs() >= 100.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}

/// `part` of `all` in percent, with one digit where it is small or close to all.
pub(crate) fn percent(part: usize, all: usize) -> String {
    if all == 0 {
        return "—".into();
    }
    let share = 100.0 * part as f64 / all as f64;
    match part == 0 || part == all {
        true => format!("{share:.0} %"),
        false => format!("{share:.1} %"),
    }
}

/// The value below which `share` of the sorted values lie, between neighbours in proportion (numpy's `linear`).
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Headers of a table, in the reader's language.
pub(crate) fn headers(es: &[&str], en: &[&str]) -> Vec<String> {
    let names = if crate::lang::spanish() { es } else { en };
    names.iter().map(|name| name.to_string()).collect()
}
