//! The reasons a source can't be read.

use thiserror::Error as ThisError;

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
    /// A list of files without any.
    #[error("it names no files")]
    EmptyList,
    /// A table of image files beside other sources.
    #[error("a table that names image files is the only source")]
    SeveralSources,
    /// A tar behind the end of another in one file.
    #[error("it holds several tar archives one after another")]
    SeveralArchives,
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
        names => format!("only {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
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
