//! Converts every kind of pixel to samples of one depth, by the rules listed at the top of `decode`.

use image::ColorType;

use super::Samples;
use crate::error::RecordError;
use crate::spec::{self, Channels};

/// Type of the pixels before they are converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    /// A type that codecs decode to.
    OfFile(ColorType),
    /// 32-bit floats of one channel, which only arrays have.
    GrayFloat,
}

impl Color {
    pub(super) fn bytes_per_pixel(self) -> usize {
        match self {
            Color::OfFile(color) => color.bytes_per_pixel().into(),
            Color::GrayFloat => 4,
        }
    }

    #[cfg(any(feature = "formats", feature = "heif"))]
    pub(super) fn channels(self) -> u8 {
        match self {
            Color::OfFile(color) => color.channel_count(),
            Color::GrayFloat => 1,
        }
    }
}

/// Sample of one depth.
pub(super) trait Sample: Copy + Default + PartialEq {
    /// Value of white, and of opaque alpha; black is 0.
    const MOST: Self;

    fn from_u8(sample: u8) -> Self;
    fn from_u16(sample: u16) -> Self;
    /// Converts a sample between 0 and 1; other values are clamped, and NaN becomes 0.
    fn from_f32(sample: f32) -> Self;
    /// Composites this color with `alpha` over `background`.
    fn over(self, background: Self, alpha: Self) -> Self;
    /// Luma by ITU-R BT.601.
    fn luma(rgb: [Self; 3]) -> Self;
    fn samples(all: &[Self]) -> Samples<'_>;
}

/// Weights of red, green and blue, in 65,536ths.
const LUMA: [u32; 3] = [19_595, 38_470, 7_471];

impl Sample for u8 {
    const MOST: u8 = u8::MAX;

    fn from_u8(sample: u8) -> u8 {
        sample
    }

    fn from_u16(sample: u16) -> u8 {
        ((u32::from(sample) + 128) / 257) as u8
    }

    fn from_f32(sample: f32) -> u8 {
        (sample.clamp(0.0, 1.0) * 255.0).round() as u8
    }

    fn over(self, background: u8, alpha: u8) -> u8 {
        let (c, pad, a) = (u32::from(self), u32::from(background), u32::from(alpha));
        ((c * a + pad * (255 - a) + 127) / 255) as u8
    }

    fn luma(rgb: [u8; 3]) -> u8 {
        let [r, g, b] = rgb.map(u32::from);
        ((LUMA[0] * r + LUMA[1] * g + LUMA[2] * b + 32_768) >> 16) as u8
    }

    fn samples(all: &[u8]) -> Samples<'_> {
        Samples::U8(all)
    }
}

impl Sample for u16 {
    const MOST: u16 = u16::MAX;

    fn from_u8(sample: u8) -> u16 {
        u16::from(sample) * 257
    }

    fn from_u16(sample: u16) -> u16 {
        sample
    }

    fn from_f32(sample: f32) -> u16 {
        (sample.clamp(0.0, 1.0) * 65_535.0).round() as u16
    }

    fn over(self, background: u16, alpha: u16) -> u16 {
        let (c, pad, a) = (u32::from(self), u32::from(background), u32::from(alpha));
        ((c * a + pad * (65_535 - a) + 32_767) / 65_535) as u16
    }

    fn luma(rgb: [u16; 3]) -> u16 {
        let [r, g, b] = rgb.map(u32::from);
        ((LUMA[0] * r + LUMA[1] * g + LUMA[2] * b + 32_768) >> 16) as u16
    }

    fn samples(all: &[u16]) -> Samples<'_> {
        Samples::U16(all)
    }
}

impl Sample for f32 {
    const MOST: f32 = 1.0;

    fn from_u8(sample: u8) -> f32 {
        f32::from(sample) / 255.0
    }

    fn from_u16(sample: u16) -> f32 {
        f32::from(sample) / 65_535.0
    }

    fn from_f32(sample: f32) -> f32 {
        // `clamp` alone would keep NaN.
        if sample.is_nan() { 0.0 } else { sample.clamp(0.0, 1.0) }
    }

    fn over(self, background: f32, alpha: f32) -> f32 {
        self * alpha + background * (1.0 - alpha)
    }

    fn luma(rgb: [f32; 3]) -> f32 {
        let weights = LUMA.map(|weight| weight as f32 / 65_536.0);
        rgb[0] * weights[0] + rgb[1] * weights[1] + rgb[2] * weights[2]
    }

    fn samples(all: &[f32]) -> Samples<'_> {
        Samples::F32(all)
    }
}

/// Luma of a color.
pub(crate) fn luma(rgb: [u8; 3]) -> u8 {
    Sample::luma(rgb)
}

