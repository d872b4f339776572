//! Turns the bytes of an image file into 8-bit pixels of the wanted channels, upright. The home of
//! the `image` crate.
//!
//! Nothing is decoded before the gate: the length of the file (in `files`), then width, height and pixel count from the
//! header, against the spec's limits. The rules by which every kind of pixel becomes 8-bit RGB:
//!
//! - 16-bit samples: `round(v / 257)`; 32-bit floats (HDR, EXR): clamped to 0..=1, times 255, rounded,
//!   with no tone mapping;
//! - 1, 2 and 4-bit samples are stretched to 0..=255, palettes are looked up;
//! - gray to RGB: the value three times; RGB to gray: luma by ITU-R BT.601 in 16-bit fixed point,
//!   `(19595 R + 38470 G + 7471 B + 32768) >> 16`, as in Pillow's mode `L`;
//! - alpha: composited onto the pad colour, `round((c a + pad (255 - a)) / 255)`; kept for `rgba`;
//! - CMYK and YCCK JPEGs: converted by the decoder as Adobe's inverted values, without colour profile;
//! - of several frames or pages the first one.
//!
//! An embedded ICC profile is applied only if the spec says so (`decode/color_profile.rs`), before alpha, gray
//! and orientation. Where the spec says so, JPEGs are decoded by libjpeg-turbo (`decode/libjpeg_turbo.rs`).

mod color_profile;
#[cfg(feature = "turbojpeg")]
mod libjpeg_turbo;

use std::io::Cursor;
use std::path::Path;

use image::codecs::tiff::TiffDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader};

use self::color_profile::ToSrgb;
use crate::contain::contain;
use crate::error::RecordError;
#[cfg(feature = "turbojpeg")]
use crate::spec::JpegDecoder;
use crate::spec::{Channels, Color, ColorProfile, Limits, Spec};

/// An upright image of 8-bit samples, rows from top to bottom, channels side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels<'a> {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// `height * width * channels` samples.
    pub samples: &'a [u8],
    /// Of the upright image in the file, in pixels: more than `width` if the decoder shrank it.
    pub source_width: u32,
    /// Of the upright image in the file, in pixels.
    pub source_height: u32,
}

/// Decodes one image after the other into buffers that are used again.
#[derive(Debug, Default)]
pub struct Decoder {
    raw: Vec<u8>,
    converted: Vec<u8>,
    upright: Vec<u8>,
    to_srgb: ToSrgb,
    #[cfg(feature = "turbojpeg")]
    libjpeg_turbo: libjpeg_turbo::LibjpegTurbo,
}

