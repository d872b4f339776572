//! How far a JPEG is shrunk while it is decoded.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Size;
use super::SpecError;

/// A JPEG is decoded at the smallest of the scales 1/8, 1/4, 1/2 and 1 at which both sides are at least this
/// many times those of the tensor, 1..=255.
///
/// What is left out are high frequencies of 8x8 blocks, before resizing takes most of them away. The more
/// times, the closer the result to that of decoding the whole image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct JpegShrink(NonZeroU32);

impl JpegShrink {
    /// The least width and height of the shrunk image, in pixels.
    pub fn least(self, size: Size) -> (u64, u64) {
        let times = u64::from(self.0.get());
        (times * u64::from(size.width()), times * u64::from(size.height()))
    }
}

impl Default for JpegShrink {
    /// Twice.
    fn default() -> JpegShrink {
        JpegShrink(NonZeroU32::MIN.saturating_add(1))
    }
}

impl TryFrom<u32> for JpegShrink {
    type Error = SpecError;

    fn try_from(times: u32) -> Result<JpegShrink, SpecError> {
        let wrong = || SpecError::JpegShrink(times.to_string());
        NonZeroU32::new(times).filter(|times| times.get() <= 255).map(JpegShrink).ok_or_else(wrong)
    }
}

impl From<JpegShrink> for u32 {
    fn from(shrink: JpegShrink) -> u32 {
        shrink.0.get()
    }
}

impl FromStr for JpegShrink {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<JpegShrink, SpecError> {
        let times: u32 = text.parse().map_err(|_| SpecError::JpegShrink(text.to_owned()))?;
        times.try_into()
    }
}

impl fmt::Display for JpegShrink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
