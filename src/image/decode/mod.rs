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
//! - files with several frames or pages: the first one;
//! - JPEGs and PNGs that are cut off: rejected, or filled if the spec says so (`jpeg_end.rs`).
//!
//! The same rules apply at other depths, with 65,535 or 1 in place of 255: 8-bit samples become `257 v` or `v / 255`,
//! 16-bit samples `v` or `v / 65535`, floats are rounded only for u16, and luma and alpha are computed at that depth.
//!
//! An embedded ICC profile is applied only if the spec says so (`color_profile.rs`), before gray, alpha and
//! orientation. If the spec says so, JPEGs are decoded by libjpeg-turbo (`libjpeg_turbo.rs`).

#[cfg(feature = "formats")]
mod avif;
#[cfg(feature = "formats")]
mod avif_file;
mod chunks;
mod color_profile;
mod format;
#[cfg(feature = "heif")]
mod heic;
#[cfg(feature = "formats")]
mod jpeg_2000;
mod jpeg_end;
#[cfg(feature = "formats")]
mod jpeg_xl;
#[cfg(feature = "turbojpeg")]
mod libjpeg_turbo;
mod metadata;
mod need;
mod part;
mod raw;
mod rewritten;
mod sample;
#[cfg(feature = "turbojpeg")]
mod turbojpeg;
#[cfg(feature = "turbojpeg")]
mod unopened;
mod upright;

use std::error::Error;
use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
#[cfg(any(feature = "formats", feature = "heif"))]
use image::error::{DecodingError, ImageFormatHint};
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader};

use self::chunks::{PNG_SIGNATURE, PngChunk, Segment, segments};
use self::color_profile::ToSrgb;
use self::format::Format;
use self::jpeg_end::OpenEnd;
use self::metadata::{WithoutMetadata, color_profile, orientation};
use self::need::{Need, TABLES, check_header};
use self::rewritten::{Meaning, Recolored, Rewritten, rewritten};
use self::sample::{Color, Sample, convert};
use self::upright::{swaps_sides, turn_upright};
use crate::error::RecordError;
use crate::format::catch_panic::contain;
use crate::source::check_dimensions;
use crate::spec::{Channels, ColorProfile, Dtype, Spec, Truncated};

pub(crate) use part::{Frame, Wanted, Window};
pub(crate) use sample::luma;

const JPEG: Format = Format::Image(ImageFormat::Jpeg);
const PNG: Format = Format::Image(ImageFormat::Png);

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
    /// Place of the pixels in the whole image.
    pub(crate) frame: Frame,
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
    /// Place in the whole image; of one that is not upright, the whole of it is decoded.
    frame: Frame,
    is_truncated: bool,
}

