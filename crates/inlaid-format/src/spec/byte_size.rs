//! A size in bytes, with its human-readable form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;

/// Size in bytes, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// A size of `n` mebibytes.
    pub const fn mib(n: u64) -> ByteSize {
        ByteSize(n << 20)
    }
}

impl FromStr for ByteSize {
    type Err = SpecError;

    /// Parses a whole number with an optional unit: decimal `B`, `KB`, `MB`, `GB`, or binary `KiB`, `MiB`, `GiB`; also `TB` and `TiB`.
    fn from_str(text: &str) -> Result<ByteSize, SpecError> {
        let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match text.trim()[digits.len()..].to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1000,
            "k" | "kib" => 1 << 10,
            "mb" => 1_000_000,
            "m" | "mib" => 1 << 20,
            "gb" => 1_000_000_000,
            "g" | "gib" => 1 << 30,
            "tb" => 1_000_000_000_000,
            "t" | "tib" => 1 << 40,
            _ => return Err(SpecError::ByteSize(text.to_owned())),
        };
        let digits = digits.trim();
        let count: Option<u64> = digits.parse().ok();
        match count.map(|count| count.checked_mul(unit)) {
            Some(Some(bytes @ 1..)) => Ok(ByteSize(bytes)),
            Some(None) => Err(SpecError::ByteSizeTooLarge(text.to_owned())),
            None if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                Err(SpecError::ByteSizeTooLarge(text.to_owned()))
            }
            None if digits.parse().is_ok_and(|count: f64| count > 0.0) => {
                Err(SpecError::ByteSizeFraction(text.to_owned()))
            }
            _ => Err(SpecError::ByteSize(text.to_owned())),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, mib, gib) = (self.0, 1 << 20, 1 << 30);
        match bytes {
            _ if bytes >= gib => write!(f, "{:.1} GiB", bytes as f64 / gib as f64),
            _ if bytes >= mib => write!(f, "{:.1} MiB", bytes as f64 / mib as f64),
            _ if bytes >= 1024 => write!(f, "{:.1} KiB", bytes as f64 / 1024.0),
            _ => write!(f, "{bytes} B"),
        }
    }
}
