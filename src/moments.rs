//! Mean and standard deviation of the elements of tensors, channel by channel.

use serde::{Deserialize, Serialize};

/// Mean and deviation of the elements of some rows, in the units in which they are stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// How many rows; each has as many elements as any other.
    pub rows: usize,
    /// Of each channel; empty without rows.
    pub mean: Vec<f64>,
    /// Of each channel: the root of the mean squared deviation (of all elements, not of a sample).
    pub std: Vec<f64>,
}

/// Elements that are summed up side by side: a multiple of 1, 3 and 4 channels.
const LANES: usize = 48;

/// Times that the square of a byte fits into 32 bits.
const STEPS: usize = 1 << 16;

impl Moments {
    /// Of one tensor of 8-bit elements with its channels side by side.
    pub(crate) fn of_u8(elements: &[u8], channels: usize) -> Moments {
        let (mut sums, mut squares) = ([0; LANES], [0; LANES]);
        for part in elements.chunks(STEPS * LANES) {
            add_up(part, &mut sums, &mut squares);
        }
        let of_channel = |lanes: &[u64; LANES], channel| lanes.iter().skip(channel).step_by(channels).sum::<u64>();
        let count = (elements.len() / channels) as f64;
        let (mut mean, mut std) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
        for channel in 0..channels {
            let (sum, square) = (of_channel(&sums, channel), of_channel(&squares, channel));
            // In whole numbers until the end: nothing is cancelled.
            let spread = u128::from(square) * (count as u128) - u128::from(sum) * u128::from(sum);
            mean.push(sum as f64 / count);
            std.push((spread as f64).sqrt() / count);
        }
        Moments { rows: 1, mean, std }
    }

    /// Adds other rows, whose tensors have the same shape.
    ///
    /// Source: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
    /// Variances", 1979: the squared deviations add up, and those of the two means from the new one.
    pub fn add(&mut self, other: &Moments) {
        if self.rows == 0 || other.rows == 0 {
            return if self.rows == 0 {
                self.clone_from(other)
            };
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

/// Adds elements and their squares to the lanes: at most [`STEPS`] to each.
fn add_up(elements: &[u8], sums: &mut [u64; LANES], squares: &mut [u64; LANES]) {
    #[cfg(target_arch = "x86_64")]
    let (part_sums, part_squares) = pulp::Arch::new().dispatch(
        #[inline(always)]
        || add_up_lanes(elements),
    );
    #[cfg(not(target_arch = "x86_64"))]
    let (part_sums, part_squares) = add_up_lanes(elements);
    sums.iter_mut().zip(part_sums).for_each(|(sum, part)| *sum += u64::from(part));
    squares.iter_mut().zip(part_squares).for_each(|(square, part)| *square += u64::from(part));
}

#[inline(always)]
fn add_up_lanes(elements: &[u8]) -> ([u32; LANES], [u32; LANES]) {
    let (mut sums, mut squares) = ([0; LANES], [0; LANES]);
    let (steps, rest) = elements.as_chunks::<LANES>();
    for step in steps {
        for lane in 0..LANES {
            let element = u16::from(step[lane]);
            sums[lane] += u32::from(element);
            squares[lane] += u32::from(element * element);
        }
    }
    for (lane, element) in rest.iter().enumerate() {
        sums[lane] += u32::from(*element);
        squares[lane] += u32::from(*element) * u32::from(*element);
    }
    (sums, squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_kept_apart() {
        let pixel = [10, 20, 40];
        let pixels: Vec<u8> = (0..100u8).flat_map(|n| pixel.map(|value| value + n % 2)).collect();
        let moments = Moments::of_u8(&pixels, 3);
        assert_eq!(moments, Moments { rows: 1, mean: vec![10.5, 20.5, 40.5], std: vec![0.5; 3] });
    }

    #[test]
    fn largest_sums_fit() {
        let moments = Moments::of_u8(&vec![255; 4 * LANES * STEPS + 7], 1);
        assert_eq!((moments.mean, moments.std), (vec![255.0], vec![0.0]));
    }

    #[test]
    fn rows_add_up_to_the_moments_of_all_elements() {
        let mut all = Moments::default();
        for row in [[0, 0, 0, 4], [255, 255, 250, 0], [7, 7, 7, 7]] {
            all.add(&Moments::of_u8(&row, 1));
        }
        // By hand: sum 792, sum of squares 192,762 of 12 elements.
        let mean = 792.0 / 12.0;
        let std = (192_762.0 / 12.0 - mean * mean).sqrt();
        assert!((all.mean[0] - mean).abs() < 1e-12 && (all.std[0] - std).abs() < 1e-12, "{all:?}");
    }
}
