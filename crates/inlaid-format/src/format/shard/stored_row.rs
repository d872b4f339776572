//! Rows without their tensors, as they are read back.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::ArrowError;

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
}

impl StoredRow<'_> {
    pub(super) const COLUMNS: [&'static str; 5] = ["label", "path", "source_height", "source_width", "sha256"];

    /// Whether a run can have written such a row.
    pub fn is_ours(self) -> bool {
        let is_label = self.label.is_none_or(|label| u32::try_from(label).is_ok());
        is_label && self.source_height >= 0 && self.source_width >= 0 && self.sha256.is_some()
    }

    /// Calls `visit` with every row of a batch that has these columns among others.
    ///
    /// # Errors
    /// If one is missing or of another type.
    pub fn visit(batch: &RecordBatch, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), ArrowError> {
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
        for row in 0..batch.num_rows() {
            visit(StoredRow {
                path: paths.value(row),
                label: labels.is_valid(row).then(|| labels.value(row)),
                source_height: heights.value(row),
                source_width: widths.value(row),
                sha256: hashes.value(row).parse().ok(),
            });
        }
        Ok(())
    }
}
