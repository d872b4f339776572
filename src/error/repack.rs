//! The reasons a file of another tool can't be repacked.

use std::path::PathBuf;

use arrow_schema::DataType;
use thiserror::Error as ThisError;

use super::{SpecError, counted};
use crate::spec::Shape;

/// Reason that a file can't be repacked.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum RepackError {
    /// A folder without files to repack.
    #[error("it holds no Parquet or Arrow files")]
    NoFiles,
    /// A name that is not UTF-8, so no output file can be named after it.
    #[error("its name is not UTF-8")]
    NameNotUtf8,
    /// Two files with the same output file.
    #[error("it would be written to the same file as `{}`", .0.display())]
    SameName(PathBuf),
    /// A file in another format.
    #[error("it is neither a Parquet nor an Arrow file")]
    UnknownFormat,
    /// A file that the reader of its format can't parse.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A file with a compression that inlaid can't read.
    #[error("it is compressed with {0}, which inlaid can't read")]
    Codec(String),
    /// A file without a column that could hold tensors.
    #[error("it has no column of tensors, only {}", quoted(.0))]
    NoTensors(Vec<String>),
    /// A file with several columns that could hold tensors.
    #[error("any of its columns {} could be the tensor column", quoted(.0))]
    SeveralColumns(Vec<String>),
    /// Several columns with the name of the tensor column.
    #[error("it has several columns named `{0}`")]
    SameColumns(String),
    /// Tensors whose dimensions are stored in another order than their logical one.
    #[error("column `{0}` has permuted dimensions")]
    Permuted(String),
    /// A requested column that the file does not have.
    #[error("it has no column `{column}`, only {}", quoted(.columns))]
    NoColumn {
        /// Requested name.
        column: String,
        /// Names of all columns.
        columns: Vec<String>,
    },
    /// A requested column that does not hold tensors.
    #[error("column `{column}` of type {found} holds no tensors")]
    NotTensors {
        /// Name of the column.
        column: String,
        /// Type of the column.
        found: DataType,
    },
    /// Variable-length lists in a file without rows.
    #[error("column `{0}` has variable-length lists and no rows to infer a length from")]
    NoRows(String),
    /// Elements of a type that verbatim pages can't hold.
    #[error(
        "column `{column}` has elements of type {found}, but only uint8, uint16, float16 and float32 can be repacked"
    )]
    Element {
        /// Name of the column.
        column: String,
        /// Type of the elements, as NumPy names it.
        found: &'static str,
    },
    /// Tensors without elements, as the type of the column says.
    #[error("the tensors of column `{0}` have no elements")]
    NoElements(String),
    /// A column besides the tensors that the reader of Parquet files can't read.
    #[error("column `{0}` holds lists of length 0, which inlaid can't read from Parquet")]
    EmptyLists(String),
    /// A first row without elements.
    #[error("the first row of column `{0}` is empty, but a tensor has at least one element")]
    EmptyTensor(String),
    /// A shape that does not match the number of elements.
    #[error(
        "shape {shape} has {}, but the tensors of column `{column}` have {elements}",
        counted(.shape.elements(), "element")
    )]
    Shape {
        /// Name of the column.
        column: String,
        /// Shape that was requested or that the file states.
        shape: Shape,
        /// Number of elements in a tensor.
        elements: usize,
    },
    /// Tensors with no elements or too many.
    #[error("column `{column}`: {source}")]
    Size {
        /// Name of the column.
        column: String,
        /// Cause.
        source: SpecError,
    },
    /// Tensors of another shape, type or column name than in another file.
    #[error("its tensors differ from those of `{}`", .0.display())]
    OtherTensors(PathBuf),
    /// A column of a type that the Parquet writer does not support.
    #[error("column `{column}` of type {found} can't be written to Parquet")]
    Unwritable {
        /// Name of the column.
        column: String,
        /// Type of the column.
        found: DataType,
    },
    /// A row without a tensor.
    #[error("row {row} of column `{column}` is null")]
    NullTensor {
        /// Row, from 0.
        row: usize,
        /// Name of the column.
        column: String,
    },
    /// A tensor with a null element.
    #[error("an element in row {row} of column `{column}` is null")]
    NullElement {
        /// Row, from 0.
        row: usize,
        /// Name of the column.
        column: String,
    },
    /// A tensor with another number of elements than the first.
    #[error("row {row} of column `{column}` has length {found}, but the first row has length {expected}")]
    Ragged {
        /// Row, from 0.
        row: usize,
        /// Name of the column.
        column: String,
        /// Number of elements in the row.
        found: usize,
        /// Number of elements in the first row.
        expected: usize,
    },
}

/// `` `a`, `b` ``.
pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
