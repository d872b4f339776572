//! Where the images of tables are: in the tables themselves, if they hold them as they are, in a file of copies, or in
//! files that they name. An image takes 12 bytes, whatever it is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::files::TableFile;
use super::scan::{Part, scan};
use super::spool::Spool;
use crate::error::{Error, RecordError, SourceError};
use crate::read::Piece;

/// What the two highest bits of an offset say.
pub(super) const TAG: u64 = 0b11 << 62;
pub(super) const IN_TABLE: u64 = 0;
pub(super) const IN_SPOOL: u64 = 0b01 << 62;
pub(super) const IN_FILE: u64 = 0b10 << 62;
pub(super) const MISSING: u64 = TAG;

/// Where the images of all rows are.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Number of the first row of each table, and that of all rows.
    firsts: Vec<u32>,
    /// Number of images of a row.
    pub(super) images: usize,
    /// Offset of every image; empty if only rows were counted.
    offsets: Vec<u64>,
    /// Length of every image in bytes; the greatest for a longer one.
    lengths: Vec<u32>,
    /// Copies of images.
    pub(super) spool: Option<Spool>,
    /// Bytes that they take, or would take.
    pub(super) copied: u64,
    /// Files that rows name.
    named: Vec<PathBuf>,
    /// Names that are not below the folder of their table, by the number of the image.
    outside: BTreeMap<usize, String>,
}

/// Where an image is.
pub(super) enum Place<'a> {
    /// In a table, by its number, at an offset.
    Table(usize, u64),
    /// In the file of copies, at an offset.
    Spool(u64),
    /// In a file of its own.
    File(&'a Path),
}

impl Index {
    /// Number of rows.
    pub(super) fn rows(&self) -> u32 {
        self.firsts.last().copied().unwrap_or(0)
    }

    /// Whether images were looked at, not only rows.
    pub(super) fn has_images(&self) -> bool {
        !self.offsets.is_empty()
    }

    /// Rows of a table.
    pub(super) fn rows_of(&self, table: usize) -> Range<u32> {
        self.firsts[table]..self.firsts[table + 1]
    }

    /// Where an image of a row is, and its length as far as it is known; none if it is not known.
    pub(super) fn place(&self, row: u32, image: usize) -> Option<(Place<'_>, u64)> {
        let number = (row as usize).checked_mul(self.images)?.checked_add(image).filter(|_| image < self.images)?;
        let (offset, length) = (*self.offsets.get(number)?, u64::from(*self.lengths.get(number)?));
        let at = offset & !TAG;
        Some(match offset & TAG {
            IN_TABLE => (Place::Table(self.firsts.partition_point(|first| *first <= row) - 1, at), length),
            IN_SPOOL => (Place::Spool(at), length),
            IN_FILE => (Place::File(self.named.get(at as usize)?), length),
            _ => return None,
        })
    }

    /// Why a row can't be used; none if it can.
    pub(super) fn refusal(&self, row: u32) -> Option<RecordError> {
        let first = row as usize * self.images;
        let images = self.offsets.get(first..first + self.images)?;
        let missing = first + images.iter().position(|offset| offset & TAG == MISSING)?;
        Some(match self.outside.get(&missing) {
            Some(name) => RecordError::PathOutside(name.clone()),
            None => RecordError::NoImage,
        })
    }

    /// Counts rows and bytes of the images in a column, without looking at them.
    pub(super) fn of_rows(files: &[TableFile], column: &str) -> Result<Index, Error> {
        let mut index = Index { firsts: vec![0], images: 1, ..Index::default() };
        for file in files {
            let table = file.open()?;
            if let Some(column) = table.bytes_column(column) {
                index.copied += table.packed_bytes(column, Piece::Content).map_err(file.unread())?;
            }
            let rows = table.claimed_rows().map_err(file.unread())?;
            let end = index.rows().checked_add(u32::try_from(rows).unwrap_or(u32::MAX));
            index.firsts.push(end.filter(|end| *end < u32::MAX).ok_or_else(|| file.unfit()(SourceError::TooManyRows))?);
        }
        Ok(index)
    }

    /// Finds all images of a column, and copies those that can't be read where they are. Without a folder for copies,
    /// such images can't be read.
    pub(super) fn of_images(files: &[TableFile], column: &str, scratch: Option<&Path>) -> Result<Index, Error> {
        let spool = scratch.map(Spool::new).transpose()?;
        let parts = scan(files, column, spool.as_ref())?;
        let mut index = Index { firsts: vec![0], spool, ..Index::default() };
        for (file, parts) in files.iter().zip(parts) {
            let first = index.rows();
            let mut rows = first as usize;
            for part in parts {
                let (end, row) = (rows.checked_add(part.rows), rows - first as usize);
                rows =
                    end.filter(|end| *end < u32::MAX as usize).ok_or_else(|| file.unfit()(SourceError::TooManyRows))?;
                index.add(part, rows).map_err(|(at, found, expected)| {
                    let (column, row) = (column.to_owned(), row + at);
                    file.unfit()(SourceError::ImageCounts { column, row, found, expected })
                })?;
            }
            index.firsts.push(rows as u32);
        }
        index.copied = match &index.spool {
            Some(spool) => spool.bytes(),
            None => index.copied_lengths(),
        };
        if index.images == 0 {
            index.images = 1;
            index.fill(index.rows() as usize);
        }
        Ok(index)
    }

    /// Bytes of all images that have to be copied.
    fn copied_lengths(&self) -> u64 {
        let images = self.offsets.iter().zip(&self.lengths);
        images.filter(|(offset, _)| **offset & TAG == IN_SPOOL).map(|(_, length)| u64::from(*length)).sum()
    }

    /// Adds a part, which ends at row `end` of all. The first part that has images says how many a row has; fails with
    /// the row of the part that has another number, that number, and the expected one.
    fn add(&mut self, part: Part, end: usize) -> Result<(), (usize, usize, usize)> {
        if self.images == 0 {
            self.images = part.images;
        } else if part.images > 0 && part.images != self.images {
            return Err((part.first, part.images, self.images));
        }
        self.fill(end - part.rows);
        let (image, named) = (self.offsets.len(), self.named.len() as u64);
        let numbered = |offset: u64| if offset & TAG == IN_FILE { offset + named } else { offset };
        self.offsets.extend(part.offsets.into_iter().map(numbered));
        self.lengths.extend(part.lengths);
        self.named.extend(part.named);
        self.outside.extend(part.outside.into_iter().map(|(number, name)| (image + number, name)));
        self.fill(end);
        Ok(())
    }

    /// Adds rows without images up to row `end`.
    fn fill(&mut self, end: usize) {
        let images = end.saturating_mul(self.images).max(self.offsets.len());
        self.offsets.resize(images, MISSING);
        self.lengths.resize(images, 0);
    }
}
