//! Casts tensors to another element type, scale or layout, in the copy that a batch makes of them anyway.
//!
//! Integers become floats by the rule of conversions: `v` is 0 for black and 1 for white; `v`, `2 v - 1` or `255 v`,
//! minus the mean, divided by the standard deviation, each step in 32 bits. Alpha is scaled, but not normalized. As an
//! integer has few values, the elements of all of them are computed once.

use std::array;

use half::f16;
use thiserror::Error as ThisError;

use super::steps::{Step, Steps};
use super::{Element, TensorColumn};
use crate::format::deinterleave;
use crate::spec::{Dtype, IMAGENET_MEAN, IMAGENET_STD, Layout, Mean, Scale, SpecError, Std};

/// What tensors are cast to; by default to what they are.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CastOptions {
    /// Order of the dimensions.
    pub layout: Option<Layout>,
    /// Type of the elements; `f32` if there is a scale, a mean or a standard deviation.
    pub dtype: Option<Dtype>,
    /// Values of black and white, for floats made of integers. Default: [`Scale::Unit`].
    pub scale: Option<Scale>,
    /// Mean, subtracted from scaled elements.
    pub mean: Option<Mean>,
    /// Standard deviation, by which these are divided.
    pub std: Option<Std>,
}

/// The reason why tensors can't be cast.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum CastError {
    /// Settings that contradict each other.
    #[error(transparent)]
    Setting(#[from] SpecError),
    /// Tensors without channels.
    #[error("tensors of shape {0:?} have no layout: none of their dimensions is told to be channels")]
    NoChannels(Vec<usize>),
    /// An element type that nothing is cast from or to.
    #[error("{} can't be cast to {}", .from.numpy_name(), .to.numpy_name())]
    Elements {
        /// Type of the stored elements.
        from: Element,
        /// Type that was asked for.
        to: Dtype,
    },
    /// Floats, which are on a scale already.
    #[error("stored {} elements are on a scale already, `{option}` is for stored integers", .from.numpy_name())]
    Scaled {
        /// Type of the stored elements.
        from: Element,
        /// `scale`, `mean` or `std`.
        option: &'static str,
    },
}

/// A rule that makes tensors of stored ones.
#[derive(Clone, Debug)]
pub struct Cast {
    target: TensorColumn,
    row_bytes: usize,
    planes: Planes,
    values: Values,
}

/// The place of channels before and after.
#[derive(Clone, Copy, Debug)]
enum Planes {
    /// Tensors keep their layout: this many channels in planes, or 1 if channels are interleaved.
    Kept(usize),
    /// Tensors with interleaved channels keep them so.
    Interleaved(usize),
    /// Interleaved channels become planes.
    Split(usize),
    /// Planes become interleaved channels.
    Merged(usize),
}

#[derive(Clone, Debug)]
enum Values {
    /// The bytes of an element stay.
    Bytes(usize),
    /// The elements for every value of an integer, for each channel, one after the other; and the steps to them, where
    /// they can be computed as well.
    Table { from: usize, to: usize, channels: Vec<Vec<u8>>, steps: Box<AllSteps> },
    /// Floats of 16 bits become floats of 32.
    Widened,
    /// Floats of 32 bits become floats of 16.
    Narrowed,
}

/// Steps of interleaved channels, and of each channel in a plane of its own.
#[derive(Clone, Debug, Default)]
struct AllSteps {
    interleaved: Option<Steps>,
    planes: Option<Vec<Steps>>,
}

impl CastOptions {
    /// Whether tensors stay what they are, whatever they are.
    pub fn is_none(&self) -> bool {
        let CastOptions { layout, dtype, scale, mean, std } = self;
        layout.is_none() && dtype.is_none() && scale.is_none() && mean.is_none() && std.is_none()
    }