impl Decoder {
    /// Decodes a file's bytes. The name decides the format only if the content doesn't (Targa files have no signature).
    /// `wanted` tells what is wanted of an upright image of a width and height: a decoder may decode more. `admit` is
    /// asked before memory is taken for the pixels. [`Self::pixels`] returns them.
    ///
    /// # Errors
    /// If the file is not an image, can't be decoded, exceeds the limits or is broken, if it is not admitted, or if the
    /// codec panics.
    pub fn read(
        &mut self,
        file: &[u8],
        path: &Path,
        spec: &Spec,
        wanted: &mut dyn FnMut(u32, u32) -> Wanted,
        admit: &mut dyn FnMut(Claim) -> Result<(), RecordError>,
    ) -> Result<Raw, RecordError> {
        let read = contain(|| self.read_raw(file, path, spec, wanted, admit));
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
        wanted: &mut dyn FnMut(u32, u32) -> Wanted,
        admit: &mut dyn FnMut(Claim) -> Result<(), RecordError>,
    ) -> Result<Raw, RecordError> {
        let format = Format::of(file, path)?;
        let rewritten = rewritten(format, file);
        let (file, meaning) = match &rewritten {
            Some(Rewritten { file, meaning }) => (&file[..], meaning.as_ref()),
            None => (file, None),
        };
        let end = match format == JPEG && !has_end(file) {
            true => Some(OpenEnd::of(file).ok_or(RecordError::Truncated)?),
            false => None,
        };
        let is_truncated = end.as_ref().is_some_and(OpenEnd::is_cut_off);
        if is_truncated && spec.truncated == Truncated::Reject {
            return Err(RecordError::Truncated);
        }
        check_header(file, format, &spec.limits)?;
        let opened = match end {
            None => self.unopened(format, file, spec),
            Some(_) => None,
        };
        let mut decoder = meant(opened.map_or_else(|| decoder(format, file), Ok)?, meaning)?;
        let (width, height) = decoder.dimensions();
        check_dimensions(width, height, &spec.limits)?;
        let orientation = match spec.exif {
            true => orientation(format, file, &mut decoder),
            false => Orientation::NoTransforms,
        };
        let source = if swaps_sides(orientation) { (height, width) } else { (width, height) };
        let color_type = decoder.color_type();
        let (color, frame) = (Color::OfFile(color_type), Frame::whole(width, height));
        let mut image = Raw { width, height, color, orientation, source, frame, is_truncated };

        let mut need = Need::new(file, format, &image, spec);
        need.decoder += end.as_ref().map_or(0, |end| end.most_bytes(file));
        admit(Claim { fresh: need.sum(), with_kept: need.sum() + self.unused(&need) })?;
        decoder.set_limits(alloc_limit(need.decoder)).map_err(refused)?;
        let profile = match spec.color_profile {
            ColorProfile::Keep => None,
            ColorProfile::Srgb => color_profile(format, file, &mut decoder),
        };
        let completed = end.map(|end| end.complete(file).ok_or(RecordError::Truncated)).transpose()?;
        let (file, decoder) = match &completed {
            Some(file) => (&file[..], self::decoder(format, file)?),
            None => (file, decoder),
        };
        let wanted = stored(wanted(source.0, source.1), source, orientation);
        match self.read_jpeg(format, file, wanted, spec) {
            Some((width, height, color, frame)) => {
                (image.width, image.height, image.color, image.frame) = (width, height, Color::OfFile(color), frame);
            }
            None => {
                let samples = sized(&mut self.raw, image.bytes());
                let keeps = format == PNG && spec.truncated == Truncated::Keep;
                image.is_truncated |= if keeps {
                    read_what_is_there(decoder, color_type, samples)?
                } else {
                    decoder.read_image(samples).map_err(refused)?;
                    false
                };
            }
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

    /// The default decoder of a JPEG, not opened yet, if libjpeg-turbo is to decode it and reads its header.
    #[cfg(feature = "turbojpeg")]
    fn unopened<'f>(&mut self, format: Format, file: &'f [u8], spec: &Spec) -> Option<Box<dyn ImageDecoder + 'f>> {
        if !is_for_libjpeg_turbo(format, spec) {
            return None;
        }
        let header = self.libjpeg_turbo.header(file).filter(|header| header.block.is_some())?;
        Some(Box::new(unopened::Unopened::new(file, &header)))
    }

    #[cfg(not(feature = "turbojpeg"))]
    fn unopened<'f>(&mut self, _: Format, _: &'f [u8], _: &Spec) -> Option<Box<dyn ImageDecoder + 'f>> {
        None
    }

    /// Decodes what is wanted of a JPEG with libjpeg-turbo; returns the width, height, sample type and frame. None if
    /// the spec names another decoder, or libjpeg-turbo reports an error or a warning.
    #[cfg(feature = "turbojpeg")]
    fn read_jpeg(
        &mut self,
        format: Format,
        file: &[u8],
        wanted: Wanted,
        spec: &Spec,
    ) -> Option<(u32, u32, ColorType, Frame)> {
        if !is_for_libjpeg_turbo(format, spec) {
            return None;
        }
        let decoded = self.libjpeg_turbo.decode(file, &wanted, &mut self.raw)?;
        Some((decoded.width, decoded.height, decoded.color, decoded.frame))
    }

    #[cfg(not(feature = "turbojpeg"))]
    fn read_jpeg(&mut self, _: Format, _: &[u8], _: Wanted, _: &Spec) -> Option<(u32, u32, ColorType, Frame)> {
        None
    }
}

#[cfg(feature = "turbojpeg")]
fn is_for_libjpeg_turbo(format: Format, spec: &Spec) -> bool {
    format == JPEG && spec.jpeg_decoder == crate::spec::JpegDecoder::LibjpegTurbo
}

/// What is wanted of an image as it is stored, of the width and height of the upright one. Only an image that is upright
/// is decoded in part.
fn stored(wanted: Wanted, (width, height): (u32, u32), orientation: Orientation) -> Wanted {
    match orientation {
        Orientation::NoTransforms => wanted,
        turned if swaps_sides(turned) => wanted.of_whole(width, height).swapped(),
        _ => wanted.of_whole(width, height),
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
fn decoder<'a>(format: Format, file: &'a [u8]) -> Result<Box<dyn ImageDecoder + 'a>, RecordError> {
    Ok(match format {
        PNG => {
            let header = PngChunk::at(file, PNG_SIGNATURE.len()).filter(|chunk| chunk.kind == *b"IHDR");
            let width = header.and_then(|chunk| chunk.data.first_chunk()).map_or(0, |width| u32::from_be_bytes(*width));
            // Chunks that are not hidden, and a line of the deepest pixels.
            let limit = alloc_limit(TABLES + 8 * u64::from(width));
            Box::new(PngDecoder::with_limits(WithoutMetadata::png(file), limit).map_err(refused)?)
        }
        JPEG => Box::new(JpegDecoder::new(WithoutMetadata::jpeg(file)).map_err(refused)?),
        #[cfg(feature = "formats")]
        Format::Avif => Box::new(avif::Avif::new(file)?),
        #[cfg(feature = "heif")]
        Format::Heic => Box::new(heic::Heic::new(file)?),
        #[cfg(feature = "formats")]
        Format::Jpeg2000 => Box::new(jpeg_2000::Jpeg2000::new(file)?),
        #[cfg(feature = "formats")]
        Format::JpegXl => Box::new(jpeg_xl::JpegXl::new(file)?),
        Format::Image(format) => {
            let mut reader = ImageReader::with_format(Cursor::new(file), format);
            reader.no_limits();
            Box::new(reader.into_decoder().map_err(refused)?)
        }
    })
}

