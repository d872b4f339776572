//! Resizes pixels directly into the slot of a tensor, reproducing a named library or in a way of its own.
//!
//! `window` maps a part of an image to a part of the tensor, `method` says how a library applies a filter, and `taps`
//! lists the source pixels of each target pixel along an axis. `fixed`, `float` and `nearest` compute the result;
//! `plain` does so where no library is named.

mod alpha;
mod fixed;
mod float;
mod image;
mod method;
mod nearest;
mod plain;
mod quads;
mod taps;
mod view;
mod window;

pub(crate) use method::Method;
#[cfg(feature = "decode")]
pub(crate) use view::Cut;
pub(crate) use view::View;
#[cfg(feature = "decode")]
pub(crate) use window::fitted_sides;

use crate::error::RecordError;
use crate::image::decode::{Pixels, Samples, luma};
use crate::spec::{Channels, Color, Spec};
use fixed::{FixedPasses, Order};
use float::{Element, FloatPasses};
use image::{Image, Target};
use method::{Arithmetic, Precision, Rule};
use plain::Plain;
use taps::Taps;
use window::{Axis, axes};

/// Resizer of images, with buffers that are reused.
#[derive(Debug)]
pub struct Resizer {
    spec: Spec,
    method: Method,
    plain: Plain,
    taps: [Taps; 2],
    fixed: FixedPasses,
    float: FloatPasses,
    multiplied: Vec<u8>,
}

impl Resizer {
    /// A resizer to the size of a spec.
    pub fn new(spec: &Spec, method: Method) -> Resizer {
        Resizer {
            spec: spec.clone(),
            method,
            plain: Plain::new(spec),
            taps: [Taps::default(), Taps::default()],
            fixed: FixedPasses::default(),
            float: FloatPasses::default(),
            multiplied: Vec::new(),
        }
    }

    /// Resizes what a view takes of an image of 8-bit samples to 8-bit samples. Writes every byte of `slot`, which has the length of a
    /// tensor.
    ///
    /// # Errors
    /// If the image can't be resized; the content of `slot` is then unspecified.
    pub fn resize(&mut self, pixels: &Pixels<'_>, view: &View, slot: &mut [u8]) -> Result<(), RecordError> {
        let Samples::U8(samples) = pixels.samples else { unreachable!("byte tensors are computed from 8-bit samples") };
        let axes = axes(&self.spec, view, pixels);
        if self.is_unchanged(pixels, &axes) {
            slot.copy_from_slice(samples);
            return Ok(());
        }
        self.fill_margins(&axes, slot, |level| level);
        if axes.iter().any(|axis| axis.kept == 0) {
            return Ok(());
        }
        let width = pixels.width;
        match (self.method.arithmetic, self.method.rule) {
            (Arithmetic::Plain, _) => self.plain.resize(pixels, samples, &axes, slot)?,
            (_, Rule::Nearest(_)) => self.copy(width, samples, &axes, slot),
            (Arithmetic::Float, _) => self.resize_float(width, samples, &axes, slot),
            (Arithmetic::Fixed(precision @ Precision::Pillow), _) if self.spec.channels == Channels::Rgba => {
                self.resize_multiplied(precision, width, samples, &axes, slot);
            }
            (Arithmetic::Fixed(precision), _) => self.resize_fixed(precision, width, samples, &axes, slot),
        }
        Ok(())
    }

    /// Resizes what a view takes of an image to floats on the scale of its samples, each channel independently. Values are neither rounded
    /// nor clamped: bicubic and lanczos3 overshoot. Writes every element of `values`, a tensor of shape `[H, W, C]`.
    pub fn resize_to_floats(&mut self, pixels: &Pixels<'_>, view: &View, values: &mut [f32]) {
        let axes = axes(&self.spec, view, pixels);
        let white = match pixels.samples {
            Samples::U8(_) => 255.0,
            Samples::U16(_) => 65_535.0,
            Samples::F32(_) => 1.0,
        };
        if self.is_unchanged(pixels, &axes) {
            return match pixels.samples {
                Samples::U8(samples) => values.iter_mut().zip(samples).for_each(|(to, from)| *to = (*from).into()),
                Samples::U16(samples) => values.iter_mut().zip(samples).for_each(|(to, from)| *to = (*from).into()),
                Samples::F32(samples) => values.copy_from_slice(samples),
            };
        }
        self.fill_margins(&axes, values, |level| f32::from(level) / 255.0 * white);
        if axes.iter().any(|axis| axis.kept == 0) {
            return;
        }
        match pixels.samples {
            Samples::U8(samples) => self.floats(pixels.width, samples, &axes, values),
            Samples::U16(samples) => self.floats(pixels.width, samples, &axes, values),
            Samples::F32(samples) => self.floats(pixels.width, samples, &axes, values),
        }
    }

