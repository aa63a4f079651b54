//! The steps that a recipe is made of: what each does, as a learner writes it and as it is saved.

use super::dates::ORDERS;
use crate::error::{Error, ErrorKind, Result};
use crate::look::{check_similarity, number, CODES, TRAITS};
use serde::{Deserialize, Serialize};

/// One step of cleaning. The functions of the same names make them: `Step::replace_urls("text")`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)] // each field is an argument of the function that makes the step
pub enum Step {
    DropMissing { column: String },
    DropDeleted { column: String },
    DropDuplicates { column: String },
    DropNearDuplicates { column: String, similarity: f64 },
    DropShort { column: String, min_chars: usize },
    DropLong { column: String, max_chars: usize },
    KeepLanguage { column: String, language: String },
    RepairMojibake { column: String },
    HtmlEntities { column: String },
    IsoDates { column: String, order: String },
    RemoveControl { column: String },
    ReplaceUrls { column: String, with: String },
    ReplaceMentions { column: String, with: String },
    MaskPersonal { column: String },
    TidySpaces { column: String },
    Flag { column: String, what: String },
    Lengths { column: String },
    Winsorize { column: String, low: f64, high: f64, limits: Option<(f64, f64)> },
    LabelFromMedian { column: String, label: String, names: (String, String), median: Option<f64> },
}

impl Step {
    /// Takes away the rows with no value in a column; a text of blanks alone is none.
    pub fn drop_missing(column: &str) -> Self {
        Self::DropMissing { column: column.into() }
    }

    /// Takes away the rows whose text is `[deleted]`, `[removed]`, `[eliminado]` or the like.
    pub fn drop_deleted(column: &str) -> Self {
        Self::DropDeleted { column: column.into() }
    }

    /// Takes away the rows whose text occurs in a row above, letter by letter.
    pub fn drop_duplicates(column: &str) -> Self {
        Self::DropDuplicates { column: column.into() }
    }

    /// Takes away the rows whose text is at least `similarity` (0.8, say) like that of a row above.
    pub fn drop_near_duplicates(column: &str, similarity: f64) -> Self {
        Self::DropNearDuplicates { column: column.into(), similarity }
    }

    /// Takes away the rows whose text has fewer characters than `min_chars`.
    pub fn drop_short(column: &str, min_chars: usize) -> Self {
        Self::DropShort { column: column.into(), min_chars }
    }

    /// Takes away the rows whose text has more characters than `max_chars`.
    pub fn drop_long(column: &str, max_chars: usize) -> Self {
        Self::DropLong { column: column.into(), max_chars }
    }

    /// Takes away the rows whose text is in another language (`es`, `en`, `pt`, `fr`, `de`, `it`); where the language
    /// cannot be told the row stays.
    pub fn keep_language(column: &str, language: &str) -> Self {
        Self::KeepLanguage { column: column.into(), language: language.into() }
    }

    /// Mends UTF-8 that was read as Windows-1252: `niÃ±o` is `niño` again.
    pub fn repair_mojibake(column: &str) -> Self {
        Self::RepairMojibake { column: column.into() }
    }

    /// Writes what a page of HTML had encoded as its reader saw it: `&amp;` is `&` again, `&#39;` is `'`. Once; what was
    /// encoded twice needs the step twice. Do it before mending mojibake.
    pub fn html_entities(column: &str) -> Self {
        Self::HtmlEntities { column: column.into() }
    }

    /// Writes dates as ISO 8601 does: `17/03/2024` and `17 de marzo de 2024` are `2024-03-17`. `order` says what
    /// `03/04/2024` is: `dmy`, the third of April; `mdy`, the fourth of March; with `clear` it stays as it is, as does
    /// what does not fit the order, and the report tells how many.
    pub fn iso_dates(column: &str, order: &str) -> Self {
        Self::IsoDates { column: column.into(), order: order.into() }
    }

    /// Takes away characters that nobody sees: control characters but for line end and tab, marks of direction, blanks
    /// of no width. Mend mojibake first: half of a broken letter can be one of these.
    pub fn remove_control(column: &str) -> Self {
        Self::RemoveControl { column: column.into() }
    }

