//! The factor that bounds how far a JPEG is shrunk while being decoded.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Size;
use super::SpecError;

/// Least ratio between the sides of a decoded JPEG and the sides of the tensor, 1..=255. Default: 2.
///
/// A JPEG is decoded at the smallest of the scales 1/8, 1/4, 1/2 and 1 that satisfies the ratio on both sides. A
/// smaller scale drops high frequencies of every 8x8 block, most of which resizing would remove anyway. The larger
/// the factor, the closer the result comes to decoding at full size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct JpegShrink(NonZeroU32);

impl JpegShrink {
    /// Least width and height of the decoded image, in pixels.
    pub fn least(self, size: Size) -> (u64, u64) {
        let times = u64::from(self.0.get());
        (times * u64::from(size.width()), times * u64::from(size.height()))
    }
}

impl Default for JpegShrink {
    /// 2.
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