    fn scaled(&self) -> [(&'static str, bool); 3] {
        [("scale", self.scale.is_some()), ("mean", self.mean.is_some()), ("std", self.std.is_some())]
    }
}

impl Cast {
    /// The rule for the tensors of a column, whose layout is `layout` if it has channels.
    ///
    /// # Errors
    /// If options contradict each other or the column.
    pub fn new(column: &TensorColumn, layout: Option<Layout>, options: &CastOptions) -> Result<Cast, CastError> {
        let option = options.scaled().into_iter().find(|(_, is_set)| *is_set).map(|(option, _)| option);
        let from = column.element;
        let to = options.dtype.or(option.map(|_| Dtype::F32)).or(from.dtype());
        let channels = layout.and_then(|layout| match layout {
            Layout::Hwc => column.shape.last().copied(),
            Layout::Chw => column.shape.first().copied(),
        });
        let named = || channels.ok_or_else(|| CastError::NoChannels(column.shape.clone()));
        let planes = match (layout, options.layout) {
            (_, Some(_)) if channels.is_none() => return Err(CastError::NoChannels(column.shape.clone())),
            (Some(Layout::Hwc), Some(Layout::Chw)) => Planes::Split(named()?),
            (Some(Layout::Chw), Some(Layout::Hwc)) => Planes::Merged(named()?),
            (Some(Layout::Hwc), _) => Planes::Interleaved(named()?),
            (Some(Layout::Chw), _) => Planes::Kept(named()?),
            (None, _) => Planes::Kept(1),
        };
        let values = match (from, to) {
            (_, Some(to)) if from == Element::from(to) && option.is_none() => Values::Bytes(from.size()),
            (_, None) => Values::Bytes(from.size()),
            (Element::U8 | Element::U16, Some(to)) => {
                let per_channel = options.mean.is_some() || options.std.is_some();
                table(from, to, if per_channel { named()? } else { 1 }, options)?
            }
            (Element::F16 | Element::F32, Some(Dtype::F16 | Dtype::F32)) if option.is_some() => {
                return Err(CastError::Scaled { from, option: option.unwrap_or("scale") });
            }
            (Element::F16, Some(Dtype::F32)) => Values::Widened,
            (Element::F32, Some(Dtype::F16)) => Values::Narrowed,
            (_, Some(to)) => return Err(CastError::Elements { from, to }),
        };
        let mut shape = column.shape.clone();
        match planes {
            Planes::Split(_) => shape.rotate_right(1),
            Planes::Merged(_) => shape.rotate_left(1),
            Planes::Kept(_) | Planes::Interleaved(_) => {}
        }
        let element = to.map_or(from, Element::from);
        let target = TensorColumn { shape, element, ..column.clone() };
        Ok(Cast { row_bytes: column.row_bytes(), target, planes, values })
    }

    /// The column that the cast tensors would be.
    pub fn target(&self) -> &TensorColumn {
        &self.target
    }

    /// Casts whole tensors, one after the other. `scratch` is memory to use, and to use again.
    pub(super) fn apply(&self, stored: &[u8], out: &mut [u8], scratch: &mut Vec<u8>) {
        let tensors = stored.chunks_exact(self.row_bytes).zip(out.chunks_exact_mut(self.target.row_bytes()));
        for (stored, out) in tensors {
            match (&self.values, self.planes) {
                (Values::Bytes(size), _) => self.moved(*size, stored, out),
                // Planes first, while elements are short: by vector instructions.
                (Values::Table { from, .. }, Planes::Split(channels)) => {
                    scratch.resize(stored.len(), 0);
                    self.moved(*from, stored, scratch);
                    self.made(Planes::Kept(channels), scratch, out);
                }
                (Values::Table { .. }, planes) => self.made(planes, stored, out),
                (Values::Widened, planes) => {
                    mapped(planes, stored, out, |_, half| f16::from_ne_bytes(half).to_f32().to_ne_bytes());
                }
                (Values::Narrowed, planes) => {
                    mapped(planes, stored, out, |_, value| f16::from_f32(f32::from_ne_bytes(value)).to_ne_bytes());
                }
            }
        }
    }

    /// Elements of `size` bytes, which stay what they are.
    fn moved(&self, size: usize, stored: &[u8], out: &mut [u8]) {
        match (self.planes, size) {
            (Planes::Split(channels @ (3 | 4)), 1 | 2 | 4) => deinterleave::split(stored, size, channels, out),
            (planes @ (Planes::Split(_) | Planes::Merged(_)), 1) => mapped::<1, 1>(planes, stored, out, |_, same| same),
            (planes @ (Planes::Split(_) | Planes::Merged(_)), 2) => mapped::<2, 2>(planes, stored, out, |_, same| same),
            (planes @ (Planes::Split(_) | Planes::Merged(_)), 4) => mapped::<4, 4>(planes, stored, out, |_, same| same),
            (planes @ (Planes::Split(_) | Planes::Merged(_)), _) => mapped::<8, 8>(planes, stored, out, |_, same| same),
            (Planes::Kept(_) | Planes::Interleaved(_), _) => out.copy_from_slice(stored),
        }
    }

