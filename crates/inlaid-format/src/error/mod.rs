//! The ways reading or writing a dataset's files can fail.

mod kind;
mod stage;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error as ThisError;

pub use stage::Stage;

/// Failure to read or write a file, or a file that is not what it should be.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// An operation that the operating system refused.
    #[error("can't {action} `{}`", path.display())]
    Io {
        /// Operation that failed, as a verb.
        action: &'static str,
        /// File or folder that it was for.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A file with wrong content.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// Damaged file.
        path: PathBuf,
        /// Description of the damage.
        reason: String,
    },
    /// A file that is no table.
    #[error("`{}` is neither a Parquet nor an Arrow file", .0.display())]
    UnknownFormat(PathBuf),
    /// A dataset in the format of another release.
    #[error("`{}` has format version {found}, but this release reads versions 1 to {known}", path.display())]
    FormatVersion {
        /// Manifest of the dataset.
        path: PathBuf,
        /// Format version in the manifest.
        found: u32,
        /// Latest format version that this release reads.
        known: u32,
    },
    /// A shard that could not be encoded.
    #[error("can't write `{}`", path.display())]
    Shard {
        /// Shard that was being written.
        path: PathBuf,
        /// Cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A full disk.
    #[error("the disk is full: can't write `{}`, {} more needed", path.display(), crate::spec::ByteSize(*needed))]
    DiskFull {
        /// File that could not be written.
        path: PathBuf,
        /// Bytes that were still to be written, of all files.
        needed: u64,
    },
    /// A file that reached the greatest length that the system allows.
    #[error("can't write `{}`: the system allows no longer file", .0.display())]
    FileLimit(PathBuf),
    /// A file system with room for bytes, but not for another file.
    #[error("the file system has no inodes left for more files: can't {action} `{}`", path.display())]
    NoInodes {
        /// Operation that failed, as a verb.
        action: &'static str,
        /// File or folder that it was for.
        path: PathBuf,
    },
    /// A folder without a dataset.
    #[error("`{}` holds no dataset", .0.display())]
    NoDataset(PathBuf),
    /// A folder without tables.
    #[error("`{}` holds no Parquet or Arrow files", .0.display())]
    NoTables(PathBuf),
    /// A file without tensors.
    #[error("`{}` holds no tensors", .0.display())]
    NoTensors(PathBuf),
    /// Tensors whose dimensions are stored in another order than their logical one.
    #[error("column `{column}` of `{}` has permuted dimensions, which inlaid can't read", path.display())]
    Permuted {
        /// File with the column.
        path: PathBuf,
        /// Name of the column.
        column: String,
    },
    /// A file whose images are encoded, where tensors are needed.
    #[error("the images of `{}` are encoded files, which are read with a size", .0.display())]
    EncodedImages(PathBuf),
    /// A row without an image that can be read.
    #[error("row {row} of `{}` has no usable image: {reason}", path.display())]
    NoImage {
        /// File with the row.
        path: PathBuf,
        /// Number of the row in its table, from 0.
        row: usize,
        /// Why it has none.
        reason: String,
    },
    /// A row that a table does not have.
    #[error("row {row} is out of range for a table of length {rows}")]
    NoRow {
        /// Requested row, from 0.
        row: usize,
        /// Number of rows in the table.
        rows: usize,
    },
    /// A column that a file does not have.
    #[error("`{}` has no column `{columns}`", path.display())]
    NoColumn {
        /// File without the column.
        path: PathBuf,
        /// Requested column, or columns separated by commas.
        columns: String,
    },
    /// Tables that can't be joined into one.
    #[error("the tables can't be joined: {0}")]
    NotJoined(String),
    /// A column that is too long for one array.
    #[error("column `{column}` of `{}` has more than 2 GiB of values, which one array can't hold", path.display())]
    ColumnTooLong {
        /// First file with the column.
        path: PathBuf,
        /// Name of the column.
        column: String,
    },
    /// Memory that the system does not have.
    #[error("can't make room for {}", crate::spec::ByteSize(*.0))]
    NoMemory(u64),
    /// Several columns of the same name.
    #[error("`{}` has several columns named `{column}`", path.display())]
    SeveralColumns {
        /// File with the columns.
        path: PathBuf,
        /// Name of the columns.
        column: String,
    },
    /// A symbolic link in a dataset where a folder or file of its own is to be written.
    #[error("`{}` is a symbolic link, and inlaid does not write through links inside a dataset", .0.display())]
    Link(PathBuf),
    /// A dataset with a commit in progress.
    #[error("`{}` is in the middle of a commit", .0.display())]
    Committing(PathBuf),
}

impl Error {
    /// An error for a file with wrong content.
    pub fn damaged(path: &Path, reason: impl Into<String>) -> Error {
        Error::Damaged { path: path.to_owned(), reason: reason.into() }
    }

    /// For `map_err`: wraps the cause of a failure to write a shard.
    pub fn write<E: std::error::Error + Send + Sync + 'static>(path: &Path) -> impl FnOnce(E) -> Error {
        let path = path.to_owned();
        move |error| Error::Shard { path, source: Box::new(error) }
    }

    /// For `map_err`: adds the action and the path to an I/O error.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        move |source| {
            let path = path.as_ref().to_owned();
            match source.kind() == io::ErrorKind::StorageFull && lacks_inodes(&path) {
                true => Error::NoInodes { action, path },
                false => Error::Io { action, path, source },
            }
        }
    }

    /// Turns an error caused by a full disk into [`Error::DiskFull`] with the bytes still `needed`. Where it is
    /// one already, adds to its bytes: callers up the stack have more left to write. Turns one caused by a limit on the
    /// length of files into [`Error::FileLimit`].
    pub fn or_disk_full(self, needed: u64) -> Error {
        if let Error::DiskFull { path, needed: before } = self {
            return Error::DiskFull { path, needed: before + needed };
        }
        let mut chain =
            std::iter::successors(Some(&self as &(dyn std::error::Error + 'static)), |error| error.source());
        let cause = chain.find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
        match (self, cause) {
            (Error::Io { path, .. } | Error::Shard { path, .. }, Some(io::ErrorKind::StorageFull)) => {
                Error::DiskFull { path, needed }
            }
            (Error::Io { path, .. } | Error::Shard { path, .. }, Some(io::ErrorKind::FileTooLarge)) => {
                Error::FileLimit(path)
            }
            (other, _) => other,
        }
    }
}

/// Whether the file system that a file was to be created on has inodes, but none left.
fn lacks_inodes(path: &Path) -> bool {
    let there = path.ancestors().find(|above| above.exists()).unwrap_or(Path::new("."));
    rustix::fs::statvfs(there).is_ok_and(|state| state.f_files > 0 && state.f_favail == 0)
}

/// `1 image`, `2 images`.
pub fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}
