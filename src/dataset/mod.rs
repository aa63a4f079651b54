//! Tokenized texts, split and batched.

mod pack;
mod pairs;
mod split;

pub(crate) use pairs::check_columns;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

pub use crate::batch::{by_length, Batch, Row};
use crate::error::{Error, ErrorKind, Result};
pub use crate::masking::Masking;
use crate::needs::Needs;
use crate::ops::mix;
use crate::plot::{histogram, Chart};
use crate::rng::Rng;
use crate::show::Progress;
use crate::sys::{capped, stopped, stopped_error};
use crate::tokenizer::Tokenizer;

/// Rows that the short preset keeps.
const SHORT_ROWS: usize = 96;
/// Texts that are cut into tokens between two looks at the clock.
const AT_ONCE: usize = 2_000;

/// Texts as token ids, each at most `max_tokens` long.
#[derive(Clone, Debug)]
pub struct Dataset {
    examples: Vec<Example>,
    max_tokens: usize,
    targets: Targets,
}

/// One row: a text, two that belong together, or several packed side by side.
#[derive(Clone, Debug, Default, Hash)]
struct Example {
    ids: Vec<u32>,
    /// How many tokens there were before the text was cut.
    length: usize,
    /// Which of two texts each token belongs to; empty: there is one.
    token_types: Vec<u32>,
    /// The lengths of the texts packed into the row; empty: it holds one.
    parts: Vec<usize>,
}

impl Example {
    fn new((ids, length): (Vec<u32>, usize)) -> Self {
        Self { ids, length, ..Self::default() }
    }
}

/// What is to be predicted from a text.
#[derive(Clone, Debug)]
pub enum Targets {
    /// The next token, at each position.
    Next,
    /// As [`Targets::Next`], but for the first tokens of each row's texts: as many as the prompt has.
    Answer(Vec<Vec<usize>>),
    /// Tokens that were hidden, drawn anew whenever a batch is made.
    Hidden(Masking),
    /// Labels of each text: its class, a 0 or 1 for each of several, or the bits of a number.
    Labels(Vec<Vec<u32>>),
}

impl Targets {
    fn pick(&self, rows: &[usize]) -> Self {
        match self {
            Self::Labels(labels) => Self::Labels(rows.iter().map(|i| labels[*i].clone()).collect()),
            Self::Answer(prompts) => Self::Answer(rows.iter().map(|i| prompts[*i].clone()).collect()),
            other => other.clone(),
        }
    }

    /// True when there is something to predict in row `i`, whose tokens are `ids`.
    fn any(&self, i: usize, ids: &[u32]) -> bool {
        match self {
            Self::Next => ids.len() > 1,
            Self::Answer(prompts) => prompts[i].iter().sum::<usize>() < ids.len(),
            Self::Hidden(masking) => ids.iter().any(|id| !masking.special.contains(id)),
            Self::Labels(_) => !ids.is_empty(),
        }
    }
}

fn check_max_tokens(max_tokens: usize) -> Result<()> {
    match max_tokens {
        0 | 1 => Err(Error::new(
            ErrorKind::BadSetting,
            tr!("max_tokens = {max_tokens} no alcanza.", "max_tokens = {max_tokens} is not enough."),
        )
        .next(tr!("Usa 2 o más, por ejemplo 64.", "Use 2 or more, for example 64."))),
        _ => Ok(()),
    }
}

impl Dataset {
    /// Cuts `texts` into tokens, at most `max_tokens` each, with the end-of-text token `eos` after every text.
    ///
    /// Says how many texts were cut; texts with nothing to predict are left out and counted.
    pub fn new(texts: &[String], tokenizer: &Tokenizer, eos: Option<u32>, max_tokens: usize) -> Result<Self> {
        check_max_tokens(max_tokens)?;
        let rows = capped(texts.len(), SHORT_ROWS, "textos", "texts");
        let whole = encode(&texts[..rows], |part| tokenizer.encode_all(part))?.into_iter().map(|mut ids| {
            ids.extend(eos.filter(|_| !ids.is_empty()));
            let length = ids.len();
            ids.truncate(max_tokens);
            Example::new((ids, length))
        });
        let empty = |i: usize| texts[i].trim().is_empty();
        Self::gather(whole.collect(), empty, max_tokens, Targets::Next)
    }

    /// As [`Dataset::new`] for an encoder: its tokenizer's start and end marks stay when a text is cut.
    ///
    /// Labels, where `targets` holds them, go with the texts, one list for each.
    pub fn for_encoder(texts: &[String], tokenizer: &Tokenizer, max_tokens: usize, targets: Targets) -> Result<Self> {
        check_max_tokens(max_tokens)?;
        let rows = capped(texts.len(), SHORT_ROWS, "textos", "texts");
        let found = encode(&texts[..rows], |part| tokenizer.encode_within(part, max_tokens))?;
        let examples = found.into_iter().map(Example::new).collect();
        Self::gather(examples, |i| texts[i].trim().is_empty(), max_tokens, targets)
    }

