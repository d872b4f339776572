//! Pixels that need no codec: samples of arrays, interleaved where they are planes.

use image::ColorType;
use image::metadata::Orientation;

use super::need::Need;
use super::sample::Color;
use super::{Claim, Decoder, Frame, Raw, sized};
use crate::error::RecordError;
use crate::source::{RawChannels, RawOrder, RawPixels, RawSample, check_dimensions};
use crate::spec::Spec;

impl Decoder {
    /// Takes the samples of an image that is no file. `admit` is asked before memory is taken for them.
    /// [`Self::pixels`] returns them.
    ///
    /// # Errors
    /// If the image exceeds the limits, or is not admitted.
    pub fn take(
        &mut self,
        samples: &[u8],
        pixels: RawPixels,
        spec: &Spec,
        admit: &mut dyn FnMut(Claim) -> Result<(), RecordError>,
    ) -> Result<Raw, RecordError> {
        let RawPixels { height, width, channels, sample, order } = pixels;
        check_dimensions(width, height, &spec.limits)?;
        let orientation = Orientation::NoTransforms;
        let (color, source, frame) = (color(channels, sample), (width, height), Frame::whole(width, height));
        let image = Raw { width, height, color, orientation, source, frame, is_truncated: false };
        let need = Need::of_samples(&image, spec);
        admit(Claim { fresh: need.sum(), with_kept: need.sum() + self.unused(&need) })?;
        let to = sized(&mut self.raw, image.bytes());
        let from = samples.get(..to.len()).ok_or(RecordError::Truncated)?;
        match (order, channels.count()) {
            (RawOrder::Planar, 3) => interleave_samples::<3>(from, sample, to),
            (RawOrder::Planar, 4) => interleave_samples::<4>(from, sample, to),
            _ => to.copy_from_slice(from),
        }
        if cfg!(target_endian = "big") {
            to.chunks_exact_mut(sample.bytes()).for_each(<[u8]>::reverse);
        }
        Ok(image)
    }
}

fn color(channels: RawChannels, sample: RawSample) -> Color {
    use RawChannels::{Gray, Rgb, Rgba};
    use RawSample::{F32, U8, U16};
    Color::OfFile(match (channels, sample) {
        (Gray, U8) => ColorType::L8,
        (Gray, U16) => ColorType::L16,
        (Gray, F32) => return Color::GrayFloat,
        (Rgb, U8) => ColorType::Rgb8,
        (Rgb, U16) => ColorType::Rgb16,
        (Rgb, F32) => ColorType::Rgb32F,
        (Rgba, U8) => ColorType::Rgba8,
        (Rgba, U16) => ColorType::Rgba16,
        (Rgba, F32) => ColorType::Rgba32F,
    })
}

fn interleave_samples<const C: usize>(planes: &[u8], sample: RawSample, pixels: &mut [u8]) {
    match sample {
        RawSample::U8 => interleave::<C, 1>(planes, pixels),
        RawSample::U16 => interleave::<C, 2>(planes, pixels),
        RawSample::F32 => interleave::<C, 4>(planes, pixels),
    }
}

/// Interleaves `C` planes of samples of `N` bytes.
fn interleave<const C: usize, const N: usize>(planes: &[u8], pixels: &mut [u8]) {
    let (samples, pixels) = (planes.as_chunks::<N>().0, pixels.as_chunks_mut::<N>().0.as_chunks_mut::<C>().0);
    // Slices of one length, so that places are checked once and not for every sample.
    let planes: [&[[u8; N]]; C] = std::array::from_fn(|channel| &samples[channel * pixels.len()..][..pixels.len()]);
    for (at, pixel) in pixels.iter_mut().enumerate() {
        for channel in 0..C {
            pixel[channel] = planes[channel][at];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_interleaved() {
        let mut pixels = [0; 12];
        interleave::<3, 1>(&[1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24], &mut pixels);
        assert_eq!(pixels, [1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24]);
        let mut wide = [0; 16];
        interleave::<4, 2>(&[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0], &mut wide);
        assert_eq!(wide, [1, 0, 3, 0, 5, 0, 7, 0, 2, 0, 4, 0, 6, 0, 8, 0]);
    }
}
