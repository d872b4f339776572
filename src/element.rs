//! Makes the elements of a tensor: from the resized image to the bytes in the slot.
//!
//! Bytes of u8 with the channels side by side are resized in place. All others are resized to floats
//! that nobody has rounded, and computed from those:
//!
//! - u16: `round(65535 v)`, `v` being 0 for black and 1 for white, clamped to 0..=65535;
//! - f32: `v` on the wanted scale (`v`, `2 v - 1` or `255 v`), less the mean, divided by the standard
//!   deviation, each step in 32 bits as torchvision's `ToTensor` and `Normalize` do it. Nothing is
//!   clamped: bicubic and lanczos3 may overshoot, as they do in `tf.image.resize`;
//! - f16: that, rounded to the nearest (ties to even).
//!
//! Alpha is on the scale of the colours, but neither mean nor standard deviation change it.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::decode::{Pixels, Samples};
use crate::error::{RecordError, SpecError};
use crate::resize::{Method, Resizer};
use crate::spec::{Channels, Dtype, IMAGENET_MEAN, IMAGENET_STD, Layout, Scale, Spec};

/// Mean and standard deviation are laid out for so many elements in a row: a multiple of every number of
/// channels and of the lanes of vector instructions.
const PATTERN: usize = 24;

/// How the elements of a tensor are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements {
    dtype: Dtype,
    layout: Layout,
    channels: usize,
    elements: usize,
    scale: Scale,
    /// Mean and standard deviation of elements in a row, the channels side by side.
    normalize: Option<([f32; PATTERN], [f32; PATTERN])>,
}

/// Makes one tensor after the other with buffers that are used again.
#[derive(Debug)]
pub(crate) struct Filler {
    elements: Elements,
    resizer: Resizer,
    bytes: Vec<u8>,
    values: Vec<f32>,
    halves: Vec<f16>,
}

impl Elements {
    /// # Errors
    /// If integers are to be scaled or normalized, gray by numbers of three channels, or another scale than that of
    /// ImageNet's numbers by those.
    pub(crate) fn of(spec: &Spec) -> Result<Elements, SpecError> {
        let (mean, std) = (spec.mean.as_ref().map(|mean| mean.numbers()), spec.std.as_ref().map(|std| std.numbers()));
        let settings =
            [("scale", spec.scale.is_some()), ("mean", mean.is_some()), ("standard deviation", std.is_some())];
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
        let row = |numbers: Option<&[f32]>, none: f32| -> [f32; PATTERN] {
            std::array::from_fn(|at| match (at % channels, numbers) {
                (3, _) | (_, None) => none,
                (channel, Some(numbers)) => numbers[channel.min(numbers.len() - 1)],
            })
        };
        let elements = Elements {
            dtype: spec.dtype,
            layout: spec.layout,
            channels,
            elements: spec.target().height() as usize * spec.target().width() as usize * channels,
            scale: spec.scale.unwrap_or_default(),
            normalize: (mean.is_some() || std.is_some()).then(|| (row(mean, 0.0), row(std, 1.0))),
        };
        match elements.holds_black_and_white() {
            true => Ok(elements),
            false => Err(SpecError::Overflow(spec.dtype)),
        }
    }

    /// Bytes of one tensor.
    pub(crate) fn tensor_bytes(&self) -> usize {
        self.elements * self.dtype.bytes()
    }

    fn holds_black_and_white(&self) -> bool {
        let most = match self.dtype {
            Dtype::U8 | Dtype::U16 => return true,
            Dtype::F16 => f16::MAX.to_f32(),
            Dtype::F32 => f32::MAX,
        };
        [0.0, 1.0].into_iter().all(|level| {
            let mut values = [level; PATTERN];
            self.scale(&mut values, 1.0);
            values.iter().all(|value| value.abs() <= most)
        })
    }

    /// Brings resized samples, of which `white` is the greatest, to the values of floating point elements.
    fn scale(&self, values: &mut [f32], white: f32) {
        // Dividing by 127.5 is dividing by 255 and doubling: both are exact but for one rounding.
        let half = white / 2.0;
        match self.scale {
            Scale::Unit if white == 1.0 => {}
            Scale::Unit => values.iter_mut().for_each(|value| *value /= white),
            Scale::Signed => values.iter_mut().for_each(|value| *value = *value / half - 1.0),
            Scale::Bytes if white == 255.0 => {}
            Scale::Bytes => values.iter_mut().for_each(|value| *value = *value / white * 255.0),
        }
        let Some((means, stds)) = &self.normalize else { return };
        for row in values.chunks_mut(PATTERN) {
            row.iter_mut().zip(means).zip(stds).for_each(|((value, mean), std)| *value = (*value - mean) / std);
        }
    }

