//! Resizes bytes where no library is named. The home of `fast_image_resize`.

use fast_image_resize as fir;
use fir::PixelTrait;
use fir::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fir::pixels::{U8, U8x3, U8x4};

use super::window::Axis;
use crate::error::RecordError;
use crate::image::decode::Pixels;
use crate::spec::{Channels, Filter, Size, Spec};

/// Resizer with buffers that are reused.
#[derive(Debug)]
pub(super) struct Plain {
    inner: fir::Resizer,
    algorithm: fir::ResizeAlg,
    channels: Channels,
    size: Size,
    /// Resized image that does not fill the tensor, before it is copied into place.
    part: Vec<u8>,
}

impl Plain {
    pub(super) fn new(spec: &Spec) -> Plain {
        Plain {
            inner: fir::Resizer::new(),
            algorithm: algorithm(spec.filter, spec.antialias),
            channels: spec.channels,
            size: spec.target(),
            part: Vec::new(),
        }
    }

    pub(super) fn resize(
        &mut self,
        pixels: &Pixels<'_>,
        samples: &[u8],
        axes: &[Axis; 2],
        slot: &mut [u8],
    ) -> Result<(), RecordError> {
        let [x, y] = axes;
        if x.kept == self.size.width() && y.kept == self.size.height() {
            return self.resize_whole(pixels, samples, axes, slot);
        }
        let channels = self.channels.count();
        let mut part = std::mem::take(&mut self.part);
        part.resize(x.kept as usize * y.kept as usize * channels, 0);
        let resized = self.resize_whole(pixels, samples, axes, &mut part);
        let (stride, left, len) = (self.size.width() as usize, x.at as usize, x.kept as usize);
        for (from, to) in
            part.chunks_exact(len * channels).zip(slot.chunks_exact_mut(stride * channels).skip(y.at as usize))
        {
            to[left * channels..][..from.len()].copy_from_slice(from);
        }
        self.part = part;
        resized
    }

    /// Resizes the image to a whole rectangle.
    fn resize_whole(
        &mut self,
        pixels: &Pixels<'_>,
        samples: &[u8],
        axes: &[Axis; 2],
        rectangle: &mut [u8],
    ) -> Result<(), RecordError> {
        match self.channels {
            Channels::Gray => self.resize_typed::<U8>(pixels, samples, axes, rectangle),
            Channels::Rgb => self.resize_typed::<U8x3>(pixels, samples, axes, rectangle),
            Channels::Rgba => self.resize_typed::<U8x4>(pixels, samples, axes, rectangle),
        }
    }

    /// Resizes one type of pixel, to the image type that `fast_image_resize` uses between its passes: a generic call
    /// would compile its kernels for all 26 pixel types, twice each.
    fn resize_typed<P: PixelTrait>(
        &mut self,
        pixels: &Pixels<'_>,
        samples: &[u8],
        [x, y]: &[Axis; 2],
        rectangle: &mut [u8],
    ) -> Result<(), RecordError> {
        let Pixels { width, height, .. } = *pixels;
        let source = TypedImageRef::<P>::from_buffer(width, height, samples).map_err(refused)?;
        // Nothing outside of the axes is read.
        let source = TypedCroppedImage::from_ref(&source, x.start, y.start, x.length, y.length).map_err(refused)?;
        let mut target = TypedImage::<P>::from_buffer(x.kept, y.kept, rectangle).map_err(refused)?;
        let ([left, width], [top, height]) = (part(x), part(y));
        let options = fir::ResizeOptions::new().resize_alg(self.algorithm).crop(left, top, width, height);
        self.inner.resize_typed(&source, &mut target, &options).map_err(refused)
    }
}

/// Start and length, in source pixels from the start of an axis, of its part that is kept.
fn part(axis: &Axis) -> [f64; 2] {
    let [from, to] = axis.part.map(f64::from);
    let pixel = |scaled: u64| from + scaled as f64 * (to - from) / axis.scaled as f64;
    let begin = pixel(axis.skipped);
    [begin, pixel(axis.skipped + u64::from(axis.kept)) - begin]
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
        // `Method::plain` refuses `area` without a library.
        Filter::Box | Filter::Area => fir::FilterType::Box,
    };
    if antialias { fir::ResizeAlg::Convolution(kernel) } else { fir::ResizeAlg::Interpolation(kernel) }
}
