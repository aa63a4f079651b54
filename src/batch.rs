//! Texts side by side as a model computes them: padded, split over cores, with what is to be predicted.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use candle_core::{Device, Tensor};

use crate::error::{Error, ErrorKind, Result};
use crate::needs::Needs;
use crate::nn::{Aside, Pass, Untracked};
use crate::ops::IGNORE;
use crate::show::Progress;
use crate::sys::{on_each_core, stopped, stopped_error, threads};

/// Some texts side by side, padded on the right to the longest.
pub struct Batch {
    /// Token ids (texts, longest); padding is 0, and nothing looks at it.
    pub ids: Tensor,
    /// The real length of each row, which is a text unless the batch is [in one row](Batch::in_one_row).
    pub lengths: Vec<usize>,
    /// What to predict, text after text: at each position, padding included, or a number of labels for each text.
    /// [`IGNORE`] where nothing is.
    pub labels: Vec<u32>,
    /// A seed for each text: what dropout leaves out of it.
    pub seeds: Vec<u64>,
    /// Share of each label that is given to all labels alike while training.
    pub smoothing: f64,
    /// How much each class weighs while training, or each label's presence; empty: all the same.
    pub class_weights: Vec<f64>,
    /// Where the gradients of blocks that are computed again go (see [`crate::nn::recomputed`]); none: all is kept.
    pub aside: Option<Aside>,
    /// Which of two texts each position belongs to; empty: no row holds two.
    token_types: Vec<u32>,
    /// The lengths of what was packed into each text; empty: nothing was.
    parts: Vec<Vec<usize>>,
    /// Where each text begins when all are in one row; empty: each has its own.
    starts: Vec<usize>,
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
            starts: Vec::new(),
            per_position,
        })
    }

    /// How many texts it holds.
    pub fn texts(&self) -> usize {
        self.seeds.len()
    }

    /// The texts, each a row without padding.
    fn rows(&self) -> Result<Vec<Row>> {
        let (ids, longest): (Vec<u32>, usize) = (self.ids.flatten_all()?.to_vec1()?, self.ids.dim(1)?);
        let width = self.labels.len() / self.texts().max(1);
        let row = |text: usize| {
            let (start, end) = match self.starts.get(text) {
                Some(start) => (*start, self.starts.get(text + 1).copied().unwrap_or(ids.len())),
                None => (text * longest, text * longest + self.lengths[text]),
            };
            let labels = if self.per_position { start..end } else { text * width..(text + 1) * width };
            Row {
                ids: ids[start..end].to_vec(),
                labels: self.labels[labels].to_vec(),
                seed: self.seeds[text],
                token_types: self.token_types.get(start..end).map_or(Vec::new(), <[u32]>::to_vec),
                parts: self.parts.get(text).cloned().unwrap_or_default(),
            }
        };
        Ok((0..self.texts()).map(row).collect())
    }

    /// Other rows, to be computed as these are.
    fn with_rows(&self, rows: Vec<Row>) -> Result<Batch> {
        Ok(Self {
            smoothing: self.smoothing,
            class_weights: self.class_weights.clone(),
            aside: self.aside.as_ref().map(|_| Aside::default()),
            ..Self::of(rows, self.per_position)?
        })
    }

    /// The same texts one after the other in a single row, where none sees another: nothing is computed for padding.
    ///
    /// For models that know where a text ends ([`Pass::spans`]).
    pub fn in_one_row(&self) -> Result<Batch> {
        self.one_row_of(self.rows()?)
    }

    fn one_row_of(&self, rows: Vec<Row>) -> Result<Batch> {
        let (mut all, mut seeds, mut starts, mut parts) = (Row::default(), Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            seeds.push(row.seed);
            starts.push(all.ids.len());
            let lengths = if row.parts.is_empty() { vec![row.ids.len()] } else { row.parts };
            parts.push(lengths.into_iter().filter(|length| *length > 0).collect());
            all.ids.extend(row.ids);
            all.labels.extend(row.labels);
            all.token_types.extend(row.token_types);
        }
        Ok(Self { seeds, starts, parts, ..self.with_rows(vec![all])? })
    }

    /// Splits the batch into at most `count` parts that take about as long each, texts of like length together, padded anew.
    pub fn shards(&self, count: usize) -> Result<Vec<Batch>> {
        let mut rows = self.rows()?;
        rows.sort_by_key(|row| row.ids.len());
        let lengths: Vec<usize> = rows.iter().map(|row| row.ids.len()).collect();
        even_parts(&lengths, count).into_iter().map(|range| self.with_rows(rows[range].to_vec())).collect()
    }

    /// As [`Batch::shards`], each part in one row: the longest text first, each goes where the fewest tokens are.
    pub fn shards_in_rows(&self, count: usize) -> Result<Vec<Batch>> {
        let mut rows = self.rows()?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.ids.len()));
        let mut shards = vec![(0, Vec::new()); count.clamp(1, rows.len().max(1))];
        for row in rows {
            let Some((tokens, shard)) = shards.iter_mut().min_by_key(|(tokens, _)| *tokens) else { break };
            *tokens += row.ids.len();
            shard.push(row);
        }
        shards.into_iter().map(|(_, rows)| self.one_row_of(rows)).collect()
    }

    /// The forward pass over this batch; dropout is at work in `training` only.
    pub fn pass(&self, training: bool) -> Result<Pass> {
        let mut pass = Pass::new(&self.ids, &self.lengths)?;
        pass.token_types.clone_from(&self.token_types);
        if !self.parts.is_empty() {
            let mut spans = Vec::new();
            for (text, parts) in self.parts.iter().enumerate() {
                let mut first = self.starts.get(text).copied().unwrap_or(text * pass.time);
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
        Ok(pass.training(&self.seeds).starting_at(self.starts.clone()))
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
        let texts = if self.parts.is_empty() { &self.lengths } else { &self.parts.concat() };
        let longest = texts.iter().copied().max().unwrap_or(0);
        needs.check_text(&self.ids.flatten_all()?.to_vec1()?, longest)?;
        let width = self.labels.len() / self.texts().max(1);
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
    fn texts_in_rows_go_where_the_fewest_tokens_are_and_come_back_whole() -> Result<()> {
        let texts: [&[u32]; 5] = [&[1, 2, 3, 4, 5], &[6], &[7, 8, 9], &[10, 11], &[12, 13, 14]];
        let batch = Batch { seeds: vec![50, 10, 30, 20, 31], ..Batch::new(&texts)? };
        let shards = batch.shards_in_rows(2)?;
        let ids: Vec<Vec<u32>> =
            shards.iter().map(|shard| shard.ids.flatten_all()?.to_vec1()).collect::<std::result::Result<_, _>>()?;
        assert_eq!(ids, [vec![1, 2, 3, 4, 5, 10, 11], vec![7, 8, 9, 12, 13, 14, 6]]);
        assert_eq!(shards[1].labels, [8, 9, IGNORE, 13, 14, IGNORE, IGNORE]);
        assert_eq!(shards[1].seeds, [30, 31, 10]);
        assert_eq!(shards[1].pass(false)?.texts_at(), [(0, 3), (3, 3), (6, 1)]);
        assert_eq!(shards[1].shards(1)?[0].ids.to_vec2::<u32>()?, [[6, 0, 0], [7, 8, 9], [12, 13, 14]]);
        assert_eq!(batch.shards_in_rows(9)?.len(), 5, "no part is empty");
        Ok(())
    }
}