    /// Elements of integers.
    fn made(&self, planes: Planes, stored: &[u8], out: &mut [u8]) {
        let Values::Table { from, to, channels, steps } = &self.values else { return };
        match (planes, &steps.interleaved, &steps.planes) {
            (Planes::Interleaved(_), Some(steps), _) => return steps.floats(stored, out),
            (Planes::Kept(planes), _, Some(steps)) => {
                let length = (stored.len() / planes).max(1);
                let planes = stored.chunks_exact(length).zip(out.chunks_exact_mut(length * to)).enumerate();
                for (channel, (stored, out)) in planes {
                    steps[channel.min(steps.len() - 1)].floats(stored, out);
                }
                return;
            }
            _ => {}
        }
        match (from, to) {
            (1, 1) => look_up::<1, 1, 256>(planes, channels, stored, out),
            (1, 2) => look_up::<1, 2, 256>(planes, channels, stored, out),
            (1, _) => look_up::<1, 4, 256>(planes, channels, stored, out),
            (_, 1) => look_up::<2, 1, 65_536>(planes, channels, stored, out),
            (_, 2) => look_up::<2, 2, 65_536>(planes, channels, stored, out),
            (..) => look_up::<2, 4, 65_536>(planes, channels, stored, out),
        }
    }
}

fn look_up<const FROM: usize, const TO: usize, const VALUES: usize>(
    planes: Planes,
    tables: &[Vec<u8>],
    stored: &[u8],
    out: &mut [u8],
) {
    let table = |channel: usize| -> &[[u8; TO]; VALUES] {
        // The last one is for all channels that follow.
        let table = tables[channel.min(tables.len() - 1)].as_chunks::<TO>().0;
        table.try_into().expect("there is an element for every value")
    };
    let value = |element: &[u8; FROM]| {
        // Less than VALUES: so indexing checks nothing.
        element.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte)) % VALUES
    };
    let (stored_elements, elements) = (stored.as_chunks::<FROM>().0, out.as_chunks_mut::<TO>().0);
    match planes {
        // One table after the other is the fastest.
        Planes::Kept(channels) if tables.len() > 1 => {
            let length = (stored_elements.len() / channels).max(1);
            let planes = stored_elements.chunks_exact(length).zip(elements.chunks_exact_mut(length));
            for (channel, (stored, out)) in planes.enumerate() {
                let table = table(channel);
                out.iter_mut().zip(stored).for_each(|(out, element)| *out = table[value(element)]);
            }
        }
        Planes::Kept(_) | Planes::Interleaved(_) if tables.len() == 1 => {
            let table = table(0);
            elements.iter_mut().zip(stored_elements).for_each(|(out, element)| *out = table[value(element)]);
        }
        Planes::Interleaved(3) => {
            let tables = [table(0), table(1), table(2)];
            for (pixel, new) in stored_elements.as_chunks::<3>().0.iter().zip(elements.as_chunks_mut::<3>().0) {
                *new = array::from_fn(|channel| tables[channel][value(&pixel[channel])]);
            }
        }
        _ => {
            let tables: [_; MOST_CHANNELS] = array::from_fn(table);
            mapped::<FROM, TO>(planes, stored, out, |channel, element| {
                tables[channel.min(MOST_CHANNELS - 1)][value(&element)]
            });
        }
    }
}

/// Makes every element of the one that belongs there; `make` gets the number of its channel, too.
#[inline(always)]
fn mapped<const FROM: usize, const TO: usize>(
    planes: Planes,
    stored: &[u8],
    out: &mut [u8],
    make: impl Fn(usize, [u8; FROM]) -> [u8; TO],
) {
    let (stored, out) = (stored.as_chunks::<FROM>().0, out.as_chunks_mut::<TO>().0);
    let plane = |channels: usize| (stored.len() / channels).max(1);
    match planes {
        Planes::Kept(channels) => {
            let planes = stored.chunks_exact(plane(channels)).zip(out.chunks_exact_mut(plane(channels)));
            for (channel, (stored, out)) in planes.enumerate() {
                out.iter_mut().zip(stored).for_each(|(out, element)| *out = make(channel, *element));
            }
        }
        Planes::Interleaved(channels) => {
            for (pixel, new) in stored.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
                let elements = new.iter_mut().zip(pixel).enumerate();
                elements.for_each(|(channel, (new, element))| *new = make(channel, *element));
            }
        }
        Planes::Split(channels) => {
            for (channel, plane) in out.chunks_exact_mut(plane(channels)).enumerate() {
                let elements = plane.iter_mut().zip(stored.iter().skip(channel).step_by(channels));
                elements.for_each(|(new, element)| *new = make(channel, *element));
            }
        }
        Planes::Merged(channels) => {
            for (channel, plane) in stored.chunks_exact(plane(channels)).enumerate() {
                let elements = out.iter_mut().skip(channel).step_by(channels).zip(plane);
                elements.for_each(|(new, element)| *new = make(channel, *element));
            }
        }
    }
}

