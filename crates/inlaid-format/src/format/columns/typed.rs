//! Columns of typed values that come with the inputs.

use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};

use crate::spec::{ColumnSpec, ColumnType};

/// The Arrow type of the values.
pub fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
        ColumnType::String => DataType::Utf8,
    }
}

/// The Arrow field of such a column; nullable.
pub fn field(column: &ColumnSpec) -> Field {
    Field::new(&column.name, data_type(column.kind), true)
}

/// The name of the type in the features of Hugging Face `datasets`.
pub fn feature(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Int64 => "int64",
        ColumnType::Float64 => "float64",
        ColumnType::Bool => "bool",
        ColumnType::Timestamp => "timestamp[us, tz=UTC]",
        ColumnType::String => "string",
    }
}
