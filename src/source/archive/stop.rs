//! The reasons that an archive can't be indexed, before they have a path.

use std::io;
use std::path::Path;

use zip::result::ZipError;

use crate::error::{Error, SourceError, StoreError};

/// Reason that an archive can't be indexed.
#[derive(Debug)]
pub(super) enum Stop {
    /// A failure to read the archive or to unpack it.
    Read(io::Error),
    /// An archive that is not as it should be.
    Source(SourceError),
    /// A failure to write the unpacked copy.
    Write(Error),
}

impl Stop {
    pub(super) fn damaged(reason: impl Into<String>) -> Stop {
        Stop::Source(SourceError::Damaged(reason.into()))
    }

    /// For `map_err`: an early end is in the middle of this member.
    pub(super) fn within(self, name: &[u8]) -> Stop {
        match self {
            Stop::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let name = String::from_utf8_lossy(&name[..name.len().min(200)]);
                Stop::damaged(format!("it ends in the middle of `{name}`"))
            }
            other => other,
        }
    }

    /// The error, with the path of the archive.
    pub(super) fn at(self, path: &Path) -> Error {
        match self {
            Stop::Write(error) => error,
            Stop::Source(error) => Error::source(path)(error),
            // Errors of the system have a number, those of codecs have none.
            Stop::Read(error) if error.raw_os_error().is_some() => Error::io("read", path)(error),
            Stop::Read(error) if error.get_ref().is_some_and(|cause| cause.is::<StoreError>()) => {
                Error::io("read", path)(error)
            }
            Stop::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Error::source(path)(SourceError::Damaged("it ends too early".to_owned()))
            }
            Stop::Read(error) => Error::source(path)(SourceError::Damaged(error.to_string())),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Read(error)
    }
}

impl From<SourceError> for Stop {
    fn from(error: SourceError) -> Stop {
        Stop::Source(error)
    }
}

impl From<ZipError> for Stop {
    fn from(error: ZipError) -> Stop {
        match error {
            ZipError::Io(error) => Stop::Read(error),
            other => Stop::damaged(other.to_string()),
        }
    }
}
