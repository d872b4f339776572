//! Rows without their tensors, as they are read back.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, BinaryArray, RecordBatch};
use arrow_schema::ArrowError;

use crate::format::columns::{Row, TENSOR_COLUMN};
use crate::format::sha256::Sha256;

/// How many rows are read back at a time.
pub(super) const ROWS_AT_A_TIME: usize = 4096;

/// What is read back of a row.
#[derive(Clone, Copy, Debug)]
pub struct StoredRow<'a> {
    /// The key.
    pub path: &'a str,
    /// As it is stored: whatever a damaged file holds.
    pub label: Option<i64>,
    /// Of the upright source image, in pixels.
    pub source_height: i32,
    /// Of the upright source image, in pixels.
    pub source_width: i32,
    /// Of the source file's bytes, if that is what is stored.
    pub sha256: Option<Sha256>,
    /// The encoded image, where those are visited too.
    pub image: &'a [u8],
}

/// What of rows is visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// All but images.
    WithoutImages,
    /// Encoded images too.
    WithImages,
}

impl StoredRow<'_> {
    pub(super) const COLUMNS: [&'static str; 5] = ["label", "path", "source_height", "source_width", "sha256"];

    /// The row as it was written; none if no run writes such a row.
    pub fn to_row(self) -> Option<Row> {
        Some(Row {
            path: self.path.into(),
            label: self.label.map(u32::try_from).transpose().ok()?,
            source_height: u32::try_from(self.source_height).ok()?,
            source_width: u32::try_from(self.source_width).ok()?,
            sha256: self.sha256?,
            image: self.image.to_vec(),
        })
    }

    /// Calls `visit` with every row of a batch of these columns.
    pub(super) fn visit(batch: &RecordBatch, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), ArrowError> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("there is no column `{name}`")))
        };
        let text = |name: &str| {
            let wrong = || ArrowError::SchemaError(format!("column `{name}` is no text"));
            column(name)?.as_string_opt::<i32>().ok_or_else(wrong)
        };
        let pixels = |name: &str| {
            let wrong = || ArrowError::SchemaError(format!("column `{name}` is no int32"));
            column(name)?.as_primitive_opt::<Int32Type>().ok_or_else(wrong)
        };
        let (heights, widths) = (pixels("source_height")?, pixels("source_width")?);
        let labels = column("label")?.as_primitive_opt::<Int64Type>();
        let labels = labels.ok_or_else(|| ArrowError::SchemaError("column `label` is no int64".to_owned()))?;
        let (paths, hashes) = (text("path")?, text("sha256")?);
        let images = column(TENSOR_COLUMN).ok().map(|column| files(column).ok_or_else(no_files)).transpose()?;
        for row in 0..batch.num_rows() {
            visit(StoredRow {
                path: paths.value(row),
                label: labels.is_valid(row).then(|| labels.value(row)),
                source_height: heights.value(row),
                source_width: widths.value(row),
                sha256: hashes.value(row).parse().ok(),
                image: images.map_or(&[], |images| images.value(row)),
            });
        }
        Ok(())
    }
}

/// The bytes of encoded images.
fn files(column: &dyn Array) -> Option<&BinaryArray> {
    column.as_struct_opt()?.column_by_name("bytes")?.as_binary_opt()
}

fn no_files() -> ArrowError {
    ArrowError::SchemaError(format!("column `{TENSOR_COLUMN}` has no encoded images"))
}
