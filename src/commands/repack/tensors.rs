//! The tensors of a source: how they are nested in lists, and their elements, one after another.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, GenericBinaryArray, GenericListArray, LargeBinaryArray, OffsetSizeTrait};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::DataType;

use super::column::{self, Column};
use crate::error::RepackError;
use crate::format::tensor::check_elements;
use crate::spec::{Dtype, RepackSpec, Shape};

/// The tensors of all files.
#[derive(Clone, Debug)]
pub(super) struct Tensors {
    /// Name of the column.
    pub(super) column: String,
    /// Type of the elements.
    pub(super) dtype: Dtype,
    /// Lengths of the nested lists, outermost first.
    lengths: Vec<usize>,
    /// Shape of every tensor.
    pub(super) shape: Shape,
}

impl Tensors {
    /// The tensors of a column, the first rows of which may tell how long lists are. None if neither they
    /// nor the schema tell.
    pub(super) fn of(
        column: &Column,
        spec: &RepackSpec,
        first: Option<&ArrayRef>,
    ) -> Result<Option<Tensors>, RepackError> {
        let dtype = dtype(column)?;
        let fixed: Option<Vec<usize>> = column.lengths.iter().copied().collect();
        let told = column.shape.clone().filter(|shape| shape.len() == column.lengths.len());
        let lengths = match (fixed.or(told), first) {
            (Some(lengths), _) => lengths,
            (None, Some(first)) => first_lengths(&without_views(first), column, dtype)?,
            (None, None) => match &spec.shape {
                Some(shape) if column.lengths.len() == 1 => vec![shape.elements()],
                _ => return Ok(None),
            },
        };
        if lengths.contains(&0) {
            return Err(RepackError::EmptyTensor(column.name.clone()));
        }
        let shape = column::shape(column, &lengths, spec)?;
        let size = |source| RepackError::Size { column: column.name.clone(), source };
        check_elements(shape.elements() as u64, dtype).map_err(size)?;
        Ok(Some(Tensors { column: column.name.clone(), dtype, lengths, shape }))
    }

    /// Bytes of one tensor.
    pub(super) fn row_bytes(&self) -> usize {
        self.shape.elements() * self.dtype.bytes()
    }

    /// The elements of all tensors of an array. `first` is the number of its first row in the file, for errors.
    pub(super) fn elements(&self, array: &ArrayRef, first: usize) -> Result<Buffer, RepackError> {
        let mut level = Level { tensors: self, first, per_row: 1, array: without_views(array) };
        for (depth, &length) in self.lengths.iter().enumerate() {
            level.refuse_nulls(depth)?;
            if let DataType::FixedSizeBinary(_) | DataType::Binary | DataType::LargeBinary = level.array.data_type() {
                return level.bytes(length * self.dtype.bytes());
            }
            level = level.into_items(length)?;
        }
        level.refuse_nulls(self.lengths.len())?;
        Ok(values(&level.array, self.dtype.bytes()))
    }
}

/// The type of elements as stored in pages.
fn dtype(column: &Column) -> Result<Dtype, RepackError> {
    let other = || RepackError::Element { column: column.name.clone(), found: column.element.numpy_name() };
    column.element.dtype().ok_or_else(other)
}

/// The lengths of the lists of the first row.
fn first_lengths(first: &ArrayRef, column: &Column, dtype: Dtype) -> Result<Vec<usize>, RepackError> {
    let (mut array, mut lengths) = (first.slice(0, 1), Vec::new());
    for _ in &column.lengths {
        if array.is_empty() {
            break;
        }
        if array.is_null(0) {
            return Err(match lengths.is_empty() {
                true => RepackError::NullTensor { row: 0, column: column.name.clone() },
                false => RepackError::NullElement { row: 0, column: column.name.clone() },
            });
        }
        array = match array.data_type() {
            DataType::FixedSizeList(..) => array.as_fixed_size_list().value(0),
            DataType::List(_) => array.as_list::<i32>().value(0),
            DataType::LargeList(_) => array.as_list::<i64>().value(0),
            DataType::Binary => {
                lengths.push(array.as_binary::<i32>().value_length(0) as usize / dtype.bytes());
                break;
            }
            _ => {
                lengths.push(array.as_binary::<i64>().value_length(0) as usize / dtype.bytes());
                break;
            }
        };
        lengths.push(array.len());
    }
    lengths.resize(column.lengths.len(), 0);
    Ok(lengths)
}

