//! A classifier for columns as people's files hold them: its labels are those of the column, and what is odd about the
//! texts is told before a training and not after it.

use std::collections::BTreeSet;

use super::Classifier;
use crate::error::Result;
use crate::metrics::{inspect_labels, one_class};
use crate::show::say;

impl Classifier {
    /// As [`Classifier::new`], with a head for the different labels of a column, by name. Tells what is wrong with them.
    ///
    /// # Errors
    /// When there are no labels, only one, or so many that they are no classes.
    pub fn for_labels(name: &str, column: &[String]) -> Result<Self> {
        let check = inspect_labels(column)?;
        if let [(only, _)] = check.labels.as_slice() {
            return Err(one_class(only));
        }
        check.warnings.iter().for_each(|warning| say(&format!("⚠ {warning}")));
        let labels: BTreeSet<&str> = column.iter().map(String::as_str).collect();
        Self::new(name, &labels.into_iter().collect::<Vec<_>>())
    }
}

/// Says how many texts are so short that nothing can be read in them.
pub(super) fn tell_short(texts: &[String]) {
    if let Some(line) = short(texts) {
        say(&line);
    }
}

fn short(texts: &[String]) -> Option<String> {
    let (all, short) = (texts.len(), texts.iter().filter(|text| text.trim().chars().count() == 1).count());
    (short > 0).then(|| {
        tr!(
            "⚠ {short} de {all} textos tienen un solo carácter: ahí no hay nada que leer. ¿Es la columna de los textos? \
             Si lo es, quita esas filas.",
            "⚠ {short} of {all} texts have a single character: there is nothing to read in them. Is it the column of texts? \
             If it is, leave those rows out."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_one_character_are_counted_and_others_are_not_spoken_of() {
        let texts = ["a", " é ", "no", "🦊", ""].map(String::from);
        let line = short(&texts).unwrap();
        assert!(line.contains("3 de 5") || line.contains("3 of 5"), "{line}");
        assert_eq!(short(&texts[2..3]), None);
    }
}
