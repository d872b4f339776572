//! Computes the elements of a tensor: from the decoded image to the bytes in the slot.
//!
//! u8 elements with interleaved channels are resized directly into the slot. All others are computed from floats that
//! were resized without rounding:
//!
//! - u16: `round(65535 v)`, where `v` is 0 for black and 1 for white, clamped to 0..=65535;
//! - f32: `v` on the chosen scale (`v`, `2 v - 1` or `255 v`), minus the mean, divided by the standard deviation, each
//!   step in 32 bits as in torchvision's `ToTensor` and `Normalize`. Nothing is clamped: bicubic and lanczos3 may
//!   overshoot, as they do in `tf.image.resize`;
//! - f16: the same, rounded to the nearest (ties to even).
//!
//! Alpha is on the scale of the colors, but is not normalized by mean and standard deviation.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::error::RecordError;
use crate::format::deinterleave;
use crate::format::simd::widened;
use crate::image::decode::{Pixels, Samples};
use crate::image::resize::{Method, Resizer, View};
use crate::spec::{Channels, Dtype, IMAGENET_MEAN, IMAGENET_STD, Layout, Scale, Spec, SpecError};

/// Elements computed at a time: a multiple of every number of channels and of the lanes of vector instructions.
const BLOCK: usize = 24;

/// Rule for computing the elements of a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements {
    dtype: Dtype,
    layout: Layout,
    width: usize,
    channels: usize,
    elements: usize,
    scale: Scale,
    /// Mean and standard deviation for each element of a block, channels interleaved.
    normalize: Option<([f32; BLOCK], [f32; BLOCK])>,
}

/// Converter of decoded images to tensors, with buffers that are reused.
#[derive(Debug)]
pub(crate) struct Filler {
    elements: Elements,
    resizer: Resizer,
    values: Vec<f32>,
    /// Elements with interleaved channels, before they become planes.
    interleaved: Vec<u8>,
}

impl Elements {
    /// The rule of a spec.
    ///
    /// # Errors
    /// If integers are scaled or normalized, if gray has numbers for three channels, if ImageNet's numbers are used
    /// with another scale than theirs, or if black or white overflow the element type.
    pub(crate) fn new(spec: &Spec) -> Result<Elements, SpecError> {
        let (mean, std) = (spec.mean.as_ref().map(|mean| mean.numbers()), spec.std.as_ref().map(|std| std.numbers()));
        let settings = [("--scale", spec.scale.is_some()), ("--mean", mean.is_some()), ("--std", std.is_some())];
        if let Some((what, _)) = settings.into_iter().find(|(_, is_set)| *is_set && !spec.dtype.is_float()) {
            return Err(SpecError::FloatsOnly { what, dtype: spec.dtype });
        }
        for (what, numbers, imagenet) in [("mean", mean, IMAGENET_MEAN), ("standard deviation", std, IMAGENET_STD)] {
            if spec.scale.is_some_and(|scale| scale != Scale::Unit) && numbers == Some(&imagenet) {
                return Err(SpecError::ScaleOfImagenet { what });
            }
            if spec.channels == Channels::Gray && numbers.is_some_and(|numbers| numbers.len() > 1) {
                return Err(SpecError::ThreeForGray { what });
            }
        }
        let channels = spec.channels.count();
        let row = |numbers: Option<&[f32]>, none: f32| -> [f32; BLOCK] {
            std::array::from_fn(|at| match (at % channels, numbers) {
                (3, _) | (_, None) => none,
                (channel, Some(numbers)) => numbers[channel.min(numbers.len() - 1)],
            })
        };
        let elements = Elements {
            dtype: spec.dtype,
            layout: spec.layout,
            width: spec.target().width() as usize,
            channels,
            elements: spec.target().height() as usize * spec.target().width() as usize * channels,
            scale: spec.scale.unwrap_or_default(),
            normalize: (mean.is_some() || std.is_some()).then(|| (row(mean, 0.0), row(std, 1.0))),
        };
        if elements.holds_black_and_white() { Ok(elements) } else { Err(SpecError::Overflow(spec.dtype)) }
    }

    /// Size of one tensor in bytes.
    pub(crate) fn tensor_bytes(&self) -> usize {
        self.elements * self.dtype.bytes()
    }

    fn holds_black_and_white(&self) -> bool {
        let most = match self.dtype {
            Dtype::U8 | Dtype::U16 => return true,
            Dtype::F16 => f16::MAX.to_f32(),
            Dtype::F32 => f32::MAX,
        };
        [0.0, 1.0].into_iter().all(|level| self.scaled(&[level; BLOCK], 1.0).iter().all(|value| value.abs() <= most))
    }

