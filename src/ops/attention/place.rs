//! Where each text's queries, keys, values and biases lie, and which jobs there are.

use super::{Attention, Seen, Side, ROWS};
use crate::ops::{room, At};

/// A buffer that jobs on different threads fill, each its own rows.
pub(super) struct SharedRows(*mut f32, usize);

// SAFETY: jobs write disjoint rows only (see `write`), and the buffer outlives the parallel loop that uses it.
unsafe impl Sync for SharedRows {}

impl SharedRows {
    pub(super) fn of(buffer: &mut [f32]) -> Self {
        Self(buffer.as_mut_ptr(), buffer.len())
    }

    /// Three views of one buffer, whose rows do not overlap.
    pub(super) fn three(buffer: &mut [f32]) -> [Self; 3] {
        let (start, count) = (buffer.as_mut_ptr(), buffer.len());
        [(); 3].map(|()| Self(start, count))
    }

    #[inline]
    pub(super) fn write(&self, start: usize, row: &[f32]) {
        assert!(start + row.len() <= self.1);
        // SAFETY: the row lies inside the buffer, and each (batch, position, head) row belongs to one job.
        unsafe { std::ptr::copy_nonoverlapping(row.as_ptr(), self.0.add(start), row.len()) }
    }
}

/// Some queries of one head in one text.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) batch: usize,
    pub(super) head: usize,
    /// The first query, and how many.
    pub(super) first: usize,
    pub(super) rows: usize,
    /// How many keys the last of them sees.
    pub(super) seen: usize,
}

impl Attention {
    /// One head of a text at `side`, `length` positions a text.
    pub(super) fn at(&self, side: Side, length: usize, batch: usize, head: usize) -> At {
        let first = self.sight.spans.as_ref().map_or(batch * length, |spans| spans[batch].0);
        At { start: first * side.row + side.offset + head * self.d, row: side.row, column: 1 }
    }

    /// How many texts there are.
    pub(super) fn texts(&self) -> usize {
        self.sight.spans.as_ref().map_or(self.batch, Vec::len)
    }

    /// How many keys of a text there are, padding included.
    pub(super) fn keys(&self, batch: usize) -> usize {
        self.sight.spans.as_ref().map_or(self.keys, |spans| spans[batch].1)
    }

    /// Positions to the right of a text that belong to no other.
    pub(super) fn padding(&self, batch: usize) -> std::ops::Range<usize> {
        match &self.sight.spans {
            None => self.queries(batch)..self.time,
            Some(_) => 0..0,
        }
    }

    /// Room for numbers of which those of the texts are written, and with padding all.
    pub(super) fn output(&self, count: usize) -> Vec<f32> {
        match &self.sight.spans {
            Some(spans) if spans.iter().map(|span| span.1).sum::<usize>() < self.batch * self.time => vec![0f32; count],
            _ => room(count),
        }
    }

    /// The result (time, heads, d) of one head in one text.
    pub(super) fn out(&self, batch: usize, head: usize) -> At {
        self.at(Side { row: self.heads * self.d, offset: 0 }, self.time, batch, head)
    }

    /// How many queries of a text there is something to compute for: those that are no padding.
    pub(super) fn queries(&self, batch: usize) -> usize {
        match (&self.sight.spans, &self.sight.seen) {
            (Some(spans), _) => spans[batch].1,
            (None, Seen::Past) => self.time,
            (None, Seen::Text(lengths)) => lengths[batch],
            // A softmax over nothing is nothing: such queries are as padding.
            (None, Seen::Other(lengths)) if lengths[batch] == 0 => 0,
            (None, Seen::Other(_)) => self.time,
        }
    }

    /// The queries of one head in one text, in blocks.
    pub(super) fn blocks(&self, batch: usize, head: usize) -> impl Iterator<Item = Block> + '_ {
        let queries = self.queries(batch);
        (0..queries).step_by(ROWS).map(move |first| {
            let rows = ROWS.min(queries - first);
            let seen = match &self.sight.seen {
                Seen::Past => self.keys - self.time + first + rows,
                Seen::Text(_) => queries,
                Seen::Other(lengths) => lengths[batch],
            };
            Block { batch, head, first, rows, seen }
        })
    }

    /// How many distances there are between a query and a key.
    pub(super) fn distances(&self) -> usize {
        (self.time + self.keys).saturating_sub(1)
    }

    /// How many numbers the queries are; behind them lie the biases, where there are any.
    pub(super) fn query_numbers(&self) -> usize {
        self.batch * self.time * self.heads * self.d
    }

    /// Where the biases of one query begin among those of its head: a query further on is less far from the last key.
    ///
    /// From there on they are those of its first key, second key, ...: what is a column of distances is one row of numbers.
    pub(super) fn first_distance(&self, query: usize) -> usize {
        self.time - 1 - query
    }
}
