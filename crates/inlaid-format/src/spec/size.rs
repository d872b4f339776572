//! The height and width of a tensor or encoded image.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;

/// Height and width in pixels, in this order, 1..=65,535 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct Size {
    height: NonZeroU32,
    width: NonZeroU32,
}

impl Size {
    /// A single pixel.
    pub const SMALLEST: Size = Size { height: NonZeroU32::MIN, width: NonZeroU32::MIN };

    /// Greatest height and width, in pixels.
    pub const MAX_SIDE: u32 = 65_535;

    /// A size of `height` by `width` pixels.
    ///
    /// # Errors
    /// If a side is 0 or above [`Size::MAX_SIDE`].
    pub fn new(height: u32, width: u32) -> Result<Size, SpecError> {
        let side = |n| {
            NonZeroU32::new(n)
                .filter(|n| n.get() <= Size::MAX_SIDE)
                .ok_or_else(|| SpecError::Size(format!("{height}x{width}")))
        };
        Ok(Size { height: side(height)?, width: side(width)? })
    }

    /// Height in pixels.
    pub fn height(self) -> u32 {
        self.height.get()
    }

    /// Width in pixels.
    pub fn width(self) -> u32 {
        self.width.get()
    }
}

impl TryFrom<(u32, u32)> for Size {
    type Error = SpecError;
    fn try_from((height, width): (u32, u32)) -> Result<Size, SpecError> {
        Size::new(height, width)
    }
}

impl From<Size> for (u32, u32) {
    fn from(size: Size) -> (u32, u32) {
        (size.height(), size.width())
    }
}

impl FromStr for Size {
    type Err = SpecError;

    /// Parses `224` (a square) or `240x320` (height x width).
    fn from_str(text: &str) -> Result<Size, SpecError> {
        let side = |side: &str| side.parse().map_err(|_| SpecError::Size(text.to_owned()));
        let (height, width) = text.split_once('x').unwrap_or((text, text));
        Size::new(side(height)?, side(width)?).map_err(|_| SpecError::Size(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}
