//! Times in seconds, which Parquet lacks: they are stored in milliseconds.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Time32MillisecondType, Time32SecondType, TimestampMillisecondType, TimestampSecondType};
use arrow_schema::{ArrowError, DataType, TimeUnit};

/// The type as which a column of this type is written.
pub(super) fn written_as(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(TimeUnit::Second, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        other => other.clone(),
    }
}

/// The column as it is written.
///
/// # Errors
/// If a time is too far from 1970 to be stored in milliseconds.
pub(super) fn as_written(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            let seconds = column.as_primitive::<TimestampSecondType>();
            let by_thousand = |second: i64| second.checked_mul(1000).ok_or_else(|| too_far(second));
            let times = seconds.try_unary::<_, TimestampMillisecondType, _>(by_thousand)?;
            Arc::new(times.with_timezone_opt(zone.clone()))
        }
        DataType::Time32(TimeUnit::Second) => {
            let seconds = column.as_primitive::<Time32SecondType>();
            let by_thousand = |second: i32| second.checked_mul(1000).ok_or_else(|| too_far(second.into()));
            Arc::new(seconds.try_unary::<_, Time32MillisecondType, _>(by_thousand)?)
        }
        _ => column.clone(),
    })
}

fn too_far(second: i64) -> ArrowError {
    ArrowError::ArithmeticOverflow(format!("{second} seconds have too many milliseconds"))
}
