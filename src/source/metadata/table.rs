//! A table that describes images, as it is in its file.

use std::io::{BufRead, BufReader};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray, new_empty_array};
use arrow_schema::FieldRef;
use arrow_select::concat::concat;
use inlaid_format::read::{SourceFile, SourceFileError};

use super::csv;
use crate::error::{Error, SourceError};
use crate::format::open;
use crate::source::json::JsonColumns;
use crate::source::values::cast;
use crate::spec::{ColumnSpec, ColumnType};

/// A column of a table.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) values: ArrayRef,
}

/// Reads a table: CSV and the like, JSON lines, Parquet or Arrow, by its name. `types` are those that are not guessed.
///
/// # Errors
/// If it can't be read, or a value is not of its type.
pub(super) fn read(path: &Path, types: &[ColumnSpec]) -> Result<Vec<Column>, Error> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("parquet" | "pq" | "arrow" | "feather" | "ipc") => columns_of(path),
        Some("jsonl" | "ndjson" | "json") => json_lines(path),
        _ => {
            // Opened before, so that a missing file is told as that.
            open::regular(path).map_err(Error::io("read", path))?;
            csv::read(|| open::regular(path), types).map_err(Error::source(path))
        }
    }
}

/// The columns of a Parquet or Arrow file.
fn columns_of(path: &Path) -> Result<Vec<Column>, Error> {
    const ROWS: usize = 1 << 16;
    let refused = |error| match error {
        SourceFileError::Io(error) => Error::from(error),
        error => Error::source(path)(SourceError::Damaged(error.to_string())),
    };
    let file = SourceFile::open(path).map_err(refused)?;
    let schema = file.schema().clone();
    let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); schema.fields().len()];
    for batch in file.batches(ROWS).map_err(refused)? {
        let batch = batch.map_err(refused)?;
        parts.iter_mut().zip(batch.columns()).for_each(|(parts, values)| parts.push(values.clone()));
    }
    let column = |(parts, field): (Vec<ArrayRef>, &FieldRef)| {
        let parts: Vec<&dyn Array> = parts.iter().map(|part| &**part).collect();
        let values = match &*parts {
            [] => Ok(new_empty_array(field.data_type())),
            parts => concat(parts),
        };
        let values = values.map_err(|error| Error::source(path)(SourceError::Damaged(error.to_string())))?;
        Ok(Column { name: field.name().clone(), values })
    };
    parts.into_iter().zip(schema.fields()).map(column).collect()
}

fn json_lines(path: &Path) -> Result<Vec<Column>, Error> {
    let mut columns = JsonColumns::default();
    let file = open::regular(path).map_err(Error::io("read", path))?;
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(Error::io("read", path))?;
        if line.trim().is_empty() {
            continue;
        }
        let pushed = columns.push(Some(line.as_bytes()));
        let told = |error: String| SourceError::Damaged(format!("line {}: {error}", number + 1));
        pushed.map_err(told).map_err(Error::source(path))?;
    }
    Ok(columns.finish().into_iter().map(|(name, values)| Column { name, values }).collect())
}

/// Texts of any type that a name of a file may have: numbers are written out.
pub(super) fn as_texts(column: &Column) -> Result<StringArray, SourceError> {
    let texts = cast(&column.name, &column.values, ColumnType::String)?;
    Ok(texts.as_string::<i32>().clone())
}
