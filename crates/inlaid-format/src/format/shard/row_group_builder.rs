//! Collects rows until they fill a row group. The only place that decides where row groups end.

use arrow_array::{Array, ArrayRef};
use std::fmt;

use super::row_group::RowGroup;
use crate::format::columns::{Columns, image_files};
use crate::format::page::{Page, PageBuffer, PageLayout};
use crate::format::row_counts::RowCounts;
use crate::format::row_layout::RowLayout;

/// Collects rows until they fill a row group.
///
/// Rows come with finished pages ([`RowGroupBuilder::add`]), with tensors that are copied into pages here
/// ([`RowGroupBuilder::add_tensors`], then [`RowGroupBuilder::add_others`]), or as files
/// ([`RowGroupBuilder::add_files`]).
pub struct RowGroupBuilder {
    counts: RowCounts,
    limit: Limit,
    /// Page layout of every tensor column.
    layouts: Vec<PageLayout>,
    /// Finished pages of the row group, by column.
    pages: Vec<Vec<Page>>,
    /// Page being filled, by column.
    filling: Vec<Option<PageBuffer>>,
    /// Pieces of every other column of the row group.
    others: Vec<Vec<ArrayRef>>,
    rows: usize,
    /// Number of rows planned for the row group so far, including rows that could not be made and left a gap.
    places: usize,
    /// Bytes that count towards the limit.
    bytes: u64,
    /// Buffers of pages that were written, for reuse.
    buffers: Vec<Vec<u8>>,
}

/// The limit of a row group besides its number of rows.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// No other limit.
    Rows,
    /// Bytes of all columns except the tensors.
    Others(u64),
    /// Bytes of images that are stored as files.
    Files(u64),
}

impl RowGroupBuilder {
    /// A builder of row groups that end after `counts.row_group` rows. `layouts` has one entry for each tensor column.
    pub fn new(layouts: Vec<PageLayout>, counts: RowCounts) -> RowGroupBuilder {
        RowGroupBuilder {
            counts,
            limit: Limit::Rows,
            pages: layouts.iter().map(|_| Vec::new()).collect(),
            filling: layouts.iter().map(|_| None).collect(),
            layouts,
            others: Vec::new(),
            rows: 0,
            places: 0,
            bytes: 0,
            buffers: Vec::new(),
        }
    }

    /// A builder of row groups of images stored as files. A row group ends before its images exceed `bytes`, but holds
    /// at least one.
    pub fn of_files(bytes: u64) -> RowGroupBuilder {
        RowGroupBuilder { limit: Limit::Files(bytes), ..RowGroupBuilder::new(Vec::new(), RowCounts::FILES) }
    }

    /// A builder of row groups of a dataset with these columns and layout.
    pub fn of_dataset(columns: &Columns, layout: &RowLayout) -> RowGroupBuilder {
        if columns.tensors().is_empty() {
            return RowGroupBuilder::of_files(layout.file_bytes());
        }
        RowGroupBuilder::new(columns.tensors().iter().map(|column| column.pages).collect(), layout.counts())
    }

    /// The same builder, with row groups that also end once their other columns take `bytes`.
    pub fn with_other_bytes(self, bytes: u64) -> RowGroupBuilder {
        RowGroupBuilder { limit: Limit::Others(bytes), ..self }
    }

    /// Whether the row group has no rows yet.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Number of rows that still fit into the row group.
    pub fn room(&self) -> usize {
        self.counts.row_group.saturating_sub(self.places)
    }

    /// Whether the row group is full and has to be taken.
    pub fn is_full(&self) -> bool {
        self.room() == 0 || matches!(self.limit, Limit::Others(most) if self.bytes >= most)
    }

    /// Adds rows with their finished pages, one for each tensor column, and their other columns. `places` is the number
    /// of rows planned: there may be fewer, or none and no page.
    pub fn add(&mut self, pages: Vec<Page>, others: Vec<ArrayRef>, places: usize) {
        self.places += places;
        self.rows += others.first().map_or(0, |first| first.len());
        self.pages.iter_mut().zip(pages).for_each(|(column, page)| column.push(page));
        self.add_pieces(others);
    }

