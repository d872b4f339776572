//! Decodes the bytes of an image file to upright pixels with the channels of the spec. The home of the
//! `image` crate.
//!
//! Limits are checked before anything is decoded: the length of the file (in `source/files.rs`), then the width, height
//! and pixel count in the header. u8 tensors are computed from 8-bit samples, u16 tensors from 16-bit samples, and
//! floating point tensors from floats between 0 and 1. Rules for converting every kind of pixel to 8-bit RGB:
//!
//! - 16-bit samples: `round(v / 257)`; 32-bit floats (HDR, EXR): clamped to 0..=1, times 255, rounded, without tone
//!   mapping;
//! - 1, 2 and 4-bit samples are stretched to 0..=255, palettes are looked up;
//! - gray to RGB: the value three times; RGB to gray: luma by ITU-R BT.601 in 16-bit fixed point,
//!   `(19595 R + 38470 G + 7471 B + 32768) >> 16`, as in Pillow's mode `L`;
//! - alpha: composited onto the pad color, `round((c a + pad (255 - a)) / 255)`; kept for `rgba`;
//! - CMYK and YCCK JPEGs: converted by the decoder as Adobe's inverted values, without a color profile;
//! - files with several frames or pages: the first one.
//!
//! The same rules apply at other depths, with 65,535 or 1 in place of 255: 8-bit samples become `257 v` or `v / 255`,
//! 16-bit samples `v` or `v / 65535`, floats are rounded only for u16, and luma and alpha are computed at that depth.
//!
//! An embedded ICC profile is applied only if the spec says so (`color_profile.rs`), before gray, alpha and
//! orientation. If the spec says so, JPEGs are decoded by libjpeg-turbo (`libjpeg_turbo.rs`).

mod chunks;
mod color_profile;
#[cfg(feature = "turbojpeg")]
mod libjpeg_turbo;
mod metadata;
mod need;
mod raw;
mod sample;
mod upright;

use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader};

use self::chunks::{PNG_SIGNATURE, PngChunk, Segment, segments};
use self::color_profile::ToSrgb;
use self::metadata::{WithoutMetadata, color_profile, orientation};
use self::need::{Need, TABLES, check_header};
use self::sample::{Color, Sample, convert};
use self::upright::{swaps_sides, turn_upright};
use crate::error::RecordError;
use crate::format::catch_panic::contain;
use crate::source::check_dimensions;
use crate::spec::{Channels, ColorProfile, Dtype, Spec};

pub(crate) use sample::luma;

/// Upright image, rows from top to bottom, channels interleaved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pixels<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Samples of shape `[height, width, channels]`.
    pub samples: Samples<'a>,
    /// Width of the upright source image, in pixels: more than `width` if the decoder shrank it.
    pub source_width: u32,
    /// Height of the upright source image, in pixels.
    pub source_height: u32,
}

