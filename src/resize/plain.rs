//! Resizes bytes when no library is named: the home of `fast_image_resize`.

use fast_image_resize as fir;
use fir::PixelTrait;
use fir::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fir::pixels::{U8, U8x3, U8x4};

use super::window::Axis;
use crate::decode::Pixels;
use crate::error::RecordError;
use crate::spec::{Channels, Filter, Size, Spec};

/// A resizer with buffers that are used again.
#[derive(Debug)]
pub(super) struct Plain {
    inner: fir::Resizer,
    algorithm: fir::ResizeAlg,
    channels: Channels,
    size: Size,
}

impl Plain {
    pub(super) fn of(spec: &Spec) -> Plain {
        Plain {
            inner: fir::Resizer::new(),
            algorithm: algorithm(spec.filter, spec.antialias),
            channels: spec.channels,
            size: spec.target(),
        }
    }

    pub(super) fn resize(
        &mut self,
        pixels: &Pixels<'_>,
        samples: &[u8],
        axes: &[Axis; 2],
        slot: &mut [u8],
    ) -> Result<(), RecordError> {
        match self.channels {
            Channels::Gray => self.resize_typed::<U8>(pixels, samples, axes, slot),
            Channels::Rgb => self.resize_typed::<U8x3>(pixels, samples, axes, slot),
            Channels::Rgba => self.resize_typed::<U8x4>(pixels, samples, axes, slot),
        }
    }

    /// For one type of pixel: `fast_image_resize` would otherwise compile its kernels for all 26.
    fn resize_typed<P: PixelTrait>(
        &mut self,
        pixels: &Pixels<'_>,
        samples: &[u8],
        [x, y]: &[Axis; 2],
        slot: &mut [u8],
    ) -> Result<(), RecordError> {
        let Pixels { width, height, .. } = *pixels;
        let source = TypedImageRef::<P>::from_buffer(width, height, samples).map_err(refused)?;
        let target = TypedImage::<P>::from_buffer(self.size.width(), self.size.height(), slot).map_err(refused)?;
        let mut target = TypedCroppedImageMut::new(target, x.at, y.at, x.kept, y.kept).map_err(refused)?;
        let ([left, width], [top, height]) = (part(x), part(y));
        let options = fir::ResizeOptions::new().resize_alg(self.algorithm).crop(left, top, width, height);
        self.inner.resize_typed(&source, &mut target, &options).map_err(refused)
    }
}

/// Where the part of the source that is kept begins, and its length.
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
        // Areas are those of a named library.
        Filter::Box | Filter::Area => fir::FilterType::Box,
    };
    match antialias {
        true => fir::ResizeAlg::Convolution(kernel),
        false => fir::ResizeAlg::Interpolation(kernel),
    }
}