    /// Keeps the rows that say something and in which there is something to predict.
    fn gather(found: Vec<Example>, empty: impl Fn(usize) -> bool, max_tokens: usize, targets: Targets) -> Result<Self> {
        let rows = found.len();
        let (mut examples, mut kept) = (Vec::new(), Vec::new());
        for (i, example) in found.into_iter().enumerate() {
            if !empty(i) && targets.any(i, &example.ids) {
                examples.push(example);
                kept.push(i);
            }
        }
        let (left_out, targets) = (rows - kept.len(), targets.pick(&kept));
        let dataset = Self { examples, max_tokens, targets };
        if dataset.examples.is_empty() {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("No hay ningún texto: {rows} filas vacías.", "There is no text: {rows} empty rows."),
            )
            .next(tr!("Elige otra columna o revisa el archivo.", "Choose another column or look at the file.")));
        }
        if left_out > 0 {
            println!(
                "{}",
                tr!(
                    "{left_out} filas en las que no hay nada que predecir quedan fuera.",
                    "{left_out} rows in which there is nothing to predict are left out."
                )
            );
        }
        let (cut, all) = (dataset.cut(), dataset.len());
        if cut > 0 {
            println!(
                "{}",
                tr!(
                    "{cut} de {all} textos pasan de {max_tokens} tokens y se cortan ahí.",
                    "{cut} of {all} texts are longer than {max_tokens} tokens and are cut there."
                )
            );
        }
        Ok(dataset)
    }

    /// How many texts.
    pub fn len(&self) -> usize {
        self.examples.len()
    }

    /// True when there is no text.
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// Fails where `needs` says that a model cannot read these texts, or does not learn what is to be predicted of them.
    pub fn check(&self, needs: &Needs) -> Result<()> {
        needs.check_kind(!matches!(self.targets, Targets::Labels(_)))?;
        for Example { ids, parts, .. } in &self.examples {
            needs.check_text(ids, parts.iter().copied().max().unwrap_or(ids.len()))?;
        }
        self.labels().iter().try_for_each(|labels| needs.check_labels(labels)) // others are tokens of the texts
    }

    /// How many texts were cut to `max_tokens`.
    pub fn cut(&self) -> usize {
        self.examples.iter().filter(|example| example.length > self.max_tokens).count()
    }

    /// The lengths of the `count` longest rows, and how many labels each has, longest first.
    pub(crate) fn longest(&self, count: usize) -> Vec<(usize, usize)> {
        let width = |i: usize| self.labels().get(i).map_or(0, Vec::len);
        let mut rows: Vec<_> = (0..self.len()).map(|i| (self.examples[i].ids.len(), width(i))).collect();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows.truncate(count);
        rows
    }

    /// The labels of each text, where texts have labels.
    pub(crate) fn labels(&self) -> &[Vec<u32>] {
        match &self.targets {
            Targets::Labels(labels) => labels,
            _ => &[],
        }
    }

    /// How many tokens in all, after cutting.
    pub fn tokens(&self) -> usize {
        self.examples.iter().map(|example| example.ids.len()).sum()
    }

    /// The ids of one text.
    pub fn example(&self, index: usize) -> Option<&[u32]> {
        self.examples.get(index).map(|example| example.ids.as_slice())
    }

    /// A number that changes when any token or label does.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.examples.hash(&mut hasher);
        match &self.targets {
            Targets::Labels(labels) => labels.hash(&mut hasher),
            Targets::Answer(prompts) => prompts.hash(&mut hasher),
            Targets::Next | Targets::Hidden(_) => {}
        }
        hasher.finish()
    }

    fn pick(&self, rows: &[usize]) -> Self {
        let examples = rows.iter().map(|i| self.examples[*i].clone()).collect();
        Self { examples, max_tokens: self.max_tokens, targets: self.targets.pick(rows) }
    }

    /// The batches of one epoch, as rows: a new order each epoch, with texts of like length together to pad less.
    pub fn batches(&self, batch_size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = Rng::stream(seed, epoch as u64);
        let mut order: Vec<usize> = (0..self.len()).collect();
        rng.shuffle(&mut order);
        // Sorting inside windows of eight batches keeps most of the chance and loses most of the padding.
        for window in order.chunks_mut(8 * batch_size) {
            window.sort_by_key(|i| self.examples[*i].ids.len());
        }
        let mut batches: Vec<Vec<usize>> = order.chunks(batch_size.max(1)).map(<[usize]>::to_vec).collect();
        rng.shuffle(&mut batches);
        batches
    }

    /// The batches in order, for measuring.
    pub fn in_order(&self, batch_size: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|i| self.examples[*i].ids.len());
        order.chunks(batch_size.max(1)).map(<[usize]>::to_vec).collect()
    }

    /// Pads some rows into a batch, with the same chance in it each time: for measuring.
    pub fn batch(&self, rows: &[usize]) -> Result<Batch> {
        self.batch_seeded(rows, 0)
    }

    /// Pads some rows into a batch; `seed` decides which tokens are hidden and what dropout leaves out.
    pub fn batch_seeded(&self, rows: &[usize], seed: u64) -> Result<Batch> {
        let rows = rows.iter().map(|i| self.row(*i, mix(seed, *i as u64))).collect();
        Batch::of(rows, !matches!(self.targets, Targets::Labels(_)))
    }

    fn row(&self, i: usize, seed: u64) -> Row {
        let Example { mut ids, token_types, parts, .. } = self.examples[i].clone();
        let labels = match &self.targets {
            Targets::Next => pack::next_tokens_of(&ids, &parts, &[]),
            Targets::Answer(prompts) => pack::next_tokens_of(&ids, &parts, &prompts[i]),
            Targets::Labels(labels) => labels[i].clone(),
            Targets::Hidden(masking) => {
                let (hidden, labels) = masking.hide(&ids, seed);
                ids = hidden;
                labels
            }
        };
        Row { ids, labels, seed, token_types, parts }
    }

    /// How long the texts are, with the quarter marks and where they are cut.
    pub fn plot_lengths(&self) -> Result<Chart> {
        let mut sorted: Vec<f64> = self.examples.iter().map(|example| example.length as f64).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        let mark = |name: &str, share: f64| (format!("{name}: {}", at(share)), at(share));
        let marks = [
            mark("25 %", 0.25),
            mark("50 %", 0.5),
            mark("75 %", 0.75),
            (tr!("máximo: {}", "maximum: {}", at(1.0)), at(1.0)),
            (tr!("corte: {}", "cut: {}", self.max_tokens), self.max_tokens as f64),
        ];
        let marks = &marks[..if self.cut() > 0 { 5 } else { 4 }];
        histogram(&tr!("Largo de los textos", "Length of the texts"), "tokens", &tr!("textos", "texts"), &sorted, marks)
    }

    /// Shows what it holds.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