/// The decoder of samples that mean what they are said to.
fn meant<'a>(
    decoder: Box<dyn ImageDecoder + 'a>,
    meaning: Option<&Meaning>,
) -> Result<Box<dyn ImageDecoder + 'a>, RecordError> {
    let Some(meaning) = meaning else { return Ok(decoder) };
    match Recolored::new(decoder, meaning.clone()) {
        Some(decoder) => Ok(Box::new(decoder)),
        None => Err(RecordError::UnsupportedVariant("the TIFF has colors of an unknown kind".into())),
    }
}

/// Reads a PNG as far as it goes; the rest is black and transparent. Returns whether it ends before its image does.
fn read_what_is_there(
    decoder: Box<dyn ImageDecoder + '_>,
    color: ColorType,
    samples: &mut [u8],
) -> Result<bool, RecordError> {
    samples.fill(0);
    match decoder.read_image(samples).map_err(refused) {
        Err(RecordError::Truncated) => {}
        done => return done.map(|()| false),
    }
    // Words are turned into native byte order only at the end.
    if cfg!(target_endian = "little")
        && matches!(color, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16)
    {
        samples.as_chunks_mut().0.iter_mut().for_each(|word: &mut [u8; 2]| word.reverse());
    }
    Ok(true)
}

impl Raw {
    /// Whether the file ends before the image does.
    pub(crate) fn is_truncated(&self) -> bool {
        self.is_truncated
    }

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
        let &Raw { width, height, orientation, source: (source_width, source_height), frame, .. } = self;
        if self.is_upright() {
            return Pixels { width, height, samples: S::samples(stored), source_width, source_height, frame };
        }
        let upright = sized(upright, self.pixels() * channels.count());
        let (width, height) = turn_upright(stored, width, height, channels, orientation, upright);
        let frame = Frame::whole(width, height);
        Pixels { width, height, samples: S::samples(upright), source_width, source_height, frame }
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

/// A limit on the memory that a decoder may allocate.
fn alloc_limit(bytes: u64) -> image::Limits {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

/// Wraps the reason of one of the decoders here.
#[cfg(any(feature = "formats", feature = "heif"))]
fn unread(error: RecordError) -> ImageError {
    ImageError::Decoding(DecodingError::new(ImageFormatHint::Unknown, error))
}

/// The reason of one of the decoders here.
fn told(error: &ImageError) -> Option<RecordError> {
    let ImageError::Decoding(error) = error else { return None };
    match error.source()?.downcast_ref()? {
        RecordError::Truncated => Some(RecordError::Truncated),
        RecordError::UnsupportedVariant(what) => Some(RecordError::UnsupportedVariant(what.clone())),
        error => Some(RecordError::Malformed(error.to_string())),
    }
}

/// Converts a codec's error.
fn refused(error: ImageError) -> RecordError {
    if let Some(error) = told(&error) {
        return error;
    }
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => RecordError::Truncated,
        ImageError::Unsupported(error) => RecordError::UnsupportedVariant(error.to_string()),
        // Some messages of codecs contain line breaks, but a reject is one line.
        error => RecordError::Malformed(error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// Whether a JPEG has an end-of-image marker after the start of its first scan. Without one, the decoder would silently
/// fill the missing part with gray. Within a scan the bytes FF D9 are always that marker
/// (ITU-T T.81, B.1.1.5: a data byte FF is followed by 00).
fn has_end(bytes: &[u8]) -> bool {
    let scan = first_scan(bytes).unwrap_or(bytes.len());
    bytes[scan..].windows(2).rev().any(|pair| pair == [0xFF, 0xD9])
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
        assert!(!has_end(&cut));
        assert!(has_end(&[&cut[..], &[0xFF, 0xD9]].concat()));
        assert!(!has_end(&cut[..9]));
    }
}