    /// Converts resized samples, where `white` is the value of white, to floating point elements.
    #[inline(always)]
    fn scaled(&self, samples: &[f32; BLOCK], white: f32) -> [f32; BLOCK] {
        let mut values = *samples;
        // Dividing by 127.5 equals dividing by 255 and doubling, since doubling is exact.
        let half = white / 2.0;
        match self.scale {
            Scale::Unit if white == 1.0 => {}
            Scale::Unit => each(
                &mut values,
                #[inline(always)]
                |_, value| value / white,
            ),
            Scale::Signed => each(
                &mut values,
                #[inline(always)]
                |_, value| value / half - 1.0,
            ),
            Scale::Bytes if white == 255.0 => {}
            Scale::Bytes => each(
                &mut values,
                #[inline(always)]
                |_, value| value / white * 255.0,
            ),
        }
        if let Some((means, stds)) = &self.normalize {
            each(
                &mut values,
                #[inline(always)]
                |at, value| (value - means[at]) / stds[at],
            );
        }
        values
    }

    /// Computes elements from resized samples with interleaved channels, where `white` is the value of white.
    fn make(&self, samples: &[f32], white: f32, elements: &mut [u8]) {
        match self.dtype {
            Dtype::U8 => unreachable!("bytes are not computed from floats"),
            Dtype::U16 => make_blocks(
                samples,
                elements,
                #[inline(always)]
                |block| {
                    to_bytes(
                        block,
                        #[inline(always)]
                        |sample| to_u16(sample * (65_535.0 / white)).to_le_bytes(),
                    )
                },
            ),
            Dtype::F32 => make_blocks(
                samples,
                elements,
                #[inline(always)]
                |block| to_bytes(&self.scaled(block, white), f32::to_le_bytes),
            ),
            Dtype::F16 => make_blocks(
                samples,
                elements,
                #[inline(always)]
                |block| {
                    let mut halves = [f16::ZERO; BLOCK];
                    halves.convert_from_f32_slice(&self.scaled(block, white));
                    to_bytes(&halves, f16::to_le_bytes)
                },
            ),
        }
    }
}

impl Filler {
    /// A filler for the tensors of a spec.
    pub(crate) fn new(spec: &Spec, elements: Elements, method: Method) -> Filler {
        Filler { elements, resizer: Resizer::new(spec, method), values: Vec::new(), interleaved: Vec::new() }
    }

    /// Writes the tensor of what a view takes of an image to every byte of `slot`, which has the length of a tensor.
    ///
    /// # Errors
    /// If the image can't be resized; the content of `slot` is then unspecified.
    pub(crate) fn fill(&mut self, pixels: &Pixels<'_>, view: &View, slot: &mut [u8]) -> Result<(), RecordError> {
        if self.elements.layout == Layout::Hwc {
            return self.fill_interleaved(pixels, view, slot);
        }
        let mut interleaved = std::mem::take(&mut self.interleaved);
        interleaved.resize(slot.len(), 0);
        let filled = self.fill_interleaved(pixels, view, &mut interleaved);
        deinterleave::split(&interleaved, self.elements.dtype.bytes(), self.elements.channels, slot);
        self.interleaved = interleaved;
        filled
    }

    fn fill_interleaved(&mut self, pixels: &Pixels<'_>, view: &View, elements: &mut [u8]) -> Result<(), RecordError> {
        let (width, channels) = (self.elements.width, self.elements.channels);
        if self.elements.dtype == Dtype::U8 {
            self.resizer.resize(pixels, view, elements)?;
            if view.is_flipped {
                flip(elements, width, channels);
            }
            return Ok(());
        }
        self.values.resize(self.elements.elements, 0.0);
        self.resizer.resize_to_floats(pixels, view, &mut self.values);
        if view.is_flipped {
            flip(&mut self.values, width, channels);
        }
        self.elements.make(&self.values, white(pixels.samples), elements);
        Ok(())
    }
}

/// Mirrors an image of this width from left to right.
fn flip<E>(elements: &mut [E], width: usize, channels: usize) {
    for line in elements.chunks_exact_mut(width * channels) {
        match channels {
            3 => line.as_chunks_mut::<3>().0.reverse(),
            4 => line.as_chunks_mut::<4>().0.reverse(),
            _ => line.reverse(),
        }
    }
}

