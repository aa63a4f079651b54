//! Parting a table: rows to train on, to choose by, and to test with, so that none of them gives the others away.

mod assign;
mod leaks;

#[cfg(test)]
mod tests;

pub use leaks::{FeatureLeak, FeatureLeaks, SplitLeaks};

use crate::error::{Error, ErrorKind, Result};
use crate::look::{check_similarity, groups, headers, number, percent, quantile, shown};
use crate::show::{say, Html};
use crate::table::{count, listed, map_texts, Part, Table};
use assign::{assign, Unit};
use std::collections::HashMap;

/// Labels that a report shows.
const SHOWN: usize = 20;

/// How a table is parted.
///
/// ```
/// use aula::split::SplitConfig;
/// let config = SplitConfig { train: 0.8, valid: 0.0, test: 0.2, stratify: "label".into(), ..Default::default() };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SplitConfig {
    /// Share to train on. Default 0.75; 0.8 where there are two parts.
    pub train: f64,
    /// Share to choose by: when to stop, which settings. Default 0.15; 0 for two parts.
    pub valid: f64,
    /// Share to test with, once, at the end. Default 0.10; 0.2 where there are two parts.
    pub test: f64,
    /// The same seed parts the same table in the same way. Default 42.
    pub seed: u64,
    /// A column whose values should have the same share in each part; of many different numbers, their quarters. Empty for
    /// none, the default.
    pub stratify: String,
    /// What stands between several labels of one row in that column, such as `|`; empty where a row has one label, the
    /// default.
    pub separator: String,
    /// A column whose equal values must stay in one part, such as the author; empty for none, the default.
    pub group: String,
    /// A column of texts of which equal and nearly equal ones must stay in one part; empty for none, the default.
    pub text: String,
    /// How alike texts are that count as nearly equal. Default 0.8; 1 for equal ones only.
    pub similarity: f64,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self {
            train: 0.75,
            valid: 0.15,
            test: 0.10,
            seed: 42,
            stratify: String::new(),
            separator: String::new(),
            group: String::new(),
            text: String::new(),
            similarity: 0.8,
        }
    }
}

/// A table in parts.
#[derive(Clone, Debug)]
pub struct Split {
    /// Rows to train on.
    pub train: Table,
    /// Rows to choose by; none where the share was 0.
    pub valid: Table,
    /// Rows to test with, once; none where the share was 0.
    pub test: Table,
    /// How it was parted.
    pub config: SplitConfig,
    /// Each label with its rows in train, valid and test; empty without `stratify`.
    pub labels: Vec<(String, [usize; 3])>,
    /// What a reader should know: classes left out, columns that know the test rows.
    pub warnings: Vec<String>,
}

impl SplitConfig {
    fn check(&self) -> Result<()> {
        let (train, valid, test) = (self.train, self.valid, self.test);
        let whole = train > 0.0 && valid >= 0.0 && test >= 0.0 && (train + valid + test - 1.0).abs() < 1e-6;
        if !whole || train >= 1.0 {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!(
                    "Las partes train {train}, valid {valid}, test {test} no suman 1.",
                    "The shares train {train}, valid {valid}, test {test} do not add up to 1."
                ),
            )
            .next(tr!(
                "Por ejemplo 0.75, 0.15 y 0.10; o 0.8, 0 y 0.2.",
                "For example 0.75, 0.15 and 0.10; or 0.8, 0 and 0.2."
            )));
        }
        check_similarity(self.similarity)
    }

    fn shares(&self) -> [f64; 3] {
        [self.train, self.valid, self.test]
    }
}

impl Table {
    /// Parts the rows at random into train, validation and test; within a part they keep the table's order.
    ///
    /// With `stratify` each label has the same share in each part (for several labels a row: iterative stratification,
    /// Sechidis et al. 2011). With `group` or `text` rows that belong together stay together.
    ///
    /// # Errors
    /// When the shares do not add up to 1, a column is not there, or there are too few rows for a part to have any.
    pub fn split(&self, config: &SplitConfig) -> Result<Split> {
        config.check()?;
        let labels = match config.stratify.as_str() {
            "" => Labels::none(self.height()),
            column => Labels::read(self, column, &config.separator)?,
        };
        let parts = assign(&self.units(config, &labels)?, &labels.names, config.shares(), config.seed);
        let part = |number: usize, part: Part| -> Result<Table> {
            let rows: Vec<usize> = (0..parts.len()).filter(|row| usize::from(parts[*row]) == number).collect();
            let mut table = self.rows(&rows)?;
            table.lineage_mut().part = Some(part);
            Ok(table)
        };
        let mut split = Split {
            train: part(0, Part::Train)?,
            valid: part(1, Part::Valid)?,
            test: part(2, Part::Test)?,
            config: config.clone(),
            labels: labels.per_part(&parts),
            warnings: Vec::new(),
        };
        split.check_rows(self.height())?;
        split.warn(self);
        split.warnings.iter().for_each(|warning| say(&format!("⚠ {warning}")));
        Ok(split)
    }

