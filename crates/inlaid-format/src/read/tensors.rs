//! The tensors of one column of a table.

use std::ops::Range;

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;

use super::cast::Cast;
use super::file::{TensorFile, Tensors as Layout};
use super::input::Owned;
use super::pool;
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
        match self.stored.files.iter().find(|file| file.columns.get(column) != Some(expected)) {
            None => Ok(Tensors { table: self, column }),
            Some(other) => {
                let first = self.stored.files[0].path.display();
                Err(Error::damaged(
                    &other.path,
                    format!("the tensors of its column `{name}` differ from those of `{first}`"),
                ))
            }
        }
    }

    /// The tensors of the main column; an error if it has encoded images.
    pub(super) fn main(&self) -> Result<Tensors<'_>, Error> {
        match self.tensor_column() {
            Some(_) => Ok(Tensors { table: self, column: 0 }),
            None => Err(self.no_tensors()),
        }
    }

    /// The main tensor of a row; see [`Tensors::row`].
    ///
    /// # Errors
    /// As [`Tensors::row`], or if the main column has encoded images.
    pub fn tensor(&self, row: usize) -> Result<Bytes, Error> {
        self.main()?.row(row)
    }

    /// Main tensors of consecutive rows, and their number; see [`Tensors::run`].
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn run(&self, row: usize, rows: usize) -> Result<(Bytes, usize), Error> {
        self.main()?.run(row, rows)
    }

    /// Copies the main tensors of these rows into `out`; see [`Tensors::gather`].
    ///
    /// # Errors
    /// As [`Tensors::row`].
    ///
    /// # Panics
    /// If the length of `out` is not `rows.len()` times [`TensorColumn::row_bytes`].
    pub fn gather(&self, rows: &[usize], out: &mut [u8]) -> Result<(), Error> {
        self.main()?.gather(rows, out)
    }

    /// Copies the main tensors of these rows into a new buffer; see [`Tensors::copy`].
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn copy(&self, rows: &[usize]) -> Result<Buffer, Error> {
        self.main()?.copy(rows)
    }
}

impl Table {
    /// Casts the main tensors of these rows, in this order, into a new buffer. Rows may repeat.
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn cast(&self, rows: &[usize], cast: &Cast) -> Result<Buffer, Error> {
        self.main()?.copy_cast(rows, Some(cast))
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
    /// aligned in the file are copied, and so are those of files that are not mapped.
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn run(&self, row: usize, rows: usize) -> Result<(Bytes, usize), Error> {
        let (place, count) = self.find(row, rows)?;
        let tensors = match place {
            Place::File(file, at) => file.slice(at..at + count * self.column().row_bytes())?,
            Place::Decoded(part, range) if range.len() == part.len() => part,
            // A few tensors should not keep the others alive.
            Place::Decoded(part, range) => return Ok((aligned(&part[range]), count)),
        };
        let is_aligned = tensors.as_ptr().addr().is_multiple_of(self.column().element.size());
        Ok((if is_aligned { tensors } else { aligned(&tensors) }, count))
    }

    /// Number of rows, of up to `rows` from `row` on, that are stored contiguously: as many as [`Tensors::run`] returns.
    pub(super) fn count(&self, row: usize, rows: usize) -> Result<usize, Error> {
        self.find(row, rows).map(|(_, count)| count)
    }

    /// Where the tensors of up to `rows` rows from `row` on are, and how many of them are there.
    fn find(&self, row: usize, rows: usize) -> Result<(Place<'t>, usize), Error> {
        let table = &*self.table.stored;
        let (row, rows) = self.table.stored_run(row, rows)?;
        let number = table.row_groups.partition_point(|(start, ..)| *start <= row) - 1;
        let (start, file, row_group) = table.row_groups[number];
        let (file, row) = (&table.files[file], row - start);
        let (in_group, row_bytes) = (file.row_groups[row_group], self.column().row_bytes());
        Ok(match file.tensors(self.column, row_group)? {
            Layout::Pages(pages) => {
                let page = pages.partition_point(|(first, _)| *first <= row) - 1;
                let (first, at) = pages[page];
                let end = pages.get(page + 1).map_or(in_group, |(next, _)| *next);
                (Place::File(file, at + (row - first) * row_bytes), rows.min(end - row))
            }
            Layout::Parts(parts) => {
                let (part, all) = parts.find(row);
                let decode = || file.decode(self.column, row_group, &parts.stored, all.clone());
                let decoded =
                    table.decoded.get((self.column, number, part), all.len().saturating_mul(row_bytes), decode)?;
                let (begin, count) = ((row - all.start) * row_bytes, rows.min(all.end - row));
                (Place::Decoded(decoded, begin..begin + count * row_bytes), count)
            }
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
        self.gather_cast(rows, out, None)
    }

    /// As [`Tensors::gather`], with tensors cast on the way.
    pub(super) fn gather_cast(&self, rows: &[usize], out: &mut [u8], cast: Option<&Cast>) -> Result<(), Error> {
        /// Bytes of files that are not mapped, of which a copy is cast.
        const TOGETHER: usize = 1 << 20;
        let stored_bytes = self.column().row_bytes();
        let row_bytes = cast.map_or(stored_bytes, |cast| cast.target().row_bytes());
        assert_eq!(out.len(), rows.len() * row_bytes, "the buffer has the length of the tensors");
        let most = if cast.is_some() { (TOGETHER / stored_bytes).max(1) } else { usize::MAX };
        let (mut rows, mut rest, mut scratch) = (rows, out, Vec::new());
        while let [first, ..] = rows {
            let run = rows.iter().zip(*first..).take(most).take_while(|(row, next)| **row == *next).count();
            let (place, count) = self.find(*first, run)?;
            let (here, later) = rest.split_at_mut(count * row_bytes);
            match (place, cast) {
                (Place::File(file, at), None) => file.copy(at, here)?,
                (Place::File(file, at), Some(cast)) => {
                    cast.apply(&file.slice(at..at + count * stored_bytes)?, here, &mut scratch);
                }
                (Place::Decoded(part, range), None) => here.copy_from_slice(&part[range]),
                (Place::Decoded(part, range), Some(cast)) => cast.apply(&part[range], here, &mut scratch),
            }
            (rows, rest) = (&rows[count..], later);
        }
        Ok(())
    }

    /// Copies the tensors of these rows, in this order, into a new buffer. Rows may repeat.
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn copy(&self, rows: &[usize]) -> Result<Buffer, Error> {
        self.copy_cast(rows, None)
    }

    /// As [`Tensors::copy`], with tensors cast on the way.
    fn copy_cast(&self, rows: &[usize], cast: Option<&Cast>) -> Result<Buffer, Error> {
        let row_bytes = cast.map_or(self.column(), |cast| cast.target()).row_bytes();
        self.table.fetch_ahead(rows, &self.column().name);
        let mut out = pool::take(rows.len().checked_mul(row_bytes).ok_or(Error::NoMemory(u64::MAX))?)?;
        self.gather_cast(rows, &mut out, cast)?;
        Ok(pool::lend(out))
    }
}

/// Where tensors are.
enum Place<'t> {
    /// In a file, from an offset on.
    File(&'t TensorFile, usize),
    /// A range of the bytes of a part that was decoded.
    Decoded(Bytes, Range<usize>),
}

/// A copy that is aligned for elements of any size.
fn aligned(tensors: &[u8]) -> Bytes {
    let mut copy = MutableBuffer::with_capacity(tensors.len());
    copy.extend_from_slice(tensors);
    Bytes::from_owner(Owned(copy.into()))
}
