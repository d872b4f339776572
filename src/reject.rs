//! Inputs that can't become rows, and the file that lists them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, RecordError, Stage};

/// An input that is no row: a line of `rejects.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// The key, or what stands for it where the name is not UTF-8.
    pub path: String,
    /// The step that failed.
    pub stage: Stage,
    /// A word for the kind of failure ([`RecordError::code`]).
    pub reason: &'static str,
    /// The failure in words.
    pub detail: String,
}

impl Reject {
    pub(crate) fn new(path: String, error: RecordError) -> Reject {
        Reject { path, stage: error.stage(), reason: error.code(), detail: error.to_string() }
    }
}

/// Writes a JSON object a line.
pub(crate) fn write_rejects(path: &Path, rejects: &[Reject]) -> Result<(), Error> {
    let write = || -> std::io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        for reject in rejects {
            serde_json::to_writer(&mut out, reject)?;
            out.write_all(b"\n")?;
        }
        out.into_inner()?.sync_all()
    };
    write().map_err(Error::io("write", path))
}
