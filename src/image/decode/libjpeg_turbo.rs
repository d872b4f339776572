//! Decodes JPEGs with libjpeg-turbo, the decoder of Pillow, OpenCV and torchvision: with its defaults (accurate DCT,
//! smooth chroma upsampling) the samples are identical. It can also shrink an image while decoding, by leaving out the
//! high frequencies of every 8x8 block.
//!
//! It rejects nothing by itself: a file that it refuses, or decodes with a warning, is passed on to the default
//! decoder, which decides.

use image::ColorType;
use turbojpeg::{Colorspace, DecompressHeader, Decompressor, Image, PixelFormat, ScalingFactor};

use super::sized;

/// Most scans of a progressive JPEG; encoders write about ten, and each costs a pass over the image
/// (CVE-2017-9614 and similar).
const MOST_SCANS: u32 = 500;

/// Scales that cost less than full size, smallest first: libjpeg-turbo has vector code for these.
const SCALES: [ScalingFactor; 3] = [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF];

/// Decoder of JPEGs, created on first use.
#[derive(Debug, Default)]
pub(super) struct LibjpegTurbo {
    inner: Option<Decompressor>,
    cmyk: Vec<u8>,
}

impl LibjpegTurbo {
    /// Decodes into `raw`, at the smallest scale that keeps both sides, as stored in the file, at `least` pixels or
    /// more; without `least`, at full size. Returns the width, height and sample type; none on any error or warning.
    pub(super) fn decode(
        &mut self,
        file: &[u8],
        least: Option<(u64, u64)>,
        raw: &mut Vec<u8>,
    ) -> Option<(u32, u32, ColorType)> {
        let decompressor = match &mut self.inner {
            Some(decompressor) => decompressor,
            none => none.insert(new()?),
        };
        let header = decompressor.read_header(file).ok()?;
        let scale = if header.is_lossless { ScalingFactor::ONE } else { scale(&header, least) };
        decompressor.set_scaling_factor(scale).ok()?;
        let scaled = header.scaled(scale);
        let (format, color) = match header.colorspace {
            Colorspace::Gray => (PixelFormat::GRAY, ColorType::L8),
            Colorspace::CMYK | Colorspace::YCCK => (PixelFormat::CMYK, ColorType::Rgb8),
            _ => (PixelFormat::RGB, ColorType::Rgb8),
        };
        let pixels = scaled.width * scaled.height;
        let into = if format == PixelFormat::CMYK { &mut self.cmyk } else { &mut *raw };
        let samples = sized(into, pixels * format.size());
        let pitch = scaled.width * format.size();
        let image = Image { pixels: samples, width: scaled.width, pitch, height: scaled.height, format };
        decompressor.decompress(file, image).ok()?;
        if format == PixelFormat::CMYK {
            to_rgb(&self.cmyk, sized(raw, pixels * 3));
        }
        Some((u32::try_from(scaled.width).ok()?, u32::try_from(scaled.height).ok()?, color))
    }
}

fn new() -> Option<Decompressor> {
    let mut decompressor = Decompressor::new().ok()?;
    decompressor.set_scan_limit(MOST_SCANS).ok()?;
    Some(decompressor)
}

fn scale(header: &DecompressHeader, least: Option<(u64, u64)>) -> ScalingFactor {
    let Some((width, height)) = least else { return ScalingFactor::ONE };
    let fits = |scale: &ScalingFactor| {
        scale.scale(header.width) as u64 >= width && scale.scale(header.height) as u64 >= height
    };
    SCALES.into_iter().find(fits).unwrap_or(ScalingFactor::ONE)
}

/// Converts Adobe's inverted CMYK to RGB, without a color profile, with the arithmetic of Pillow's `convert("RGB")`:
/// ink `c` on black `k` is `k' - k' c / 255` rounded, with `k' = 255 - k`.
fn to_rgb(cmyk: &[u8], rgb: &mut [u8]) {
    for (&[c, m, y, k], rgb) in cmyk.as_chunks().0.iter().zip(rgb.as_chunks_mut().0) {
        let light = |inverted: u8| {
            let product = u32::from(k) * u32::from(255 - inverted) + 128;
            let ink = ((product >> 8) + product) >> 8;
            k - ink as u8
        };
        *rgb = [light(c), light(m), light(y)];
    }
}
