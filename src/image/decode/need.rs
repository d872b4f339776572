//! The memory that an image takes, computed from its header before any is taken, and checks of headers on which
//! decoders would take more.

use image::{ColorType, ImageFormat};

use super::chunks::{PNG_SIGNATURE, PngChunk, TiffField, png_chunks, segments, tiff_fields, webp_chunks};
use super::metadata::is_large_profile;
use super::sample::Color;
use super::{Format, Raw};
use crate::error::RecordError;
use crate::source::check_dimensions;
use crate::spec::{Channels, ColorProfile, Dtype, Limits, Spec};

/// Bytes that a decoder may take for tables and lines, besides its image.
pub(super) const TABLES: u64 = 1 << 20;

/// The bytes that an image takes from its decoder to its tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// Samples as they are in the file.
    pub(super) raw: u64,
    /// What the decoder takes besides.
    pub(super) decoder: u64,
    /// Samples of the spec's channels and depth, unless the raw ones already are.
    pub(super) converted: u64,
    /// Upright samples, unless the stored ones are upright.
    pub(super) upright: u64,
    /// What the conversion of color profiles takes.
    pub(super) profile: u64,
    /// What the resizer takes.
    pub(super) resized: u64,
}

impl Need {
    /// What an image takes with buffers of these samples that are not direct.
    pub(super) fn new(file: &[u8], format: Format, image: &Raw, spec: &Spec) -> Need {
        Need { decoder: decoder(file, format, image), ..Need::of_samples(image, spec) }
    }

    /// What an image takes that needs no decoder.
    pub(super) fn of_samples(image: &Raw, spec: &Spec) -> Need {
        let pixels = image.pixels() as u64;
        let raw = image.bytes() as u64;
        let is_direct = image.is_direct(spec.channels);
        let sample = match spec.dtype {
            Dtype::U8 => 1,
            _ if is_direct => 1,
            Dtype::U16 => 2,
            Dtype::F16 | Dtype::F32 => 4,
        };
        let samples = pixels * spec.channels.count() as u64 * sample;
        let converts = spec.color_profile == ColorProfile::Srgb;
        let of_words = matches!(image.color, Color::OfFile(ColorType::Rgb16 | ColorType::Rgba16));
        // Between its passes, the resizer has an image as wide as the tensor and as high as the source; it multiplies
        // colors by alpha in a copy.
        let width = spec.size.map_or(0, |size| u64::from(size.width()));
        let between = width * u64::from(image.width.max(image.height));
        let multiplied = if spec.channels == Channels::Rgba { samples } else { 0 };
        Need {
            raw,
            decoder: 0,
            converted: if is_direct { 0 } else { samples },
            upright: if image.is_upright() { 0 } else { samples },
            profile: if converts { raw * if of_words { 2 } else { 1 } } else { 0 },
            resized: between * spec.channels.count() as u64 * sample + multiplied,
        }
    }

    /// All of it.
    pub(super) fn sum(&self) -> u64 {
        self.raw + self.decoder + self.converted + self.upright + self.profile + self.resized
    }
}

/// The bytes that a decoder takes besides the raw samples, as measured with images of 30 megapixels.
fn decoder(file: &[u8], format: Format, image: &Raw) -> u64 {
    let (pixels, raw, file_bytes) = (image.pixels() as u64, image.bytes() as u64, file.len() as u64);
    let lines = 16 * u64::from(image.width) * image.color.bytes_per_pixel() as u64;
    TABLES
        + lines
        + match format {
            Format::Image(ImageFormat::Jpeg) => jpeg_coefficients(file, image),
            Format::Image(ImageFormat::WebP) => webp(file, pixels),
            // The frame, if it does not fill the image.
            Format::Image(ImageFormat::Gif) => raw,
            // CMYK has four samples for three. An image in strips that are not compressed is held once more.
            Format::Image(ImageFormat::Tiff) => {
                // 16-bit coefficients of a progressive strip, and its samples.
                let strip = if is_jpeg_in_tiff(file) { 4 * raw } else { 0 };
                raw / 3 * 4 + raw.max(file_bytes) + tiff_values(file) + strip
            }
            Format::Image(ImageFormat::OpenExr) => raw,
            // Indices of a palette.
            Format::Image(ImageFormat::Tga) => raw,
            #[cfg(feature = "formats")]
            Format::Avif => of_planes(image, OF_AVIF),
            #[cfg(feature = "heif")]
            Format::Heic => of_planes(image, OF_HEIC),
            #[cfg(feature = "formats")]
            Format::Jpeg2000 => of_planes(image, OF_JPEG_2000),
            #[cfg(feature = "formats")]
            Format::JpegXl => of_planes(image, OF_JPEG_XL),
            Format::Image(_) => 0,
        }
}