/// The most channels that are normalized: red, green, blue and alpha.
const MOST_CHANNELS: usize = 4;

/// The elements for every value of an integer, for each of some channels.
fn table(from: Element, to: Dtype, channels: usize, options: &CastOptions) -> Result<Values, CastError> {
    let (mean, std) = (options.mean.as_ref().map(Mean::numbers), options.std.as_ref().map(Std::numbers));
    if let Some((what, _)) = options.scaled().into_iter().find(|(_, is_set)| *is_set && !to.is_float()) {
        let what = ["--scale", "--mean", "--std"].into_iter().find(|option| option.ends_with(what)).unwrap_or(what);
        return Err(SpecError::FloatsOnly { what, dtype: to }.into());
    }
    for (what, numbers, imagenet) in [("mean", mean, IMAGENET_MEAN), ("standard deviation", std, IMAGENET_STD)] {
        if options.scale.is_some_and(|scale| scale != Scale::Unit) && numbers == Some(&imagenet) {
            return Err(SpecError::ScaleOfImagenet { what }.into());
        }
        if channels < 3 && numbers.is_some_and(|numbers| numbers.len() > 1) {
            return Err(SpecError::ThreeForGray { what }.into());
        }
    }
    let of_channel = |numbers: Option<&[f32]>, channel: usize, none: f32| match numbers {
        Some(numbers) if channel < 3 => numbers[channel.min(numbers.len() - 1)],
        _ => none,
    };
    let white = if from == Element::U8 { 255.0 } else { 65_535.0 };
    let step = |channel: usize| {
        let (divisor, factor, offset) = match options.scale.unwrap_or_default() {
            Scale::Unit => (white, 1.0, 0.0),
            Scale::Signed => (white / 2.0, 1.0, 1.0),
            Scale::Bytes if white == 255.0 => (1.0, 1.0, 0.0),
            Scale::Bytes => (white, 255.0, 0.0),
        };
        Step { divisor, factor, offset, mean: of_channel(mean, channel, 0.0), std: of_channel(std, channel, 1.0) }
    };
    let channel_steps: Vec<Step> = (0..channels.min(MOST_CHANNELS)).map(step).collect();
    let tables = channel_steps.iter().map(|step| {
        let mut table = Vec::with_capacity(to.bytes() * (white as usize + 1));
        for value in 0..=white as u16 {
            let value = f32::from(value);
            let element = step.element(value);
            match to {
                Dtype::U8 => table.push((value * (255.0 / white)).round() as u8),
                Dtype::U16 => table.extend_from_slice(&((value * (65_535.0 / white)).round() as u16).to_ne_bytes()),
                Dtype::F16 => table.extend_from_slice(&f16::from_f32(element).to_ne_bytes()),
                Dtype::F32 => table.extend_from_slice(&element.to_ne_bytes()),
            }
            let fits = if to == Dtype::F16 { f16::from_f32(element).is_finite() } else { element.is_finite() };
            if to.is_float() && !fits {
                return Err(SpecError::Overflow(to));
            }
        }
        Ok(table)
    });
    let tables = tables.collect::<Result<_, _>>()?;
    let steps = match from == Element::U8 && to == Dtype::F32 {
        true => AllSteps {
            interleaved: Steps::of(&channel_steps).filter(|_| channels <= MOST_CHANNELS),
            planes: channel_steps.iter().map(|step| Steps::of(&[*step])).collect(),
        },
        false => AllSteps::default(),
    };
    Ok(Values::Table { from: from.size(), to: to.bytes(), channels: tables, steps: Box::new(steps) })
}
