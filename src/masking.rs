//! Tokens hidden from a masked language model, for it to guess.

use crate::ops::IGNORE;
use crate::rng::Rng;

/// How tokens are hidden for a masked language model (Devlin et al., arXiv 1810.04805).
#[derive(Clone, Debug)]
pub struct Masking {
    /// Share of a text's tokens to predict (0.15).
    pub rate: f64,
    /// The id that stands for a hidden token.
    pub mask: u32,
    /// How many tokens the model knows.
    pub vocab_size: usize,
    /// Ids that are never hidden: the start and the end of a text, padding.
    pub special: Vec<u32>,
}

impl Masking {
    /// A text with some of its tokens hidden, and its labels: the token where it is to be predicted, else [`IGNORE`].
    ///
    /// Of those to predict 80 % become the mask, 10 % another token, and 10 % stay; at least one is chosen.
    pub fn hide(&self, ids: &[u32], seed: u64) -> (Vec<u32>, Vec<u32>) {
        let mut rng = Rng::new(seed);
        let (mut hidden, mut labels) = (ids.to_vec(), vec![IGNORE; ids.len()]);
        let plain: Vec<usize> = (0..ids.len()).filter(|i| !self.special.contains(&ids[*i])).collect();
        let mut chosen: Vec<usize> = plain.iter().copied().filter(|_| f64::from(rng.uniform()) < self.rate).collect();
        if chosen.is_empty() && !plain.is_empty() {
            chosen.push(plain[rng.below(plain.len())]);
        }
        for i in chosen {
            labels[i] = ids[i];
            match rng.uniform() {
                x if x < 0.8 => hidden[i] = self.mask,
                x if x < 0.9 => hidden[i] = rng.below(self.vocab_size) as u32,
                _ => {}
            }
        }
        (hidden, labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_tokens_15_in_100_are_hidden_8_of_10_by_the_mask_and_special_ones_never() {
        let masking = Masking { rate: 0.15, mask: 4, vocab_size: 30_000, special: vec![0, 2, 3] };
        // 50,000 words with a mark before each tenth.
        let ids: Vec<u32> =
            (0..50_000u32).flat_map(|i| if i % 10 == 0 { vec![2, 5 + i % 900] } else { vec![5 + i % 900] }).collect();
        let (hidden, labels) = masking.hide(&ids, 7);
        let (mut masked, mut other, mut stay, mut left) = (0u32, 0u32, 0u32, 0u32);
        for ((id, now), label) in ids.iter().zip(&hidden).zip(&labels) {
            match (*label, *now) {
                (IGNORE, now) => {
                    assert_eq!(now, *id, "what is not guessed is as it was");
                    left += u32::from(*id != 2);
                }
                (label, _) if label != *id || *id == 2 => panic!("{label} is to be guessed at {id}"),
                (_, 4) => masked += 1,
                (_, now) if now == *id => stay += 1,
                _ => other += 1,
            }
        }
        let chosen = masked + other + stay;
        assert_eq!(chosen + left, 50_000);
        let near = |count: u32, all: u32, share: f64, within: f64| {
            let found = f64::from(count) / f64::from(all);
            assert!((found - share).abs() < within, "{found} in place of {share}");
        };
        // Within about four standard deviations.
        near(chosen, 50_000, 0.15, 0.007);
        near(masked, chosen, 0.8, 0.019);
        near(other, chosen, 0.1, 0.014);
        near(stay, chosen, 0.1, 0.014);
        let (all_marks, none) = masking.hide(&[2, 0, 3], 7);
        assert_eq!((all_marks, none), (vec![2, 0, 3], vec![IGNORE; 3]), "nothing but marks: nothing is hidden");
        assert_eq!(masking.hide(&[2, 9, 3], 7).1, [IGNORE, 9, IGNORE], "at least one is");
    }
}
