//! Texts side by side as a model computes them: padded, split over cores, with what is to be predicted.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use candle_core::{Device, Tensor};

use crate::error::{Error, ErrorKind, Result};
use crate::needs::Needs;
use crate::nn::{Aside, Pass, Untracked};
use crate::ops::IGNORE;
use crate::rng::Rng;
use crate::show::Progress;
use crate::sys::{on_each_core, stopped, stopped_error, threads};

/// Some texts side by side, padded on the right to the longest.
pub struct Batch {
    /// Token ids (texts, longest); padding is 0, and nothing looks at it.
    pub ids: Tensor,
    /// The real length of each row.
    pub lengths: Vec<usize>,
    /// What to predict, text after text: at each position, padding included, or a number of labels for each text.
    /// [`IGNORE`] where nothing is.
    pub labels: Vec<u32>,
    /// A seed for each row: what dropout leaves out of it.
    pub seeds: Vec<u64>,
    /// Share of each label that is given to all labels alike while training.
    pub smoothing: f64,
    /// How much each class weighs while training, or each label's presence; empty: all the same.
    pub class_weights: Vec<f64>,
    /// Where the gradients of blocks that are computed again go (see [`crate::nn::recomputed`]); none: all is kept.
    pub aside: Option<Aside>,
    /// Which of two texts each position belongs to; empty: no row holds two.
    token_types: Vec<u32>,
    /// The lengths of the texts packed into each row; empty: one text a row.
    parts: Vec<Vec<usize>>,
    per_position: bool,
}

/// One row of a batch: a text, two that belong together, or several that do not see each other.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The tokens.
    pub ids: Vec<u32>,
    /// What to predict: at each position, or some labels of the text.
    pub labels: Vec<u32>,
    /// What dropout leaves out.
    pub seed: u64,
    /// Which of two texts each position belongs to, 0 or 1; empty: there is one text.
    pub token_types: Vec<u32>,
    /// The lengths of the texts that were packed into the row; empty: it holds one.
    pub parts: Vec<usize>,
}

impl Batch {
    /// Texts of any lengths, to predict the next token of each position.
    pub fn new(examples: &[&[u32]]) -> Result<Self> {
        let labels: Vec<Vec<u32>> = examples.iter().map(|ids| next_tokens(ids)).collect();
        Self::labelled(examples, &labels, &[], true)
    }

    /// Texts of any lengths with their labels: one for each position, or as many for each text. Other numbers of them are
    /// an error.
    pub fn labelled(texts: &[&[u32]], labels: &[Vec<u32>], seeds: &[u64], per_position: bool) -> Result<Self> {
        if texts.len() != labels.len() {
            return Err(not_paired(texts.len(), labels.len()));
        }
        let seed = |i: usize| seeds.get(i).copied().unwrap_or(i as u64);
        let row = |(i, (ids, labels)): (usize, (&&[u32], &Vec<u32>))| Row {
            ids: ids.to_vec(),
            labels: labels.clone(),
            seed: seed(i),
            ..Row::default()
        };
        Self::of(texts.iter().zip(labels).enumerate().map(row).collect(), per_position)
    }