    /// Copies the tensors of a row, one for each tensor column, into pages.
    ///
    /// # Panics
    /// If the length of a tensor does not match its column.
    pub fn add_tensors<'t>(&mut self, tensors: impl IntoIterator<Item = &'t [u8]>) {
        let columns = self.layouts.iter().zip(&mut self.filling).zip(&mut self.pages);
        for (((layout, filling), full), tensor) in columns.zip(tensors) {
            let page = filling.get_or_insert_with(|| layout.buffer(self.buffers.pop().unwrap_or_default()));
            page.slot().copy_from_slice(tensor);
            page.keep();
            if page.rows() == self.counts.page {
                full.extend(filling.take().map(PageBuffer::finish));
            }
        }
        self.rows += 1;
        self.places += 1;
    }

    /// Adds the other columns of rows whose tensors were added by [`RowGroupBuilder::add_tensors`].
    pub fn add_others(&mut self, others: Vec<ArrayRef>) {
        if let Limit::Others(_) = self.limit {
            let bytes = |array: &ArrayRef| array.to_data().get_slice_memory_size().unwrap_or(0) as u64;
            self.bytes += others.iter().map(bytes).sum::<u64>();
        }
        self.add_pieces(others);
    }

    /// Adds rows whose images are stored as files, in the first of `columns`. Calls `write` with every row group that
    /// is full.
    ///
    /// # Errors
    /// The first error of `write`.
    ///
    /// # Panics
    /// If the builder was not made for files.
    pub fn add_files<E>(
        &mut self,
        columns: &[ArrayRef],
        mut write: impl FnMut(&mut RowGroup) -> Result<(), E>,
    ) -> Result<(), E> {
        let Limit::Files(most) = self.limit else { unreachable!("files are only added to a builder for files") };
        let lengths = columns.first().map_or_else(Vec::new, image_files::lengths);
        let mut begin = 0;
        for (row, length) in lengths.iter().enumerate() {
            if self.bytes > 0 && self.bytes + length > most {
                self.add_slice(columns, begin..row);
                begin = row;
                if let Some(mut group) = self.take() {
                    write(&mut group)?;
                }
            }
            self.bytes += length;
        }
        self.add_slice(columns, begin..lengths.len());
        Ok(())
    }

    fn add_slice(&mut self, columns: &[ArrayRef], rows: std::ops::Range<usize>) {
        if !rows.is_empty() {
            self.rows += rows.len();
            self.add_pieces(columns.iter().map(|column| column.slice(rows.start, rows.len())).collect());
        }
    }

    fn add_pieces(&mut self, others: Vec<ArrayRef>) {
        self.others.resize_with(self.others.len().max(others.len()), Vec::new);
        self.others.iter_mut().zip(others).for_each(|(column, piece)| column.push(piece));
    }

    /// Takes the rows collected so far, if any. The next row begins a new row group.
    pub fn take(&mut self) -> Option<RowGroup> {
        let rows = std::mem::take(&mut self.rows);
        (self.places, self.bytes) = (0, 0);
        if rows == 0 {
            return None;
        }
        for (full, filling) in self.pages.iter_mut().zip(&mut self.filling) {
            full.extend(filling.take().map(PageBuffer::finish));
        }
        Some(RowGroup {
            tensors: self.pages.iter_mut().map(std::mem::take).collect(),
            others: self.others.iter_mut().map(std::mem::take).collect(),
        })
    }

    /// Writes the rows collected so far, if any, and keeps their buffers for the next row group.
    ///
    /// # Errors
    /// The error of `write`.
    pub fn flush<E>(&mut self, write: impl FnOnce(&mut RowGroup) -> Result<(), E>) -> Result<(), E> {
        if let Some(mut group) = self.take() {
            write(&mut group)?;
            self.buffers.extend(group.tensors.into_iter().flatten().map(Page::into_buffer));
        }
        Ok(())
    }
}

impl fmt::Debug for RowGroupBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowGroupBuilder")
            .field("counts", &self.counts)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}
