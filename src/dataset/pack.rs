//! Short texts side by side in one row, none of which sees another: hardly any padding, whatever their lengths.

use super::{Dataset, Example, Targets};
use crate::batch::next_tokens;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::IGNORE;

impl Dataset {
    /// The same texts packed into rows of at most `max_tokens`: each still starts at position 0 and sees itself alone.
    ///
    /// A row counts as one text for `batch_size` and `split`. Worth it where most texts are much shorter than the
    /// longest. Whole texts' labels cannot be packed.
    pub fn pack(&self) -> Result<Dataset> {
        let prompts = match &self.targets {
            Targets::Labels(_) => {
                return Err(Error::new(
                    ErrorKind::BadSetting,
                    tr!(
                        "Textos con una etiqueta cada uno no se pueden empaquetar.",
                        "Texts with a label each cannot be packed."
                    ),
                )
                .next(tr!(
                    "Úsalos como están: los de largo parecido ya van juntos.",
                    "Use them as they are: those of like length already go together."
                )))
            }
            Targets::Answer(prompts) => Some(prompts),
            Targets::Next | Targets::Hidden(_) => None,
        };
        let bins = self.bins();
        let join = |bin: &Vec<usize>| {
            let mut row = Example::default();
            for i in bin {
                let example = &self.examples[*i];
                row.ids.extend_from_slice(&example.ids);
                row.length += example.ids.len();
                row.parts.extend(if example.parts.is_empty() {
                    vec![example.ids.len()]
                } else {
                    example.parts.clone()
                });
            }
            row
        };
        let targets = match prompts {
            Some(prompts) => {
                let joined = bins.iter().map(|bin| bin.iter().flat_map(|i| prompts[*i].clone()).collect());
                Targets::Answer(joined.collect())
            }
            None => self.targets.clone(),
        };
        Ok(Self { examples: bins.iter().map(join).collect(), max_tokens: self.max_tokens, targets })
    }

    /// Which texts share a row: longest first, each into the fullest row that has room (best-fit decreasing).
    fn bins(&self) -> Vec<Vec<usize>> {
        let length = |i: usize| self.examples[i].ids.len();
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(length(*i)));
        let mut bins: Vec<Vec<usize>> = Vec::new();
        // Rows by the room that is left in them.
        let mut rooms: std::collections::BTreeSet<(usize, usize)> = Default::default();
        for i in order {
            let found = rooms.range((length(i), 0)..).next().copied();
            let (room, bin) = found.unwrap_or((self.max_tokens, bins.len()));
            rooms.remove(&(room, bin));
            if bin == bins.len() {
                bins.push(Vec::new());
            }
            bins[bin].push(i);
            rooms.insert((room - length(i), bin));
        }
        bins
    }
}

/// The label of each position of a row: the next token of its text, and none for the tokens of a prompt.
pub(super) fn next_tokens_of(ids: &[u32], parts: &[usize], prompts: &[usize]) -> Vec<u32> {
    let (mut labels, mut first) = (Vec::new(), 0);
    let whole = [ids.len()];
    for (i, length) in (if parts.is_empty() { &whole } else { parts }).iter().enumerate() {
        labels.extend(next_tokens(&ids[first..first + length]));
        // The prompt's last position predicts the answer's first token.
        let hidden = prompts.get(i).map_or(0, |prompt| prompt.saturating_sub(1).min(*length));
        labels[first..first + hidden].fill(IGNORE);
        first += length;
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(texts: &[&[u32]], targets: Targets) -> Dataset {
        let examples = texts.iter().map(|ids| Example::new((ids.to_vec(), ids.len()))).collect();
        Dataset { examples, max_tokens: 6, targets }
    }

    #[test]
    fn only_the_answer_of_each_packed_text_is_to_be_predicted() -> Result<()> {
        let data = dataset(&[&[1, 2, 3, 4], &[5, 6], &[7, 8, 9]], Targets::Answer(vec![vec![2], vec![0], vec![1]]));
        let packed = data.pack()?;
        // 4 + 2 fill a row of 6, and 3 has one of its own.
        assert_eq!((packed.example(0), packed.example(1)), (Some(&[1, 2, 3, 4, 5, 6][..]), Some(&[7, 8, 9][..])));
        let batch = packed.batch(&[0, 1])?;
        let x = IGNORE;
        assert_eq!(batch.labels, [x, 3, 4, x, 6, x, 8, 9, x, x, x, x]);
        assert_eq!(batch.pass(false)?.spans, Some(vec![(0, 4), (4, 2), (6, 3)]));
        assert_eq!(batch.pass(false)?.positions(0), [0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 4, 5]);
        assert_eq!(packed.pack()?.tokens(), data.tokens(), "packed again: nothing is lost");
        Ok(())
    }

    #[test]
    fn every_text_is_in_one_row_and_no_row_is_too_long() -> Result<()> {
        let texts: Vec<Vec<u32>> = (0..50u32).map(|i| vec![i; 2 + (i * 7 % 5) as usize]).collect();
        let packed = dataset(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>(), Targets::Next).pack()?;
        let mut seen: Vec<u32> = packed.examples.iter().flat_map(|row| row.ids.clone()).collect();
        seen.dedup();
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        assert!(packed.examples.iter().all(|row| row.ids.len() <= 6));
        assert!(dataset(&[&[1, 2]], Targets::Labels(vec![vec![0]])).pack().is_err());
        Ok(())
    }
}