/// The values at one nesting depth of some rows' tensors.
struct Level<'a> {
    tensors: &'a Tensors,
    /// Number of the first row in the file.
    first: usize,
    /// Number of values of each row.
    per_row: usize,
    array: ArrayRef,
}

impl<'a> Level<'a> {
    /// The row of a value.
    fn row(&self, value: usize) -> usize {
        self.first + value / self.per_row
    }

    fn refuse_nulls(&self, depth: usize) -> Result<(), RepackError> {
        let Some(nulls) = self.array.logical_nulls().filter(|nulls| nulls.null_count() > 0) else { return Ok(()) };
        let value = nulls.iter().position(|is_there| !is_there).unwrap_or(0);
        let (row, column) = (self.row(value), self.tensors.column.clone());
        Err(match depth {
            0 => RepackError::NullTensor { row, column },
            _ => RepackError::NullElement { row, column },
        })
    }

    fn ragged(&self, value: usize, found: usize, expected: usize) -> RepackError {
        RepackError::Ragged { row: self.row(value), column: self.tensors.column.clone(), found, expected }
    }

    /// The items of lists, which must all have this length.
    fn into_items(self, length: usize) -> Result<Level<'a>, RepackError> {
        let items = match self.array.data_type() {
            DataType::FixedSizeList(..) => {
                let list = self.array.as_fixed_size_list();
                let found = list.value_length() as usize;
                if found != length {
                    return Err(self.ragged(0, found, length));
                }
                list.values().slice(list.value_offset_at(0), list.len() * length)
            }
            DataType::List(_) => self.items_of(self.array.as_list::<i32>(), length)?,
            _ => self.items_of(self.array.as_list::<i64>(), length)?,
        };
        Ok(Level { per_row: self.per_row * length, array: items, ..self })
    }

    fn items_of<O: OffsetSizeTrait>(&self, list: &GenericListArray<O>, length: usize) -> Result<ArrayRef, RepackError> {
        let start = self.check_offsets(list.offsets(), length)?;
        Ok(list.values().slice(start, list.len() * length))
    }

    /// Offset of the first value, if all have this length.
    fn check_offsets<O: OffsetSizeTrait>(
        &self,
        offsets: &OffsetBuffer<O>,
        length: usize,
    ) -> Result<usize, RepackError> {
        let mut lengths = offsets.lengths();
        match lengths.position(|found| found != length) {
            Some(value) => {
                let found = offsets[value + 1] - offsets[value];
                Err(self.ragged(value, found.as_usize(), length))
            }
            None => Ok(offsets[0].as_usize()),
        }
    }

    /// The bytes of binary values, which must all have this length.
    fn bytes(&self, length: usize) -> Result<Buffer, RepackError> {
        match self.array.data_type() {
            DataType::FixedSizeBinary(found) if *found as usize != length => {
                Err(self.ragged(0, *found as usize, length))
            }
            DataType::FixedSizeBinary(_) => Ok(values(&self.array, length)),
            DataType::Binary => self.bytes_of(self.array.as_binary::<i32>(), length),
            _ => self.bytes_of(self.array.as_binary::<i64>(), length),
        }
    }

    fn bytes_of<O: OffsetSizeTrait>(
        &self,
        array: &GenericBinaryArray<O>,
        length: usize,
    ) -> Result<Buffer, RepackError> {
        let start = self.check_offsets(array.offsets(), length)?;
        Ok(array.values().slice_with_length(start, array.len() * length))
    }
}

/// The array with binary views copied into contiguous values; other arrays unchanged.
fn without_views(array: &ArrayRef) -> ArrayRef {
    match array.as_binary_view_opt() {
        Some(views) => Arc::new(LargeBinaryArray::from_iter(views.iter())),
        None => array.clone(),
    }
}

/// The bytes of an array whose values take `bytes` bytes each.
fn values(array: &ArrayRef, bytes: usize) -> Buffer {
    let data = array.to_data();
    data.buffers()[0].slice_with_length(data.offset() * bytes, array.len() * bytes)
}
