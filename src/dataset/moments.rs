//! Mean and standard deviation of the elements of tensors, channel by channel.

use std::ops::{AddAssign, Mul};

use half::f16;
use serde::{Deserialize, Deserializer, Serialize};

use crate::image::simd::widened;
use crate::spec::{Dtype, Layout, Spec};

/// Mean and deviation of the elements of some rows, in the units in which they are stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Moments {
    /// How many rows; each has as many elements as any other.
    pub rows: usize,
    /// Of each channel; empty without rows, and of images that are stored as they are. Not a number, in
    /// JSON null, where elements are not finite.
    #[serde(deserialize_with = "numbers")]
    pub mean: Vec<f64>,
    /// Of each channel: the root of the mean squared deviation (of all elements, not of a sample).
    #[serde(deserialize_with = "numbers")]
    pub std: Vec<f64>,
}

/// As they are told in JSON, in which all numbers that are not finite are the same.
impl PartialEq for Moments {
    fn eq(&self, other: &Moments) -> bool {
        let told = |numbers: &[f64]| numbers.iter().map(|n| n.is_finite().then_some(*n)).collect::<Vec<_>>();
        self.rows == other.rows && told(&self.mean) == told(&other.mean) && told(&self.std) == told(&other.std)
    }
}

/// Numbers of which JSON has those that are finite.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let numbers = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|number| number.unwrap_or(f64::NAN)).collect())
}

/// Elements that are summed up side by side: a multiple of 1, 3 and 4 channels.
const LANES: usize = 48;

/// Times that the square of a byte fits into 32 bits.
const STEPS: usize = 1 << 16;

impl Moments {
    /// Of one tensor of a dataset of this spec.
    pub(crate) fn of_tensor(tensor: &[u8], spec: &Spec) -> Moments {
        // Channels that lie side by side, and how often.
        let (planes, channels) = match spec.layout {
            Layout::Hwc => (1, spec.channels.count()),
            Layout::Chw => (spec.channels.count(), 1),
        };
        let mut moments = Moments { rows: 1, mean: Vec::new(), std: Vec::new() };
        for plane in tensor.chunks_exact(tensor.len() / planes) {
            moments.add_channels(plane, spec.dtype, channels);
        }
        moments
    }

    /// Of a row whose elements nobody has summed up.
    pub(crate) fn of_unknown() -> Moments {
        Moments { rows: 1, ..Moments::default() }
    }

    /// Adds the channels whose elements lie side by side in this part of a tensor.
    fn add_channels(&mut self, elements: &[u8], dtype: Dtype, channels: usize) {
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
            self.mean.push(mean);
            self.std.push(variance.max(0.0).sqrt());
        }
    }

    /// Adds other rows, whose tensors have the same shape.
    ///
    /// Source: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
    /// Variances", 1979: the squared deviations add up, and those of the two means from the new one.
    pub fn add(&mut self, other: &Moments) {
        if self.rows == 0 {
            return self.clone_from(other);
        }
        let rows = self.rows + other.rows;
        let share = other.rows as f64 / rows as f64;
        let channels = self.mean.iter_mut().zip(&mut self.std).zip(other.mean.iter().zip(&other.std));
        for ((mean, std), (other_mean, other_std)) in channels {
            let apart = other_mean - *mean;
            let variance = *std * *std * (1.0 - share) + other_std * other_std * share;
            *std = (variance + apart * apart * share * (1.0 - share)).sqrt();
            *mean += apart * share;
        }
        self.rows = rows;
    }
}

/// Lane by lane, the sums of elements and of their squares.
type Sums<T> = ([T; LANES], [T; LANES]);

/// Of bytes: whole numbers, which 32 bits hold for a while, and 64-bit floats for as many as there are.
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

/// Of elements of `N` bytes.
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
        let mut moments = Moments { rows: 1, mean: Vec::new(), std: Vec::new() };
        moments.add_channels(elements, dtype, channels);
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