/// Bytes that the decoders of these formats take for each sample.
#[cfg(feature = "formats")]
const OF_AVIF: u64 = 3;
#[cfg(feature = "heif")]
const OF_HEIC: u64 = 3;
#[cfg(feature = "formats")]
const OF_JPEG_2000: u64 = 8;
#[cfg(feature = "formats")]
const OF_JPEG_XL: u64 = 12;

/// What a decoder takes that holds the channels one by one, in blocks or groups.
#[cfg(any(feature = "formats", feature = "heif"))]
fn of_planes(image: &Raw, bytes: u64) -> u64 {
    let channels = u64::from(image.color.channels());
    // At least as much as the chroma that gray lacks.
    (channels + 1) * bytes * image.pixels() as u64
}

/// A progressive JPEG, or one with a scan for each component, is held as 16-bit coefficients of whole blocks.
fn jpeg_coefficients(file: &[u8], image: &Raw) -> u64 {
    // Huffman and arithmetic coding.
    const PROGRESSIVE: [u8; 2] = [0xC2, 0xCA];
    // Blocks of 8x8 pixels, of which sampling takes up to four; lines of them if coefficients are not held.
    const BLOCKS: u64 = 32;
    const LINES: u64 = 128;
    let (mut components, mut in_scan, mut is_progressive) = (0, 0, false);
    for segment in segments(file) {
        match segment.marker {
            0xC0..=0xC2 | 0xC9 | 0xCA => {
                components = segment.data.get(5).copied().unwrap_or_default();
                is_progressive = PROGRESSIVE.contains(&segment.marker);
            }
            _ if segment.is_scan() => in_scan = segment.data.first().copied().unwrap_or_default(),
            _ => {}
        }
    }
    let [width, height] = [image.width, image.height].map(|side| u64::from(side).next_multiple_of(BLOCKS));
    let lines = if is_progressive || in_scan < components { height } else { LINES.min(height) };
    2 * u64::from(components) * width * lines
}

/// Values of lists, which are held at 32 bytes each, and then at 8.
fn tiff_values(file: &[u8]) -> u64 {
    tiff_lists(file).map(|field| field.count.saturating_mul(40)).sum()
}

/// Frames of a WebP: 1.5 bytes per pixel for luma and chroma, 5 for alpha, 4 for lossless pixels and for the canvas of
/// an animation, and the tables of lossless pixels.
fn webp(file: &[u8], pixels: u64) -> u64 {
    let has = |name: &[u8; 4]| webp_chunks(file).any(|(found, _)| found == *name);
    let of = |name, bytes| if has(name) { bytes } else { 0 };
    let canvas = of(b"ANMF", 8);
    pixels * (2 + of(b"ALPH", 5) + of(b"VP8L", 5) + canvas)
}

/// Checks what decoders would believe before they can be told a limit.
///
/// # Errors
/// If a header claims more than the image in it can need.
pub(super) fn check_header(file: &[u8], format: Format, limits: &Limits) -> Result<(), RecordError> {
    match format {
        Format::Image(ImageFormat::WebP) => check_webp(file, limits),
        Format::Image(ImageFormat::Tiff) => check_tiff(file),
        Format::Image(ImageFormat::Ico) => check_icon(file),
        Format::Image(ImageFormat::OpenExr) => check_exr(file, limits),
        _ => Ok(()),
    }
}