/// What `cut` makes of many texts, some at a time. The reader may stop it; half a dataset would be of no use.
fn encode<T, U>(texts: &[T], cut: impl Fn(&[T]) -> Result<Vec<U>>) -> Result<Vec<U>> {
    let (all, mut ids) = (texts.len(), Vec::with_capacity(texts.len()));
    let mut progress = Progress::start(&tr!("Cortando en tokens", "Cutting into tokens"), all);
    for some in texts.chunks(AT_ONCE) {
        if stopped() {
            let done = ids.len();
            return Err(stopped_error(
                tr!("Parado en el texto {done} de {all}.", "Stopped at text {done} of {all}."),
                tr!("Ejecuta la celda otra vez para cortarlos todos.", "Run the cell again to cut them all."),
            ));
        }
        ids.extend(cut(some)?);
        progress.update(ids.len(), &tr!("textos", "texts"));
    }
    progress.end(&tr!("textos", "texts"));
    Ok(ids)
}

impl std::fmt::Display for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rows, tokens, longest, cut) = (self.len(), self.tokens(), self.max_tokens, self.cut());
        write!(
            f,
            "{}",
            tr!(
                "{rows} textos, {tokens} tokens; hasta {longest} por texto ({cut} cortados)",
                "{rows} texts, {tokens} tokens; up to {longest} a text ({cut} cut)"
            )
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(lengths: &[usize]) -> Dataset {
        let examples = lengths.iter().map(|n| Example::new(((0..*n as u32).collect(), *n))).collect();
        Dataset { examples, max_tokens: 100, targets: Targets::Next }
    }

    #[test]
    fn every_row_is_in_one_batch_of_each_epoch_and_epochs_differ() {
        let data = dataset(&(2..60).collect::<Vec<_>>());
        let rows = |epoch| data.batches(8, 42, epoch).concat();
        let mut all = rows(0);
        assert_ne!(all, rows(1));
        assert_eq!(all, rows(0), "the same seed and epoch give the same order");
        all.sort_unstable();
        assert_eq!(all, (0..58).collect::<Vec<_>>());
    }

    #[test]
    fn texts_of_like_length_share_a_batch_and_batches_come_in_any_order() {
        let lengths: Vec<usize> = (0..640).map(|i| 2 + i * 37 % 99).collect();
        let data = dataset(&lengths);
        let padding = |batches: &[Vec<usize>]| -> usize {
            let pad = |rows: &Vec<usize>| {
                let longest = rows.iter().map(|i| lengths[*i]).max().unwrap_or(0);
                rows.iter().map(|i| longest - lengths[*i]).sum::<usize>()
            };
            batches.iter().map(pad).sum()
        };
        let batches = data.batches(16, 42, 0);
        let mut mixed: Vec<usize> = (0..640).collect();
        Rng::new(1).shuffle(&mut mixed);
        let mixed: Vec<Vec<usize>> = mixed.chunks(16).map(<[usize]>::to_vec).collect();
        let (ours, theirs, least) = (padding(&batches), padding(&mixed), padding(&data.in_order(16)));
        assert!(5 * ours < theirs && least <= ours, "{ours} of padding, {theirs} by chance, at least {least}");
        let firsts: Vec<usize> = batches.iter().map(|rows| lengths[rows[0]]).collect();
        assert!(!firsts.is_sorted(), "short texts do not all come first");
    }
}