    /// Writes elements of `N` bytes where the layout has them.
    fn place<T: Copy, const N: usize>(&self, values: &[T], slot: &mut [u8], bytes: impl Fn(T) -> [u8; N]) {
        let (slot, _) = slot.as_chunks_mut::<N>();
        match self.layout {
            Layout::Hwc => slot.iter_mut().zip(values).for_each(|(element, value)| *element = bytes(*value)),
            Layout::Chw => match self.channels {
                3 => place_planes::<T, N, 3>(values, slot, bytes),
                4 => place_planes::<T, N, 4>(values, slot, bytes),
                _ => slot.iter_mut().zip(values).for_each(|(element, value)| *element = bytes(*value)),
            },
        }
    }
}

impl Filler {
    /// For the tensors of a spec.
    pub(crate) fn new(spec: &Spec, elements: Elements, method: Method) -> Filler {
        let (bytes, values, halves) = (Vec::new(), Vec::new(), Vec::new());
        Filler { elements, resizer: Resizer::of(spec, method), bytes, values, halves }
    }

    /// Makes the tensor of an image: writes every byte of `slot`, which has the length of a tensor.
    ///
    /// # Errors
    /// If the image can't be scaled; `slot` then holds anything.
    pub(crate) fn fill(&mut self, pixels: &Pixels<'_>, slot: &mut [u8]) -> Result<(), RecordError> {
        let Filler { elements, resizer, bytes, values, halves } = self;
        if elements.dtype == Dtype::U8 {
            if elements.layout == Layout::Hwc {
                return resizer.resize(pixels, slot);
            }
            bytes.resize(elements.elements, 0);
            resizer.resize(pixels, bytes)?;
            elements.place(bytes, slot, |value| [value]);
            return Ok(());
        }
        values.resize(elements.elements, 0.0);
        resizer.resize_to_floats(pixels, values);
        let white = white(pixels.samples);
        match elements.dtype {
            Dtype::U8 => unreachable!("bytes are not made of floats"),
            Dtype::U16 => {
                let factor = 65_535.0 / white;
                // Adding a half rounds: what is left of the point is cut off.
                elements.place(values, slot, |value| ((value * factor + 0.5) as u16).to_le_bytes());
            }
            Dtype::F32 => {
                elements.scale(values, white);
                elements.place(values, slot, f32::to_le_bytes);
            }
            Dtype::F16 => {
                elements.scale(values, white);
                halves.resize(elements.elements, f16::ZERO);
                halves.convert_from_f32_slice(values);
                elements.place(halves, slot, f16::to_le_bytes);
            }
        }
        Ok(())
    }
}

/// Writes elements that lie side by side into one plane for each of `C` channels.
fn place_planes<T: Copy, const N: usize, const C: usize>(
    values: &[T],
    slot: &mut [[u8; N]],
    bytes: impl Fn(T) -> [u8; N],
) {
    let (pixels, _) = values.as_chunks::<C>();
    let mut rest = slot;
    let mut planes: [&mut [[u8; N]]; C] =
        std::array::from_fn(|_| rest.split_off_mut(..pixels.len()).expect("a tensor has a plane for each channel"));
    for (at, pixel) in pixels.iter().enumerate() {
        for (plane, value) in planes.iter_mut().zip(pixel) {
            plane[at] = bytes(*value);
        }
    }
}

/// The greatest sample.
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

    /// The tensor of an image of 1x2 pixels of these bytes, resized to its own size.
    fn tensor(samples: &[u8], edit: impl FnOnce(&mut Spec)) -> Vec<u8> {
        let mut spec = Spec::new("1x2".parse().unwrap());
        edit(&mut spec);
        let elements = Elements::of(&spec).unwrap();
        let mut slot = vec![0xAA; elements.elements * spec.dtype.bytes()];
        let samples = Samples::U8(samples);
        let pixels = Pixels { width: 2, height: 1, samples, source_width: 2, source_height: 1 };
        Filler::new(&spec, elements, Method::of(&spec).unwrap()).fill(&pixels, &mut slot).unwrap();
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
            Elements::of(&spec).unwrap_err().to_string()
        };
        assert_eq!(refused(|spec| spec.scale = Some(Scale::Unit)), "elements of type `u8` have no scale");
        let gray = |spec: &mut Spec| {
            (spec.dtype, spec.channels) = (Dtype::F32, Channels::Gray);
            spec.std = Some("imagenet".parse().unwrap());
        };
        assert_eq!(refused(gray), "gray tensors have one standard deviation, not three");
    }
}
