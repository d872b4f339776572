//! The list entry of an input that can't become a row.

use crate::dataset::reject::Reject;
use crate::error::RecordError;

/// The line of `rejects.jsonl` for the input `path`.
pub(crate) fn reject(path: impl Into<String>, error: &RecordError) -> Reject {
    Reject { path: path.into(), stage: error.stage(), reason: error.code().into(), detail: error.to_string() }
}
