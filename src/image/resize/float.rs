//! Weighted means in single precision: columns first, a few target rows at a time, so that only these few rows are
//! kept between the two axes.

use super::image::{Image, Target};
use super::taps::{Run, Taps};
use crate::format::simd::widened;

/// Target rows computed at a time: each weight is read once for all of them, and their sums are independent.
const ROWS: usize = 4;

/// Both passes, with buffers that are reused.
#[derive(Debug, Default)]
pub(super) struct FloatPasses {
    across: Vec<f32>,
    down: Vec<f32>,
    rows: Vec<f32>,
    resized: Vec<f32>,
}

/// Element that a mean is converted to.
pub(super) trait Element: Copy {
    fn from_mean(mean: f32) -> Self;
}

impl Element for f32 {
    #[inline(always)]
    fn from_mean(mean: f32) -> f32 {
        mean
    }
}

impl Element for u8 {
    /// Rounds half to even, and clamps.
    #[inline(always)]
    fn from_mean(mean: f32) -> u8 {
        // From 2^23 to 2^24 floats are exactly the whole numbers, with the value in their lowest bits, so the addition
        // rounds. `as` alone would convert one element at a time.
        const WHOLE: f32 = 8_388_608.0;
        (mean.clamp(0.0, 255.0) + WHOLE).to_bits() as u8
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
        self.rows.clear();
        self.rows.resize(ROWS * ((end - first) as usize * C + L - C), 0.0);
        self.resized.resize(ROWS * (target.len + L - C), 0.0);
        let passes = Passes::<C, L, S, E> {
            image,
            first: first as usize,
            runs: [&x.runs, &y.runs],
            weights: [single(&mut self.across, x), single(&mut self.down, y)],
            rows: &mut self.rows,
            resized: &mut self.resized,
            target,
        };
        widened(
            #[inline(always)]
            || passes.run(),
        );
    }
}

fn single<'a>(weights: &'a mut Vec<f32>, taps: &Taps) -> &'a [f32] {
    weights.clear();
    weights.extend(taps.weights.iter().map(|weight| *weight as f32));
    weights
}

/// Both passes over an image. Pixels of `C` channels are read as `L` numbers, since four fit a register; numbers after
/// the first `C` are ignored.
struct Passes<'a, const C: usize, const L: usize, S, E> {
    image: Image<'a, S>,
    /// First source pixel of a row that is needed.
    first: usize,
    /// Runs along the rows, and down the columns; `weights` has the same order.
    runs: [&'a [Run]; 2],
    weights: [&'a [f32]; 2],
    /// For each of [`ROWS`] target rows, means of source rows for the source pixels that are needed, with padding at
    /// the end of each for reads.
    rows: &'a mut [f32],
    /// The same [`ROWS`] target rows as means, with padding at the end of each for writes.
    resized: &'a mut [f32],
    target: Target<'a, E>,
}

impl<const C: usize, const L: usize, S: Copy + Into<f32>, E: Element> Passes<'_, C, L, S, E> {
    #[inline(always)]
    fn run(mut self) {
        for (number, runs) in self.runs[1].chunks(ROWS).enumerate() {
            for (row, down) in runs.iter().enumerate() {
                self.fill_row(row, *down);
            }
            self.resize_rows(number * ROWS, runs.len());
        }
    }

    /// Computes means of source rows for one target row.
    #[inline(always)]
    fn fill_row(&mut self, row: usize, down: Run) {
        let each = self.rows.len() / ROWS;
        let len = each + C - L;
        let row = &mut self.rows[row * each..][..len];
        for (y, (number, weight)) in (down.first..).zip(down.of(self.weights[1]).iter().enumerate()) {
            let samples = &self.image.row(y)[self.first * C..][..len];
            match number {
                0 => row.iter_mut().zip(samples).for_each(|(sum, sample)| *sum = weight * (*sample).into()),
                _ => row.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += weight * (*sample).into()),
            }
        }
    }

    /// Computes target rows from the means of source rows.
    #[inline(always)]
    fn resize_rows(&mut self, first: usize, count: usize) {
        let (each, each_resized) = (self.rows.len() / ROWS, self.resized.len() / ROWS);
        let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &self.rows[row * each..][..each]);
        for (x, across) in self.runs[0].iter().enumerate() {
            let weights = across.of(self.weights[0]);
            let begin = (across.first as usize - self.first) * C;
            let part = |row: usize| &rows[row][begin..][..(weights.len() - 1) * C + L];
            // Spelled out, because `map` is not inlined here.
            let rows: [&[f32]; ROWS] = [part(0), part(1), part(2), part(3)];
            let mut sums = [[0.0; L]; ROWS];
            for (number, weight) in weights.iter().enumerate() {
                for row in 0..ROWS {
                    let sample = &rows[row][number * C..][..L];
                    for lane in 0..L {
                        sums[row][lane] += weight * sample[lane];
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                // The next pixel overwrites the excess numbers.
                self.resized[row * each_resized + x * C..][..L].copy_from_slice(sums);
            }
        }
        for row in 0..count {
            let means = &self.resized[row * each_resized..];
            for (element, mean) in self.target.row(first + row).iter_mut().zip(means) {
                *element = E::from_mean(*mean);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::resize::method::{Kernel, Reach, Rule};
    use crate::image::resize::window::Axis;

    /// A row of gray samples resized to `to` pixels.
    fn resized<S: Copy + Into<f32>, E: Element + Default>(rule: Rule, samples: &[S], to: u32) -> Vec<E> {
        let axes = [Axis::whole(samples.len() as u32, to, 0), Axis::whole(1, 1, 0)];
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