    /// Rows side by side, with a label for each position or with labels of each row. No row at all is an error.
    pub fn of(rows: Vec<Row>, per_position: bool) -> Result<Self> {
        let longest = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        if longest == 0 {
            let texts = rows.len();
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("El lote está vacío: {texts} textos, 0 tokens.", "The batch is empty: {texts} texts, 0 tokens."),
            )
            .why(tr!("no hay nada que leer ni que aprender", "there is nothing to read and nothing to learn"))
            .next(tr!("Da al menos un texto con un token.", "Give at least one text with a token.")));
        }
        if let Some(row) = rows.iter().position(|row| per_position && row.labels.len() != row.ids.len()) {
            return Err(not_paired(rows[row].ids.len(), rows[row].labels.len()));
        }
        let width = rows.iter().map(|row| row.labels.len()).max().unwrap_or(0);
        let pairs = rows.iter().any(|row| !row.token_types.is_empty());
        let packed = rows.iter().any(|row| !row.parts.is_empty());
        let (mut ids, mut labels, mut token_types) = (Vec::new(), Vec::new(), Vec::new());
        for (i, row) in rows.iter().enumerate() {
            ids.extend_from_slice(&row.ids);
            ids.resize((i + 1) * longest, 0);
            labels.extend_from_slice(&row.labels);
            labels.resize((i + 1) * width, IGNORE);
            token_types.extend_from_slice(&row.token_types);
            token_types.resize(if pairs { (i + 1) * longest } else { 0 }, 0);
        }
        let parts = |row: &Row| if row.parts.is_empty() { vec![row.ids.len()] } else { row.parts.clone() };
        Ok(Self {
            ids: Tensor::from_vec(ids, (rows.len(), longest), &Device::Cpu)?,
            lengths: rows.iter().map(|row| row.ids.len()).collect(),
            labels,
            seeds: rows.iter().map(|row| row.seed).collect(),
            smoothing: 0.0,
            class_weights: Vec::new(),
            aside: None,
            token_types,
            parts: if packed { rows.iter().map(parts).collect() } else { Vec::new() },
            per_position,
        })
    }

    /// The rows, without padding.
    fn rows(&self) -> Result<Vec<Row>> {
        let ids: Vec<Vec<u32>> = self.ids.to_vec2()?;
        let (width, longest) = (self.labels.len() / ids.len().max(1), self.ids.dim(1)?);
        let row = |(i, ids): (usize, Vec<u32>)| {
            let (length, labels) = (self.lengths[i], &self.labels[i * width..(i + 1) * width]);
            Row {
                ids: ids[..length].to_vec(),
                labels: if self.per_position { &labels[..length] } else { labels }.to_vec(),
                seed: self.seeds[i],
                token_types: self.token_types.chunks(longest).nth(i).map_or(Vec::new(), |all| all[..length].to_vec()),
                parts: self.parts.get(i).cloned().unwrap_or_default(),
            }
        };
        Ok(ids.into_iter().enumerate().map(row).collect())
    }

    /// The same texts one after the other in a single row, where none sees another, to be read without padding.
    ///
    /// For models that know where a text ends ([`Pass::spans`]). Labels are left out.
    pub fn in_one_row(&self) -> Result<Batch> {
        let mut all = Row::default();
        for row in self.rows()? {
            all.parts.extend(if row.parts.is_empty() { vec![row.ids.len()] } else { row.parts });
            all.ids.extend(row.ids);
            all.token_types.extend(row.token_types);
        }
        Self::of(vec![all], false)
    }

    /// Splits the batch into at most `count` parts that take about as long each, texts of like length together, padded anew.
    pub fn shards(&self, count: usize) -> Result<Vec<Batch>> {
        let mut rows = self.rows()?;
        rows.sort_by_key(|row| row.ids.len());
        let part = |rows: &[Row]| {
            Ok(Self {
                smoothing: self.smoothing,
                class_weights: self.class_weights.clone(),
                aside: self.aside.as_ref().map(|_| Aside::default()),
                ..Self::of(rows.to_vec(), self.per_position)?
            })
        };
        let lengths: Vec<usize> = rows.iter().map(|row| row.ids.len()).collect();
        even_parts(&lengths, count).into_iter().map(|range| part(&rows[range])).collect()
    }

    /// The forward pass over this batch; dropout is at work in `training` only.
    pub fn pass(&self, training: bool) -> Result<Pass> {
        let mut pass = Pass::new(&self.ids, &self.lengths)?;
        pass.token_types.clone_from(&self.token_types);
        if !self.parts.is_empty() {
            let mut spans = Vec::new();
            for (row, parts) in self.parts.iter().enumerate() {
                let mut first = row * pass.time;
                for length in parts {
                    spans.push((first, *length));
                    first += length;
                }
            }
            pass.spans = Some(spans);
        }
        if !training {
            return Ok(pass);
        }
        pass.aside.clone_from(&self.aside);
        Ok(pass.training(&self.seeds))
    }

    /// The smoothing of its labels: none where it is only measured.
    pub fn smoothing_while(&self, training: bool) -> f64 {
        if training {
            self.smoothing
        } else {
            0.0
        }
    }

    /// Fails where `needs` says that the model cannot read it, or that its labels are not what the model learns.
    pub fn check(&self, needs: &Needs) -> Result<()> {
        let longest = self.lengths.iter().copied().max().unwrap_or(0);
        needs.check_text(&self.ids.flatten_all()?.to_vec1()?, if self.parts.is_empty() { longest } else { 0 })?;
        let width = self.labels.len() / self.lengths.len().max(1);
        needs.check_kind(self.per_position)?;
        self.labels.chunks(width.max(1)).try_for_each(|labels| needs.check_labels(labels))
    }

    /// How many predictions count in the loss: padding never does.
    pub fn counted(&self) -> usize {
        self.labels.iter().filter(|label| **label != IGNORE).count()
    }
}

