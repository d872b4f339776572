//! Tensors that are not in the file as they are: the parts in which the rows of a row group are decoded.

use std::ops::Range;

use super::chunk::Chunk;
use crate::format::page::PageLayout;

/// Length in bytes from which on the tensors of consecutive pages are a part: below, what a part costs besides its
/// bytes would be felt.
const LEAST: usize = 256 << 10;

/// Maximum length of a part in bytes, unless a single tensor is longer. A page with more tensors is several parts.
pub(super) const MOST: usize = 64 << 20;

/// The parts of a row group.
pub(super) struct Parts {
    /// The first row of every part.
    starts: Vec<usize>,
    /// Number of rows of the row group.
    rows: usize,
    pub(super) stored: Stored,
}

/// How the tensors are stored.
pub(super) enum Stored {
    /// In verbatim pages that are compressed: the first row of each, and the offset of its header in the file.
    Compressed(PageLayout, Vec<(usize, usize)>),
    /// In pages of another writer.
    Foreign(Chunk),
    /// In a record batch, which can only be read as a whole.
    Batch,
}

impl Parts {
    /// Parts that begin where a page does. `pages` are the first rows that begin in every page.
    pub(super) fn of_pages(pages: impl Iterator<Item = usize>, rows: usize, row_bytes: usize, stored: Stored) -> Parts {
        let (mut starts, most) = (vec![0], (MOST / row_bytes).max(1));
        for row in pages.filter(|row| *row < rows).chain([rows]) {
            let last = starts[starts.len() - 1];
            if row < rows && (row - last).saturating_mul(row_bytes) < LEAST {
                continue;
            }
            starts.extend((last + most..row).step_by(most));
            if row < rows {
                starts.push(row);
            }
        }
        Parts { starts, rows, stored }
    }

    /// A record batch as one part.
    pub(super) fn of_batch(rows: usize) -> Parts {
        Parts { starts: vec![0], rows, stored: Stored::Batch }
    }

    /// The number of the part that holds a row, and its rows.
    pub(super) fn find(&self, row: usize) -> (usize, Range<usize>) {
        let part = self.starts.partition_point(|start| *start <= row).saturating_sub(1);
        (part, self.starts[part]..self.starts.get(part + 1).copied().unwrap_or(self.rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(pages: &[usize], rows: usize, row_bytes: usize) -> Vec<usize> {
        Parts::of_pages(pages.iter().copied(), rows, row_bytes, Stored::Batch).starts
    }

    #[test]
    fn small_pages_are_read_together_and_large_ones_in_pieces() {
        assert_eq!(starts(&[0, 2, 4, 6], 8, LEAST / 2), [0, 2, 4, 6]);
        assert_eq!(starts(&[0, 1, 2, 3, 4], 5, LEAST / 2), [0, 2, 4]);
        assert_eq!(starts(&[0], 5, 1), [0]);
        assert_eq!(starts(&[0, 5], 6, MOST / 2), [0, 2, 4, 5]);
        // A tensor of several pages: the others begin no row of their own.
        assert_eq!(starts(&[0, 1, 1, 1, 2, 2, 2], 2, 2 * MOST), [0, 1]);
        assert_eq!(starts(&[], 0, 1), [0]);
    }

    #[test]
    fn every_row_is_in_one_part() {
        let parts = Parts::of_pages([0, 3, 4].into_iter(), 6, LEAST, Stored::Batch);
        let found: Vec<_> = (0..6).map(|row| parts.find(row)).collect();
        assert_eq!(found[..3], [(0, 0..3), (0, 0..3), (0, 0..3)]);
        assert_eq!(found[3..], [(1, 3..4), (2, 4..6), (2, 4..6)]);
    }
}
