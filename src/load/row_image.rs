//! The image of a row, and the error of a row without one.

use std::path::Path;

use arrow_array::Array;
use arrow_array::cast::AsArray;

use crate::error::{FormatError, RecordError};
use crate::read::Table;

/// Decodes the image of a row: by its content or, if that does not tell its format, by the name of its file.
pub(super) fn decoded<T>(
    table: &Table,
    row: usize,
    mut decode: impl FnMut(&Path) -> Result<T, RecordError>,
) -> Result<T, FormatError> {
    let decoded = match decode(Path::new("")) {
        Err(RecordError::UnknownFormat) => decode(Path::new(table.image_name(row)?.as_deref().unwrap_or_default())),
        decoded => decoded,
    };
    decoded.map_err(|error| bad_row(table, row, &error))
}

/// The error of a row whose image can't be used. It names the file that the image came from, where the table tells.
pub(super) fn bad_row(table: &Table, row: usize, reason: &RecordError) -> FormatError {
    let keys = table.column("path").ok();
    let key = keys.as_ref().and_then(|keys| {
        let keys = keys.as_string_opt::<i32>()?;
        (row < keys.len() && keys.is_valid(row)).then(|| keys.value(row))
    });
    let reason = match key {
        Some(key) => format!("`{key}`: {reason}"),
        None => reason.to_string(),
    };
    FormatError::NoImage { path: table.file_of(row).to_owned(), row, reason }
}