/// Cuts texts, shortest first, into at most `count` runs, so that the run with the most positions, padding included, has
/// as few as can be: the cores wait for the slowest of them.
pub(crate) fn even_parts(lengths: &[usize], count: usize) -> Vec<Range<usize>> {
    let texts = lengths.len();
    let positions = |first: usize, end: usize| (end - first) * lengths[end - 1];
    // For the first `end` texts: the most positions that a run has, with one run, then with one more each time.
    let mut most: Vec<usize> = (0..=texts).map(|end| if end == 0 { 0 } else { positions(0, end) }).collect();
    // Where the last run begins; 0 where there is no text for one more run.
    let mut begins: Vec<Vec<usize>> = Vec::new();
    for _ in 1..count.min(texts) {
        let better = |end: usize| {
            // From the right, so that among equals the runs before are the longer ones.
            let cuts = (1..end).rev().map(|first| (most[first].max(positions(first, end)), first));
            cuts.min_by_key(|(most, _)| *most).unwrap_or((most[end], 0))
        };
        let found: Vec<(usize, usize)> = (0..=texts).map(better).collect();
        most = found.iter().map(|cut| cut.0).collect();
        begins.push(found.into_iter().map(|cut| cut.1).collect());
    }
    let (mut runs, mut end) = (Vec::new(), texts);
    for begins in begins.iter().rev() {
        if begins[end] > 0 {
            runs.push(begins[end]..end);
            end = begins[end];
        }
    }
    runs.push(0..end);
    runs.reverse();
    runs
}

/// An error about labels that do not belong to as many texts or tokens.
fn not_paired(things: usize, labels: usize) -> Error {
    Error::new(
        ErrorKind::BadData,
        tr!("El lote tiene {labels} etiquetas para {things}.", "The batch has {labels} labels for {things}."),
    )
    .next(tr!(
        "Da una lista de etiquetas por texto, y en ella una por token si se predice en cada uno.",
        "Give a list of labels for each text, with one for each token where each is predicted."
    ))
}

/// The label of each position of a text: the token after it; none at the end.
pub fn next_tokens(ids: &[u32]) -> Vec<u32> {
    ids.iter().skip(1).copied().chain([IGNORE]).take(ids.len()).collect()
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

/// Positions of a batch that is only read: what its layers make of them stays near the processor.
const POSITIONS: usize = 2048;

/// Texts in batches, longest first, each with at most [`POSITIONS`] or a single text.
fn batches_by_length(texts: &[Vec<u32>]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(texts[*i].len()));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for i in order {
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * texts[batch[0]].len() <= POSITIONS => batch.push(i),
            _ => batches.push(vec![i]),
        }
    }
    batches
}