    /// The rows that must stay together, with the labels they have.
    fn units(&self, config: &SplitConfig, labels: &Labels) -> Result<Vec<Unit>> {
        let mut together: Vec<usize> = (0..self.height()).collect();
        if !config.text.is_empty() {
            together = groups(&self.string_column(&config.text)?, config.similarity)?.near;
        }
        if !config.group.is_empty() {
            join_groups(&mut together, &map_texts(&self.string_column(&config.group)?, |text| text.map(String::from)));
        }
        let mut place: HashMap<usize, usize> = HashMap::with_capacity(together.len());
        let mut units: Vec<Unit> = Vec::new();
        for (row, first) in together.iter().enumerate() {
            let at = *place.entry(*first).or_insert_with(|| {
                units.push(Unit::default());
                units.len() - 1
            });
            units[at].rows.push(row);
            units[at].labels.extend(&labels.rows[row]);
        }
        Ok(units)
    }
}

/// Rows with the same group belong together, and with them those that already do.
fn join_groups(together: &mut [usize], groups: &[Option<String>]) {
    fn root(together: &[usize], mut row: usize) -> usize {
        while together[row] != row {
            row = together[row];
        }
        row
    }
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (row, group) in groups.iter().enumerate() {
        let Some(group) = group else { continue };
        let (a, b) = (root(together, *first.entry(group).or_insert(row)), root(together, row));
        together[a.max(b)] = a.min(b);
    }
    for row in 0..together.len() {
        together[row] = root(together, row);
    }
}

/// Numbers of more than ten kinds as the quarter they are in: for a score that becomes a label only after the split.
fn quarters(values: &[Option<f64>]) -> Option<Vec<Option<String>>> {
    let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let kinds = sorted.chunk_by(|a, b| a == b).count();
    let cuts = [0.25, 0.5, 0.75].map(|share| quantile(&sorted, share));
    let name = |value: f64| match cuts.iter().position(|cut| value < *cut) {
        Some(at) => format!("< {}", number(cuts[at])),
        None => format!("≥ {}", number(cuts[2])),
    };
    (kinds > 10).then(|| values.iter().map(|value| value.map(name)).collect())
}

/// The labels of each row, as places in a list of names.
struct Labels {
    names: Vec<String>,
    rows: Vec<Vec<u32>>,
}

impl Labels {
    fn none(rows: usize) -> Self {
        Self { names: Vec::new(), rows: vec![Vec::new(); rows] }
    }

    fn read(table: &Table, column: &str, separator: &str) -> Result<Self> {
        let values = match table.number_columns().iter().any(|name| name == column) {
            true => quarters(&table.numbers(column)?),
            false => None,
        };
        let values = match values {
            Some(quarters) => quarters,
            None => table.strings(column)?,
        };
        let labels = |value: &Option<String>| -> Vec<String> {
            let value = value.as_deref().unwrap_or_default();
            let parts: Vec<&str> = if separator.is_empty() { vec![value] } else { value.split(separator).collect() };
            parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).map(String::from).collect()
        };
        let each: Vec<Vec<String>> = values.iter().map(labels).collect();
        let mut names: Vec<String> = each.iter().flatten().cloned().collect();
        names.sort();
        names.dedup();
        let (kinds, rows) = (names.len(), values.len());
        if kinds * 2 > rows && kinds > 20 {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "«{column}» tiene {kinds} valores distintos en {rows} filas: no parece una etiqueta.",
                    "\"{column}\" has {kinds} different values in {rows} rows: it does not look like a label."
                ),
            )
            .next(tr!(
                "Elige la columna de las clases; si cada fila lleva varias, di qué las separa: separator: \"|\".",
                "Choose the column of classes; if a row has several, say what is between them: separator: \"|\"."
            )));
        }
        let place: HashMap<&str, u32> = names.iter().zip(0..).map(|(name, i)| (name.as_str(), i)).collect();
        let rows: Vec<Vec<u32>> =
            each.iter().map(|labels| labels.iter().map(|label| place[label.as_str()]).collect()).collect();
        Ok(Self { rows, names })
    }

    fn per_part(&self, parts: &[u8]) -> Vec<(String, [usize; 3])> {
        let mut counts = vec![[0; 3]; self.names.len()];
        for (labels, part) in self.rows.iter().zip(parts) {
            labels.iter().for_each(|label| counts[*label as usize][usize::from(*part)] += 1);
        }
        self.names.iter().cloned().zip(counts).collect()
    }
}

