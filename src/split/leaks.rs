//! What gives the test rows or the label away.

use super::Split;
use crate::error::Result;
use crate::look::{check_similarity, groups, headers, shown};
use crate::show::{cut, Html};
use crate::table::Table;
use std::collections::HashMap;

/// Pairs that a cell shows.
const SHOWN: usize = 10;
/// Fewest rows from which a column that tells every label is suspect.
const ENOUGH: usize = 20;

/// Texts that are in two parts of a split.
#[derive(Clone, Debug)]
pub struct SplitLeaks {
    /// The column of texts.
    pub column: String,
    /// Rows of validation and test whose text, letter by letter, is in another part too.
    pub equal: usize,
    /// Rows of validation and test whose text is almost that of a row of another part.
    pub nearly: usize,
    /// Pairs: the two parts, the two texts, and how alike they are.
    pub pairs: Vec<(String, String, String, String, f64)>,
}

impl Split {
    /// Texts of a column that stand in two parts, equal or almost: a model that learned them by heart would seem to
    /// know. `SplitConfig { text: ... }` keeps them together.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn leaks(&self, column: &str) -> Result<SplitLeaks> {
        check_similarity(self.config.similarity)?;
        let parts = self.parts();
        let mut all = parts[0].1.string_column(column)?;
        let mut part_of: Vec<usize> = vec![0; all.len()];
        for (i, part) in parts.iter().enumerate().skip(1) {
            let texts = part.1.string_column(column)?;
            all.append(&texts).map_err(crate::table::polars_error)?;
            part_of.extend(vec![i; texts.len()]);
        }
        let found = groups(&all, self.config.similarity)?;
        let mut equal = HashMap::new();
        let mut nearly = HashMap::new();
        for (row, first) in found.exact.iter().enumerate() {
            match first {
                Some(first) if part_of[*first] != part_of[row] => equal.insert(row, (*first, 1.0)),
                _ => None,
            };
        }
        for (a, b, similarity) in &found.pairs {
            if part_of[*a] != part_of[*b] && !equal.contains_key(b) {
                nearly.entry(*b).or_insert((*a, *similarity));
            }
        }
        let mut pairs: Vec<(usize, usize, f64)> =
            equal.iter().chain(&nearly).map(|(b, (a, similarity))| (*a, *b, *similarity)).collect();
        pairs.sort_by(|x, y| y.2.total_cmp(&x.2).then_with(|| (x.0, x.1).cmp(&(y.0, y.1))));
        let text = |row: usize| cut(all.get(row).unwrap_or_default(), 300);
        let name = |row: usize| parts[part_of[row]].0.to_string();
        let pairs =
            pairs.into_iter().map(|(a, b, similarity)| (name(a), name(b), text(a), text(b), similarity)).collect();
        Ok(SplitLeaks { column: column.to_string(), equal: equal.len(), nearly: nearly.len(), pairs })
    }
}

impl SplitLeaks {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.equal + self.nearly > 0
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["parte", "otra parte", "parecido", "texto", "el otro texto"],
            &["part", "other part", "similarity", "text", "the other text"],
        );
        let line = |(a, b, first, second, similarity): &(String, String, String, String, f64)| {
            vec![a.clone(), b.clone(), format!("{similarity:.2}"), first.clone(), second.clone()]
        };
        let rows: Vec<Vec<String>> = self.pairs.iter().take(SHOWN).map(line).collect();
        let (column, equal, nearly) = (&self.column, self.equal, self.nearly);
        let caption = match self.any() {
            false => {
                tr!("✓ Ningún texto de «{column}» está en dos partes", "✓ No text of \"{column}\" is in two parts")
            }
            true => tr!(
                "⚠ «{column}»: {equal} textos están también en otra parte, y {nearly} casi",
                "⚠ \"{column}\": {equal} texts are in another part too, and {nearly} nearly are"
            ),
        };
        Html::table(&headers, &rows, &caption)
    }
}

shown!(SplitLeaks);

/// What each feature gives away of a label.
#[derive(Clone, Debug)]
pub struct FeatureLeaks {
    /// The label.
    pub label: String,
    /// One line for each feature.
    pub features: Vec<FeatureLeak>,
}

