//! Texts side by side as a model computes them: padded, split over cores, with what is to be predicted.

use std::sync::Mutex;

use candle_core::{Device, Tensor};

use crate::error::Result;
use crate::nn::Pass;
use crate::ops::IGNORE;
use crate::rng::Rng;
use crate::show::Progress;
use crate::sys::{on_each_core, stopped, stopped_error, threads};

/// Some texts side by side, padded on the right to the longest.
pub struct Batch {
    /// Token ids (texts, longest); padding is 0, and nothing looks at it.
    pub ids: Tensor,
    /// The real length of each text.
    pub lengths: Vec<usize>,
    /// What to predict, text after text: at each position, padding included, or a number of labels for each text.
    /// [`IGNORE`] where nothing is.
    pub labels: Vec<u32>,
    /// A seed for each text: what dropout leaves out of it.
    pub seeds: Vec<u64>,
    per_position: bool,
}

/// One text of a batch.
struct Row<'a> {
    ids: &'a [u32],
    labels: &'a [u32],
    seed: u64,
}

impl Batch {
    /// Texts of any lengths, to predict the next token of each position.
    pub fn new(examples: &[&[u32]]) -> Result<Self> {
        let next = |ids: &&[u32]| ids.iter().skip(1).copied().chain([IGNORE]).take(ids.len()).collect();
        let labels: Vec<Vec<u32>> = examples.iter().map(next).collect();
        Self::labelled(examples, &labels, &[], true)
    }

    /// Texts of any lengths with their labels: one for each position, or as many for each text.
    pub fn labelled(texts: &[&[u32]], labels: &[Vec<u32>], seeds: &[u64], per_position: bool) -> Result<Self> {
        let seed = |i: usize| seeds.get(i).copied().unwrap_or(i as u64);
        let rows = texts.iter().zip(labels).enumerate();
        Self::pad(rows.map(|(i, (ids, labels))| Row { ids, labels, seed: seed(i) }).collect(), per_position)
    }

    fn pad(rows: Vec<Row>, per_position: bool) -> Result<Self> {
        let longest = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        let width = rows.iter().map(|row| row.labels.len()).max().unwrap_or(0);
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        for (i, row) in rows.iter().enumerate() {
            ids.extend_from_slice(row.ids);
            ids.resize((i + 1) * longest, 0);
            labels.extend_from_slice(row.labels);
            labels.resize((i + 1) * width, IGNORE);
        }
        let ids = Tensor::from_vec(ids, (rows.len(), longest), &Device::Cpu)?;
        let lengths = rows.iter().map(|row| row.ids.len()).collect();
        Ok(Self { ids, lengths, labels, seeds: rows.iter().map(|row| row.seed).collect(), per_position })
    }

    /// Splits the batch into at most `count` parts of about as many texts each, padded anew.
    pub fn shards(&self, count: usize) -> Result<Vec<Batch>> {
        let ids: Vec<Vec<u32>> = self.ids.to_vec2()?;
        let width = self.labels.len() / ids.len().max(1);
        let row = |i: usize| {
            let (length, labels) = (self.lengths[i], &self.labels[i * width..(i + 1) * width]);
            let labels = if self.per_position { &labels[..length] } else { labels };
            Row { ids: &ids[i][..length], labels, seed: self.seeds[i] }
        };
        let rows: Vec<usize> = (0..ids.len()).collect();
        let part = |rows: &[usize]| Self::pad(rows.iter().map(|i| row(*i)).collect(), self.per_position);
        rows.chunks(rows.len().div_ceil(count.max(1)).max(1)).map(part).collect()
    }

    /// The forward pass over this batch; dropout is at work in `training` only.
    pub fn pass(&self, training: bool) -> Result<Pass> {
        let pass = Pass::new(&self.ids, &self.lengths)?;
        Ok(if training { pass.training(&self.seeds) } else { pass })
    }

    /// How many predictions count in the loss: padding never does.
    pub fn counted(&self) -> usize {
        self.labels.iter().filter(|label| **label != IGNORE).count()
    }
}

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

/// What `measure` says of each text of some batches, in the texts' order: texts of like length share a batch, and the
/// cores share the batches.
pub fn by_length<T: Send>(texts: &[Vec<u32>], measure: impl Fn(&Batch) -> Result<Vec<T>> + Sync) -> Result<Vec<T>> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|i| texts[*i].len());
    let batches: Vec<&[usize]> = order.chunks(32).collect();
    let (cores, batches, measure) = (threads(), &batches, &measure);
    let progress = Mutex::new((Progress::start(&tr!("Leyendo textos", "Reading texts"), texts.len()), 0));
    let tell = |rows: usize| {
        if let Ok(mut told) = progress.lock() {
            let (progress, done) = &mut *told;
            *done += rows;
            progress.update(*done, &tr!("textos", "texts"));
        }
    };
    let tell = &tell;
    // Core c takes batches c, c + cores, ...: as many short ones as the others, and as many long ones.
    let job = |core: usize| {
        move || -> Result<Vec<(usize, T)>> {
            let mut done = Vec::new();
            for rows in batches.iter().skip(core).step_by(cores) {
                if stopped() {
                    let all = texts.len();
                    return Err(stopped_error(
                        tr!("Parado antes de acabar {all} textos.", "Stopped before {all} texts were done."),
                        tr!("Ejecuta la celda otra vez.", "Run the cell again."),
                    ));
                }
                let batch = Batch::new(&rows.iter().map(|i| texts[*i].as_slice()).collect::<Vec<_>>())?;
                done.extend(rows.iter().copied().zip(measure(&batch)?));
                tell(rows.len());
            }
            Ok(done)
        }
    };
    type Job<'a, T> = Box<dyn FnOnce() -> Result<Vec<(usize, T)>> + Send + 'a>;
    let jobs = (0..cores).map(|core| Box::new(job(core)) as Job<T>).collect();
    let mut found: Vec<(usize, T)> = Vec::new();
    for part in on_each_core(jobs) {
        found.extend(part?);
    }
    if let Ok((progress, _)) = progress.into_inner() {
        progress.end(&tr!("textos", "texts"));
    }
    found.sort_by_key(|(i, _)| *i);
    Ok(found.into_iter().map(|(_, measured)| measured).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_the_next_token_and_padding_never_counts() -> Result<()> {
        let batch = Batch::new(&[&[5, 6, 7], &[8, 9]])?;
        assert_eq!(batch.ids.to_vec2::<u32>()?, vec![vec![5, 6, 7], vec![8, 9, 0]]);
        assert_eq!(batch.labels, vec![6, 7, IGNORE, 9, IGNORE, IGNORE]);
        assert_eq!(batch.counted(), 3);
        Ok(())
    }
}
