//! Packs the rows of a source into pages and row groups, in order.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::tensors::Tensors;
use super::times;
use crate::error::{Error, FormatError};
use crate::format::columns::{Columns, TensorPages};
use crate::format::page::PageLayout;
use crate::format::row_counts::RowCounts;
use crate::format::shard::{self, RowGroupBuilder, ShardInfo, ShardWriter};
use crate::spec::{RepackSpec, Storage};

/// Number of elements read at a time, though always at least one row. Decoding takes about ten bytes for each element,
/// and they should still be in the cache when they are copied.
const ELEMENTS_AT_A_TIME: usize = 1 << 18;

/// Maximum number of rows read at a time, since other columns may be larger than tensors.
const ROWS_AT_A_TIME: usize = 1024;

/// The writer of one repacked file.
pub(super) struct Packer<'a> {
    /// Tensor columns with their indices in the schema, in schema order.
    tensors: &'a [(usize, &'a Tensors)],
    path: PathBuf,
    shard: Box<dyn ShardWriter>,
    /// Rows not written yet.
    builder: RowGroupBuilder,
    rows: usize,
}

impl<'a> Packer<'a> {
    /// Begins the file `folder/name` with these tensor columns in its schema.
    pub(super) fn begin(
        folder: &Path,
        name: &str,
        schema: SchemaRef,
        tensors: &'a [(usize, &'a Tensors)],
        spec: &RepackSpec,
    ) -> Result<Packer<'a>, Error> {
        let sizes: Vec<(usize, usize)> =
            tensors.iter().map(|(_, column)| (column.row_bytes(), column.shape.elements())).collect();
        let counts = RowCounts::of_tensors(&sizes, spec.row_group_bytes);
        let pages = tensors.iter().map(|&(index, column)| {
            let pages =
                PageLayout::of_elements(column.shape.elements(), column.dtype, Storage::Tensor, spec.compression);
            TensorPages { index, pages: pages.with_max_rows(counts.page) }
        });
        let columns = Columns::of_table(schema, pages.collect(), spec.compression);
        let layouts = columns.tensors().iter().map(|column| column.pages).collect();
        Ok(Packer {
            tensors,
            path: folder.join(name),
            shard: shard::create(folder, name.to_owned(), &columns)?,
            builder: RowGroupBuilder::new(layouts, counts).with_other_bytes(spec.row_group_bytes.0),
            rows: 0,
        })
    }

    /// Number of rows that should be added at a time to keep memory small.
    pub(super) fn rows_at_a_time(&self) -> usize {
        let elements: usize = self.tensors.iter().map(|(_, column)| column.shape.elements()).sum();
        (ELEMENTS_AT_A_TIME / elements).clamp(1, ROWS_AT_A_TIME)
    }

    /// Adds rows of the source at `path`, which errors name.
    pub(super) fn add(&mut self, batch: &RecordBatch, path: &Path) -> Result<(), Error> {
        let mut rest = batch.clone();
        while rest.num_rows() > 0 {
            let rows = rest.num_rows().min(self.builder.room());
            self.add_to_group(&rest.slice(0, rows), path)?;
            rest = rest.slice(rows, rest.num_rows() - rows);
            if self.builder.is_full() {
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
        let elements = |&(index, column): &(usize, &Tensors)| column.elements(batch.column(index), self.rows);
        let elements = self.tensors.iter().map(elements).collect::<Result<Vec<_>, _>>().map_err(Error::repack(path))?;
        for row in 0..batch.num_rows() {
            let columns = self.tensors.iter().zip(&elements);
            self.builder.add_tensors(columns.map(|((_, column), elements)| {
                let bytes = column.row_bytes();
                &elements[row * bytes..(row + 1) * bytes]
            }));
        }
        let is_other = |index: &usize| !self.tensors.iter().any(|(tensors, _)| tensors == index);
        let others = (0..batch.num_columns()).filter(is_other).map(|index| times::as_written(batch.column(index)));
        self.builder.add_others(others.collect::<Result<_, _>>().map_err(FormatError::write(&self.path))?);
        self.rows += batch.num_rows();
        Ok(())
    }

    /// Writes the rows collected so far.
    fn write(&mut self) -> Result<(), Error> {
        Ok(self.builder.flush(|group| self.shard.write_row_group(group))?)
    }
}
