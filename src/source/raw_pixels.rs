//! Pixels that are no file: samples as an array holds them.

use crate::error::RecordError;
use crate::spec::Limits;

/// Shape and type of an image that is no file, whose samples are stored one after another, rows from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPixels {
    /// Height in pixels.
    pub height: u32,
    /// Width in pixels.
    pub width: u32,
    /// Channels of every pixel.
    pub channels: RawChannels,
    /// Type of the samples.
    pub sample: RawSample,
    /// Order of the samples.
    pub order: RawOrder,
}

/// Channels of raw pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawChannels {
    /// Gray.
    Gray,
    /// Red, green and blue.
    Rgb,
    /// Red, green, blue and alpha.
    Rgba,
}

/// Type of raw samples, little-endian; black is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawSample {
    /// 8 bits; white is 255.
    U8,
    /// 16 bits; white is 65,535.
    U16,
    /// 32-bit floats; white is 1. Values beyond are clamped when they are rounded to integers.
    F32,
}

/// Order of raw samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawOrder {
    /// `[height, width, channels]`: the channels of a pixel side by side.
    Interleaved,
    /// `[channels, height, width]`: one plane after another.
    Planar,
}

impl RawChannels {
    /// Number of channels.
    pub fn count(self) -> usize {
        match self {
            RawChannels::Gray => 1,
            RawChannels::Rgb => 3,
            RawChannels::Rgba => 4,
        }
    }
}

impl RawSample {
    /// Size of a sample, in bytes.
    pub fn bytes(self) -> usize {
        match self {
            RawSample::U8 => 1,
            RawSample::U16 => 2,
            RawSample::F32 => 4,
        }
    }
}

impl RawPixels {
    /// Size of all samples, in bytes; the greatest number if there are more than memory can hold.
    pub fn bytes(&self) -> u64 {
        let pixels = u64::from(self.height) * u64::from(self.width);
        pixels.saturating_mul((self.channels.count() * self.sample.bytes()) as u64)
    }

    /// Checks the limits on images.
    ///
    /// # Errors
    /// If there are no pixels, or too many.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), RecordError> {
        check_dimensions(self.width, self.height, limits)?;
        match self.bytes() {
            bytes if bytes > limits.file_bytes.0 => {
                Err(RecordError::FileTooLarge { bytes, limit: limits.file_bytes.0 })
            }
            _ => Ok(()),
        }
    }
}

/// Checks the width and height of an image.
///
/// # Errors
/// If it has no pixels, or exceeds the limits.
pub(crate) fn check_dimensions(width: u32, height: u32, limits: &Limits) -> Result<(), RecordError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        Err(RecordError::NoPixels { width, height })
    } else if pixels > limits.pixels {
        Err(RecordError::TooManyPixels { width, height, limit: limits.pixels })
    } else if width.max(height) > limits.side {
        Err(RecordError::SideTooLong { width, height, limit: limits.side })
    } else {
        Ok(())
    }
}
