//! Checksums of stored bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use twox_hash::xxhash3_128;

/// An XXH3-128 checksum: it detects damage at memory speed, but does not protect against forgery.
/// Written as `xxh3-128:` and 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum(u128);

impl Checksum {
    const PREFIX: &str = "xxh3-128:";

    /// All digits zero: what stands in the place of a checksum that covers itself.
    pub(crate) fn none() -> Checksum {
        Checksum(0)
    }

    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Checksum {
        Checksum(xxhash3_128::Hasher::oneshot(bytes))
    }
}

/// The checksums of a row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowGroupChecksums {
    /// Checksum of all its bytes.
    pub all: Checksum,
    /// Checksum of its bytes without the tensors or encoded images, so that the other columns can be verified
    /// without reading the images.
    pub without_tensors: Checksum,
}

impl From<&xxhash3_128::Hasher> for Checksum {
    fn from(hasher: &xxhash3_128::Hasher) -> Checksum {
        Checksum(hasher.finish_128())
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