/// A lossy frame is decoded at the size that it states, and only then compared with the image.
fn check_webp(file: &[u8], limits: &Limits) -> Result<(), RecordError> {
    let mut canvas = None;
    for (name, content) in webp_chunks(file) {
        match (&name, content) {
            (b"VP8X", [_, _, _, _, w0, w1, w2, h0, h1, h2, ..]) => {
                let side = |bytes| 1 + u32::from_le_bytes(bytes);
                canvas = Some((side([*w0, *w1, *w2, 0]), side([*h0, *h1, *h2, 0])));
                check_dimensions(side([*w0, *w1, *w2, 0]), side([*h0, *h1, *h2, 0]), limits)?;
            }
            (b"VP8 ", [_, _, _, _, _, _, w0, w1, h0, h1, ..]) => {
                let side = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3FFF);
                let (width, height) = (side([*w0, *w1]), side([*h0, *h1]));
                if canvas.is_some_and(|canvas| width > canvas.0 || height > canvas.1) {
                    return Err(RecordError::Malformed("a frame is larger than the image".into()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The decoder reads the offsets and lengths of strips and tiles before it can be told a limit.
fn check_tiff(file: &[u8]) -> Result<(), RecordError> {
    const WIDTH: u16 = 256;
    const HEIGHT: u16 = 257;
    // A strip for each line of up to five planes, or tiles of 16x16 pixels in up to four.
    const PLANES: u64 = 5;
    const PIXELS_OF_PLACE: u64 = 64;
    const FEW: u64 = 1 << 10;
    let side = |tag| tiff_fields(file).find(|field| field.tag == tag).map_or(0, |field| field.number);
    let (width, height) = (side(WIDTH), side(HEIGHT));
    let most = FEW + PLANES * height.min(1 << 32) + width.saturating_mul(height) / PIXELS_OF_PLACE;
    if let Some(field) = tiff_lists(file).find(|field| field.count > most) {
        return Err(RecordError::Malformed(format!("the TIFF field {} has {} values", field.tag, field.count)));
    }
    match is_jpeg_in_tiff(file) {
        true => check_frames(file, width, height),
        false => Ok(()),
    }
}

/// Whether the strips or tiles of a TIFF are JPEGs.
fn is_jpeg_in_tiff(file: &[u8]) -> bool {
    const COMPRESSION: u16 = 259;
    tiff_fields(file).any(|field| field.tag == COMPRESSION && matches!(field.number, 6 | 7))
}

/// A JPEG in a TIFF is decoded at the size that it states itself, whatever the TIFF says. Its header may be in a strip,
/// a tile or a field of its own, so it is looked for in the whole file: compressed data has no such bytes.
fn check_frames(file: &[u8], width: u64, height: u64) -> Result<(), RecordError> {
    // A tile may be larger than the image.
    const TILE: u64 = 1024;
    let most = |side: u64| side.next_multiple_of(16).max(TILE);
    let is_too_large = |window: &[u8]| {
        let &[0xFF, marker, l0, l1, 8 | 12 | 16, h0, h1, w0, w1, components] = window else { return false };
        let is_frame = matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC);
        let side = |bytes| u64::from(u16::from_be_bytes(bytes));
        is_frame
            && side([l0, l1]) == 8 + 3 * u64::from(components)
            && (side([w0, w1]) > most(width) || side([h0, h1]) > most(height))
    };
    match file.windows(10).any(is_too_large) {
        true => Err(RecordError::Malformed("a strip or tile is larger than the image".into())),
        false => Ok(()),
    }
}

/// The fields whose values a TIFF decoder holds: bits per sample, sample formats, and the places of strips and tiles.
fn tiff_lists(file: &[u8]) -> impl Iterator<Item = TiffField<'_>> {
    tiff_fields(file).filter(|field| matches!(field.tag, 258 | 339 | 273 | 279 | 324 | 325))
}

/// The PNG in an icon is opened without limits.
fn check_icon(file: &[u8]) -> Result<(), RecordError> {
    const MOST: usize = 1 << 20;
    let Some(image) = png_of_icon(file) else { return Ok(()) };
    let is_too_large = |chunk: PngChunk<'_>| match chunk.kind == *b"iCCP" {
        true => chunk.data.len() > MOST || is_large_profile(chunk.data),
        false => chunk.is_metadata() && chunk.data.len() > MOST,
    };
    match png_chunks(image).any(is_too_large) {
        true => Err(RecordError::Malformed("the metadata in the icon are too large".into())),
        false => Ok(()),
    }
}

/// The PNG that the decoder will choose from an icon: it prefers depth, then size, then the last but one.
fn png_of_icon(file: &[u8]) -> Option<&[u8]> {
    let count = usize::from(u16::from_le_bytes(*file.get(4..)?.first_chunk()?));
    let (entries, _) = file.get(6..)?.as_chunks::<16>();
    let side = |side: u8| if side == 0 { 256 } else { u32::from(side) };
    let score = |entry: &[u8; 16]| (u16::from_le_bytes([entry[6], entry[7]]), side(entry[0]) * side(entry[1]));
    let (last, others) = entries.get(..count)?.split_last()?;
    let better = |best, entry| if score(entry) > score(best) { entry } else { best };
    let best = others.iter().fold(last, better);
    let offset = u32::from_le_bytes(*best.last_chunk()?) as usize;
    file.get(offset..).filter(|image| image.starts_with(&PNG_SIGNATURE))
}

/// Lines are decoded at the size of the data, of which the image may be a small part.
fn check_exr(file: &[u8], limits: &Limits) -> Result<(), RecordError> {
    const DATA_WINDOW: &[u8] = b"dataWindow\0box2i\0\x10\0\0\0";
    const HEADER: usize = 1 << 16;
    let header = &file[..file.len().min(HEADER)];
    for at in 0..header.len() {
        let Some(window) = header[at..].strip_prefix(DATA_WINDOW).and_then(|rest| rest.first_chunk::<16>()) else {
            continue;
        };
        let (corners, _) = window.as_chunks::<4>();
        let [left, top, right, bottom] = [0, 1, 2, 3].map(|at| i64::from(i32::from_le_bytes(corners[at])));
        let side = |from: i64, to: i64| u32::try_from(to - from + 1).unwrap_or(u32::MAX);
        check_dimensions(side(left, right), side(top, bottom), limits)?;
    }
    Ok(())
}
