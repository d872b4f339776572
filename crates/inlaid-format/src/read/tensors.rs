//! The tensors of one column of a table.

use arrow_buffer::MutableBuffer;
use bytes::Bytes;

use super::file::{Owned, Tensors as Stored};
use super::table::Table;
use crate::error::Error;
use crate::format::tensor_column::TensorColumn;

/// The tensors of one column of a table. They are slices of the mapped files if pages are verbatim.
#[derive(Clone, Copy, Debug)]
pub struct Tensors<'t> {
    pub(super) table: &'t Table,
    pub(super) column: usize,
}

impl Table {
    /// The tensors of the column `name`.
    ///
    /// # Errors
    /// If there is no tensor column of this name, or if its shape or element type differs between files.
    pub fn tensors(&self, name: &str) -> Result<Tensors<'_>, Error> {
        let column = self.tensor_columns().iter().position(|column| column.name == name);
        let column = column.ok_or_else(|| self.no_column(name))?;
        let expected = &self.tensor_columns()[column];
        match self.files.iter().find(|file| file.columns.get(column) != Some(expected)) {
            None => Ok(Tensors { table: self, column }),
            Some(other) => {
                let first = self.files[0].path.display();
                Err(Error::damaged(
                    &other.path,
                    format!("the tensors of its column `{name}` differ from those of `{first}`"),
                ))
            }
        }
    }

    /// The tensors of the main column.
    pub(super) fn main(&self) -> Tensors<'_> {
        Tensors { table: self, column: 0 }
    }

    /// The main tensor of a row; see [`Tensors::row`].
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn tensor(&self, row: usize) -> Result<Bytes, Error> {
        self.main().row(row)
    }

    /// Main tensors of consecutive rows, and their number; see [`Tensors::run`].
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn run(&self, row: usize, rows: usize) -> Result<(Bytes, usize), Error> {
        self.main().run(row, rows)
    }

    /// Copies the main tensors of these rows into `out`; see [`Tensors::gather`].
    ///
    /// # Errors
    /// As [`Tensors::row`].
    ///
    /// # Panics
    /// If the length of `out` is not `rows.len()` times [`TensorColumn::row_bytes`].
    pub fn gather(&self, rows: &[usize], out: &mut [u8]) -> Result<(), Error> {
        self.main().gather(rows, out)
    }

    /// Copies the main tensors of these rows into a new buffer; see [`Tensors::copy`].
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn copy(&self, rows: &[usize]) -> Result<Vec<u8>, Error> {
        self.main().copy(rows)
    }
}

impl<'t> Tensors<'t> {
    /// Name of the column, and shape and element type of its tensors.
    pub fn column(&self) -> &'t TensorColumn {
        &self.table.tensor_columns()[self.column]
    }

    /// The tensor of a row: [`TensorColumn::row_bytes`] bytes, in C order (last dimension contiguous) and native byte
    /// order, aligned to the element size.
    ///
    /// # Errors
    /// If `row` is not less than the number of rows, or its row group is damaged.
    pub fn row(&self, row: usize) -> Result<Bytes, Error> {
        self.run(row, 1).map(|(tensors, _)| tensors)
    }

    /// The tensors of up to `rows` rows from `row` on that are stored contiguously, and their number, at least 1 unless
    /// `rows` is 0. They form an array of shape `[number, ...]`, aligned to the element size: tensors that are not
    /// aligned in the file are copied.
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn run(&self, row: usize, rows: usize) -> Result<(Bytes, usize), Error> {
        let (tensors, count) = self.find(row, rows)?;
        let is_aligned = tensors.as_ptr().addr().is_multiple_of(self.column().element.size());
        Ok((if is_aligned { tensors } else { aligned(&tensors) }, count))
    }

    /// As [`Tensors::run`], without alignment.
    fn find(&self, row: usize, rows: usize) -> Result<(Bytes, usize), Error> {
        let table = self.table;
        if row >= table.rows {
            return Err(Error::NoRow { row, rows: table.rows });
        }
        let number = table.row_groups.partition_point(|(start, ..)| *start <= row) - 1;
        let (start, file, row_group) = table.row_groups[number];
        let (file, row) = (&table.files[file], row - start);
        let (in_group, row_bytes) = (file.row_groups[row_group], self.column().row_bytes());
        let whole = |tensors: Bytes| {
            let count = rows.min(in_group - row);
            (tensors.slice(row * row_bytes..(row + count) * row_bytes), count)
        };
        Ok(match file.tensors(self.column, row_group)? {
            Stored::Pages(pages) => {
                let page = pages.partition_point(|(first, _)| *first <= row) - 1;
                let (first, at) = pages[page];
                let end = pages.get(page + 1).map_or(in_group, |(next, _)| *next);
                let (count, at) = (rows.min(end - row), at + (row - first) * row_bytes);
                (file.slice(at..at + count * row_bytes), count)
            }
            Stored::Whole(tensors) => whole(tensors.clone()),
            Stored::Encoded => whole(table.decoded(self.column, number, file, row_group)?),
        })
    }

    /// Copies the tensors of these rows, in this order, into `out`. Rows may repeat.
    ///
    /// # Errors
    /// As [`Tensors::row`].
    ///
    /// # Panics
    /// If the length of `out` is not `rows.len()` times [`TensorColumn::row_bytes`].
    pub fn gather(&self, rows: &[usize], out: &mut [u8]) -> Result<(), Error> {
        assert_eq!(out.len(), rows.len() * self.column().row_bytes(), "the buffer has the length of the tensors");
        let mut rest = out;
        self.visit(rows, |tensors| {
            let (here, later) = std::mem::take(&mut rest).split_at_mut(tensors.len());
            here.copy_from_slice(tensors);
            rest = later;
        })
    }

    /// Copies the tensors of these rows, in this order, into a new buffer. Rows may repeat.
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn copy(&self, rows: &[usize]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(rows.len() * self.column().row_bytes());
        self.visit(rows, |tensors| out.extend_from_slice(tensors))?;
        Ok(out)
    }

    /// Appends the tensors of these rows to `out`.
    pub(super) fn append(&self, rows: &[usize], out: &mut MutableBuffer) -> Result<(), Error> {
        self.visit(rows, |tensors| out.extend_from_slice(tensors))
    }

    /// Calls `visit` once for each contiguous run of rows.
    fn visit(&self, rows: &[usize], mut visit: impl FnMut(&[u8])) -> Result<(), Error> {
        let mut rest = rows;
        while let [first, ..] = rest {
            let run = rest.iter().zip(*first..).take_while(|(row, next)| **row == *next).count();
            let (tensors, count) = self.find(*first, run)?;
            visit(&tensors);
            rest = &rest[count..];
        }
        Ok(())
    }
}

/// A copy that is aligned for elements of any size.
fn aligned(tensors: &[u8]) -> Bytes {
    let mut copy = MutableBuffer::with_capacity(tensors.len());
    copy.extend_from_slice(tensors);
    Bytes::from_owner(Owned(copy.into()))
}
