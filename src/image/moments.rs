//! Computes the mean and standard deviation of a tensor's elements, per channel.

use std::ops::{AddAssign, Mul};

use half::f16;

use crate::dataset::moments::Moments;
use crate::format::simd::widened;
use crate::spec::{Dtype, Layout, Spec};

/// Elements that are summed in parallel: a multiple of 1, 3 and 4 channels.
const LANES: usize = 48;

/// Number of squared bytes whose sum is sure to fit in 32 bits.
const STEPS: usize = 1 << 16;

/// Greatest number of channels.
const CHANNELS: usize = 4;

/// Moments of one row, which take no memory of their own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowMoments {
    mean: [f64; CHANNELS],
    std: [f64; CHANNELS],
    /// Number of channels; 0 if elements are unknown.
    channels: usize,
}

impl RowMoments {
    /// Puts them in place of other moments.
    pub(crate) fn put(&self, moments: &mut Moments) {
        moments.rows = 1;
        for (to, from) in [(&mut moments.mean, &self.mean), (&mut moments.std, &self.std)] {
            to.clear();
            to.extend_from_slice(&from[..self.channels]);
        }
    }
}

/// Mean and standard deviation of one tensor made with this spec.
pub(crate) fn moments_of(tensor: &[u8], spec: &Spec) -> RowMoments {
    // Number of planes, and of interleaved channels in each.
    let (planes, channels) = match spec.layout {
        Layout::Hwc => (1, spec.channels.count()),
        Layout::Chw => (spec.channels.count(), 1),
    };
    let mut moments = RowMoments::default();
    for plane in tensor.chunks_exact(tensor.len() / planes) {
        add_channels(&mut moments, plane, spec.dtype, channels);
    }
    moments
}

/// Appends the mean and standard deviation of the channels interleaved in `elements`.
fn add_channels(moments: &mut RowMoments, elements: &[u8], dtype: Dtype, channels: usize) {
    let (sums, squares) = match dtype {
        Dtype::U8 => sums_of_bytes(elements),
        Dtype::U16 => sums_of(elements, |bytes| f64::from(u16::from_le_bytes(bytes))),
        Dtype::F16 => sums_of(elements, |bytes| f16::from_le_bytes(bytes).to_f64()),
        Dtype::F32 => sums_of(elements, |bytes| f64::from(f32::from_le_bytes(bytes))),
    };
    let of_channel = |lanes: &[f64; LANES], channel| lanes.iter().skip(channel).step_by(channels).sum::<f64>();
    let count = (elements.len() / dtype.bytes() / channels) as f64;
    for channel in 0..channels {
        let mean = of_channel(&sums, channel) / count;
        let variance = of_channel(&squares, channel) / count - mean * mean;
        moments.mean[moments.channels] = mean;
        moments.std[moments.channels] = variance.max(0.0).sqrt();
        moments.channels += 1;
    }
}

/// Sums of elements and of their squares, for each lane.
type Sums<T> = ([T; LANES], [T; LANES]);

/// Sums bytes: up to [`STEPS`] per lane in 32-bit integers, and these partial sums in 64-bit floats.
fn sums_of_bytes(elements: &[u8]) -> Sums<f64> {
    let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
    for part in elements.chunks(STEPS * LANES) {
        let byte = |[byte]: [u8; 1]| u32::from(byte);
        let (part_sums, part_squares) = widened(
            #[inline(always)]
            || add_up(part, byte),
        );
        sums.iter_mut().zip(part_sums).for_each(|(sum, part)| *sum += f64::from(part));
        squares.iter_mut().zip(part_squares).for_each(|(square, part)| *square += f64::from(part));
    }
    (sums, squares)
}

/// Sums elements of `N` bytes each.
fn sums_of<const N: usize>(elements: &[u8], value: impl Fn([u8; N]) -> f64) -> Sums<f64> {
    widened(
        #[inline(always)]
        || add_up(elements, value),
    )
}

#[inline(always)]
fn add_up<const N: usize, T>(elements: &[u8], value: impl Fn([u8; N]) -> T) -> Sums<T>
where
    T: Copy + Default + AddAssign + Mul<Output = T>,
{
    let (mut sums, mut squares) = ([T::default(); LANES], [T::default(); LANES]);
    let (steps, rest) = elements.as_chunks::<N>().0.as_chunks::<LANES>();
    for step in steps {
        for lane in 0..LANES {
            let element = value(step[lane]);
            sums[lane] += element;
            squares[lane] += element * element;
        }
    }
    for (lane, element) in rest.iter().enumerate() {
        let element = value(*element);
        sums[lane] += element;
        squares[lane] += element * element;
    }
    (sums, squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(elements: &[u8], dtype: Dtype, channels: usize) -> Moments {
        let (mut of_row, mut moments) = (RowMoments::default(), Moments::default());
        add_channels(&mut of_row, elements, dtype, channels);
        of_row.put(&mut moments);
        moments
    }

    #[test]
    fn every_type_of_element_is_summed_up() {
        let values = [0.0, 1.0, 2.0, 5.0, 4.0, 6.0];
        let all = [
            (Dtype::U8, values.map(|value| value as u8).to_vec()),
            (Dtype::U16, values.into_iter().flat_map(|value| (value as u16).to_le_bytes()).collect()),
            (Dtype::F16, values.into_iter().flat_map(|value| f16::from_f64(value).to_le_bytes()).collect()),
            (Dtype::F32, values.into_iter().flat_map(|value| (value as f32).to_le_bytes()).collect()),
        ];
        for (dtype, bytes) in all {
            let moments = of(&bytes, dtype, 3);
            assert_eq!((moments.mean, moments.std), (vec![2.5, 2.5, 4.0], vec![2.5, 1.5, 2.0]), "{dtype}");
        }
    }

    #[test]
    fn channels_are_kept_apart() {
        let pixel = [10, 20, 40];
        let pixels: Vec<u8> = (0..100u8).flat_map(|n| pixel.map(|value| value + n % 2)).collect();
        let moments = of(&pixels, Dtype::U8, 3);
        assert_eq!(moments, Moments { rows: 1, mean: vec![10.5, 20.5, 40.5], std: vec![0.5; 3] });
    }

    #[test]
    fn largest_sums_fit() {
        let moments = of(&vec![255; 4 * LANES * STEPS + 7], Dtype::U8, 1);
        assert_eq!((moments.mean, moments.std), (vec![255.0], vec![0.0]));
    }

    #[test]
    fn rows_add_up_to_the_moments_of_all_elements() {
        let mut all = Moments::default();
        for row in [[0, 0, 0, 4], [255, 255, 250, 0], [7, 7, 7, 7]] {
            all.add(&of(&row, Dtype::U8, 1));
        }
        // By hand: sum 792, sum of squares 192,762 of 12 elements.
        let mean: f64 = 792.0 / 12.0;
        let std = (192_762.0 / 12.0 - mean * mean).sqrt();
        assert!((all.mean[0] - mean).abs() < 1e-12 && (all.std[0] - std).abs() < 1e-12, "{all:?}");
    }
}