/// Samples at one of three depths; black is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Samples<'a> {
    /// White is 255.
    U8(&'a [u8]),
    /// White is 65,535.
    U16(&'a [u16]),
    /// White is 1.
    F32(&'a [f32]),
}

/// Decoder of image files, with buffers that are reused.
#[derive(Debug, Default)]
pub struct Decoder {
    raw: Vec<u8>,
    eight: Buffers<u8>,
    sixteen: Buffers<u16>,
    float: Buffers<f32>,
    to_srgb: ToSrgb,
    #[cfg(feature = "turbojpeg")]
    libjpeg_turbo: libjpeg_turbo::LibjpegTurbo,
}

/// Intermediate pixels between a codec's samples and the result.
#[derive(Debug, Default)]
struct Buffers<S> {
    converted: Vec<S>,
    upright: Vec<S>,
}

/// Image in the raw buffer, as a codec decoded it.
#[derive(Debug)]
pub struct Raw {
    width: u32,
    height: u32,
    color: Color,
    orientation: Orientation,
    /// Width and height of the upright source image, in pixels.
    source: (u32, u32),
}

impl Decoder {
    /// Decodes a file's bytes. The name decides the format only if the content doesn't (Targa files have no signature).
    /// `admit` is asked before memory is taken for the pixels. [`Self::pixels`] returns them.
    ///
    /// # Errors
    /// If the file is not an image, can't be decoded, exceeds the limits or is broken, if it is not admitted, or if the
    /// codec panics.
    pub fn read(
        &mut self,
        file: &[u8],
        path: &Path,
        spec: &Spec,
        admit: &mut dyn FnMut(Claim) -> Result<(), RecordError>,
    ) -> Result<Raw, RecordError> {
        let read = contain(|| self.read_raw(file, path, spec, admit));
        read.unwrap_or_else(|panic| {
            *self = Decoder::default();
            Err(RecordError::CodecPanic(panic))
        })
    }

    /// The pixels of the image that was read last, of this spec. 8-bit samples that already have the right channels are
    /// returned at 8 bits for any `dtype`.
    ///
    /// # Errors
    /// If the samples are of a type that can't be converted.
    pub fn pixels(&mut self, image: &Raw, spec: &Spec) -> Result<Pixels<'_>, RecordError> {
        let raw = &self.raw[..image.bytes()];
        if image.is_direct(spec.channels) {
            return Ok(image.upright(raw, &mut self.eight.upright, spec.channels));
        }
        match spec.dtype {
            Dtype::U8 => self.eight.convert(raw, image, spec),
            Dtype::U16 => self.sixteen.convert(raw, image, spec),
            Dtype::F16 | Dtype::F32 => self.float.convert(raw, image, spec),
        }
    }

    /// Reads the samples of the file into the raw buffer.
    fn read_raw(
        &mut self,
        file: &[u8],
        path: &Path,
        spec: &Spec,
        admit: &mut dyn FnMut(Claim) -> Result<(), RecordError>,
    ) -> Result<Raw, RecordError> {
        let format = format_of(file, path)?;
        if format == ImageFormat::Jpeg && jpeg_is_cut_off(file) {
            return Err(RecordError::Truncated);
        }
        check_header(file, format, &spec.limits)?;
        let mut decoder = decoder(format, file)?;
        let (width, height) = decoder.dimensions();
        check_dimensions(width, height, &spec.limits)?;
        let orientation = match spec.exif {
            true => orientation(format, file, &mut decoder),
            false => Orientation::NoTransforms,
        };
        let source = if swaps_sides(orientation) { (height, width) } else { (width, height) };
        let mut image = Raw { width, height, color: Color::OfFile(decoder.color_type()), orientation, source };

        let need = Need::new(file, format, &image, spec);
        admit(Claim { fresh: need.sum(), with_kept: need.sum() + self.unused(&need) })?;
        decoder.set_limits(alloc_limit(need.decoder)).map_err(refused)?;
        let profile = match spec.color_profile {
            ColorProfile::Keep => None,
            ColorProfile::Srgb => color_profile(format, file, &mut decoder),
        };
        match self.read_jpeg(format, file, orientation, spec) {
            Some((width, height, color)) => {
                (image.width, image.height, image.color) = (width, height, Color::OfFile(color))
            }
            None => decoder.read_image(sized(&mut self.raw, image.bytes())).map_err(refused)?,
        }
        if let (Some(profile), Color::OfFile(color)) = (profile, image.color) {
            self.to_srgb.apply(&profile, color, &mut self.raw[..image.bytes()]);
        }
        Ok(image)
    }

    /// Bytes of the buffers beyond what an image needs of them.
    fn unused(&self, need: &Need) -> u64 {
        let converted = self.eight.converted.len() + 2 * self.sixteen.converted.len() + 4 * self.float.converted.len();
        let upright = self.eight.upright.len() + 2 * self.sixteen.upright.len() + 4 * self.float.upright.len();
        let buffers = [
            (self.raw.len(), need.raw),
            (converted, need.converted),
            (upright, need.upright),
            (self.to_srgb.bytes(), need.profile),
        ];
        buffers.iter().map(|(length, need)| (*length as u64).saturating_sub(*need)).sum()
    }

    /// Decodes a JPEG with libjpeg-turbo; returns the width, height and sample type. None if the spec names another
    /// decoder, or libjpeg-turbo reports an error or a warning.
    #[cfg(feature = "turbojpeg")]
    fn read_jpeg(
        &mut self,
        format: ImageFormat,
        file: &[u8],
        orientation: Orientation,
        spec: &Spec,
    ) -> Option<(u32, u32, ColorType)> {
        if format != ImageFormat::Jpeg || spec.jpeg_decoder != crate::spec::JpegDecoder::LibjpegTurbo {
            return None;
        }
        let least = spec.jpeg_shrink.map(|shrink| {
            let (width, height) = shrink.least(spec.target());
            if swaps_sides(orientation) { (height, width) } else { (width, height) }
        });
        self.libjpeg_turbo.decode(file, least, &mut self.raw)
    }

    #[cfg(not(feature = "turbojpeg"))]
    fn read_jpeg(&mut self, _: ImageFormat, _: &[u8], _: Orientation, _: &Spec) -> Option<(u32, u32, ColorType)> {
        None
    }
}

impl<S: Sample> Buffers<S> {
    fn convert(&mut self, raw: &[u8], image: &Raw, spec: &Spec) -> Result<Pixels<'_>, RecordError> {
        let converted = sized(&mut self.converted, image.pixels() * spec.channels.count());
        convert(raw, image.color, spec.channels, spec.pad_color, converted)?;
        Ok(image.upright(converted, &mut self.upright, spec.channels))
    }
}

