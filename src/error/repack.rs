//! Why a file that others wrote can't be repacked.

use std::path::PathBuf;

use arrow_schema::DataType;
use thiserror::Error as ThisError;

use super::SpecError;
use crate::spec::Shape;

/// A file can't be repacked.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum RepackError {
    /// A folder without files to repack.
    #[error("it holds no Parquet or Arrow files")]
    NoFiles,
    /// A name that can't be that of a file below the output folder.
    #[error("its name is not UTF-8")]
    NameNotUtf8,
    /// Two files that would become one.
    #[error("its rows would go to the same file as those of `{}`", .0.display())]
    SameName(PathBuf),
    /// A file of another format.
    #[error("it is neither a Parquet nor an Arrow file")]
    UnknownFormat,
    /// A file that its format's reader does not understand.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A file in a compression that inlaid does not read.
    #[error("it is compressed with {0}")]
    Codec(String),
    /// No column may hold tensors.
    #[error("it has no column of tensors, only {}", quoted(.0))]
    NoTensors(Vec<String>),
    /// More than one column may hold tensors.
    #[error("each of its columns {} may be the one of tensors", quoted(.0))]
    SeveralColumns(Vec<String>),
    /// Columns of the same name as the one of tensors.
    #[error("it has several columns `{0}`")]
    SameColumns(String),
    /// Tensors whose dimensions are stored in another order than they are meant to be seen in.
    #[error("the dimensions of column `{0}` are permuted")]
    Permuted(String),
    /// There is no column of the name that was asked for.
    #[error("it has no column `{column}`, only {}", quoted(.columns))]
    NoColumn {
        /// The name that was asked for.
        column: String,
        /// The names of all columns.
        columns: Vec<String>,
    },
    /// The column that was asked for holds something else.
    #[error("column `{column}` of type {found} holds no tensors")]
    NotTensors {
        /// Its name.
        column: String,
        /// Its type.
        found: DataType,
    },
    /// No row to see the length of the lists in.
    #[error("column `{0}` holds lists of no fixed length, and there is no row to see it in")]
    NoRows(String),
    /// Elements that no verbatim page holds.
    #[error(
        "column `{column}` has elements of type {found}, and only uint8, uint16, float16 and float32 can be repacked"
    )]
    Element {
        /// Its name.
        column: String,
        /// The type as NumPy names it.
        found: &'static str,
    },
    /// A first row without elements.
    #[error("the first row of column `{0}` is empty, and a tensor has an element at least")]
    EmptyTensor(String),
    /// A shape of another number of elements.
    #[error("tensors of shape {shape} have {} elements, those of column `{column}` have {elements}", .shape.elements())]
    Shape {
        /// The column.
        column: String,
        /// The shape that was asked for, or is told by the file.
        shape: Shape,
        /// How many elements a tensor has.
        elements: usize,
    },
    /// Tensors of no or too many elements.
    #[error("column `{column}`: {source}")]
    Size {
        /// The column.
        column: String,
        /// What is wrong.
        source: SpecError,
    },
    /// The tensors of another file are others.
    #[error("its tensors are others than those of `{}`", .0.display())]
    OtherTensors(PathBuf),
    /// A column that the Parquet writer does not know.
    #[error("column `{column}` of type {found} can't be written to Parquet")]
    Unwritable {
        /// Its name.
        column: String,
        /// Its type.
        found: DataType,
    },
    /// A row without a tensor.
    #[error("row {row} of column `{column}` is null")]
    NullTensor {
        /// From 0.
        row: usize,
        /// The column.
        column: String,
    },
    /// A tensor that lacks an element.
    #[error("an element in row {row} of column `{column}` is null")]
    NullElement {
        /// From 0.
        row: usize,
        /// The column.
        column: String,
    },
    /// A tensor of another length.
    #[error("row {row} of column `{column}` has a list of {found} elements, the first row one of {expected}")]
    Ragged {
        /// From 0.
        row: usize,
        /// The column.
        column: String,
        /// How many elements the list has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