impl Decoder {
    /// Decodes a file's bytes. Its name decides the format only if its content does not (Targa files
    /// have no signature).
    ///
    /// # Errors
    /// If it is no image, one that can't be decoded, larger than the limits, or broken. A panic
    /// inside a codec is such an error too.
    pub fn decode(&mut self, file: &[u8], path: &Path, spec: &Spec) -> Result<Pixels<'_>, RecordError> {
        let decoded = contain(|| {
            let lying = self.read(file, path, spec)?;
            Ok((lying, self.bring_upright(&lying, spec)?))
        });
        let (lying, (width, height, buffer)) = decoded.unwrap_or_else(|panic| {
            *self = Decoder::default();
            Err(RecordError::CodecPanic(panic))
        })?;
        let samples = &match buffer {
            Buffer::Raw => &self.raw,
            Buffer::Converted => &self.converted,
            Buffer::Upright => &self.upright,
        }[..width as usize * height as usize * spec.channels.count()];
        let (source_width, source_height) = lying.source;
        Ok(Pixels { width, height, samples, source_width, source_height })
    }

    /// Decodes into `raw`.
    fn read(&mut self, file: &[u8], path: &Path, spec: &Spec) -> Result<Lying, RecordError> {
        let format = format_of(file, path)?;
        if format == ImageFormat::Jpeg && jpeg_is_cut_off(file) {
            return Err(RecordError::Truncated);
        }
        let mut reader = ImageReader::with_format(Cursor::new(file), format);
        reader.limits(alloc_limit(&spec.limits));
        let mut decoder = reader.into_decoder().map_err(refused)?;

        let (width, height) = decoder.dimensions();
        check_dimensions(width, height, &spec.limits)?;
        let orientation = match spec.exif && may_have_exif(format, file) {
            true => decoder.orientation().unwrap_or(Orientation::NoTransforms),
            false => Orientation::NoTransforms,
        };
        let profile = match spec.color_profile {
            ColorProfile::Keep => None,
            // Once it has limits, the decoder of TIFF takes no profile that is long beside the pixels.
            ColorProfile::Srgb if format == ImageFormat::Tiff => {
                TiffDecoder::new(Cursor::new(file)).and_then(|mut tiff| tiff.icc_profile()).unwrap_or_default()
            }
            ColorProfile::Srgb => decoder.icc_profile().unwrap_or_default(),
        };
        let source = if swaps_sides(orientation) { (height, width) } else { (width, height) };
        let (width, height, color) = match self.read_jpeg(format, file, orientation, spec) {
            Some(read) => read,
            None => {
                let color = decoder.color_type();
                let raw = sized(&mut self.raw, decoder.total_bytes() as usize);
                decoder.read_image(raw).map_err(refused)?;
                (width, height, color)
            }
        };
        let lying = Lying { width, height, color, orientation, source };
        if let Some(profile) = profile {
            self.to_srgb.apply(&profile, color, &mut self.raw[..lying.bytes()]);
        }
        Ok(lying)
    }

    /// Decodes a JPEG by libjpeg-turbo, if the spec says so and libjpeg-turbo finds no fault with it: the
    /// width, the height and the type of its samples.
    #[cfg(feature = "turbojpeg")]
    fn read_jpeg(
        &mut self,
        format: ImageFormat,
        file: &[u8],
        orientation: Orientation,
        spec: &Spec,
    ) -> Option<(u32, u32, ColorType)> {
        if format != ImageFormat::Jpeg || spec.jpeg_decoder != JpegDecoder::LibjpegTurbo {
            return None;
        }
        let least = spec.jpeg_shrink.map(|shrink| {
            let (width, height) = shrink.least(spec.size);
            if swaps_sides(orientation) { (height, width) } else { (width, height) }
        });
        self.libjpeg_turbo.decode(file, least, &mut self.raw)
    }

    #[cfg(not(feature = "turbojpeg"))]
    fn read_jpeg(&mut self, _: ImageFormat, _: &[u8], _: Orientation, _: &Spec) -> Option<(u32, u32, ColorType)> {
        None
    }

    /// Brings what was read to the wanted channels, and upright.
    fn bring_upright(&mut self, lying: &Lying, spec: &Spec) -> Result<(u32, u32, Buffer), RecordError> {
        let Lying { width, height, color, orientation, .. } = *lying;
        let raw = &self.raw[..lying.bytes()];
        let samples = width as usize * height as usize * spec.channels.count();
        let wanted = match (color, spec.channels) {
            (ColorType::Rgb8, Channels::Rgb) | (ColorType::L8, Channels::Gray) | (ColorType::Rgba8, Channels::Rgba) => {
                Buffer::Raw
            }
            _ => {
                convert(raw, color, spec.channels, spec.pad_color, sized(&mut self.converted, samples))?;
                Buffer::Converted
            }
        };
        if orientation == Orientation::NoTransforms {
            return Ok((width, height, wanted));
        }
        let lying = match wanted {
            Buffer::Raw => raw,
            _ => &self.converted[..],
        };
        let upright = sized(&mut self.upright, samples);
        let (width, height) = turn_upright(lying, width, height, spec.channels, orientation, upright);
        Ok((width, height, Buffer::Upright))
    }
}

/// An image as it lies in `raw`.
#[derive(Clone, Copy)]
struct Lying {
    width: u32,
    height: u32,
    color: ColorType,
    orientation: Orientation,
    /// Width and height of the upright image in the file.
    source: (u32, u32),
}

impl Lying {
    fn bytes(&self) -> usize {
        self.width as usize * self.height as usize * usize::from(self.color.bytes_per_pixel())
    }
}

/// Which buffer holds the result.
enum Buffer {
    Raw,
    Converted,
    Upright,
}

