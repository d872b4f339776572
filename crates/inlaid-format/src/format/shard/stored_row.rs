//! Rows without their tensors, as read back from a shard.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::ArrowError;

use crate::format::columns::LABEL;
use crate::format::sha256::Sha256;

/// Number of rows read back at a time.
pub(super) const ROWS_AT_A_TIME: usize = 4096;

/// A row without its tensors, as read back from a shard.
#[derive(Clone, Copy, Debug)]
pub struct StoredRow<'a> {
    /// Key of the row.
    pub path: &'a str,
    /// Index of the class as stored, not validated: a damaged file may hold any number.
    pub label: Option<i64>,
    /// Height of the upright source image, in pixels; not validated.
    pub source_height: i32,
    /// Width of the upright source image, in pixels; not validated.
    pub source_width: i32,
    /// SHA-256 of the source file's bytes; none if the stored text is not a digest.
    pub sha256: Option<Sha256>,
}

impl StoredRow<'_> {
    pub(super) const COLUMNS: [&'static str; 5] = ["label", "path", "source_height", "source_width", "sha256"];

    /// Whether inlaid could have written this row.
    pub fn is_ours(self) -> bool {
        let is_label = self.label.is_none_or(|label| u32::try_from(label).is_ok());
        is_label && self.source_height >= 0 && self.source_width >= 0 && self.sha256.is_some()
    }

    /// Calls `visit` with every row of a batch that has at least these columns.
    ///
    /// # Errors
    /// If a column is missing or has the wrong type.
    pub fn visit(batch: &RecordBatch, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), ArrowError> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("column `{name}` is missing")))
        };
        let text = |name: &str| {
            let wrong = || ArrowError::SchemaError(format!("column `{name}` is not text"));
            column(name)?.as_string_opt::<i32>().ok_or_else(wrong)
        };
        let pixels = |name: &str| {
            let wrong = || ArrowError::SchemaError(format!("column `{name}` is not int32"));
            column(name)?.as_primitive_opt::<Int32Type>().ok_or_else(wrong)
        };
        let (heights, widths) = (pixels("source_height")?, pixels("source_width")?);
        // Labels of any other type are not classes.
        let labels = column(LABEL)?.as_primitive_opt::<Int64Type>();
        let (paths, hashes) = (text("path")?, text("sha256")?);
        for row in 0..batch.num_rows() {
            visit(StoredRow {
                path: paths.value(row),
                label: labels.filter(|labels| labels.is_valid(row)).map(|labels| labels.value(row)),
                source_height: heights.value(row),
                source_width: widths.value(row),
                sha256: hashes.value(row).parse().ok(),
            });
        }
        Ok(())
    }
}