    /// Puts `[url]` in the place of web addresses.
    pub fn replace_urls(column: &str) -> Self {
        Self::ReplaceUrls { column: column.into(), with: "[url]".into() }
    }

    /// Puts `@user` (`@usuario`) in the place of mentions: `@ana`, `u/ana`.
    pub fn replace_mentions(column: &str) -> Self {
        Self::ReplaceMentions { column: column.into(), with: tr!("@usuario", "@user") }
    }

    /// Puts the kind's name, `[e-mail]`, in the place of what looks like personal data.
    pub fn mask_personal(column: &str) -> Self {
        Self::MaskPersonal { column: column.into() }
    }

    /// One blank between words, none at the ends, at most one empty line.
    pub fn tidy_spaces(column: &str) -> Self {
        Self::TidySpaces { column: column.into() }
    }

    /// A new column `COLUMN_WHAT` of yes and no. `what`: `exclamation`, `question`, `url`, `mention`, `capitals`, `emoji`,
    /// `digit`, `deleted`, `control`, `mojibake`, `entity`.
    pub fn flag(column: &str, what: &str) -> Self {
        Self::Flag { column: column.into(), what: what.into() }
    }

    /// Two new columns, `COLUMN_chars` and `COLUMN_words`: how long each text is.
    pub fn lengths(column: &str) -> Self {
        Self::Lengths { column: column.into() }
    }

    /// Pulls extreme numbers in to the values below which `low` and `high` of all lie (0.01 and 0.99, say). These limits
    /// are found when the recipe is fitted: on the training part alone.
    pub fn winsorize(column: &str, low: f64, high: f64) -> Self {
        Self::Winsorize { column: column.into(), low, high, limits: None }
    }

    /// A new column `label`: `positive` where a number is at least the median, else `negative` (`positivo`, `negativo`).
    /// The median is found when the recipe is fitted: on the training part alone.
    pub fn label_from_median(column: &str, label: &str) -> Self {
        let names = (tr!("negativo", "negative"), tr!("positivo", "positive"));
        Self::LabelFromMedian { column: column.into(), label: label.into(), names, median: None }
    }

    /// The column it looks at.
    pub fn column(&self) -> &str {
        match self {
            Self::DropMissing { column }
            | Self::DropDeleted { column }
            | Self::DropDuplicates { column }
            | Self::DropNearDuplicates { column, .. }
            | Self::DropShort { column, .. }
            | Self::DropLong { column, .. }
            | Self::KeepLanguage { column, .. }
            | Self::RepairMojibake { column }
            | Self::HtmlEntities { column }
            | Self::IsoDates { column, .. }
            | Self::RemoveControl { column }
            | Self::ReplaceUrls { column, .. }
            | Self::ReplaceMentions { column, .. }
            | Self::MaskPersonal { column }
            | Self::TidySpaces { column }
            | Self::Flag { column, .. }
            | Self::Lengths { column }
            | Self::Winsorize { column, .. }
            | Self::LabelFromMedian { column, .. } => column,
        }
    }

    /// Whether it has a number that is found in the data, and whether that was found.
    pub(super) fn fitted(&self) -> Option<bool> {
        match self {
            Self::Winsorize { limits, .. } => Some(limits.is_some()),
            Self::LabelFromMedian { median, .. } => Some(median.is_some()),
            _ => None,
        }
    }

    /// The same step before anything was found.
    pub(super) fn unfitted(&self) -> Self {
        let mut step = self.clone();
        match &mut step {
            Self::Winsorize { limits, .. } => *limits = None,
            Self::LabelFromMedian { median, .. } => *median = None,
            _ => {}
        }
        step
    }

    /// Whether it rewrites each text by itself.
    pub(super) fn rewrites(&self) -> bool {
        use Step::{
            HtmlEntities, MaskPersonal, RemoveControl, RepairMojibake, ReplaceMentions, ReplaceUrls, TidySpaces,
        };
        matches!(
            self,
            RepairMojibake { .. }
                | HtmlEntities { .. }
                | RemoveControl { .. }
                | ReplaceUrls { .. }
                | ReplaceMentions { .. }
                | MaskPersonal { .. }
                | TidySpaces { .. }
        )
    }

