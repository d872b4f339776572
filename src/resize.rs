//! Scales pixels straight into the place where a tensor will be written. The home of
//! `fast_image_resize`.

use fast_image_resize as fir;
use fir::PixelTrait;
use fir::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fir::pixels::{U8, U8x3, U8x4};

use crate::decode::{Pixels, luma};
use crate::error::RecordError;
use crate::spec::{Channels, Color, Filter, Fit, Spec};

/// Scales one image after the other with buffers that are used again.
#[derive(Debug)]
pub struct Resizer {
    inner: fir::Resizer,
    algorithm: fir::ResizeAlg,
    channels: Channels,
    fit: Fit,
    pad: Color,
    height: u32,
    width: u32,
}

impl Resizer {
    /// A resizer to the size of a spec.
    pub fn of(spec: &Spec) -> Resizer {
        Resizer {
            inner: fir::Resizer::new(),
            algorithm: algorithm(spec.filter, spec.antialias),
            channels: spec.channels,
            fit: spec.fit,
            pad: spec.pad_color,
            height: spec.size.height(),
            width: spec.size.width(),
        }
    }

    /// Writes every element of `slot`, which has the length of a tensor.
    ///
    /// # Errors
    /// If the image can't be scaled; `slot` then holds anything.
    pub fn resize(&mut self, pixels: &Pixels<'_>, slot: &mut [u8]) -> Result<(), RecordError> {
        match self.channels {
            Channels::Gray => self.resize_typed::<U8>(pixels, slot),
            Channels::Rgb => self.resize_typed::<U8x3>(pixels, slot),
            Channels::Rgba => self.resize_typed::<U8x4>(pixels, slot),
        }
    }

    /// For one type of pixel: `fast_image_resize` would otherwise compile its kernels for all 26.
    fn resize_typed<P: PixelTrait>(&mut self, pixels: &Pixels<'_>, slot: &mut [u8]) -> Result<(), RecordError> {
        let Pixels { width, height, samples, .. } = *pixels;
        let whole = |width, height| Window { left: 0, top: 0, width, height };
        let (from, to) = match self.fit {
            Fit::Stretch => (whole(width, height), whole(self.width, self.height)),
            Fit::Crop => (crop_window(width, height, self.width, self.height), whole(self.width, self.height)),
            Fit::Pad => (whole(width, height), pad_window(width, height, self.width, self.height)),
        };
        if self.fit == Fit::Pad {
            fill(slot, self.channels, self.pad);
        }
        let source = TypedImageRef::<P>::from_buffer(width, height, samples).map_err(refused)?;
        let target = TypedImage::<P>::from_buffer(self.width, self.height, slot).map_err(refused)?;
        let mut target = TypedCroppedImageMut::new(target, to.left, to.top, to.width, to.height).map_err(refused)?;
        let [left, top, width, height] = [from.left, from.top, from.width, from.height].map(f64::from);
        let options = fir::ResizeOptions::new().resize_alg(self.algorithm).crop(left, top, width, height);
        self.inner.resize_typed(&source, &mut target, &options).map_err(refused)
    }
}

fn refused(error: impl std::fmt::Display) -> RecordError {
    RecordError::Resize(error.to_string())
}

fn algorithm(filter: Filter, antialias: bool) -> fir::ResizeAlg {
    let kernel = match filter {
        Filter::Nearest => return fir::ResizeAlg::Nearest,
        Filter::Bilinear => fir::FilterType::Bilinear,
        Filter::Bicubic => fir::FilterType::CatmullRom,
        Filter::Lanczos3 => fir::FilterType::Lanczos3,
        Filter::Box => fir::FilterType::Box,
    };
    match antialias {
        true => fir::ResizeAlg::Convolution(kernel),
        false => fir::ResizeAlg::Interpolation(kernel),
    }
}

fn fill(slot: &mut [u8], channels: Channels, Color([r, g, b]): Color) {
    match channels {
        Channels::Gray => slot.fill(luma([r, g, b])),
        Channels::Rgb => slot.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&[r, g, b])),
        Channels::Rgba => slot.chunks_exact_mut(4).for_each(|pixel| pixel.copy_from_slice(&[r, g, b, 255])),
    }
}

/// A part of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// The largest centred window of the target's aspect ratio, in whole pixels rounded down: the
/// arithmetic of `keras.utils.image_dataset_from_directory(crop_to_aspect_ratio=True)`.
fn crop_window(width: u32, height: u32, target_width: u32, target_height: u32) -> Window {
    let scale = |a: u32, b: u32, c: u32| (u64::from(a) * u64::from(b) / u64::from(c)).max(1) as u32;
    let cut_height = height.min(scale(width, target_height, target_width));
    let cut_width = width.min(scale(height, target_width, target_height));
    Window { left: (width - cut_width) / 2, top: (height - cut_height) / 2, width: cut_width, height: cut_height }
}

/// Where the whole image lies in the target when scaled to fit, in whole pixels rounded down but at
/// least one: the arithmetic of `tf.image.resize_with_pad`, exact where that rounds in binary.
fn pad_window(width: u32, height: u32, target_width: u32, target_height: u32) -> Window {
    let [w, h, tw, th] = [width, height, target_width, target_height].map(u64::from);
    let (fit_width, fit_height) = match w * th >= h * tw {
        true => (target_width, (h * tw / w).max(1) as u32),
        false => ((w * th / h).max(1) as u32, target_height),
    };
    Window {
        left: (target_width - fit_width) / 2,
        top: (target_height - fit_height) / 2,
        width: fit_width,
        height: fit_height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crop_keeps_the_middle() {
        assert_eq!(crop_window(500, 375, 224, 224), Window { left: 62, top: 0, width: 375, height: 375 });
        assert_eq!(crop_window(375, 500, 224, 224), Window { left: 0, top: 62, width: 375, height: 375 });
        assert_eq!(crop_window(1, 10_000, 320, 240), Window { left: 0, top: 4999, width: 1, height: 1 });
    }

    #[test]
    fn pad_keeps_everything() {
        assert_eq!(pad_window(500, 375, 224, 224), Window { left: 0, top: 28, width: 224, height: 168 });
        assert_eq!(pad_window(1, 10_000, 224, 224), Window { left: 111, top: 0, width: 1, height: 224 });
    }
}
