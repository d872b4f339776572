//! A table that describes images, as it is in its file.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray, new_empty_array};
use arrow_schema::FieldRef;
use arrow_select::concat::concat;
use inlaid_format::read::{SourceFile, SourceFileError};
use tempfile::NamedTempFile;

use super::csv;
use crate::error::{Error, SourceError};
use crate::format::open;
use crate::format::ranges::Stored;
use crate::remote::{Stores, is_url};
use crate::source::copied::copied;
use crate::source::json::JsonColumns;
use crate::source::values::cast;
use crate::spec::{ColumnSpec, ColumnType};

/// A column of a table.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) values: ArrayRef,
}

/// Reads a table: CSV and the like, JSON lines, Parquet or Arrow, by its name. `bytes` are its own, if it is in an
/// archive; `types` are those that are not guessed. One in a store is copied, since it is read several times.
///
/// # Errors
/// If it can't be read, or a value is not of its type.
pub(super) fn read(
    path: &Path,
    bytes: Option<&[u8]>,
    types: &[ColumnSpec],
    stores: &Stores,
) -> Result<Vec<Column>, Error> {
    let copy = match bytes {
        None if is_url(path) => Some(copied(&stores.open(path).map_err(Error::io("read", path))?, path, None)?),
        _ => None,
    };
    let open = || -> io::Result<Box<dyn Read + '_>> {
        match (bytes, &copy) {
            (Some(bytes), _) => Ok(Box::new(bytes)),
            (None, Some(copy)) => Ok(Box::new(copy.from(0))),
            (None, None) => Ok(Box::new(open::regular(path)?)),
        }
    };
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("parquet" | "pq" | "arrow" | "feather" | "ipc") => match bytes {
            Some(bytes) => columns_of_bytes(path, bytes),
            None => columns_of(path, copy),
        },
        Some("jsonl" | "ndjson" | "json") => json_lines(path, open().map_err(Error::io("read", path))?),
        _ => {
            // Opened before, so that a missing file is told as that.
            open().map_err(Error::io("read", path))?;
            csv::read(open, types).map_err(Error::source(path))
        }
    }
}

/// The columns of a Parquet or Arrow file, or of its copy.
fn columns_of(path: &Path, copy: Option<Stored>) -> Result<Vec<Column>, Error> {
    const ROWS: usize = 1 << 16;
    let refused = |error| match error {
        SourceFileError::Io(error) => Error::from(error),
        error => Error::source(path)(SourceError::Damaged(error.to_string())),
    };
    let file = copy.map_or_else(|| SourceFile::open(path), |copy| SourceFile::of(path, copy)).map_err(refused)?;
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

/// The columns of a Parquet or Arrow file in an archive. Its readers need a file.
fn columns_of_bytes(path: &Path, bytes: &[u8]) -> Result<Vec<Column>, Error> {
    let failed = |error| Error::io("copy", path)(error).or_disk_full(0);
    let mut copy = NamedTempFile::new().map_err(failed)?;
    copy.write_all(bytes).map_err(failed)?;
    columns_of(copy.path(), None).map_err(|error| match error {
        Error::Source { source, .. } => Error::source(path)(source),
        error => error,
    })
}

fn json_lines(path: &Path, file: impl Read) -> Result<Vec<Column>, Error> {
    let mut columns = JsonColumns::default();
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