/// What `measure` says of each text of some batches, in the texts' order: texts of like length share a batch, and each core
/// takes the next batch when it is done with one, the longest first.
pub fn by_length<T: Send>(texts: &[Vec<u32>], measure: impl Fn(&Batch) -> Result<Vec<T>> + Sync) -> Result<Vec<T>> {
    let batches = batches_by_length(texts);
    let measured = in_turns(&tr!("Leyendo textos", "Reading texts"), texts.len(), batches.len(), |i| {
        measure(&Batch::new(&batches[i].iter().map(|text| texts[*text].as_slice()).collect::<Vec<_>>())?)
    })?;
    let mut found: Vec<(usize, T)> =
        batches.into_iter().zip(measured).flat_map(|(rows, all)| rows.into_iter().zip(all)).collect();
    found.sort_by_key(|(i, _)| *i);
    Ok(found.into_iter().map(|(_, measured)| measured).collect())
}

/// What `work` says of the texts of each of `jobs` jobs, in the jobs' order: each core takes the next job when it is done with one.
/// Nothing is kept for a backward pass. The bar counts texts, `texts` in all.
pub(crate) fn in_turns<T: Send>(
    title: &str,
    texts: usize,
    jobs: usize,
    work: impl Fn(usize) -> Result<Vec<T>> + Sync,
) -> Result<Vec<Vec<T>>> {
    let (next, work) = (&AtomicUsize::new(0), &work);
    let progress = Mutex::new((Progress::start(title, texts), 0));
    let tell = |rows: usize| {
        if let Ok(mut told) = progress.lock() {
            let (progress, done) = &mut *told;
            *done += rows;
            progress.update(*done, &tr!("textos", "texts"));
        }
    };
    let tell = &tell;
    let core = || {
        move || -> Result<Vec<(usize, Vec<T>)>> {
            let _nothing_kept = Untracked::begin();
            let mut done = Vec::new();
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= jobs {
                    return Ok(done);
                }
                if stopped() {
                    return Err(stopped_error(
                        tr!("Parado antes de acabar {texts} textos.", "Stopped before {texts} texts were done."),
                        tr!("Ejecuta la celda otra vez.", "Run the cell again."),
                    ));
                }
                let found = work(job)?;
                tell(found.len());
                done.push((job, found));
            }
        }
    };
    type Core<'a, T> = Box<dyn FnOnce() -> Result<Vec<(usize, Vec<T>)>> + Send + 'a>;
    let cores = (0..threads()).map(|_| Box::new(core()) as Core<T>).collect();
    let mut found: Vec<(usize, Vec<T>)> = Vec::new();
    for part in on_each_core(cores) {
        found.extend(part?);
    }
    if let Ok((progress, _)) = progress.into_inner() {
        progress.end(&tr!("textos", "texts"));
    }
    found.sort_by_key(|(job, _)| *job);
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_get_as_many_positions_each_as_can_be() {
        assert_eq!(even_parts(&[5; 8], 2), [0..4, 4..8], "texts of one length");
        assert_eq!(even_parts(&[5; 7], 2), [0..4, 4..7]);
        assert_eq!(even_parts(&[10, 10, 10, 10, 10, 40], 2), [0..5, 5..6], "50 and 40, not 30 and 120");
        assert_eq!(even_parts(&[10, 20], 8), [0..1, 1..2], "no part is empty");
        assert_eq!(even_parts(&[7], 2).len(), 1);
        assert_eq!(even_parts(&[1, 1, 1, 1, 4, 4, 8], 3).len(), 3);
    }

    #[test]
    fn labels_are_the_next_token_and_padding_never_counts() -> Result<()> {
        let batch = Batch::new(&[&[5, 6, 7], &[8, 9]])?;
        assert_eq!(batch.ids.to_vec2::<u32>()?, vec![vec![5, 6, 7], vec![8, 9, 0]]);
        assert_eq!(batch.labels, vec![6, 7, IGNORE, 9, IGNORE, IGNORE]);
        assert_eq!(batch.counted(), 3);
        Ok(())
    }

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
