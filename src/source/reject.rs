//! An input that can't become a row, as it is listed.

use crate::dataset::reject::Reject;
use crate::error::RecordError;

/// The line of `rejects.jsonl` for the input that `path` stands for.
pub(crate) fn reject(path: impl Into<String>, error: &RecordError) -> Reject {
    Reject { path: path.into(), stage: error.stage(), reason: error.code().into(), detail: error.to_string() }
}
