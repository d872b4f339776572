//! Errors for programs: a word for the kind of failure, and the paths that it is about.

use std::io;
use std::path::Path;

use super::Error;

impl Error {
    /// Word for this kind of failure, stable across releases.
    pub fn kind(&self) -> &'static str {
        use Error::*;
        match self {
            Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "not-found",
                io::ErrorKind::PermissionDenied => "permission-denied",
                _ => "io",
            },
            Damaged { .. } | NoImage { .. } => "damaged",
            FormatVersion { .. } => "format-version",
            Shard { .. } => "shard",
            DiskFull { .. } => "disk-full",
            FileLimit(..) => "file-limit",
            NoInodes { .. } => "no-inodes",
            NoDataset(..) => "no-dataset",
            NoTables(..) => "no-tables",
            NoTensors(..) => "no-tensors",
            Permuted { .. } => "permuted",
            EncodedImages(..) => "encoded-images",
            NoRow { .. } => "no-row",
            NoColumn { .. } => "no-column",
            NotJoined(..) => "not-joined",
            ColumnTooLong { .. } => "column-too-long",
            NoMemory(..) => "no-memory",
            SeveralColumns { .. } => "several-columns",
            Link(..) => "link",
            UnknownFormat(..) => "unknown-format",
            Committing(..) => "committing",
        }
    }

    /// Files and folders that the failure is about.
    pub fn paths(&self) -> Vec<&Path> {
        use Error::*;
        match self {
            Io { path, .. }
            | Damaged { path, .. }
            | FormatVersion { path, .. }
            | Shard { path, .. }
            | DiskFull { path, .. }
            | FileLimit(path)
            | NoInodes { path, .. }
            | NoDataset(path)
            | NoTables(path)
            | NoTensors(path)
            | Permuted { path, .. }
            | EncodedImages(path)
            | NoImage { path, .. }
            | NoColumn { path, .. }
            | ColumnTooLong { path, .. }
            | SeveralColumns { path, .. }
            | Link(path)
            | UnknownFormat(path)
            | Committing(path) => vec![path],
            NoRow { .. } | NotJoined(..) | NoMemory(..) => Vec::new(),
        }
    }
}
