//! The share of an image's shorter side that survives a crop.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;

/// Share of a scaled image's shorter side that [`Fit::ShortestSide`](crate::Fit) keeps, 0.01 to 1. Default: 1. The
/// usual 0.875 keeps 224 of 256 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct CropRatio(f64);

impl CropRatio {
    /// Length that the shorter side is scaled to so that `kept` pixels remain, in pixels, rounded down.
    pub fn scaled(self, kept: u32) -> u64 {
        (f64::from(kept) / self.0).floor() as u64
    }

    /// Whether the shorter side is kept in full.
    pub fn is_whole(&self) -> bool {
        self.0 == 1.0
    }
}

impl Default for CropRatio {
    fn default() -> CropRatio {
        CropRatio(1.0)
    }
}

impl TryFrom<f64> for CropRatio {
    type Error = SpecError;
    fn try_from(ratio: f64) -> Result<CropRatio, SpecError> {
        if (0.01..=1.0).contains(&ratio) { Ok(CropRatio(ratio)) } else { Err(SpecError::CropRatio(ratio.to_string())) }
    }
}

impl From<CropRatio> for f64 {
    fn from(ratio: CropRatio) -> f64 {
        ratio.0
    }
}

impl FromStr for CropRatio {
    type Err = SpecError;

    /// Parses a fraction such as `0.875`.
    fn from_str(text: &str) -> Result<CropRatio, SpecError> {
        let ratio: f64 = text.parse().map_err(|_| SpecError::CropRatio(text.to_owned()))?;
        CropRatio::try_from(ratio).map_err(|_| SpecError::CropRatio(text.to_owned()))
    }
}

impl fmt::Display for CropRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
