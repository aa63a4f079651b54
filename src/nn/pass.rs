//! One forward pass: which texts, how long each is, and whether dropout is at work.

use std::cell::Cell;

use candle_core::Tensor;

use super::Aside;
use crate::ops::{self, Dropout, Span};

/// What every part of a model may need to know while it computes.
///
/// A row is a text, or holds several that do not see each other: `spans` says where they lie. While training a batch's texts have
/// a seed each, and `starts` where each begins when they lie in one row; a text may be packed of several spans.
#[derive(Clone, Default)]
pub struct Pass {
    /// Token ids, row after row, each padded to `time`.
    pub ids: Vec<u32>,
    /// The real length of each row; padding to the right of it moves no result.
    pub lengths: Vec<usize>,
    /// Positions of each row, padding included.
    pub time: usize,
    /// Which of two texts side by side each position belongs to, 0 or 1; empty: there is one text.
    pub token_types: Vec<u32>,
    /// Where the texts lie whose rows hold several, which do not see each other; none: one in each row.
    pub spans: Option<Vec<Span>>,
    /// The vectors (texts, time, hidden) of the tokens, in place of the table's rows: for whoever asks for their gradient.
    pub vectors: Option<Tensor>,
    /// Where blocks that are computed again put their weights' gradients; none: everything is kept, and nothing is computed
    /// again. See [`super::recomputed`].
    pub aside: Option<Aside>,
    /// A seed for each text while training; none: dropout does nothing.
    seeds: Option<Vec<u64>>,
    /// Where each of those texts begins, counted over the rows, when they lie one after the other in one; empty: each is a row.
    starts: Vec<usize>,
    /// How many dropouts have been at work in this pass: each draws numbers of its own.
    site: Cell<u64>,
}

impl Pass {
    /// A pass over `ids` (texts, time) without dropout.
    pub fn new(ids: &Tensor, lengths: &[usize]) -> candle_core::Result<Self> {
        let (_, time) = ids.dims2()?;
        let ids = ids.flatten_all()?.to_vec1()?;
        Ok(Self { ids, lengths: lengths.to_vec(), time, ..Self::default() })
    }

    /// A pass over one text without dropout.
    pub fn text(ids: &[u32]) -> Self {
        Self { ids: ids.to_vec(), lengths: vec![ids.len()], time: ids.len(), ..Self::default() }
    }

    /// A pass over one more token of each of several texts, without dropout.
    pub fn side_by_side(tokens: &[u32]) -> Self {
        Self { lengths: vec![1; tokens.len()], time: 1, ..Self::text(tokens) }
    }

    /// The pass with dropout, by a seed for each text.
    pub fn training(self, seeds: &[u64]) -> Self {
        Self { seeds: Some(seeds.to_vec()), ..self }
    }

    /// The pass over texts one after the other in a row, of which each begins at a position of its own.
    pub fn starting_at(self, starts: Vec<usize>) -> Self {
        Self { starts, ..self }
    }

    /// The same pass where each text has become one vector: dropout goes on at the next place.
    pub fn one_position_each(&self) -> Self {
        Self { starts: Vec::new(), ..self.clone() }
    }

    /// Where each text lies: its first position, counted over the rows, and how many.
    pub fn texts_at(&self) -> Vec<Span> {
        let alone = || self.lengths.iter().enumerate().map(|(row, length)| (row * self.time, *length)).collect();
        self.spans.clone().unwrap_or_else(alone)
    }

    /// True while training.
    pub fn is_training(&self) -> bool {
        self.seeds.is_some()
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// A dropout of `rate` for the next place in the model; none outside training or at rate 0.
    pub fn next_dropout(&self, rate: f64) -> Option<Dropout> {
        let seeds = self.seeds.as_ref().filter(|_| rate > 0.0)?;
        let site = self.next_site();
        let seeds = seeds.iter().map(|seed| ops::mix(*seed, site)).collect();
        Some(Dropout::new(rate, seeds).starting_at(self.starts.clone()))
    }

    /// The number of the next place in the model that has a dropout.
    fn next_site(&self) -> u64 {
        self.site.replace(self.site.get() + 1)
    }

    /// The position of each of the pass's ids in its text, the first one being `first`; padding goes on counting.
    pub fn positions(&self, first: usize) -> Vec<u32> {
        let mut places: Vec<u32> =
            (0..self.rows()).flat_map(|_| (first..first + self.time).map(|i| i as u32)).collect();
        for (start, length) in self.spans.iter().flatten() {
            (0..*length).for_each(|i| places[start + i] = (first + i) as u32);
        }
        places
    }

    /// A dropout of `rate` for attention's weights: as [`Pass::next_dropout`], with a seed for each text of each row.
    pub fn attention_dropout(&self, rate: f64) -> Option<Dropout> {
        let Some(spans) = &self.spans else { return self.next_dropout(rate) };
        let seeds = self.seeds.as_ref().filter(|_| rate > 0.0)?;
        let site = self.next_site();
        let seed = |(first, _): &Span| {
            let (text, place) = ops::text_at(&self.starts, *first, self.time);
            let seed = ops::mix(seeds[text], site);
            // What begins a text draws as if it were alone.
            if place == 0 {
                seed
            } else {
                ops::mix(seed, place as u64)
            }
        };
        Some(Dropout::new(rate, spans.iter().map(seed).collect()))
    }

    /// `x` (texts, time, d) with a share `rate` left out while training, as it is otherwise.
    pub fn dropout(&self, x: Tensor, rate: f64) -> candle_core::Result<Tensor> {
        match self.next_dropout(rate) {
            Some(dropout) => ops::dropout(&x, &dropout),
            None => Ok(x),
        }
    }
}