/// Computes elements of `N` bytes, block by block.
fn make_blocks<const N: usize>(samples: &[f32], elements: &mut [u8], make: impl Fn(&[f32; BLOCK]) -> [[u8; N]; BLOCK]) {
    let (blocks, rest) = samples.as_chunks::<BLOCK>();
    let (made, made_rest) = elements.as_chunks_mut::<N>().0.as_chunks_mut::<BLOCK>();
    widened(
        #[inline(always)]
        || {
            for (made, block) in made.iter_mut().zip(blocks) {
                *made = make(block);
            }
        },
    );
    let mut last = [0.0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    made_rest.copy_from_slice(&make(&last)[..rest.len()]);
}

// Plain loops: closures passed to methods of arrays and iterators are not always compiled for wide registers.

#[inline(always)]
fn each(values: &mut [f32; BLOCK], value: impl Fn(usize, f32) -> f32) {
    for (at, place) in values.iter_mut().enumerate() {
        *place = value(at, *place);
    }
}

#[inline(always)]
fn to_bytes<T: Copy, const N: usize>(values: &[T; BLOCK], bytes: impl Fn(T) -> [u8; N]) -> [[u8; N]; BLOCK] {
    let mut all = [[0; N]; BLOCK];
    for at in 0..BLOCK {
        all[at] = bytes(values[at]);
    }
    all
}

/// Rounds to the nearest whole number, halves up, and clamps. `as` alone would convert one element at a time.
#[inline(always)]
fn to_u16(value: f32) -> u16 {
    // From 2^23 to 2^24 floats are exactly the whole numbers, with the value in their lowest bits.
    const WHOLE: f32 = 8_388_608.0;
    ((value + 0.5).clamp(0.0, 65_535.0).floor() + WHOLE).to_bits() as u16
}

/// Value of white.
fn white(samples: Samples<'_>) -> f32 {
    match samples {
        Samples::U8(_) => 255.0,
        Samples::U16(_) => 65_535.0,
        Samples::F32(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::decode::Frame;

    /// The tensor of a 1x2 image with these samples, resized to its own size.
    fn tensor(samples: &[u8], edit: impl FnOnce(&mut Spec)) -> Vec<u8> {
        let mut spec = Spec::new("1x2".parse().unwrap());
        edit(&mut spec);
        let elements = Elements::new(&spec).unwrap();
        let mut slot = vec![0xAA; elements.elements * spec.dtype.bytes()];
        let samples = Samples::U8(samples);
        let frame = Frame::whole(2, 1);
        let pixels = Pixels { width: 2, height: 1, samples, source_width: 2, source_height: 1, frame };
        Filler::new(&spec, elements, Method::new(&spec).unwrap()).fill(&pixels, &View::default(), &mut slot).unwrap();
        slot
    }

    fn floats(bytes: &[u8]) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    const TWO: &[u8] = &[0, 51, 102, 153, 204, 255];

    #[test]
    fn bytes_are_kept_and_widened() {
        assert_eq!(tensor(TWO, |_| {}), TWO);
        assert_eq!(tensor(TWO, |spec| spec.dtype = Dtype::U16)[..6], [0, 0, 51, 51, 102, 102]);
    }

    #[test]
    fn planes_follow_each_other() {
        assert_eq!(tensor(TWO, |spec| spec.layout = Layout::Chw), [0, 153, 51, 204, 102, 255]);
        let wide = tensor(TWO, |spec| (spec.layout, spec.dtype) = (Layout::Chw, Dtype::U16));
        assert_eq!(wide, [0, 0, 153, 153, 51, 51, 204, 204, 102, 102, 255, 255]);
    }

    #[test]
    fn floats_are_on_their_scale() {
        let scaled = |scale| floats(&tensor(TWO, |spec| (spec.dtype, spec.scale) = (Dtype::F32, scale)));
        assert_eq!(scaled(None), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(scaled(Some(Scale::Bytes)), [0.0, 51.0, 102.0, 153.0, 204.0, 255.0]);
        let signed = TWO.iter().map(|sample| f32::from(*sample) / 127.5 - 1.0).collect::<Vec<_>>();
        assert_eq!(scaled(Some(Scale::Signed)), signed);
    }

    #[test]
    fn halves_are_rounded_to_even() {
        // 0x3266 is 0.19995, the half nearest to 0.2.
        assert_eq!(tensor(TWO, |spec| spec.dtype = Dtype::F16)[..4], [0, 0, 0x66, 0x32]);
    }

    #[test]
    fn alpha_is_not_normalized() {
        let normalized = tensor(&[255; 8], |spec| {
            (spec.dtype, spec.channels) = (Dtype::F32, Channels::Rgba);
            (spec.mean, spec.std) = (Some("0.5".parse().unwrap()), Some("0.5,0.25,0.125".parse().unwrap()));
        });
        assert_eq!(floats(&normalized), [1.0, 2.0, 4.0, 1.0, 1.0, 2.0, 4.0, 1.0]);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let refused = |edit: fn(&mut Spec)| {
            let mut spec = Spec::new("1".parse().unwrap());
            edit(&mut spec);
            Elements::new(&spec).unwrap_err().to_string()
        };
        assert_eq!(refused(|spec| spec.scale = Some(Scale::Unit)), "`--scale` has no effect with `--dtype u8`");
        let gray = |spec: &mut Spec| {
            (spec.dtype, spec.channels) = (Dtype::F32, Channels::Gray);
            spec.std = Some("imagenet".parse().unwrap());
        };
        assert_eq!(refused(gray), "gray tensors have one standard deviation, not three");
    }
}
