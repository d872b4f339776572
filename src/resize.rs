//! Scales pixels straight into the place where a tensor will be written. The home of
//! `fast_image_resize`.

use fast_image_resize as fir;
use fir::images::{CroppedImageMut, Image, ImageRef};

use crate::decode::Pixels;
use crate::error::RecordError;
use crate::spec::{Channels, Color, Filter, Fit, Spec};

/// Scales one image after the other with buffers that are used again.
#[derive(Debug)]
pub struct Resizer {
    inner: fir::Resizer,
    algorithm: fir::ResizeAlg,
    pixel: fir::PixelType,
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
            pixel: match spec.channels {
                Channels::Gray => fir::PixelType::U8,
                Channels::Rgb => fir::PixelType::U8x3,
                Channels::Rgba => fir::PixelType::U8x4,
            },
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
        let source = ImageRef::new(pixels.width, pixels.height, pixels.samples, self.pixel).map_err(refused)?;
        let options = fir::ResizeOptions::new().resize_alg(self.algorithm);
        if self.fit == Fit::Pad {
            fill(slot, self.channels, self.pad);
        }
        let mut target = Image::from_slice_u8(self.width, self.height, slot, self.pixel).map_err(refused)?;
        match self.fit {
            Fit::Stretch => self.inner.resize(&source, &mut target, &options),
            Fit::Crop => {
                let cut = crop_window(pixels.width, pixels.height, self.width, self.height);
                let options = options.crop(f64::from(cut.left), f64::from(cut.top), f64::from(cut.width), f64::from(cut.height));
                self.inner.resize(&source, &mut target, &options)
            }
            Fit::Pad => {
                let place = pad_window(pixels.width, pixels.height, self.width, self.height);
                let mut window = CroppedImageMut::new(&mut target, place.left, place.top, place.width, place.height)
                    .map_err(refused)?;
                self.inner.resize(&source, &mut window, &options)
            }
        }
        .map_err(refused)
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
        Channels::Gray => slot.fill(crate::decode::luma([r, g, b])),
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

/// Where the whole image lies in the target when scaled to fit: the arithmetic of
/// `tf.image.resize_with_pad`, with at least one pixel each way.
fn pad_window(width: u32, height: u32, target_width: u32, target_height: u32) -> Window {
    let (across, down) = (f64::from(width) / f64::from(target_width), f64::from(height) / f64::from(target_height));
    let ratio = across.max(down);
    let side = |n: u32, target: u32| ((f64::from(n) / ratio).floor() as u32).clamp(1, target);
    let (fit_width, fit_height) = (side(width, target_width), side(height, target_height));
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