/// What a feature gives away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureLeak {
    /// The feature's column.
    pub feature: String,
    /// Whether it gives the label away.
    pub leaks: bool,
    /// Why, in words.
    pub why: String,
}

impl Table {
    /// Which of `features` give `label` away: the label itself, the column it was made from and what else was made from
    /// that, and columns from which every row's label can be told.
    ///
    /// # Errors
    /// When one of the columns is not there.
    pub fn feature_leaks(&self, label: &str, features: &[&str]) -> Result<FeatureLeaks> {
        let labels = self.strings(label)?;
        let check = |feature: &&str| -> Result<FeatureLeak> {
            let why = self.leak(label, &labels, feature)?;
            Ok(FeatureLeak {
                feature: feature.to_string(),
                leaks: why.is_some(),
                why: why.unwrap_or_else(|| tr!("sin fuga conocida", "no known leak")),
            })
        };
        Ok(FeatureLeaks { label: label.to_string(), features: features.iter().map(check).collect::<Result<_>>()? })
    }

    fn leak(&self, label: &str, labels: &[Option<String>], feature: &str) -> Result<Option<String>> {
        self.column(feature)?;
        if feature == label {
            return Ok(Some(tr!("es la etiqueta misma", "it is the label itself")));
        }
        let (mine, its) = (self.lineage().roots(label), self.lineage().roots(feature));
        if let Some(source) = mine.intersection(&its).next() {
            return Ok(Some(match source == feature {
                true => tr!("la etiqueta «{label}» se hizo con ella", "the label \"{label}\" was made from it"),
                false => tr!(
                    "se hizo con «{source}», como la etiqueta «{label}»",
                    "it was made from \"{source}\", as the label \"{label}\" was"
                ),
            }));
        }
        Ok(self.tells(labels, feature)?.then(|| {
            tr!(
                "sospechosa: con ella sola se sabe la etiqueta de cada fila",
                "suspect: it alone tells the label of every row"
            )
        }))
    }

    /// Whether a column tells every label: numbers parted in stretches, one for each label, or few values with one label each.
    fn tells(&self, labels: &[Option<String>], feature: &str) -> Result<bool> {
        let kinds: std::collections::HashSet<&String> = labels.iter().flatten().collect();
        if labels.iter().flatten().count() < ENOUGH || kinds.len() < 2 {
            return Ok(false);
        }
        if self.number_columns().iter().any(|name| name == feature) {
            let values = self.numbers(feature)?;
            let mut pairs: Vec<(f64, &String)> =
                values.into_iter().zip(labels).filter_map(|(value, label)| Some((value?, label.as_ref()?))).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
            let changes = pairs.windows(2).filter(|pair| pair[0].1 != pair[1].1);
            let apart = changes.clone().all(|pair| pair[0].0 != pair[1].0);
            return Ok(apart && changes.count() < kinds.len() && pairs.len() >= ENOUGH);
        }
        let values = self.string_column(feature)?;
        let mut known: HashMap<&str, &String> = HashMap::new();
        for (value, label) in values.iter().zip(labels) {
            let (Some(value), Some(label)) = (value, label) else { continue };
            if *known.entry(value).or_insert(label) != label {
                return Ok(false);
            }
        }
        // Texts that are all different tell nothing; few values with one label each tell all.
        Ok(known.len() * 4 <= labels.len())
    }
}

impl FeatureLeaks {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.features.iter().any(|feature| feature.leaks)
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(&["variable", "¿fuga?", "por qué"], &["feature", "leak?", "why"]);
        let line = |feature: &FeatureLeak| {
            let mark = if feature.leaks { tr!("⚠ sí", "⚠ yes") } else { "✓ no".into() };
            vec![feature.feature.clone(), mark, feature.why.clone()]
        };
        let rows: Vec<Vec<String>> = self.features.iter().map(line).collect();
        let label = &self.label;
        Html::table(&headers, &rows, &tr!("Variables para predecir «{label}»", "Features to predict \"{label}\""))
    }
}

shown!(FeatureLeaks);