/// Converts samples of any type to one depth and the given channels.
pub(super) fn convert<S: Sample>(
    raw: &[u8],
    color: Color,
    channels: Channels,
    pad: spec::Color,
    out: &mut [S],
) -> Result<(), RecordError> {
    let to = Target { channels, pad: pad.0.map(S::from_u8) };
    let eight = |p: &[u8], at: usize| S::from_u8(p[at]);
    let wide = |p: &[u8], at: usize| S::from_u16(u16::from_ne_bytes([p[2 * at], p[2 * at + 1]]));
    let float =
        |p: &[u8], at: usize| S::from_f32(f32::from_ne_bytes([p[4 * at], p[4 * at + 1], p[4 * at + 2], p[4 * at + 3]]));
    let color = match (color, channels) {
        (Color::OfFile(color), _) => color,
        // Luma of three equal floats may differ from them in the last bit.
        (Color::GrayFloat, Channels::Gray) => {
            raw.chunks_exact(4).zip(out).for_each(|(p, out)| *out = float(p, 0));
            return Ok(());
        }
        (Color::GrayFloat, _) => {
            to.each(raw, 4, out, |p| [float(p, 0), float(p, 0), float(p, 0), S::MOST]);
            return Ok(());
        }
    };
    match color {
        ColorType::L8 => to.each(raw, 1, out, |p| [eight(p, 0), eight(p, 0), eight(p, 0), S::MOST]),
        ColorType::La8 => to.each(raw, 2, out, |p| [eight(p, 0), eight(p, 0), eight(p, 0), eight(p, 1)]),
        ColorType::Rgb8 => to.each(raw, 3, out, |p| [eight(p, 0), eight(p, 1), eight(p, 2), S::MOST]),
        ColorType::Rgba8 => to.each(raw, 4, out, |p| [eight(p, 0), eight(p, 1), eight(p, 2), eight(p, 3)]),
        ColorType::L16 => to.each(raw, 2, out, |p| [wide(p, 0), wide(p, 0), wide(p, 0), S::MOST]),
        ColorType::La16 => to.each(raw, 4, out, |p| [wide(p, 0), wide(p, 0), wide(p, 0), wide(p, 1)]),
        ColorType::Rgb16 => to.each(raw, 6, out, |p| [wide(p, 0), wide(p, 1), wide(p, 2), S::MOST]),
        ColorType::Rgba16 => to.each(raw, 8, out, |p| [wide(p, 0), wide(p, 1), wide(p, 2), wide(p, 3)]),
        ColorType::Rgb32F => to.each(raw, 12, out, |p| [float(p, 0), float(p, 1), float(p, 2), S::MOST]),
        ColorType::Rgba32F => to.each(raw, 16, out, |p| [float(p, 0), float(p, 1), float(p, 2), float(p, 3)]),
        other => return Err(RecordError::Malformed(format!("samples of type {other:?} are not supported"))),
    }
    Ok(())
}

struct Target<S> {
    channels: Channels,
    pad: [S; 3],
}

impl<S: Sample> Target<S> {
    /// Reads every pixel of `bytes` bytes as red, green, blue, alpha, and writes it with the target's channels.
    fn each(&self, raw: &[u8], bytes: usize, out: &mut [S], rgba: impl Fn(&[u8]) -> [S; 4]) {
        let pixels = raw.chunks_exact(bytes).map(rgba);
        match self.channels {
            Channels::Rgba => pixels.zip(out.chunks_exact_mut(4)).for_each(|(p, out)| out.copy_from_slice(&p)),
            Channels::Rgb => {
                pixels.zip(out.chunks_exact_mut(3)).for_each(|(p, out)| out.copy_from_slice(&self.over_pad(p)));
            }
            Channels::Gray => pixels.zip(out).for_each(|(p, out)| *out = S::luma(self.over_pad(p))),
        }
    }

    fn over_pad(&self, [r, g, b, a]: [S; 4]) -> [S; 3] {
        if a == S::MOST {
            return [r, g, b];
        }
        [r.over(self.pad[0], a), g.over(self.pad[1], a), b.over(self.pad[2], a)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_round_to_eight() {
        let wide = [0, 128, 129, 385, 386, 65_406, 65_407, 65_535];
        assert_eq!(wide.map(u8::from_u16), [0, 0, 1, 1, 2, 254, 255, 255]);
    }

    #[test]
    fn eight_bits_fill_sixteen() {
        assert_eq!([0, 1, 128, 255].map(u16::from_u8), [0, 257, 32_896, 65_535]);
    }

    #[test]
    fn floats_are_clamped() {
        let floats = [f32::NAN, f32::NEG_INFINITY, -0.5, 0.25, 1.5];
        assert_eq!(floats.map(u8::from_f32), [0, 0, 0, 64, 255]);
        assert_eq!(floats.map(u16::from_f32), [0, 0, 0, 16_384, 65_535]);
        assert_eq!(floats.map(<f32 as Sample>::from_f32), [0.0, 0.0, 0.0, 0.25, 1.0]);
    }

    #[test]
    fn gray_keeps_its_value_as_luma() {
        assert!((0..=u8::MAX).all(|v| luma([v, v, v]) == v));
        assert!((0..=u16::MAX).all(|v| u16::luma([v, v, v]) == v));
    }

    #[test]
    fn half_transparent_white_on_black_is_gray() {
        assert_eq!(255_u8.over(0, 128), 128);
        assert_eq!(65_535_u16.over(0, 32_768), 32_768);
        assert_eq!(1_f32.over(0.0, 0.5), 0.5);
    }
}