    /// Refuses settings outside their allowed values.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::DropNearDuplicates { similarity, .. } => check_similarity(*similarity),
            Self::KeepLanguage { language, .. } => allowed("language", language, &CODES),
            Self::IsoDates { order, .. } => allowed("order", order, &ORDERS),
            Self::Flag { what, .. } => allowed("what", what, &TRAITS.map(|look| look.name)),
            Self::Winsorize { low, high, .. } if !(0.0 <= *low && low < high && *high <= 1.0) => Err(Error::new(
                ErrorKind::BadSetting,
                tr!(
                    "Step::winsorize de {low} a {high} no sirve.",
                    "Step::winsorize from {low} to {high} does not work."
                ),
            )
            .next(tr!(
                "Usa partes de 0 a 1, la menor primero: 0.01, 0.99.",
                "Use shares from 0 to 1, the lower first: 0.01, 0.99."
            ))),
            _ => Ok(()),
        }
    }

    /// What it does, in words.
    pub fn in_words(&self) -> String {
        match self {
            Self::DropMissing { .. } => tr!("quitar filas sin valor", "drop rows without a value"),
            Self::DropDeleted { .. } => tr!("quitar [deleted] y [removed]", "drop [deleted] and [removed]"),
            Self::DropDuplicates { .. } => tr!("quitar duplicados", "drop duplicates"),
            Self::DropNearDuplicates { similarity, .. } => {
                tr!("quitar casi duplicados (≥ {similarity})", "drop near-duplicates (≥ {similarity})")
            }
            Self::DropShort { min_chars, .. } => {
                tr!("quitar los de menos de {min_chars} caracteres", "drop those under {min_chars} characters")
            }
            Self::DropLong { max_chars, .. } => {
                tr!("quitar los de más de {max_chars} caracteres", "drop those over {max_chars} characters")
            }
            Self::KeepLanguage { language, .. } => {
                tr!("quitar idiomas que no sean {language}", "drop languages other than {language}")
            }
            Self::RepairMojibake { .. } => tr!("reparar mojibake", "repair mojibake"),
            Self::HtmlEntities { .. } => tr!("entidades HTML a su letra", "HTML entities to their letter"),
            Self::IsoDates { order, .. } => tr!("fechas a AAAA-MM-DD ({order})", "dates to YYYY-MM-DD ({order})"),
            Self::RemoveControl { .. } => tr!("quitar caracteres invisibles", "remove invisible characters"),
            Self::ReplaceUrls { with, .. } => tr!("direcciones web por {with}", "web addresses to {with}"),
            Self::ReplaceMentions { with, .. } => tr!("menciones por {with}", "mentions to {with}"),
            Self::MaskPersonal { .. } => tr!("ocultar datos personales", "mask personal data"),
            Self::TidySpaces { .. } => tr!("ordenar espacios", "tidy spaces"),
            Self::Flag { what, .. } => tr!("marca «{what}»", "flag \"{what}\""),
            Self::Lengths { .. } => tr!("largo en caracteres y palabras", "length in characters and words"),
            Self::Winsorize { low, high, limits, .. } => {
                let (low, high) = (low * 100.0, high * 100.0);
                let words = tr!("winsorizar del {low} % al {high} %", "winsorize from {low} % to {high} %");
                match limits {
                    Some((from, to)) => format!("{words} ({} … {})", number(*from), number(*to)),
                    None => words,
                }
            }
            Self::LabelFromMedian { label, median, .. } => {
                let words = tr!("etiqueta «{label}» según la mediana", "label \"{label}\" by the median");
                match median {
                    Some(median) => format!("{words} ({})", number(*median)),
                    None => words,
                }
            }
        }
    }
}

fn allowed(name: &str, value: &str, all: &[&str]) -> Result<()> {
    if all.contains(&value) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::BadSetting,
        tr!(
            "{name} = «{value}» no está entre los valores posibles.",
            "{name} = \"{value}\" is not one of the allowed values."
        ),
    )
    .next(tr!("Usa uno de: {}", "Use one of: {}", all.join(", "))))
}