/// The first `len` bytes of a buffer that only ever grows.
fn sized(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

/// The image format by content, or by name for formats without a signature.
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

/// Formats that only C libraries decode well, by their signatures.
fn foreign_format(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', b'e' | b'i', ..] => Some("HEIC"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'm', b's', b'f', b'1', ..] => Some("HEIC"),
        [0xFF, 0x0A, ..] | [0, 0, 0, 0x0C, b'J', b'X', b'L', b' ', ..] => Some("JPEG XL"),
        [0, 0, 0, 0x0C, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => Some("JPEG 2000"),
        _ => None,
    }
}

/// Memory that a decoder may take for itself: the largest allowed image at the deepest samples
/// (four 32-bit floats a pixel).
fn alloc_limit(limits: &Limits) -> image::Limits {
    let mut alloc = image::Limits::no_limits();
    alloc.max_alloc = Some(limits.pixels.saturating_mul(16));
    alloc
}

fn check_dimensions(width: u32, height: u32, limits: &Limits) -> Result<(), RecordError> {
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

/// What a codec said, as an error of the record.
fn refused(error: ImageError) -> RecordError {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => RecordError::Truncated,
        ImageError::Unsupported(error) => RecordError::UnsupportedVariant(error.to_string()),
        // Codecs put line breaks into some messages; rejects are one line each.
        error => RecordError::Malformed(error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// Whether a JPEG has no end-of-image marker after the start of its first scan: the decoder fills
/// what is missing with gray and says nothing. Within a scan the bytes FF D9 are always that marker
/// (ITU-T T.81, B.1.1.5: a data byte FF is followed by 00).
fn jpeg_is_cut_off(bytes: &[u8]) -> bool {
    let scan = first_scan(bytes).unwrap_or(bytes.len());
    !bytes[scan..].windows(2).rev().any(|pair| pair == [0xFF, 0xD9])
}

/// Whether it is worth asking for EXIF: a JPEG's decoder reads all headers again for that.
fn may_have_exif(format: ImageFormat, bytes: &[u8]) -> bool {
    let headers = || &bytes[..first_scan(bytes).unwrap_or(bytes.len())];
    format != ImageFormat::Jpeg || headers().windows(6).any(|window| window == b"Exif\0\0")
}

/// Where the data of the first scan begins, past all headers (and past the thumbnails in them).
fn first_scan(bytes: &[u8]) -> Option<usize> {
    const START_OF_SCAN: u8 = 0xDA;
    let mut at = 2;
    loop {
        while *bytes.get(at)? != 0xFF || matches!(*bytes.get(at + 1)?, 0xFF | 0x00 | 0x01 | 0xD0..=0xD8) {
            at += 1;
        }
        let marker = bytes[at + 1];
        let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
        at += 2 + length;
        if marker == START_OF_SCAN {
            return Some(at.min(bytes.len()));
        }
    }
}

/// Brings samples of any type to 8 bits of the wanted channels, by the rules at the head of this file.
fn convert(raw: &[u8], color: ColorType, channels: Channels, pad: Color, out: &mut [u8]) -> Result<(), RecordError> {
    let to = Target { channels, pad };
    let wide = |raw: &[u8], at: usize| narrow(u16::from_ne_bytes([raw[2 * at], raw[2 * at + 1]]));
    let float = |raw: &[u8], at: usize| {
        let bytes = [raw[4 * at], raw[4 * at + 1], raw[4 * at + 2], raw[4 * at + 3]];
        // A NaN becomes 0.
        (f32::from_ne_bytes(bytes).clamp(0.0, 1.0) * 255.0).round() as u8
    };
    match color {
        ColorType::L8 => to.each(raw, 1, out, |p| [p[0], p[0], p[0], 255]),
        ColorType::La8 => to.each(raw, 2, out, |p| [p[0], p[0], p[0], p[1]]),
        ColorType::Rgb8 => to.each(raw, 3, out, |p| [p[0], p[1], p[2], 255]),
        ColorType::Rgba8 => to.each(raw, 4, out, |p| [p[0], p[1], p[2], p[3]]),
        ColorType::L16 => to.each(raw, 2, out, |p| [wide(p, 0), wide(p, 0), wide(p, 0), 255]),
        ColorType::La16 => to.each(raw, 4, out, |p| [wide(p, 0), wide(p, 0), wide(p, 0), wide(p, 1)]),
        ColorType::Rgb16 => to.each(raw, 6, out, |p| [wide(p, 0), wide(p, 1), wide(p, 2), 255]),
        ColorType::Rgba16 => to.each(raw, 8, out, |p| [wide(p, 0), wide(p, 1), wide(p, 2), wide(p, 3)]),
        ColorType::Rgb32F => to.each(raw, 12, out, |p| [float(p, 0), float(p, 1), float(p, 2), 255]),
        ColorType::Rgba32F => to.each(raw, 16, out, |p| [float(p, 0), float(p, 1), float(p, 2), float(p, 3)]),
        other => return Err(RecordError::Malformed(format!("samples of type {other:?} are not supported"))),
    }
    Ok(())
}

/// `round(v / 257)`: 65,535 becomes 255.
fn narrow(sample: u16) -> u8 {
    ((u32::from(sample) + 128) / 257) as u8
}

struct Target {
    channels: Channels,
    pad: Color,
}

impl Target {
    /// Reads every pixel of `bytes` bytes as red, green, blue, alpha and writes it as wanted.
    fn each(&self, raw: &[u8], bytes: usize, out: &mut [u8], rgba: impl Fn(&[u8]) -> [u8; 4]) {
        let pixels = raw.chunks_exact(bytes).map(rgba);
        match self.channels {
            Channels::Rgba => pixels.zip(out.chunks_exact_mut(4)).for_each(|(p, out)| out.copy_from_slice(&p)),
            Channels::Rgb => {
                pixels.zip(out.chunks_exact_mut(3)).for_each(|(p, out)| out.copy_from_slice(&self.over_pad(p)));
            }
            Channels::Gray => pixels.zip(out).for_each(|(p, out)| *out = luma(self.over_pad(p))),
        }
    }

    fn over_pad(&self, [r, g, b, a]: [u8; 4]) -> [u8; 3] {
        if a == 255 {
            return [r, g, b];
        }
        let Color(pad) = self.pad;
        let blend = |c: u8, pad: u8| {
            let (c, pad, a) = (u32::from(c), u32::from(pad), u32::from(a));
            ((c * a + pad * (255 - a) + 127) / 255) as u8
        };
        [blend(r, pad[0]), blend(g, pad[1]), blend(b, pad[2])]
    }
}

pub(crate) fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 32_768) >> 16) as u8
}

/// Turns and mirrors an image as its EXIF orientation says; returns the new width and height.
fn turn_upright(
    lying: &[u8],
    width: u32,
    height: u32,
    channels: Channels,
    orientation: Orientation,
    upright: &mut [u8],
) -> (u32, u32) {
    match channels {
        Channels::Gray => turn_pixels::<1>(lying, width, height, orientation, upright),
        Channels::Rgb => turn_pixels::<3>(lying, width, height, orientation, upright),
        Channels::Rgba => turn_pixels::<4>(lying, width, height, orientation, upright),
    }
}

/// Whether the height of the upright image is the width of the lying one.
fn swaps_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

fn turn_pixels<const N: usize>(
    lying: &[u8],
    width: u32,
    height: u32,
    orientation: Orientation,
    upright: &mut [u8],
) -> (u32, u32) {
    let (lying, _) = lying.as_chunks::<N>();
    let (upright, _) = upright.as_chunks_mut::<N>();
    let (w, h) = (width as usize, height as usize);
    let (new_w, new_h) = if swaps_sides(orientation) { (h, w) } else { (w, h) };
    // The source pixel of (x, y) is at `start + x * step_x + y * step_y`.
    let (start, step_x, step_y) = match orientation {
        Orientation::NoTransforms => (0, 1, w as isize),
        Orientation::FlipHorizontal => (w - 1, -1, w as isize),
        Orientation::Rotate180 => (w * h - 1, -1, -(w as isize)),
        Orientation::FlipVertical => (w * (h - 1), 1, -(w as isize)),
        Orientation::Rotate90FlipH => (0, w as isize, 1),
        Orientation::Rotate90 => (w * (h - 1), -(w as isize), 1),
        Orientation::Rotate270FlipH => (w * h - 1, -(w as isize), -1),
        Orientation::Rotate270 => (w - 1, w as isize, -1),
    };
    for (y, row) in upright.chunks_exact_mut(new_w).take(new_h).enumerate() {
        let first = start as isize + y as isize * step_y;
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = lying[(first + x as isize * step_x) as usize];
        }
    }
    (new_w as u32, new_h as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_round_to_eight() {
        assert_eq!([0, 128, 129, 385, 386, 65_406, 65_407, 65_535].map(narrow), [0, 0, 1, 1, 2, 254, 255, 255]);
    }

    #[test]
    fn gray_keeps_its_value_as_luma() {
        assert!((0..=255).all(|v| luma([v, v, v]) == v));
    }

    #[test]
    fn orientations_turn_as_exif_says() {
        // 3 wide, 2 high:  1 2 3 / 4 5 6
        let turn = |orientation| {
            let mut upright = [0; 6];
            let size = turn_pixels::<1>(&[1, 2, 3, 4, 5, 6], 3, 2, orientation, &mut upright);
            (size, upright)
        };
        let exif = |value| turn(Orientation::from_exif(value).unwrap());
        assert_eq!(exif(1), ((3, 2), [1, 2, 3, 4, 5, 6]));
        assert_eq!(exif(2), ((3, 2), [3, 2, 1, 6, 5, 4]));
        assert_eq!(exif(3), ((3, 2), [6, 5, 4, 3, 2, 1]));
        assert_eq!(exif(4), ((3, 2), [4, 5, 6, 1, 2, 3]));
        assert_eq!(exif(5), ((2, 3), [1, 4, 2, 5, 3, 6]));
        assert_eq!(exif(6), ((2, 3), [4, 1, 5, 2, 6, 3]));
        assert_eq!(exif(7), ((2, 3), [6, 3, 5, 2, 4, 1]));
        assert_eq!(exif(8), ((2, 3), [3, 6, 2, 5, 1, 4]));
    }

    #[test]
    fn thumbnail_does_not_end_a_jpeg() {
        // An APP1 segment that contains FF D9, then a scan without an end.
        let cut = [0xFF, 0xD8, 0xFF, 0xE1, 0, 4, 0xFF, 0xD9, 0xFF, 0xDA, 0, 2, 1, 2, 3];
        assert!(jpeg_is_cut_off(&cut));
        assert!(!jpeg_is_cut_off(&[&cut[..], &[0xFF, 0xD9]].concat()));
        assert!(jpeg_is_cut_off(&cut[..9]));
    }
}
