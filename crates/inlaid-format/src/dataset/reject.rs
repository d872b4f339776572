//! Rejected inputs, which can't become rows, and the file that lists them.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Stage};
use crate::format::open;

/// A rejected input: a line of `rejects.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reject {
    /// Key of the input. If the name is not UTF-8, invalid bytes are replaced.
    pub path: String,
    /// Step that failed.
    pub stage: Stage,
    /// Code of the reason, stable across releases, such as `truncated`.
    pub reason: Cow<'static, str>,
    /// Description of the failure, in words.
    pub detail: String,
}

/// The rejects as JSON Lines: one object on each line.
pub fn to_lines(rejects: &[Reject]) -> String {
    let line = |reject| serde_json::to_string(reject).expect("a reject is made of strings") + "\n";
    rejects.iter().map(line).collect()
}

/// Reads the list of rejects at this path. Empty if the file does not exist.
///
/// # Errors
/// If the file can't be read or is damaged.
pub fn read_rejects(path: &Path) -> Result<Vec<Reject>, Error> {
    let text = match open::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let rejects = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
    rejects.map_err(|error| Error::damaged(path, error.to_string()))
}
