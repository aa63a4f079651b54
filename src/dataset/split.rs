//! Texts to train on and texts to validate with.

use std::collections::HashSet;

use super::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;
use crate::show::say;

impl Dataset {
    /// Splits at random: a `share` (between 0 and 1) to train on, the rest to validate. The same seed splits the same way.
    ///
    /// Texts that repeat may fall on both sides: a line says how many of those to validate stand among those to train on.
    pub fn split(&self, share: f64, seed: u64) -> Result<(Dataset, Dataset)> {
        let rows = self.len();
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("No puedo dar una parte de {share}.", "I cannot take a share of {share}."),
            )
            .next(tr!("Usa un número entre 0 y 1: 0.9 es el 90 %.", "Use a number between 0 and 1: 0.9 is 90 %.")));
        }
        if rows < 2 {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "Con {rows} texto no se puede separar una parte para validar.",
                    "With {rows} text nothing can be set apart to validate."
                ),
            )
            .next(tr!(
                "Junta al menos 2 textos; con 50 o más el resultado empieza a decir algo.",
                "Gather 2 texts or more; from 50 on the result begins to mean something."
            )));
        }
        let mut order: Vec<usize> = (0..rows).collect();
        Rng::new(seed).shuffle(&mut order);
        let cut = ((rows as f64 * share).round() as usize).clamp(1, rows - 1);
        let (train, valid) = (self.pick(&order[..cut]), self.pick(&order[cut..]));
        repeated(&train, &valid).iter().for_each(|line| say(line));
        Ok((train, valid))
    }
}

/// What is told where texts to validate with are also trained on: equal as the model reads them, in their tokens.
fn repeated(train: &Dataset, valid: &Dataset) -> Option<String> {
    let learned: HashSet<&[u32]> = train.examples.iter().map(|example| example.ids.as_slice()).collect();
    let (seen, all) =
        (valid.examples.iter().filter(|example| learned.contains(example.ids.as_slice())).count(), valid.len());
    (seen > 0).then(|| {
        tr!(
            "⚠ {seen} de los {all} textos para validar están también entre los de entrenar: la validación sale mejor de lo \
             que es. Quita antes los repetidos: Step::drop_duplicates(\"columna\").",
            "⚠ {seen} of the {all} texts to validate with stand among those to train on too: validation looks better than \
             it is. Leave repeated ones out first: Step::drop_duplicates(\"column\")."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Example, Targets};
    use super::*;

    fn dataset(texts: impl Iterator<Item = Vec<u32>>) -> Dataset {
        let examples = texts.map(|ids| Example::new((ids.clone(), ids.len()))).collect();
        Dataset { examples, max_tokens: 100, targets: Targets::Next }
    }

    #[test]
    fn a_split_gives_each_row_to_one_side() -> Result<()> {
        let data = dataset((2..102).map(|n| (0..n).collect()));
        let (train, valid) = data.split(0.9, 42)?;
        assert_eq!((train.len(), valid.len()), (90, 10));
        let mut lengths: Vec<usize> = [train.examples, valid.examples].concat().iter().map(|one| one.length).collect();
        lengths.sort_unstable();
        assert_eq!(lengths, (2..102).collect::<Vec<_>>());
        assert!(dataset([vec![5]].into_iter()).split(0.9, 42).is_err(), "one row cannot be split");
        assert!(data.split(1.0, 42).is_err());
        Ok(())
    }

    #[test]
    fn texts_that_repeat_on_both_sides_are_counted_and_told() -> Result<()> {
        let texts = |all: &[u32]| dataset(all.iter().map(|first| vec![*first, 1, 2]).collect::<Vec<_>>().into_iter());
        let line = repeated(&texts(&[1, 2, 3, 3]), &texts(&[3, 4, 3, 2])).unwrap_or_default();
        assert!(line.starts_with("⚠ 3 ") && line.contains(" 4 ") && line.contains("drop_duplicates"), "{line}");
        assert_eq!(repeated(&texts(&[1, 2, 2]), &texts(&[3, 3])), None, "repeated on one side only");
        // Nothing moves: the sides are what they are without the line.
        let (train, valid) = texts(&[7; 10]).split(0.8, 42)?;
        assert_eq!((train.len(), valid.len()), (8, 2));
        Ok(())
    }
}
