//! Weighted means in single precision: columns first, a target row at a time, so that what lies between the axes is
//! one row.

use super::image::{Image, Target};
use super::taps::{Run, Taps};
use super::wide::{Loops, widened};

/// The passes, with buffers that are used again.
#[derive(Debug, Default)]
pub(super) struct FloatPasses {
    across: Vec<f32>,
    down: Vec<f32>,
    row: Vec<f32>,
}

/// What a mean can become.
pub(super) trait Element: Copy {
    fn of(mean: f32) -> Self;
}

impl Element for f32 {
    #[inline(always)]
    fn of(mean: f32) -> f32 {
        mean
    }
}

impl Element for u8 {
    /// Rounded to the nearest even, and clamped.
    #[inline(always)]
    fn of(mean: f32) -> u8 {
        mean.round_ties_even().clamp(0.0, 255.0) as u8
    }
}

impl FloatPasses {
    /// Resizes an image of `C` channels; `L` is 4 where `C` is 3, else `C`.
    pub(super) fn resize<const C: usize, const L: usize, S: Copy + Into<f32>, E: Element>(
        &mut self,
        image: Image<'_, S>,
        [x, y]: [&Taps; 2],
        target: Target<'_, E>,
    ) {
        let (first, end) = x.needed();
        self.row.clear();
        self.row.resize((end - first) as usize * C + L - C, 0.0);
        widened(Passes::<C, L, S, E> {
            image,
            first: first as usize,
            runs: [&x.runs, &y.runs],
            weights: [single(&mut self.across, x), single(&mut self.down, y)],
            row: &mut self.row,
            target,
        });
    }
}

fn single<'a>(weights: &'a mut Vec<f32>, taps: &Taps) -> &'a [f32] {
    weights.clear();
    weights.extend(taps.weights.iter().map(|weight| *weight as f32));
    weights
}

/// Both passes over an image. Pixels of `C` channels are read as `L` numbers of which the last ones don't count: four
/// fit a register.
struct Passes<'a, const C: usize, const L: usize, S, E> {
    image: Image<'a, S>,
    /// The first source pixel of a row that is needed.
    first: usize,
    /// Along the rows, and down the columns; so are the weights.
    runs: [&'a [Run]; 2],
    weights: [&'a [f32]; 2],
    /// The source pixels that are needed, as means of the rows of a target row.
    row: &'a mut [f32],
    target: Target<'a, E>,
}

impl<const C: usize, const L: usize, S: Copy + Into<f32>, E: Element> Loops for Passes<'_, C, L, S, E> {
    #[inline(always)]
    fn run(mut self) {
        for (y, down) in self.runs[1].iter().enumerate() {
            self.fill_row(*down);
            self.resize_row(y);
        }
    }
}

impl<const C: usize, const L: usize, S: Copy + Into<f32>, E: Element> Passes<'_, C, L, S, E> {
    /// Makes the means of source rows.
    #[inline(always)]
    fn fill_row(&mut self, down: Run) {
        let len = self.row.len() + C - L;
        let row = &mut self.row[..len];
        for (y, (number, weight)) in (down.first..).zip(down.of(self.weights[1]).iter().enumerate()) {
            let samples = &self.image.row(y)[self.first * C..][..len];
            match number {
                0 => row.iter_mut().zip(samples).for_each(|(sum, sample)| *sum = weight * (*sample).into()),
                _ => row.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += weight * (*sample).into()),
            }
        }
    }

    /// Makes a target row of that row.
    #[inline(always)]
    fn resize_row(&mut self, y: usize) {
        for (pixel, across) in self.target.row(y).as_chunks_mut::<C>().0.iter_mut().zip(self.runs[0]) {
            let samples = &self.row[(across.first as usize - self.first) * C..];
            let mut sums = [0.0; L];
            for (number, weight) in across.of(self.weights[0]).iter().enumerate() {
                let sample = &samples[number * C..][..L];
                sums.iter_mut().zip(sample).for_each(|(sum, sample)| *sum += weight * sample);
            }
            pixel.iter_mut().zip(sums).for_each(|(element, sum)| *element = E::of(sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize::method::{Kernel, Reach, Rule};
    use crate::resize::window;
    use crate::spec::Spec;

    /// A row of gray samples of this many pixels resized to that many.
    fn resized<S: Copy + Into<f32>, E: Element + Default>(rule: Rule, samples: &[S], to: u32) -> Vec<E> {
        let spec = Spec::new(format!("1x{to}").parse().unwrap());
        let axes = window::axes(&spec, [samples.len() as u32, 1]);
        let mut taps = [Taps::default(), Taps::default()];
        taps.iter_mut().zip(&axes).for_each(|(taps, axis)| taps.compute(rule, axis));
        let mut elements = vec![E::default(); to as usize];
        let image = Image { stride: samples.len(), samples };
        let target = Target { elements: &mut elements, stride: to as usize, top: 0, left: 0, len: to as usize };
        FloatPasses::default().resize::<1, 1, S, E>(image, [&taps[0], &taps[1]], target);
        elements
    }

    const CUBIC: Rule = Rule::Kernel(Kernel::Cubic, Reach::Widened);

    #[test]
    fn samples_of_any_type_keep_their_scale() {
        assert_eq!(resized::<u8, f32>(Rule::CvArea, &[0, 255, 10, 20], 2), [127.5, 15.0]);
        assert_eq!(resized::<u16, f32>(Rule::CvArea, &[0, 65_535, 10, 20], 2), [32_767.5, 15.0]);
        assert_eq!(resized::<f32, f32>(Rule::CvArea, &[0.0, 1.0, 0.25, 0.75], 2), [0.5, 0.5]);
    }

    #[test]
    fn floats_overshoot_and_bytes_are_clamped() {
        let floats = resized::<u8, f32>(CUBIC, &[0, 0, 255, 255], 8);
        assert!(floats[2] < 0.0 && floats[5] > 255.0, "{floats:?}");
        let bytes = resized::<u8, u8>(CUBIC, &[0, 0, 255, 255], 8);
        assert_eq!((bytes[2], bytes[5]), (0, 255));
    }

    #[test]
    fn bytes_are_rounded_to_the_nearest_even() {
        assert_eq!(resized::<u8, u8>(Rule::CvArea, &[0, 1, 1, 2, 2, 3], 3), [0, 2, 2]);
    }
}