/// Bytes that an image takes, besides its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// With buffers that are empty before.
    pub fresh: u64,
    /// With the buffers as they are: at least as many.
    pub with_kept: u64,
}

/// The decoder of a file. Metadata are hidden from those that would copy them.
fn decoder<'a>(format: ImageFormat, file: &'a [u8]) -> Result<Box<dyn ImageDecoder + 'a>, RecordError> {
    Ok(match format {
        ImageFormat::Png => {
            let header = PngChunk::at(file, PNG_SIGNATURE.len()).filter(|chunk| chunk.kind == *b"IHDR");
            let width = header.and_then(|chunk| chunk.data.first_chunk()).map_or(0, |width| u32::from_be_bytes(*width));
            // Chunks that are not hidden, and a line of the deepest pixels.
            let limit = alloc_limit(TABLES + 8 * u64::from(width));
            Box::new(PngDecoder::with_limits(WithoutMetadata::png(file), limit).map_err(refused)?)
        }
        ImageFormat::Jpeg => Box::new(JpegDecoder::new(WithoutMetadata::jpeg(file)).map_err(refused)?),
        _ => {
            let mut reader = ImageReader::with_format(Cursor::new(file), format);
            reader.no_limits();
            Box::new(reader.into_decoder().map_err(refused)?)
        }
    })
}

impl Raw {
    /// Whether the samples are those of the result, and only have to be turned.
    fn is_direct(&self, channels: Channels) -> bool {
        matches!(
            (self.color, channels),
            (Color::OfFile(ColorType::Rgb8), Channels::Rgb)
                | (Color::OfFile(ColorType::L8), Channels::Gray)
                | (Color::OfFile(ColorType::Rgba8), Channels::Rgba)
        )
    }

    fn is_upright(&self) -> bool {
        self.orientation == Orientation::NoTransforms
    }

    fn pixels(&self) -> usize {
        self.width as usize * self.height as usize
    }

    fn bytes(&self) -> usize {
        self.pixels() * self.color.bytes_per_pixel()
    }

