//! Gathers rows until they fill a row group: the one place that decides where row groups end.

use arrow_array::{Array, ArrayRef};
use std::fmt;

use super::row_group::RowGroup;
use crate::format::columns::{Columns, image_files};
use crate::format::page::{Page, PageBuffer, PageLayout};
use crate::format::row_counts::RowCounts;
use crate::format::row_layout::RowLayout;

/// Gathers rows until they fill a row group.
///
/// Rows come with finished pages ([`RowGroupBuilder::add`]), with tensors that are copied into pages here
/// ([`RowGroupBuilder::add_tensors`], then [`RowGroupBuilder::add_others`]), or as files
/// ([`RowGroupBuilder::add_files`]).
pub struct RowGroupBuilder {
    counts: RowCounts,
    limit: Limit,
    /// Layout of the pages of every column of tensors.
    layouts: Vec<PageLayout>,
    /// Full pages of the row group, column by column, and one of each column that is being filled.
    pages: Vec<Vec<Page>>,
    filling: Vec<Option<PageBuffer>>,
    /// The other columns of the row group, piece by piece.
    others: Vec<Vec<ArrayRef>>,
    rows: usize,
    /// Rows that have a place in the row group: those that could not be made leave theirs empty.
    places: usize,
    /// Bytes that count towards the limit.
    bytes: u64,
    /// Memory of pages that were written.
    buffers: Vec<Vec<u8>>,
}

/// What ends a row group beside the number of its rows.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// Nothing.
    Rows,
    /// Bytes of all columns but the tensors.
    Others(u64),
    /// Bytes of images that are stored as files.
    Files(u64),
}

impl RowGroupBuilder {
    /// A builder of row groups of a dataset, which end after `counts.row_group` rows.
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

    /// A builder of row groups of images that are stored as files, which end before they have more than `bytes` of
    /// them.
    pub fn of_files(bytes: u64) -> RowGroupBuilder {
        RowGroupBuilder { limit: Limit::Files(bytes), ..RowGroupBuilder::new(Vec::new(), RowCounts::FILES) }
    }

    /// A builder of row groups of a dataset with these columns.
    pub fn of_dataset(columns: &Columns, layout: &RowLayout) -> RowGroupBuilder {
        if columns.tensors().is_empty() {
            return RowGroupBuilder::of_files(layout.file_bytes());
        }
        RowGroupBuilder::new(columns.tensors().iter().map(|column| column.pages).collect(), layout.counts())
    }

    /// The same builder, whose row groups end also after `bytes` of the columns beside the tensors.
    pub fn with_other_bytes(self, bytes: u64) -> RowGroupBuilder {
        RowGroupBuilder { limit: Limit::Others(bytes), ..self }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Rows that there is room for.
    pub fn room(&self) -> usize {
        self.counts.row_group.saturating_sub(self.places)
    }

    /// Whether the row group is full, and has to be taken.
    pub fn is_full(&self) -> bool {
        self.room() == 0 || matches!(self.limit, Limit::Others(most) if self.bytes >= most)
    }

    /// Adds rows whose pages are finished, one page for each column of tensors, and their other columns. They were
    /// given `places`: there may be fewer rows, or none and no page.
    pub fn add(&mut self, pages: Vec<Page>, others: Vec<ArrayRef>, places: usize) {
        self.places += places;
        self.rows += others.first().map_or(0, |first| first.len());
        self.pages.iter_mut().zip(pages).for_each(|(column, page)| column.push(page));
        self.add_pieces(others);
    }

    /// Copies the tensors of a row into its pages, one for each column.
    ///
    /// # Panics
    /// If a tensor has another length than those of its column.
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

    /// Adds the other columns of rows whose tensors were added.
    pub fn add_others(&mut self, others: Vec<ArrayRef>) {
        if let Limit::Others(_) = self.limit {
            let bytes = |array: &ArrayRef| array.to_data().get_slice_memory_size().unwrap_or(0) as u64;
            self.bytes += others.iter().map(bytes).sum::<u64>();
        }
        self.add_pieces(others);
    }

    /// Adds rows whose images are stored as files, the first of the columns. `write` takes every row group that they
    /// fill.
    ///
    /// # Errors
    /// The first error of `write`.
    pub fn add_files<E>(
        &mut self,
        columns: &[ArrayRef],
        mut write: impl FnMut(&mut RowGroup) -> Result<(), E>,
    ) -> Result<(), E> {
        let Limit::Files(most) = self.limit else { unreachable!("only such builders are given files") };
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

    /// The rows so far, if there are any; the next row begins another row group.
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

    /// Takes the memory of a row group that was written, for the pages to come.
    pub fn recycle(&mut self, group: RowGroup) {
        self.buffers.extend(group.tensors.into_iter().flatten().map(Page::into_buffer));
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
