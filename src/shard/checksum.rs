//! A file that is checksummed as it is written.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use twox_hash::xxhash3_128;

use crate::error::Error;

/// XXH3-128 of bytes: it finds damage, at memory speed; it is no protection against forgery.
/// Written as `xxh3-128:` and 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum(u128);

impl Checksum {
    const PREFIX: &str = "xxh3-128:";

    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Checksum {
        Checksum(xxhash3_128::Hasher::oneshot(bytes))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:032x}", Checksum::PREFIX, self.0)
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> String {
        checksum.to_string()
    }
}

impl TryFrom<String> for Checksum {
    type Error = String;
    fn try_from(text: String) -> Result<Checksum, String> {
        let digits = text.strip_prefix(Checksum::PREFIX).filter(|digits| digits.len() == 32);
        let value = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        value.map(Checksum).ok_or_else(|| format!("`{text}` is not `{}` and 32 hex digits", Checksum::PREFIX))
    }
}

/// A new file; counts and checksums what is written.
pub(crate) struct ChecksummedFile {
    file: File,
    hasher: xxhash3_128::Hasher,
    bytes: u64,
}

impl ChecksummedFile {
    pub(crate) fn create(path: &Path) -> Result<ChecksummedFile, Error> {
        let file =
            File::options().read(true).write(true).create_new(true).open(path).map_err(Error::io("create", path))?;
        Ok(ChecksummedFile { file, hasher: xxhash3_128::Hasher::new(), bytes: 0 })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn checksum(&self) -> Checksum {
        Checksum(self.hasher.finish_128())
    }
}

impl Write for ChecksummedFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buf)?;
        self.hasher.write(&buf[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