    /// The upright image of these samples; uses the buffer if they have to be rotated or mirrored.
    fn upright<'a, S: Sample>(&self, stored: &'a [S], upright: &'a mut Vec<S>, channels: Channels) -> Pixels<'a> {
        let &Raw { width, height, orientation, source: (source_width, source_height), .. } = self;
        if self.is_upright() {
            return Pixels { width, height, samples: S::samples(stored), source_width, source_height };
        }
        let upright = sized(upright, self.pixels() * channels.count());
        let (width, height) = turn_upright(stored, width, height, channels, orientation, upright);
        Pixels { width, height, samples: S::samples(upright), source_width, source_height }
    }
}

/// The first `len` items of a buffer that only ever grows. What it held is dropped first.
fn sized<S: Copy + Default>(buffer: &mut Vec<S>, len: usize) -> &mut [S] {
    if buffer.len() < len {
        *buffer = Vec::new();
        buffer.resize(len, S::default());
    }
    &mut buffer[..len]
}

/// Image format by content, or by name for formats without a signature.
fn format_of(bytes: &[u8], path: &Path) -> Result<ImageFormat, RecordError> {
    let format = match image::guess_format(bytes) {
        Ok(format) => format,
        Err(_) => match (foreign_format(bytes), ImageFormat::from_path(path)) {
            (Some(name), _) => return Err(RecordError::UnsupportedFormat(name)),
            (None, Ok(ImageFormat::Tga)) => ImageFormat::Tga,
            _ => return Err(RecordError::UnknownFormat),
        },
    };
    match format {
        ImageFormat::Avif => Err(RecordError::UnsupportedFormat("AVIF")),
        ImageFormat::Dds => Err(RecordError::UnsupportedFormat("DDS")),
        format => Ok(format),
    }
}

/// Name of a format that only C libraries decode well, by its signature.
fn foreign_format(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', b'e' | b'i', ..] => Some("HEIC"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'm', b's', b'f', b'1', ..] => Some("HEIC"),
        [0xFF, 0x0A, ..] | [0, 0, 0, 0x0C, b'J', b'X', b'L', b' ', ..] => Some("JPEG XL"),
        [0, 0, 0, 0x0C, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => Some("JPEG 2000"),
        _ => None,
    }
}

/// A limit on the memory that a decoder may allocate.
fn alloc_limit(bytes: u64) -> image::Limits {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

/// Converts a codec's error.
fn refused(error: ImageError) -> RecordError {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => RecordError::Truncated,
        ImageError::Unsupported(error) => RecordError::UnsupportedVariant(error.to_string()),
        // Some messages of codecs contain line breaks, but a reject is one line.
        error => RecordError::Malformed(error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// Whether a JPEG has no end-of-image marker after the start of its first scan: the decoder would silently fill
/// the missing part with gray. Within a scan the bytes FF D9 are always that marker
/// (ITU-T T.81, B.1.1.5: a data byte FF is followed by 00).
fn jpeg_is_cut_off(bytes: &[u8]) -> bool {
    let scan = first_scan(bytes).unwrap_or(bytes.len());
    !bytes[scan..].windows(2).rev().any(|pair| pair == [0xFF, 0xD9])
}

/// Offset of the first scan's data, past all headers and the thumbnails in them.
fn first_scan(bytes: &[u8]) -> Option<usize> {
    let scan = segments(bytes).find(Segment::is_scan)?;
    Some(scan.range.end.min(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnail_does_not_end_a_jpeg() {
        // An APP1 segment that contains FF D9, then a scan without an end.
        let cut = [0xFF, 0xD8, 0xFF, 0xE1, 0, 4, 0xFF, 0xD9, 0xFF, 0xDA, 0, 2, 1, 2, 3];
        assert!(jpeg_is_cut_off(&cut));
        assert!(!jpeg_is_cut_off(&[&cut[..], &[0xFF, 0xD9]].concat()));
        assert!(jpeg_is_cut_off(&cut[..9]));
    }
}