    /// Whether the tensor has the pixels of the image: at equal sizes, every library copies them.
    fn is_unchanged(&self, pixels: &Pixels<'_>, axes: &[Axis; 2]) -> bool {
        let size = self.spec.target();
        // A window may be as large as the target, and the image larger.
        if (pixels.width, pixels.height) != (size.width(), size.height()) {
            return false;
        }
        axes.iter().zip([size.width(), size.height()]).all(|(axis, side)| axis.is_unchanged(side))
    }

    fn floats<S: Copy + Into<f32>>(&mut self, width: u32, samples: &[S], axes: &[Axis; 2], values: &mut [f32]) {
        match self.method.rule {
            Rule::Nearest(_) => self.copy(width, samples, axes, values),
            _ => self.resize_float(width, samples, axes, values),
        }
    }

    /// Fills a tensor with the pad color if the image will not cover it.
    fn fill_margins<E: Copy>(&self, axes: &[Axis; 2], slot: &mut [E], element: impl Fn(u8) -> E) {
        let size = self.spec.target();
        if axes[0].kept == size.width() && axes[1].kept == size.height() {
            return;
        }
        let Color([r, g, b]) = self.spec.pad_color;
        let pixel = match self.spec.channels {
            Channels::Gray => &[luma([r, g, b])][..],
            Channels::Rgb => &[r, g, b],
            Channels::Rgba => &[r, g, b, 255],
        };
        for to in slot.chunks_exact_mut(pixel.len()) {
            to.iter_mut().zip(pixel).for_each(|(to, level)| *to = element(*level));
        }
    }

    fn compute_taps(&mut self, axes: &[Axis; 2]) {
        let rule = match self.method.rule {
            Rule::CvArea if axes.iter().any(Axis::enlarges) => Rule::CvAreaEnlarged,
            rule => rule,
        };
        for (taps, axis) in self.taps.iter_mut().zip(axes) {
            taps.compute(rule, axis);
            if self.method.arithmetic == Arithmetic::Fixed(Precision::Torch) {
                taps.look_at_pixels_cut_off(rule, axis);
            }
        }
    }

    fn target<'a, E>(&self, axes: &[Axis; 2], elements: &'a mut [E]) -> Target<'a, E> {
        let [x, y] = axes;
        let channels = self.spec.channels.count();
        Target {
            elements,
            stride: self.spec.target().width() as usize * channels,
            top: y.at as usize,
            left: x.at as usize * channels,
            len: x.kept as usize * channels,
        }
    }

    fn image<'a, S>(&self, width: u32, samples: &'a [S]) -> Image<'a, S> {
        Image { stride: width as usize * self.spec.channels.count(), samples }
    }

    fn copy<S: Copy + Into<E>, E>(&mut self, width: u32, samples: &[S], axes: &[Axis; 2], slot: &mut [E]) {
        self.compute_taps(axes);
        let (image, [x, y], target) = (self.image(width, samples), &self.taps, self.target(axes, slot));
        match self.spec.channels {
            Channels::Gray => nearest::copy::<1, S, E>(image, [x, y], target),
            Channels::Rgb => nearest::copy::<3, S, E>(image, [x, y], target),
            Channels::Rgba => nearest::copy::<4, S, E>(image, [x, y], target),
        }
    }

    fn resize_float<S, E>(&mut self, width: u32, samples: &[S], axes: &[Axis; 2], slot: &mut [E])
    where
        S: Copy + Into<f32>,
        E: Element,
    {
        self.compute_taps(axes);
        let (image, [x, y], target) = (self.image(width, samples), &self.taps, self.target(axes, slot));
        match self.spec.channels {
            Channels::Gray => self.float.resize::<1, 1, S, E>(image, [x, y], target),
            Channels::Rgb => self.float.resize::<3, 4, S, E>(image, [x, y], target),
            Channels::Rgba => self.float.resize::<4, 4, S, E>(image, [x, y], target),
        }
    }

    fn resize_fixed(&mut self, precision: Precision, width: u32, samples: &[u8], axes: &[Axis; 2], slot: &mut [u8]) {
        self.compute_taps(axes);
        let (image, [x, y], target) = (self.image(width, samples), &self.taps, self.target(axes, slot));
        let way = (precision, Order::new(precision, axes));
        match self.spec.channels {
            Channels::Gray => self.fixed.resize::<1, 1>(way, image, [x, y], target),
            Channels::Rgb => self.fixed.resize::<3, 4>(way, image, [x, y], target),
            Channels::Rgba => self.fixed.resize::<4, 4>(way, image, [x, y], target),
        }
    }

    /// Resizes colors premultiplied by alpha, as Pillow does.
    fn resize_multiplied(
        &mut self,
        precision: Precision,
        width: u32,
        samples: &[u8],
        axes: &[Axis; 2],
        slot: &mut [u8],
    ) {
        let mut multiplied = std::mem::take(&mut self.multiplied);
        alpha::multiply(samples, &mut multiplied);
        self.resize_fixed(precision, width, &multiplied, axes, slot);
        self.multiplied = multiplied;
        let mut target = self.target(axes, slot);
        (0..axes[1].kept as usize).for_each(|y| alpha::divide(target.row(y)));
    }
}
