//! Inputs that can't become rows, and the file that lists them.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Stage};

/// An input that is no row: a line of `rejects.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reject {
    /// The key, or what stands for it where the name is not UTF-8.
    pub path: String,
    /// The step that failed.
    pub stage: Stage,
    /// A word for the kind of failure, the same in every release: `truncated`.
    pub reason: Cow<'static, str>,
    /// The failure in words.
    pub detail: String,
}

/// A JSON object a line.
pub fn to_lines(rejects: &[Reject]) -> String {
    let line = |reject| serde_json::to_string(reject).expect("a reject is made of strings") + "\n";
    rejects.iter().map(line).collect()
}

/// Reads the list at this path; an empty one if there is none.
pub fn read_rejects(path: &Path) -> Result<Vec<Reject>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let rejects = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    rejects.map_err(|error| Error::damaged(path, error.to_string()))
}
