//! Values of other tools' columns as those of a dataset.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
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
    // What can't be cast becomes null, or another value.
    let lost = (0..values.len()).find(|row| cast.is_null(*row) && values.is_valid(*row));
    match lost.or_else(|| first_changed(values, kind)) {
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

/// The first row whose value is another one as a value of this type: a fraction among whole numbers, a number that is
/// neither 0 nor 1 as a truth value, a whole number that floats don't have, any number as a time.
fn first_changed(values: &ArrayRef, kind: ColumnType) -> Option<usize> {
    use ColumnType::{Bool, Float64, Int64, Timestamp};
    let floats = |is_changed: fn(f64) -> bool| {
        let values = cast_with_options(values, &DataType::Float64, &CastOptions::default()).ok()?;
        let mut values = values.as_primitive::<Float64Type>().iter();
        values.position(|value| value.is_some_and(is_changed))
    };
    match (kind_of(values.data_type())?, kind) {
        (Float64, Int64) => floats(|value| value.fract() != 0.0),
        (Float64 | Int64, Bool) => floats(|value| value != 0.0 && value != 1.0),
        (Int64, Float64) => {
            let values = cast_with_options(values, &DataType::Int64, &CastOptions::default()).ok()?;
            let mut values = values.as_primitive::<Int64Type>().iter();
            values.position(|value| value.is_some_and(|value| value as f64 as i64 != value))
        }
        (Timestamp, Int64 | Float64 | Bool) | (Int64 | Float64 | Bool, Timestamp) => {
            (0..values.len()).find(|row| values.is_valid(*row))
        }
        _ => None,
    }
}

/// Times in microseconds, as those of a time zone.
fn in_zone(times: &ArrayRef, zone: Option<Arc<str>>) -> ArrayRef {
    Arc::new(times.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(zone))
}

#[cfg(test)]
mod tests {
    use arrow_array::{BooleanArray, Float64Array, Int64Array, StringArray};

    use super::*;

    fn refused(values: impl Array + 'static, kind: ColumnType) -> Option<String> {
        match cast("a", &(Arc::new(values) as ArrayRef), kind) {
            Err(SourceError::Values { value, .. }) => Some(value),
            _ => None,
        }
    }

    #[test]
    fn values_are_never_changed() {
        use ColumnType::{Bool, Float64, Int64, Timestamp};
        assert_eq!(refused(Float64Array::from(vec![1.0, 1.5]), Int64).as_deref(), Some("`1.5` in row 1"));
        assert_eq!(refused(Float64Array::from(vec![Some(1.0), None]), Int64), None);
        assert_eq!(refused(Int64Array::from(vec![0, 1, 7]), Bool).as_deref(), Some("`7` in row 2"));
        assert_eq!(refused(Int64Array::from(vec![0, 1]), Bool), None);
        assert_eq!(refused(Int64Array::from(vec![1 << 53, (1 << 53) + 1]), Float64).as_deref(), {
            Some("`9007199254740993` in row 1")
        });
        assert_eq!(refused(Int64Array::from(vec![5]), Timestamp).as_deref(), Some("`5` in row 0"));
        assert_eq!(refused(BooleanArray::from(vec![true]), Int64), None);
        assert_eq!(refused(StringArray::from(vec!["1", "x"]), Int64).as_deref(), Some("`x` in row 1"));
    }
}