impl Split {
    /// The parts that were asked for, with their names.
    fn parts(&self) -> Vec<(Part, &Table, usize)> {
        let all = [(Part::Train, &self.train, 0), (Part::Valid, &self.valid, 1), (Part::Test, &self.test, 2)];
        let shares = self.config.shares();
        all.into_iter().filter(|part| shares[part.2] > 0.0).collect()
    }

    fn check_rows(&self, rows: usize) -> Result<()> {
        let Some((part, ..)) = self.parts().into_iter().find(|part| part.1.height() == 0) else { return Ok(()) };
        let together = !self.config.group.is_empty() || !self.config.text.is_empty();
        Err(Error::new(
            ErrorKind::BadData,
            tr!("Con {rows} filas la parte de {part} queda vacía.", "With {rows} rows the {part} part is left empty."),
        )
        .next(match together {
            true => tr!(
                "Las filas que van juntas (group, text) son demasiadas: usa otra columna o una parte mayor.",
                "Too many rows belong together (group, text): use another column or a larger share."
            ),
            false => tr!(
                "Junta más filas o haz dos partes: valid: 0.0, test: 0.2.",
                "Gather more rows or make two parts: valid: 0.0, test: 0.2."
            ),
        }))
    }

    fn warn(&mut self, table: &Table) {
        let mut warnings = Vec::new();
        let single: Vec<String> = self
            .labels
            .iter()
            .filter(|label| label.1.iter().sum::<usize>() == 1)
            .map(|label| label.0.clone())
            .collect();
        if !single.is_empty() {
            let names = listed(&single, 6);
            warnings.push(tr!(
                "Con un solo ejemplo no se puede aprender y probar a la vez. Etiquetas con uno solo: {names}. Junta más \
                 ejemplos o une clases.",
                "One example cannot be both learned and tested. Labels with a single one: {names}. Gather more examples \
                 or join classes."
            ));
        }
        for (part, _, number) in self.parts() {
            let without = self.labels.iter().filter(|label| label.1[number] == 0 && label.1.iter().sum::<usize>() > 1);
            let names: Vec<String> = without.map(|label| label.0.clone()).collect();
            if !names.is_empty() {
                let names = listed(&names, 6);
                warnings.push(tr!(
                    "La parte de {part} no tiene ninguna fila de: {names}. Junta más ejemplos o une clases.",
                    "The {part} part has no row of: {names}. Gather more examples or join classes."
                ));
            }
        }
        if self.labels.len() == 1 {
            let name = &self.labels[0].0;
            warnings.push(tr!(
                "Todas las filas tienen la misma etiqueta, «{name}»: no hay nada que distinguir.",
                "All rows have the same label, \"{name}\": there is nothing to tell apart."
            ));
        }
        let peeked: Vec<String> =
            table.lineage().peeked.iter().filter(|name| table.column(name).is_ok()).cloned().collect();
        if !peeked.is_empty() {
            let names = listed(&peeked, 6);
            warnings.push(tr!(
                "Fuga: se calcularon con todas las filas, también las que ahora son de prueba: {names}. Divide primero y \
                 usa recipe.fit(&split.train)?",
                "Leak: these were found on all rows, those that are test rows now too: {names}. Split first and use \
                 recipe.fit(&split.train)?"
            ));
        }
        self.warnings = warnings;
    }

    /// As a page shows it, and in plain text: the rows of each part, and of each label the share it has there.
    pub fn html(&self) -> Html {
        let mut headers = headers(&["parte", "filas", "de todas"], &["part", "rows", "of all"]);
        let shown: Vec<&(String, [usize; 3])> = self.labels.iter().take(SHOWN).collect();
        headers.extend(shown.iter().map(|label| label.0.clone()));
        let all = self.train.height() + self.valid.height() + self.test.height();
        let line = |(part, table, number): (Part, &Table, usize)| {
            let mut row = vec![part.to_string(), count(table.height()), percent(table.height(), all)];
            row.extend(
                shown.iter().map(|label| format!("{} ({})", label.1[number], percent(label.1[number], table.height()))),
            );
            row
        };
        let rows: Vec<Vec<String>> = self.parts().into_iter().map(line).collect();
        let seed = self.config.seed;
        let mut caption = tr!("División con semilla {seed}", "Split with seed {seed}");
        if !self.config.stratify.is_empty() {
            caption += &tr!(", estratificada por «{}»", ", stratified by \"{}\"", self.config.stratify);
        }
        if !self.config.group.is_empty() {
            caption += &tr!(", grupos enteros de «{}»", ", whole groups of \"{}\"", self.config.group);
        }
        let Html { mut html, mut plain } = Html::table(&headers, &rows, &caption);
        for warning in &self.warnings {
            html += &format!("<p>⚠ {}</p>", crate::show::escape(warning));
            plain += &format!("\n⚠ {warning}");
        }
        Html { html, plain }
    }
}

shown!(Split);
