//! Puts the rows of a source into pages and row groups, in their order.

use std::path::{Path, PathBuf};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;

use super::tensors::Tensors;
use super::times;
use crate::error::{Error, FormatError};
use crate::format::columns::Columns;
use crate::format::page::{Page, PageBuffer, PageLayout};
use crate::format::row_counts::RowCounts;
use crate::format::shard::{self, RowGroup, ShardInfo, ShardWriter};
use crate::spec::{RepackSpec, Storage};

/// Elements that are read at a time, but at least one row: decoding takes about ten bytes for each, and
/// they should still be in the cache when they are copied.
const ELEMENTS_AT_A_TIME: usize = 1 << 18;

/// Rows that are read at a time at most, as other columns may weigh more than tensors.
const ROWS_AT_A_TIME: usize = 1024;

/// A file that is made of the rows of another.
pub(super) struct Packer<'a> {
    tensors: &'a Tensors,
    /// The index of their column.
    index: usize,
    pages: PageLayout,
    counts: RowCounts,
    /// What of other columns ends a row group, in bytes.
    most_others: usize,
    path: PathBuf,
    shard: Box<dyn ShardWriter>,
    /// Pages of the row group that are full, and one that is not.
    group: RowGroup,
    page: Option<PageBuffer>,
    rows_in_group: usize,
    /// The other columns of the row group, piece by piece, and their bytes.
    others: Vec<Vec<ArrayRef>>,
    other_bytes: usize,
    rows: usize,
    /// Memory of pages that were written.
    buffers: Vec<Vec<u8>>,
}

impl<'a> Packer<'a> {
    /// Begins the file `folder/name`, whose tensors are the column `index` of `schema`.
    pub(super) fn begin(
        folder: &Path,
        name: &str,
        (schema, index): (SchemaRef, usize),
        tensors: &'a Tensors,
        spec: &RepackSpec,
    ) -> Result<Packer<'a>, Error> {
        let elements = tensors.shape.elements();
        let counts = RowCounts::of_tensors(tensors.row_bytes(), elements, spec.row_group_bytes);
        let pages = PageLayout::of_elements(elements, tensors.dtype, Storage::Tensor, spec.compression)
            .with_max_rows(counts.page);
        let columns = Columns::of_table(schema, index, pages, spec.compression);
        Ok(Packer {
            tensors,
            index,
            counts,
            most_others: usize::try_from(spec.row_group_bytes.0).unwrap_or(usize::MAX),
            path: folder.join(name),
            shard: shard::create(folder, name.to_owned(), &columns)?,
            group: RowGroup::default(),
            page: None,
            rows_in_group: 0,
            others: vec![Vec::new(); columns.schema().fields().len() - 1],
            other_bytes: 0,
            rows: 0,
            buffers: Vec::new(),
            pages,
        })
    }

    /// How many rows should be added at a time, so that memory stays small.
    pub(super) fn rows_at_a_time(&self) -> usize {
        (ELEMENTS_AT_A_TIME / self.tensors.shape.elements()).clamp(1, ROWS_AT_A_TIME)
    }

    /// Adds rows of the source, which stands at `path`.
    pub(super) fn add(&mut self, batch: &RecordBatch, path: &Path) -> Result<(), Error> {
        let mut rest = batch.clone();
        while rest.num_rows() > 0 {
            let rows = rest.num_rows().min(self.counts.row_group - self.rows_in_group);
            self.add_to_group(&rest.slice(0, rows), path)?;
            rest = rest.slice(rows, rest.num_rows() - rows);
            if self.rows_in_group == self.counts.row_group || self.other_bytes >= self.most_others {
                self.write()?;
            }
        }
        Ok(())
    }

    /// Completes the file.
    pub(super) fn finish(mut self) -> Result<ShardInfo, Error> {
        self.write()?;
        Ok(self.shard.finish()?)
    }

    fn add_to_group(&mut self, batch: &RecordBatch, path: &Path) -> Result<(), Error> {
        let elements = self.tensors.elements(batch.column(self.index), self.rows).map_err(Error::repack(path))?;
        elements.chunks_exact(self.tensors.row_bytes()).for_each(|tensor| self.add_tensor(tensor));
        let others = batch.columns().iter().enumerate().filter(|(index, _)| *index != self.index);
        for (pieces, (_, column)) in self.others.iter_mut().zip(others) {
            self.other_bytes += column.to_data().get_slice_memory_size().unwrap_or(0);
            pieces.push(times::as_written(column).map_err(FormatError::write(&self.path))?);
        }
        self.rows += batch.num_rows();
        self.rows_in_group += batch.num_rows();
        Ok(())
    }

    fn add_tensor(&mut self, tensor: &[u8]) {
        let (layout, buffers) = (self.pages, &mut self.buffers);
        let page = self.page.get_or_insert_with(|| layout.buffer(buffers.pop().unwrap_or_default()));
        page.slot().copy_from_slice(tensor);
        page.keep();
        if page.rows() == self.counts.page {
            self.group.pages.extend(self.page.take().map(PageBuffer::finish));
        }
    }

    /// Writes the row group.
    fn write(&mut self) -> Result<(), Error> {
        self.group.pages.extend(self.page.take().map(PageBuffer::finish));
        if self.rows_in_group == 0 {
            return Ok(());
        }
        let whole = |pieces: Vec<ArrayRef>| {
            let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| &**piece).collect();
            concat(&pieces)
        };
        let others = self.others.iter_mut().map(|pieces| whole(std::mem::take(pieces)));
        self.group.others = others.collect::<Result<_, _>>().map_err(FormatError::write(&self.path))?;
        self.shard.write_row_group(&mut self.group)?;
        self.group.others.clear();
        self.buffers.extend(self.group.pages.drain(..).map(Page::into_buffer));
        (self.rows_in_group, self.other_bytes) = (0, 0);
        Ok(())
    }
}
