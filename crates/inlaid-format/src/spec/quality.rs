//! The quality of encoded JPEGs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;

/// JPEG quality on libjpeg's scale, 1..=100, which scales the quantization tables of ITU-T T.81, annex K. Default: 90.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Quality(u8);

impl Default for Quality {
    fn default() -> Quality {
        Quality(90)
    }
}

impl TryFrom<u8> for Quality {
    type Error = SpecError;

    fn try_from(quality: u8) -> Result<Quality, SpecError> {
        match quality {
            1..=100 => Ok(Quality(quality)),
            _ => Err(SpecError::Quality(quality.to_string())),
        }
    }
}

impl From<Quality> for u8 {
    fn from(quality: Quality) -> u8 {
        quality.0
    }
}

impl FromStr for Quality {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Quality, SpecError> {
        let quality: u8 = text.parse().map_err(|_| SpecError::Quality(text.to_owned()))?;
        quality.try_into()
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
