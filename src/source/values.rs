//! Values of other tools' columns as those of a dataset.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast::{CastOptions, cast_with_options};
use arrow_cast::display::array_value_to_string;
use arrow_schema::DataType;

use crate::error::SourceError;
use crate::format::columns::typed;
use crate::spec::ColumnType;

/// The type of the column that values of an Arrow type become; none if they are not single values.
pub(super) fn kind_of(values: &DataType) -> Option<ColumnType> {
    use DataType::*;
    Some(match values {
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => ColumnType::Int64,
        UInt64 | Float16 | Float32 | Float64 | Decimal32(..) | Decimal64(..) | Decimal128(..) => ColumnType::Float64,
        Boolean => ColumnType::Bool,
        Timestamp(..) | Date32 | Date64 => ColumnType::Timestamp,
        Utf8 | LargeUtf8 | Utf8View => ColumnType::String,
        Dictionary(_, values) => return kind_of(values),
        _ => return None,
    })
}

/// Values as those of a column of this type.
///
/// # Errors
/// If a value is not of that type.
pub(super) fn cast(column: &str, values: &ArrayRef, kind: ColumnType) -> Result<ArrayRef, SourceError> {
    cast_from(column, values, kind, 0)
}

/// Like [`cast`], of some of the rows of a table, from row `first` on.
///
/// # Errors
/// As there.
pub(super) fn cast_from(
    column: &str,
    values: &ArrayRef,
    kind: ColumnType,
    first: usize,
) -> Result<ArrayRef, SourceError> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let cast = match typed::data_type(kind) {
        // Times without a zone are UTC; its name can't be parsed without a database of zones.
        DataType::Timestamp(unit, zone) => {
            cast_with_options(values, &DataType::Timestamp(unit, None), &options).map(|times| in_zone(&times, zone))
        }
        to => cast_with_options(values, &to, &options),
    };
    let cast = cast.map_err(|error| SourceError::Damaged(error.to_string()))?;
    // What can't be cast becomes null.
    match (0..values.len()).find(|row| cast.is_null(*row) && values.is_valid(*row)) {
        None => Ok(cast),
        Some(row) => {
            let value = array_value_to_string(values, row).unwrap_or_default();
            Err(SourceError::Values {
                column: column.to_owned(),
                kind,
                value: format!("`{value}` in row {}", first + row),
            })
        }
    }
}

/// Times in microseconds, as those of a time zone.
fn in_zone(times: &ArrayRef, zone: Option<Arc<str>>) -> ArrayRef {
    Arc::new(times.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(zone))
}
