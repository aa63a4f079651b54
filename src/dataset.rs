//! Tokenized texts, split and batched.

use candle_core::{Device, Tensor};

use crate::error::{Error, ErrorKind, Result};
use crate::ops::IGNORE;
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
    examples: Vec<Vec<u32>>,
    max_tokens: usize,
    /// Length of each text before it was cut.
    lengths: Vec<usize>,
}

/// Some texts side by side, padded on the right to the longest.
pub struct Batch {
    /// Token ids (texts, longest); padding is 0, and nothing looks at it.
    pub ids: Tensor,
    /// The real length of each text.
    pub lengths: Vec<usize>,
    /// The next token of each position, [`IGNORE`] on padding and on each text's last position.
    pub labels: Vec<u32>,
}

impl Batch {
    /// Pads texts of any lengths into a batch.
    pub fn new(examples: &[&[u32]]) -> Result<Self> {
        let longest = examples.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(examples.len() * longest);
        let mut labels = Vec::with_capacity(ids.capacity());
        for example in examples {
            ids.extend_from_slice(example);
            labels.extend(example.iter().skip(1));
            ids.resize(ids.len() + longest - example.len(), 0);
            labels.resize(ids.len(), IGNORE);
        }
        let ids = Tensor::from_vec(ids, (examples.len(), longest), &Device::Cpu)?;
        Ok(Self { ids, lengths: examples.iter().map(|ids| ids.len()).collect(), labels })
    }

    /// Splits the batch into at most `count` parts of about as many texts each, padded anew.
    pub fn shards(&self, count: usize) -> Result<Vec<Batch>> {
        let rows: Vec<Vec<u32>> = self.ids.to_vec2()?;
        let rows: Vec<&[u32]> = rows.iter().zip(&self.lengths).map(|(row, length)| &row[..*length]).collect();
        rows.chunks(rows.len().div_ceil(count.max(1)).max(1)).map(Batch::new).collect()
    }

    /// How many predictions count in the loss: padding never does.
    pub fn counted(&self) -> usize {
        self.labels.iter().filter(|label| **label != IGNORE).count()
    }
}

impl Dataset {
    /// Cuts `texts` into tokens, at most `max_tokens` each, with the end-of-text token `eos` after every text.
    ///
    /// Says how many texts were cut; texts with nothing to predict are left out and counted.
    pub fn new(texts: &[String], tokenizer: &Tokenizer, eos: Option<u32>, max_tokens: usize) -> Result<Self> {
        if max_tokens < 2 {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("max_tokens = {max_tokens} no alcanza.", "max_tokens = {max_tokens} is not enough."),
            )
            .next(tr!("Usa 2 o más, por ejemplo 64.", "Use 2 or more, for example 64.")));
        }
        let rows = capped(texts.len(), SHORT_ROWS, "textos", "texts");
        let mut dataset = Self { examples: Vec::new(), max_tokens, lengths: Vec::new() };
        let mut empty = 0;
        for (text, mut ids) in texts[..rows].iter().zip(encode(&texts[..rows], tokenizer)?) {
            if text.trim().is_empty() || ids.is_empty() {
                empty += 1;
                continue;
            }
            ids.extend(eos);
            dataset.lengths.push(ids.len());
            ids.truncate(max_tokens);
            dataset.examples.push(ids);
        }
        if dataset.examples.is_empty() {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("No hay ningún texto: {rows} filas vacías.", "There is no text: {rows} empty rows."),
            )
            .next(tr!("Elige otra columna o revisa el archivo.", "Choose another column or look at the file.")));
        }
        if empty > 0 {
            println!("{}", tr!("{empty} filas vacías quedan fuera.", "{empty} empty rows are left out."));
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

    /// How many texts were cut to `max_tokens`.
    pub fn cut(&self) -> usize {
        self.lengths.iter().filter(|length| **length > self.max_tokens).count()
    }

    /// How many tokens in all, after cutting.
    pub fn tokens(&self) -> usize {
        self.examples.iter().map(Vec::len).sum()
    }

    /// The ids of one text.
    pub fn example(&self, index: usize) -> Option<&[u32]> {
        self.examples.get(index).map(Vec::as_slice)
    }

    /// Splits at random: a `share` (between 0 and 1) to train on, the rest to validate. The same seed splits the same way.
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
        Ok((self.pick(&order[..cut]), self.pick(&order[cut..])))
    }

    fn pick(&self, rows: &[usize]) -> Self {
        Self {
            examples: rows.iter().map(|i| self.examples[*i].clone()).collect(),
            max_tokens: self.max_tokens,
            lengths: rows.iter().map(|i| self.lengths[*i]).collect(),
        }
    }

    /// The batches of one epoch, as rows: a new order each epoch, with texts of like length together to pad less.
    pub fn batches(&self, batch_size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = Rng::stream(seed, epoch as u64);
        let mut order: Vec<usize> = (0..self.len()).collect();
        rng.shuffle(&mut order);
        // Sorting inside windows of eight batches keeps most of the chance and loses most of the padding.
        for window in order.chunks_mut(8 * batch_size) {
            window.sort_by_key(|i| self.examples[*i].len());
        }
        let mut batches: Vec<Vec<usize>> = order.chunks(batch_size.max(1)).map(<[usize]>::to_vec).collect();
        rng.shuffle(&mut batches);
        batches
    }

    /// The batches in order, for measuring.
    pub fn in_order(&self, batch_size: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|i| self.examples[*i].len());
        order.chunks(batch_size.max(1)).map(<[usize]>::to_vec).collect()
    }

    /// Pads some rows into a batch.
    pub fn batch(&self, rows: &[usize]) -> Result<Batch> {
        Batch::new(&rows.iter().map(|i| self.examples[*i].as_slice()).collect::<Vec<_>>())
    }

    /// How long the texts are, with the quarter marks and where they are cut.
    pub fn plot_lengths(&self) -> Result<Chart> {
        let mut sorted: Vec<f64> = self.lengths.iter().map(|length| *length as f64).collect();
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

/// The ids of many texts. The reader may stop it; half a dataset would be of no use.
fn encode(texts: &[String], tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>> {
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
        ids.extend(tokenizer.encode_all(some)?);
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
        let examples: Vec<Vec<u32>> = lengths.iter().map(|n| (0..*n as u32).collect()).collect();
        Dataset { examples, max_tokens: 100, lengths: lengths.to_vec() }
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
    fn a_split_gives_each_row_to_one_side() -> Result<()> {
        let data = dataset(&(2..102).collect::<Vec<_>>());
        let (train, valid) = data.split(0.9, 42)?;
        assert_eq!((train.len(), valid.len()), (90, 10));
        let mut lengths = [train.lengths, valid.lengths].concat();
        lengths.sort_unstable();
        assert_eq!(lengths, (2..102).collect::<Vec<_>>());
        assert!(dataset(&[5]).split(0.9, 42).is_err(), "one row cannot be split");
        assert!(data.split(1.0, 42).is_err());
        Ok(())
    }
}
