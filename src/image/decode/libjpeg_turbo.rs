//! Decodes JPEGs with libjpeg-turbo, the decoder of Pillow, OpenCV and torchvision: with its defaults (accurate DCT,
//! smooth chroma upsampling) the samples are identical. It can also shrink an image while decoding, by leaving out the
//! high frequencies of every 8x8 block, and leave out lines and columns that nobody looks at.
//!
//! It rejects nothing by itself: a file that it refuses, or decodes with a warning, is passed on to the default
//! decoder, which decides.

use image::ColorType;

use super::part::{Frame, Wanted};
use super::sized;
use super::turbojpeg::{Colors, Decompressor, Header, Region, Scale};

/// What sides are divided by, most first: libjpeg-turbo has vector code for these.
const DIVISORS: [u32; 4] = [8, 4, 2, 1];

/// Decoder of JPEGs, created on first use.
#[derive(Debug, Default)]
pub(super) struct LibjpegTurbo {
    inner: Option<Decompressor>,
    cmyk: Vec<u8>,
}

/// A part of an image in the raw buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoded {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) color: ColorType,
    pub(super) frame: Frame,
}

impl LibjpegTurbo {
    /// The header of a file; none on any error or warning.
    pub(super) fn header(&mut self, file: &[u8]) -> Option<Header> {
        let decompressor = match &mut self.inner {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        decompressor.header(file)
    }

    /// Decodes what is wanted of the image as it is stored into `raw`, at the smallest scale that leaves as many pixels
    /// of it as are wanted; none on any error or warning.
    pub(super) fn decode(&mut self, file: &[u8], wanted: &Wanted, raw: &mut Vec<u8>) -> Option<Decoded> {
        let header = self.header(file)?;
        let scale = scale(&header, wanted);
        let (width, height) = (scale.side(header.width), scale.side(header.height));
        let region = region(&header, scale, wanted);
        let pixels = region.width as usize * region.height as usize;
        let color = header.colors.decoded();
        let into = if header.colors == Colors::Cmyk { &mut self.cmyk } else { &mut *raw };
        self.inner.as_mut()?.decode(file, &header, scale, region, sized(into, pixels * header.colors.count()))?;
        if header.colors == Colors::Cmyk {
            to_rgb(&self.cmyk, sized(raw, pixels * 3));
        }
        let Region { left, top, .. } = region;
        Some(Decoded { width: region.width, height: region.height, color, frame: Frame { left, top, width, height } })
    }
}

impl Colors {
    /// The type of the samples that are made of them.
    pub(super) fn decoded(self) -> ColorType {
        match self {
            Colors::Gray => ColorType::L8,
            Colors::Rgb | Colors::Cmyk => ColorType::Rgb8,
        }
    }
}

fn scale(header: &Header, wanted: &Wanted) -> Scale {
    let whole = Scale { divisor: 1 };
    let (Some((width, height)), Some(_)) = (wanted.least, header.block) else { return whole };
    let (w, h) = wanted.window.map_or((header.width, header.height), |window| (window.width, window.height));
    let fits = |scale: &Scale| u64::from(scale.side(w)) >= width && u64::from(scale.side(h)) >= height;
    DIVISORS.map(|divisor| Scale { divisor }).into_iter().find(fits).unwrap_or(whole)
}

/// The region of the scaled image that has to be decoded for its window. Colors of a pixel come from its neighbors, too:
/// with a block on each side, those of the window are the same as if the whole image were decoded.
fn region(header: &Header, scale: Scale, wanted: &Wanted) -> Region {
    let (width, height) = (scale.side(header.width), scale.side(header.height));
    let (Some(window), Some(block)) = (wanted.window, header.block) else {
        return Region { left: 0, top: 0, width, height };
    };
    let block = scale.side(block);
    let begin = |at: u32| (at / scale.divisor).saturating_sub(block) / block * block;
    let end = |end: u32, side: u32| scale.side(end).saturating_add(block).next_multiple_of(block).min(side);
    let (left, top) = (begin(window.left), begin(window.top));
    let right = end(window.left.saturating_add(window.width), width);
    let bottom = end(window.top.saturating_add(window.height), height);
    Region { left, top, width: right - left, height: bottom - top }
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

#[cfg(test)]
mod tests {
    use jpeg_encoder::{ColorType as Kind, Encoder, SamplingFactor};

    use super::*;
    use crate::image::decode::Window;

    /// A JPEG of smooth noise.
    fn jpeg(width: u16, height: u16, sampling: SamplingFactor, is_progressive: bool) -> Vec<u8> {
        let mut state = 1_u32;
        let mut level = |at: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((at * 7 % 200) as u32 + (state >> 26)) as u8
        };
        let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height) * 3).map(&mut level).collect();
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 90);
        encoder.set_sampling_factor(sampling);
        encoder.set_progressive(is_progressive);
        encoder.encode(&pixels, width, height, Kind::Rgb).unwrap();
        file
    }

    /// Asserts that the pixels of a window are the same whether or not the rest is decoded.
    fn assert_same(file: &[u8], window: Window, divisor: u32) {
        let (mut whole, mut part) = (Vec::new(), Vec::new());
        let least = (u64::from(window.width.div_ceil(divisor)), u64::from(window.height.div_ceil(divisor)));
        let (mut of_whole, mut of_part) = (LibjpegTurbo::default(), LibjpegTurbo::default());
        let shrunk = |side: u32| u64::from(side.div_ceil(divisor));
        let header = Decompressor::new().unwrap().header(file).unwrap();
        let all = Wanted { window: None, least: Some((shrunk(header.width), shrunk(header.height))) };
        let all = of_whole.decode(file, &all, &mut whole).unwrap();
        let some = of_part.decode(file, &Wanted { window: Some(window), least: Some(least) }, &mut part).unwrap();
        assert_eq!((some.frame.width, some.frame.height), (all.width, all.height));
        assert!(some.width < all.width || some.height < all.height, "{window:?} {some:?}");
        let columns = window.left / divisor..(window.left + window.width).div_ceil(divisor);
        for line in window.top / divisor..(window.top + window.height).div_ceil(divisor) {
            for column in columns.clone() {
                let at = 3 * (line * all.width + column) as usize;
                let (x, y) = (column - some.frame.left, line - some.frame.top);
                let there = 3 * (y * some.width + x) as usize;
                assert_eq!(whole[at..at + 3], part[there..there + 3], "{window:?} 1/{divisor}: {column}, {line}");
            }
        }
    }

    #[test]
    fn a_part_has_the_pixels_of_the_whole() {
        let samplings = [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2, SamplingFactor::F_4_1];
        for sampling in samplings {
            for is_progressive in [false, true] {
                let file = jpeg(203, 157, sampling, is_progressive);
                for (left, top, width, height) in
                    [(0, 0, 64, 48), (67, 51, 70, 40), (130, 100, 73, 57), (5, 90, 190, 9)]
                {
                    for divisor in [1, 2, 4] {
                        assert_same(&file, Window { left, top, width, height }, divisor);
                    }
                }
            }
        }
    }
}
