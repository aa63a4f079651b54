//! A column of texts with some of them changed. Those that stay are not copied: both columns share them, which halves
//! the memory that cleaning takes.

use super::polars_error;
use crate::error::Result;
use polars::prelude::{Column, IntoColumn, StringChunked};
use polars_arrow::array::{Array, Utf8ViewArray, View};

/// Bytes of changed texts that are kept in one piece; a view counts its place in a piece with 32 bits.
const PIECE: usize = 1 << 24;

/// A column in the making: the old one, and the texts that take the place of some of its own.
pub(crate) struct Patch {
    old: Utf8ViewArray,
    /// Where each row's text is: in an old piece or a new one; short ones stand here themselves.
    views: Vec<View>,
    pieces: Vec<Vec<u8>>,
}

impl Patch {
    /// Nothing is changed yet.
    pub(crate) fn new(column: &StringChunked) -> Self {
        let whole = column.rechunk();
        let old = whole.downcast_iter().next().cloned();
        let old = old.unwrap_or_else(|| Utf8ViewArray::new_empty(polars_arrow::datatypes::ArrowDataType::Utf8View));
        let views = old.views().as_slice().to_vec();
        Self { old, views, pieces: vec![Vec::new()] }
    }

    /// The text of a row, which has one, is `text` from now on.
    pub(crate) fn set(&mut self, row: usize, text: &str) {
        let full = self.pieces.last().is_none_or(|piece| piece.len() + text.len() > PIECE);
        if full {
            self.pieces.push(Vec::new());
        }
        let number = self.old.data_buffers().len() + self.pieces.len() - 1;
        if let Some(piece) = self.pieces.last_mut() {
            self.views[row] = View::new_from_bytes(text.as_bytes(), number as u32, piece.len() as u32);
            piece.extend_from_slice(text.as_bytes());
        }
    }

    /// The new column.
    ///
    /// # Errors
    /// Never, unless this file is wrong: polars looks at every view.
    pub(crate) fn finish(self, name: &str) -> Result<Column> {
        let old_pieces = self.old.data_buffers().iter().cloned();
        let new_pieces = self.pieces.into_iter().map(Into::into);
        let pieces: Vec<_> = old_pieces.chain(new_pieces).collect();
        let dtype = self.old.dtype().clone();
        let array = Utf8ViewArray::try_new(dtype, self.views.into(), pieces.into(), self.old.validity().cloned());
        Ok(StringChunked::with_chunk(name.into(), array.map_err(polars_error)?).into_column())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_texts_take_their_place_and_the_others_stay() {
        let long = "un texto que no cabe en doce bytes";
        let column = super::super::texts("t", [Some(long), None, Some("corto"), Some(long), Some("")].into_iter());
        let other = super::super::texts("t", [Some("otro"), Some(long)].into_iter());
        let mut both = column.str().unwrap().clone();
        both.append(other.str().unwrap()).unwrap();
        let mut patch = Patch::new(&both);
        patch.set(0, "nuevo");
        patch.set(2, "otro texto que tampoco cabe ahí");
        patch.set(6, &"ñ".repeat(PIECE));
        patch.set(5, "último, ya en otra pieza");
        let new = patch.finish("n").unwrap();
        let found: Vec<Option<&str>> = new.str().unwrap().iter().collect();
        let expected = [Some("nuevo"), None, Some("otro texto que tampoco cabe ahí"), Some(long), Some("")];
        assert_eq!((&found[..5], found[5]), (&expected[..], Some("último, ya en otra pieza")));
        assert_eq!((found[6].unwrap().len(), new.name().as_str(), new.null_count()), (2 * PIECE, "n", 1));
        assert_eq!(both.get(0), Some(long), "the old column is as it was");
    }
}
