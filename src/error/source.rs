//! The reasons a source can't be read.

use std::path::PathBuf;

use arrow_schema::DataType;
use thiserror::Error as ThisError;

use super::counted;
use super::repack::quoted;
use super::store::StoreError;
use crate::spec::ColumnType;

/// Reason that a source can't be read.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum SourceError {
    /// A file that the reader of its format can't parse.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A file in a format that is not a source.
    #[error("it is neither a folder, an archive, a table nor an array of images")]
    UnknownFormat,
    /// A table in an archive that can't be read from there.
    #[error("the table can't be read from the archive: {0}")]
    TableInArchive(String),
    /// An object store that can't be read.
    #[error("{0}")]
    Store(StoreError),
    /// A list of files without any.
    #[error("it names no files")]
    EmptyList,
    /// A table of image files beside other sources.
    #[error("a table that names image files is the only source")]
    SeveralSources,
    /// A pattern that nothing fits.
    #[error("no file fits the pattern")]
    NoMatch,
    /// A file where a list of files needs the folder that they are below.
    #[error("a list of files is relative to a folder, not to a file")]
    NotFolderOfList,
    /// A source of another kind than those before it.
    #[error("folders and archives, tables with images, and arrays are not converted together")]
    OtherKind,
    /// A table that is to describe image files where there are none.
    #[error("it holds no image files that a table could describe")]
    NotFiles,
    /// A tar behind the end of another in one file.
    #[error("it holds several tar archives one after another")]
    SeveralArchives,
    /// An encrypted file.
    #[error("it is encrypted")]
    Encrypted,
    /// A file with a compression that inlaid can't read.
    #[error("it is compressed with {0}, which inlaid can't read")]
    Codec(String),
    /// A table without a column of images.
    #[error("none of its columns holds encoded images: {}", quoted(.0))]
    NoImages(Vec<String>),
    /// A table with several columns that could hold the images.
    #[error("any of its columns {} could hold the images", quoted(.0))]
    SeveralImageColumns(Vec<String>),
    /// A requested column that holds no images.
    #[error("column `{column}` of type {found} holds no encoded images")]
    NotImages {
        /// Name of the column.
        column: String,
        /// Type of the column.
        found: DataType,
    },
    /// A table of tensors.
    #[error("{} holds tensors, not encoded images", columns(.0))]
    Tensors(Vec<String>),
    /// Rows of different numbers of images.
    #[error("row {row} of column `{column}` has {}, but earlier rows have {expected}", counted(*.found, "image"))]
    ImageCounts {
        /// Name of the column.
        column: String,
        /// Row of the table, from 0.
        row: usize,
        /// Number of its images.
        found: usize,
        /// Number of images of earlier rows.
        expected: usize,
    },
    /// Rows of another number of images than the dataset has columns for.
    #[error("rows of column `{column}` have {}, but rows of the dataset have {expected}", counted(*.found, "image"))]
    ImageColumns {
        /// Name of the column.
        column: String,
        /// Number of images of a row.
        found: usize,
        /// Number of images of a row of the dataset.
        expected: usize,
    },
    /// Rows of several images that can't be stored without a size.
    #[error("rows of column `{column}` have {images} images, which only become tensors")]
    SeveralImages {
        /// Name of the column.
        column: String,
        /// Number of images of a row.
        images: usize,
    },
    /// Several columns of one name.
    #[error("it has several columns named `{0}`")]
    SameColumns(String),
    /// A column that another table has.
    #[error("it has no column `{column}`, as `{}` has", other.display())]
    LacksColumn {
        /// Name of the column.
        column: String,
        /// Table that has it.
        other: PathBuf,
    },
    /// A column of another type than in another table.
    #[error("its column `{column}` is of type {found}, but that of `{}` of type {expected}", other.display())]
    OtherType {
        /// Name of the column.
        column: String,
        /// Its type.
        found: DataType,
        /// The other table.
        other: PathBuf,
        /// Type in that table.
        expected: DataType,
    },
    /// Names of classes that differ from those in another table.
    #[error("the classes of its column `{column}` are not those of `{}`", other.display())]
    OtherClasses {
        /// Name of the column.
        column: String,
        /// The other table.
        other: PathBuf,
    },
    /// A table whose name says no split.
    #[error("neither its name nor the names of its folders are those of a split")]
    NoSplit,
    /// A row of more images than a dataset has columns for.
    #[error("row {row} of column `{column}` has more than {limit} images")]
    TooManyImages {
        /// Name of the column.
        column: String,
        /// Row of the table, from 0.
        row: usize,
        /// Most images of a row.
        limit: usize,
    },
    /// More rows than can be numbered.
    #[error("it has too many rows: the limit is 4294967294 in all tables")]
    TooManyRows,
    /// A column that a table does not have.
    #[error("it has no column `{column}`, {}", only(.columns))]
    NoColumn {
        /// Requested name.
        column: String,
        /// Names of all columns.
        columns: Vec<String>,
    },
    /// A table without a column of names of files.
    #[error("it has no column `{column}` with the names of the files, {}", only(.columns))]
    NoFileColumn {
        /// Name of the column.
        column: String,
        /// Names of all columns.
        columns: Vec<String>,
    },
    /// A table with a column that the tables of other folders don't have.
    #[error("it has a column `{0}`, which the tables in other folders don't have")]
    FurtherColumn(String),
    /// Pickled Python objects, which can run code when they are read.
    #[error("{}", pickled(.name.as_deref()))]
    Pickled {
        /// Name of the array; none if it is the whole file.
        name: Option<String>,
    },
    /// An array whose elements are no numbers.
    #[error("the elements of array `{array}` are of type `{element}`, not numbers")]
    ArrayElements {
        /// Name of the array.
        array: String,
        /// Type of its elements, as NumPy names it.
        element: String,
    },
    /// An array whose shape is not that of images.
    #[error(
        "array `{array}` has the shape {shape}, not one of images: (N, H, W), or (N, H, W, C) or (N, C, H, W) with 1, 3 \
         or 4 channels"
    )]
    ArrayShape {
        /// Name of the array.
        array: String,
        /// Its shape, as NumPy writes it.
        shape: String,
    },
    /// An array of labels that has not as many rows as the images.
    #[error("array `{labels}` has {count} labels for the {wanted} images of `{images}`")]
    ArrayLabels {
        /// Name of the array of labels.
        labels: String,
        /// Number of labels.
        count: u64,
        /// Name of the array of images.
        images: String,
        /// Number of images.
        wanted: u64,
    },
    /// Several arrays of a file, of which any could be the images.
    #[error("several arrays could be the images: {}", quoted(.arrays))]
    SeveralArrays {
        /// Names of the arrays.
        arrays: Vec<String>,
    },
    /// A file of arrays, none of which are images.
    #[error("none of its arrays are images: {}", quoted(.arrays))]
    NoImageArray {
        /// Names of the arrays, with their shapes.
        arrays: Vec<String>,
    },
    /// Pixels that are to be stored as the files that they are not.
    #[error("it holds pixels, not files that could be stored unchanged")]
    NoFiles,
    /// Arrays whose names do not say which split they are.
    #[error("the names of its arrays do not say which split they are")]
    NoSplitNames,
    /// Values that can't be labels.
    #[error("column `{column}` can't be labels: {reason}")]
    Labels {
        /// Name of the column.
        column: String,
        /// What is wrong with its values.
        reason: String,
    },
    /// A column that is too long for one array.
    #[error("column `{0}` has more than 2 GiB of text")]
    TooLong(String),
    /// A table of text in another encoding, with the first line that shows it, from 1.
    #[error("line {0} is not UTF-8")]
    NotUtf8(u64),
    /// Values that are not of the type of their column.
    #[error("column `{column}` has values that are not {}: {value}", words(*.kind))]
    Values {
        /// Name of the column.
        column: String,
        /// Type of the column.
        kind: ColumnType,
        /// The first such value, and its place if that is known.
        value: String,
    },
}

/// `` only `a`, `b` ``.
fn only(names: &[String]) -> String {
    match names {
        [] => "nor any other".to_owned(),
        names => format!("only {}", quoted(names)),
    }
}

fn pickled(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("array `{name}` holds pickled Python objects, which can run code when they are read"),
        None => "it holds pickled Python objects, which can run code when they are read".to_owned(),
    }
}

/// ``column `a` ``, or ``each of columns `a`, `b` ``.
fn columns(names: &[String]) -> String {
    match names {
        [name] => format!("column `{name}`"),
        names => format!("each of columns {}", quoted(names)),
    }
}

fn words(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Int64 => "whole numbers",
        ColumnType::Float64 => "numbers",
        ColumnType::Bool => "true or false",
        ColumnType::Timestamp => "times",
        _ => "texts",
    }
}
