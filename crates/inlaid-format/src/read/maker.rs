//! What makes the tensors of batches where they are neither copied nor cast: a decoder of image files, for example.

use std::fmt;

use super::order::Epoch;
use super::table::Table;
use crate::error::Error;
use crate::format::tensor_column::TensorColumn;

/// Makes the tensors of batches from rows of a table, on threads of its own. Several threads ask for batches at a time.
pub trait TensorMaker: fmt::Debug + Send + Sync {
    /// The column that the tensors would be.
    fn target(&self) -> &TensorColumn;

    /// Writes the tensors of rows that an epoch draws to `out`, one after another. Returns the rows without a tensor:
    /// their places in `rows`, in order, and why. What `out` holds in their place is unspecified.
    ///
    /// # Errors
    /// If no tensor can be made.
    fn make(
        &self,
        table: &Table,
        epoch: &Epoch,
        rows: &[DrawnRow],
        out: &mut [u8],
    ) -> Result<Vec<(usize, Error)>, Error>;
}

/// A row that an epoch draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnRow {
    /// Number of the row in the table, from 0.
    pub row: usize,
    /// How often the epoch drew the row before.
    pub repeat: u32,
}

/// What becomes of rows for which there is no tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBadRow {
    /// Their batch is an error.
    #[default]
    Raise,
    /// Their batch has fewer rows. A batch of which no row is left is an error, and so is a file that can't be read.
    Skip,
}

/// A row that was left out of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRow {
    /// Number of the row in the table, from 0.
    pub row: usize,
    /// Why it has no tensor.
    pub reason: String,
}

/// Removes the tensors at these places, in order, of tensors of `row_bytes` bytes each; returns how many bytes are left.
pub(super) fn close_gaps(tensors: &mut [u8], row_bytes: usize, gaps: &[usize]) -> usize {
    let (mut to, mut gaps) = (0, gaps.iter().peekable());
    for from in 0..tensors.len() / row_bytes.max(1) {
        if gaps.next_if(|gap| **gap == from).is_none() {
            tensors.copy_within(from * row_bytes..(from + 1) * row_bytes, to * row_bytes);
            to += 1;
        }
    }
    to * row_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_closed_in_order() {
        let closed = |gaps: &[usize]| {
            let mut tensors = *b"aabbccdd";
            let left = close_gaps(&mut tensors, 2, gaps);
            tensors[..left].to_vec()
        };
        assert_eq!(closed(&[]), b"aabbccdd");
        assert_eq!(closed(&[0, 2]), b"bbdd");
        assert_eq!(closed(&[3]), b"aabbcc");
        assert_eq!(closed(&[0, 1, 2, 3]), b"");
    }
}
