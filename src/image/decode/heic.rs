//! Decodes HEIC stills, and grids of them. The home of `libheif-rs`.
//!
//! libheif turns, mirrors and crops images as their files say, whatever EXIF data say besides, and interpolates chroma.
//! Samples of 10 and 12 bits become 16 bits. Of a sequence, the still is decoded.

use image::error::{LimitError, LimitErrorKind};
use image::{ColorType, ImageDecoder, ImageError, ImageResult, Limits};
use libheif_rs::{
    ColorSpace, DecodingOptions, HeifContext, HeifError, HeifErrorCode, HeifErrorSubCode, ImageHandle, LibHeif, Plane,
    RgbChroma,
};

use super::sample::Sample;
use crate::error::RecordError;

/// A HEIC image whose header was read.
pub(super) struct Heic<'a> {
    context: HeifContext<'a>,
    image: ImageHandle,
    color: ColorType,
}

impl<'a> Heic<'a> {
    /// Reads the header.
    pub(super) fn new(file: &'a [u8]) -> Result<Heic<'a>, RecordError> {
        let mut context = HeifContext::read_from_bytes(file).map_err(refused)?;
        // Zero: tiles are decoded on the thread that asks for them.
        context.set_max_decoding_threads(0);
        let image = context.primary_image_handle().map_err(refused)?;
        let color = color_type(&image);
        Ok(Heic { context, image, color })
    }

    fn read(&self, out: &mut [u8]) -> Result<(), RecordError> {
        let mut options = DecodingOptions::new().ok_or_else(|| malformed("no memory"))?;
        options.set_strict_decoding(true);
        options.set_num_codec_threads(1);
        let samples = match self.color {
            ColorType::L8 | ColorType::L16 => ColorSpace::Monochrome,
            ColorType::Rgb8 => ColorSpace::Rgb(RgbChroma::Rgb),
            ColorType::Rgba8 => ColorSpace::Rgb(RgbChroma::Rgba),
            ColorType::Rgb16 => ColorSpace::Rgb(RgbChroma::HdrRgbLe),
            _ => ColorSpace::Rgb(RgbChroma::HdrRgbaLe),
        };
        let decoded = LibHeif::new().decode(&self.image, samples, Some(options)).map_err(refused)?;
        let planes = decoded.planes();
        let plane = planes.interleaved.or(planes.y).ok_or_else(|| malformed("no samples"))?;
        if (plane.width, plane.height) != self.dimensions() {
            return Err(malformed("the coded image is of another size"));
        }
        match self.color.bytes_per_pixel() / self.color.channel_count() {
            1 => copy(&plane, out, |[sample]: [u8; 1]| [sample]),
            _ => {
                let white = (1_u32 << plane.bits_per_pixel.clamp(1, 16)) - 1;
                let stretched = |sample: u32| ((sample.min(white) * 65_535 + white / 2) / white) as u16;
                copy(&plane, out, |sample: [u8; 2]| stretched(u16::from_le_bytes(sample).into()).to_ne_bytes());
            }
        }
        if self.image.is_premultiplied_alpha() {
            match self.color {
                ColorType::Rgba8 => divide(out, |[sample]| f32::from(sample) / 255.0, |value| [u8::from_f32(value)]),
                ColorType::Rgba16 => {
                    let value = |sample| f32::from(u16::from_ne_bytes(sample)) / 65_535.0;
                    divide(out, value, |value| u16::from_f32(value).to_ne_bytes());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Copies the samples of a plane, whose rows may be longer.
fn copy<const N: usize>(plane: &Plane<&[u8]>, out: &mut [u8], convert: impl Fn([u8; N]) -> [u8; N]) {
    let row = out.len() / plane.height.max(1) as usize;
    for (out, stored) in out.chunks_exact_mut(row).zip(plane.data.chunks(plane.stride)) {
        let (out, stored) = (out.as_chunks_mut::<N>().0, stored.as_chunks::<N>().0);
        out.iter_mut().zip(stored).for_each(|(out, sample)| *out = convert(*sample));
    }
}

/// Divides the colors of RGBA pixels by their alpha.
fn divide<const N: usize>(out: &mut [u8], value: impl Fn([u8; N]) -> f32, bytes: impl Fn(f32) -> [u8; N]) {
    let (samples, _) = out.as_chunks_mut::<N>();
    for [colors @ .., alpha] in samples.as_chunks_mut::<4>().0 {
        let alpha = value(*alpha);
        if alpha > 0.0 {
            colors.iter_mut().for_each(|color| *color = bytes(value(*color) / alpha));
        }
    }
}

fn color_type(image: &ImageHandle) -> ColorType {
    let is_gray = matches!(image.preferred_decoding_colorspace(), Ok(ColorSpace::Monochrome));
    match (is_gray && !image.has_alpha_channel(), image.has_alpha_channel(), image.luma_bits_per_pixel() > 8) {
        (true, _, false) => ColorType::L8,
        (true, _, true) => ColorType::L16,
        (false, false, false) => ColorType::Rgb8,
        (false, false, true) => ColorType::Rgb16,
        (false, true, false) => ColorType::Rgba8,
        (false, true, true) => ColorType::Rgba16,
    }
}

impl ImageDecoder for Heic<'_> {
    fn dimensions(&self) -> (u32, u32) {
        (self.image.width(), self.image.height())
    }

    fn color_type(&self) -> ColorType {
        self.color
    }

    fn icc_profile(&mut self) -> ImageResult<Option<Vec<u8>>> {
        Ok(self.image.color_profile_raw().map(|profile| profile.data))
    }

    fn set_limits(&mut self, limits: Limits) -> ImageResult<()> {
        if let Some(bytes) = limits.max_alloc {
            let mut own = self.context.security_limits();
            own.set_max_total_memory(bytes);
            let failed = |_| {
                ImageError::Limits(LimitError::from_kind(LimitErrorKind::Unsupported {
                    limits,
                    supported: image::LimitSupport::default(),
                }))
            };
            self.context.set_security_limits(&own).map_err(failed)?;
        }
        Ok(())
    }

    fn read_image(self, out: &mut [u8]) -> ImageResult<()> {
        self.read(out).map_err(super::unread)
    }

    fn read_image_boxed(self: Box<Self>, out: &mut [u8]) -> ImageResult<()> {
        self.read(out).map_err(super::unread)
    }
}

fn refused(error: HeifError) -> RecordError {
    match (error.code, error.sub_code) {
        (_, HeifErrorSubCode::EndOfData) => RecordError::Truncated,
        (HeifErrorCode::UnsupportedFeature | HeifErrorCode::UnsupportedFileType, _) => {
            RecordError::UnsupportedVariant(format!("HEIC: {}", error.message))
        }
        _ => malformed(&error.message),
    }
}

fn malformed(reason: &str) -> RecordError {
    RecordError::Malformed(format!("HEIC: {reason}"))
}
