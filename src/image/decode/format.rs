//! The format of a file, by its content.

use std::path::Path;

use image::ImageFormat;

use crate::error::RecordError;

/// Format that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One that `image` decodes.
    Image(ImageFormat),
    #[cfg(feature = "formats")]
    Avif,
    #[cfg(feature = "heif")]
    Heic,
    #[cfg(feature = "formats")]
    Jpeg2000,
    #[cfg(feature = "formats")]
    JpegXl,
}

impl Format {
    /// Format by content, or by name for formats without a signature.
    ///
    /// # Errors
    /// If it is unknown, or can't be decoded by this build.
    pub(super) fn of(bytes: &[u8], path: &Path) -> Result<Format, RecordError> {
        if let Some(further) = Further::of(bytes) {
            return further.format();
        }
        match (image::guess_format(bytes), ImageFormat::from_path(path)) {
            (Ok(ImageFormat::Avif), _) => Further::Avif.format(),
            (Ok(ImageFormat::Dds), _) => Err(RecordError::UnsupportedFormat("DDS")),
            (Ok(format), _) | (Err(_), Ok(format @ ImageFormat::Tga)) => Ok(Format::Image(format)),
            _ => Err(RecordError::UnknownFormat),
        }
    }
}

/// Format that `image` does not decode.
#[derive(Clone, Copy)]
enum Further {
    Avif,
    Heic,
    Jpeg2000,
    JpegXl,
}

impl Further {
    /// Format by signature.
    fn of(bytes: &[u8]) -> Option<Further> {
        match bytes {
            [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => Some(Further::Avif),
            [_, _, _, _, b'f', b't', b'y', b'p', b'h', b'e', b'i' | b'v', ..] => Some(Further::Heic),
            [_, _, _, _, b'f', b't', b'y', b'p', b'm', b'i' | b's', b'f', b'1', ..] => Some(Further::of_brands(bytes)),
            [0xFF, 0x0A, ..] | [0, 0, 0, 0x0C, b'J', b'X', b'L', b' ', ..] => Some(Further::JpegXl),
            [0, 0, 0, 0x0C, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => Some(Further::Jpeg2000),
            _ => None,
        }
    }

    /// Format of a file whose main brand is that of any image: as the other brands say.
    fn of_brands(bytes: &[u8]) -> Further {
        let length = bytes.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
        let (brands, _) = bytes[8..length.clamp(8, bytes.len())].as_chunks::<4>();
        if brands.iter().any(|brand| brand == b"avif" || brand == b"avis") { Further::Avif } else { Further::Heic }
    }

    fn format(self) -> Result<Format, RecordError> {
        match self {
            #[cfg(feature = "formats")]
            Further::Avif => Ok(Format::Avif),
            #[cfg(feature = "formats")]
            Further::Jpeg2000 => Ok(Format::Jpeg2000),
            #[cfg(feature = "formats")]
            Further::JpegXl => Ok(Format::JpegXl),
            #[cfg(feature = "heif")]
            Further::Heic => Ok(Format::Heic),
            #[cfg(not(feature = "formats"))]
            Further::Avif => Err(RecordError::FormatLeftOut("AVIF")),
            #[cfg(not(feature = "formats"))]
            Further::Jpeg2000 => Err(RecordError::FormatLeftOut("JPEG 2000")),
            #[cfg(not(feature = "formats"))]
            Further::JpegXl => Err(RecordError::FormatLeftOut("JPEG XL")),
            #[cfg(not(feature = "heif"))]
            Further::Heic => Err(RecordError::HeicLeftOut),
        }
    }
}
