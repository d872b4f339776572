//! What can go wrong with the files of a dataset, or with those of others.

mod stage;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error as ThisError;

pub use stage::Stage;

/// A file can't be read or written, or is not what it should be.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("can't {action} `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file of the dataset does not hold what it should.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A dataset of another release.
    #[error("`{}` has format version {found}, this release knows versions 1 to {known}", path.display())]
    FormatVersion {
        /// The manifest.
        path: PathBuf,
        /// The version in the manifest.
        found: u32,
        /// The latest version that this release knows.
        known: u32,
    },
    /// A shard could not be encoded.
    #[error("can't write `{}`", path.display())]
    Shard {
        /// The shard.
        path: PathBuf,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk is full.
    #[error("the disk is full: `{}` could not be written, {} more are needed", path.display(), crate::spec::ByteSize(*needed))]
    DiskFull {
        /// The file that could not be written.
        path: PathBuf,
        /// Bytes of everything that was still to be written.
        needed: u64,
    },
    /// There is nothing to append to.
    #[error("`{}` holds no dataset", .0.display())]
    NoDataset(PathBuf),
    /// A file without tensors.
    #[error("`{}` holds no tensors", .0.display())]
    NoTensors(PathBuf),
    /// Tensors whose dimensions are stored in another order than they are meant to be seen in.
    #[error("the dimensions of column `{column}` of `{}` are permuted, which inlaid does not read", path.display())]
    Permuted {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A file of encoded images where tensors are wanted.
    #[error("`{}` holds encoded images, no tensors", .0.display())]
    EncodedImages(PathBuf),
    /// A row that a table does not have.
    #[error("there is no row {row}, the table has {rows}")]
    NoRow {
        /// Which was asked for, from 0.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// A column that a file does not have.
    #[error("`{}` has no column `{columns}`", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// Which was asked for.
        columns: String,
    },
    /// A column that a file has several times.
    #[error("`{}` has several columns `{column}`", path.display())]
    SeveralColumns {
        /// The file.
        path: PathBuf,
        /// Their name.
        column: String,
    },
    /// A commit is not done yet.
    #[error("`{}` is in the middle of a commit", .0.display())]
    Committing(PathBuf),
}

impl Error {
    /// Something is wrong with the content of a file.
    pub fn damaged(path: &Path, reason: impl Into<String>) -> Error {
        Error::Damaged { path: path.to_owned(), reason: reason.into() }
    }

    /// For `map_err`: a shard that could not be written.
    pub fn write<E: std::error::Error + Send + Sync + 'static>(path: &Path) -> impl FnOnce(E) -> Error {
        let path = path.to_owned();
        move |error| Error::Shard { path, source: Box::new(error) }
    }

    /// For `map_err`: names the action and the path of an I/O error.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { action, path: path.as_ref().to_owned(), source }
    }

    /// If the disk is full, says how much room was still `needed`; whoever has still more to write adds
    /// to that.
    pub fn or_disk_full(self, needed: u64) -> Error {
        if let Error::DiskFull { path, needed: before } = self {
            return Error::DiskFull { path, needed: before + needed };
        }
        let is_full = |error: &(dyn std::error::Error + 'static)| {
            error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
        };
        let full = std::iter::successors(Some(&self as &(dyn std::error::Error + 'static)), |error| error.source());
        match full.into_iter().any(is_full) {
            true => match self {
                Error::Io { path, .. } | Error::Shard { path, .. } => Error::DiskFull { path, needed },
                other => other,
            },
            false => self,
        }
    }
}
