//! Weighted means in integers, as Pillow and PyTorch compute them for bytes. Values are rounded to bytes between the
//! two axes, so the order of the axes matters. Only the rows that the current target row needs are kept between them.

use super::image::{Image, Target};
use super::method::Precision;
use super::quads::{BEYOND, Quads};
use super::taps::{Run, Taps};
use super::window::Axis;
use crate::format::simd::widened;

/// Order in which the axes are resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    RowsFirst,
    ColumnsFirst,
}

impl Order {
    /// The order of a library: rows first in PyTorch, and also in Pillow, except (since version 13) where the height
    /// loses more than twice as many pixels as the width.
    pub(super) fn new(precision: Precision, [x, y]: &[Axis; 2]) -> Order {
        let lost = |axis: &Axis| i64::from(axis.length) - axis.scaled as i64;
        match precision {
            Precision::Pillow if lost(y) > 0 && lost(y) > 2 * lost(x) => Order::ColumnsFirst,
            Precision::Pillow | Precision::Torch => Order::RowsFirst,
        }
    }
}

/// Both passes, with buffers that are reused.
#[derive(Debug, Default)]
pub(super) struct FixedPasses {
    across: Vec<i32>,
    down: Vec<i32>,
    quads: Quads,
    rows: Vec<u8>,
    padded: Vec<u8>,
    sums: Vec<i32>,
}

impl FixedPasses {
    /// Resizes an image of `C` channels; `L` is 4 where `C` is 3, else `C`.
    pub(super) fn resize<const C: usize, const L: usize>(
        &mut self,
        (precision, order): (Precision, Order),
        image: Image<'_, u8>,
        [x, y]: [&Taps; 2],
        target: Target<'_, u8>,
    ) {
        let bits = [precision.quantize(x, &mut self.across), precision.quantize(y, &mut self.down)];
        self.quads.set(&x.runs, &self.across);
        let kept = y.runs.iter().map(|run| run.count).max().unwrap_or(0) as usize;
        let (rows, sums) = match order {
            Order::RowsFirst => (kept * target.len, target.len),
            Order::ColumnsFirst => (image.stride, image.stride),
        };
        self.rows.resize(self.rows.len().max(rows + BEYOND), 0);
        self.sums.resize(self.sums.len().max(sums), 0);
        let passes = Passes::<C, L> {
            order,
            image,
            across: Weighted { runs: &x.runs, weights: &self.across, bits: bits[0] },
            down: Weighted { runs: &y.runs, weights: &self.down, bits: bits[1] },
            quads: &self.quads,
            kept,
            rows: &mut self.rows,
            padded: &mut self.padded,
            sums: &mut self.sums[..sums],
            target,
        };
        widened(
            #[inline(always)]
            || passes.run(),
        );
    }
}

impl Precision {
    /// Converts weights to fixed point; returns their number of fractional bits.
    fn quantize(self, taps: &Taps, weights: &mut Vec<i32>) -> u32 {
        const MOST: u32 = 22;
        let bits = match self {
            Precision::Pillow => MOST,
            Precision::Torch => {
                let fits = |bits: &u32| (0.5 + taps.greatest * f64::from(1 << (bits + 1))) as i32 >= 1 << 15;
                (0..MOST).find(fits).unwrap_or(MOST)
            }
        };
        let one = f64::from(1 << bits);
        weights.clear();
        // Halves are rounded away from zero.
        weights.extend(taps.weights.iter().map(|weight| (weight * one).round() as i32));
        bits
    }
}

/// Taps of an axis with fixed-point weights of `bits` fractional bits.
#[derive(Clone, Copy)]
struct Weighted<'a> {
    runs: &'a [Run],
    weights: &'a [i32],
    bits: u32,
}

impl Weighted<'_> {
    /// Byte nearest to a sum that started at [`half`](Weighted::half).
    #[inline(always)]
    fn byte(&self, sum: i32) -> u8 {
        (sum >> self.bits).clamp(0, 255) as u8
    }

    #[inline(always)]
    fn half(&self) -> i32 {
        1 << (self.bits - 1)
    }

    /// Resizes a row of `C` channels that is followed by [`BEYOND`] bytes. A pixel is read as `L` bytes.
    #[inline(always)]
    fn resize_row<const C: usize, const L: usize>(&self, samples: &[u8], row: &mut [u8]) {
        for (pixel, run) in row.as_chunks_mut::<C>().0.iter_mut().zip(self.runs) {
            let samples = &samples[run.first as usize * C..];
            let mut sums = [self.half(); L];
            for (number, weight) in run.of(self.weights).iter().enumerate() {
                let sample = &samples[number * C..][..L];
                sums.iter_mut().zip(sample).for_each(|(sum, sample)| *sum += weight * i32::from(*sample));
            }
            pixel.iter_mut().zip(sums).for_each(|(byte, sum)| *byte = self.byte(sum));
        }
    }

    /// Computes a row from the source rows of a run.
    #[inline(always)]
    fn sum_rows<'r>(&self, run: Run, source: impl Fn(u32) -> &'r [u8], sums: &mut [i32], row: &mut [u8]) {
        sums.fill(self.half());
        for (y, weight) in (run.first..).zip(run.of(self.weights)) {
            sums.iter_mut().zip(source(y)).for_each(|(sum, byte)| *sum += weight * i32::from(*byte));
        }
        row.iter_mut().zip(&*sums).for_each(|(byte, sum)| *byte = self.byte(*sum));
    }
}

/// Both passes over an image.
struct Passes<'a, const C: usize, const L: usize> {
    order: Order,
    image: Image<'a, u8>,
    across: Weighted<'a>,
    down: Weighted<'a>,
    /// Weights of `across`, grouped for vector instructions.
    quads: &'a Quads,
    /// Number of resized rows that are kept: source row `y` is in place `y % kept`.
    kept: usize,
    /// Result of the first pass: the kept rows, or one row as wide as the image.
    rows: &'a mut [u8],
    /// Copy of a row at the end of the image, followed by [`BEYOND`] bytes.
    padded: &'a mut Vec<u8>,
    sums: &'a mut [i32],
    target: Target<'a, u8>,
}

impl<const C: usize, const L: usize> Passes<'_, C, L> {
    #[inline(always)]
    fn run(self) {
        match self.order {
            Order::RowsFirst => self.rows_first(),
            Order::ColumnsFirst => self.columns_first(),
        }
    }

    #[inline(always)]
    fn rows_first(mut self) {
        let (len, stride, kept) = (self.target.len, self.image.stride, self.kept);
        let mut next = 0;
        for (y, run) in self.down.runs.iter().enumerate() {
            let end = run.first + run.count;
            for source in next.max(run.first)..end {
                let begin = source as usize * stride;
                let samples = match self.image.samples.get(begin..begin + stride + BEYOND) {
                    Some(samples) => samples,
                    None => pad(self.image.row(source), self.padded),
                };
                let row = &mut self.rows[source as usize % kept * len..][..len];
                resize_row::<C, L>(&self.across, self.quads, samples, row);
            }
            next = next.max(end);
            let rows = &*self.rows;
            let row = |y: u32| &rows[y as usize % kept * len..][..len];
            self.down.sum_rows(*run, row, self.sums, self.target.row(y));
        }
    }

    #[inline(always)]
    fn columns_first(mut self) {
        let stride = self.image.stride;
        for (y, run) in self.down.runs.iter().enumerate() {
            let image = self.image;
            self.down.sum_rows(*run, |y| image.row(y), self.sums, &mut self.rows[..stride]);
            resize_row::<C, L>(&self.across, self.quads, &self.rows[..stride + BEYOND], self.target.row(y));
        }
    }
}

/// Resizes a row that is followed by [`BEYOND`] bytes.
#[inline(always)]
fn resize_row<const C: usize, const L: usize>(across: &Weighted<'_>, quads: &Quads, samples: &[u8], row: &mut [u8]) {
    if !quads.resize_row::<C>(across.runs, across.bits, samples, row) {
        across.resize_row::<C, L>(samples, row);
    }
}

/// A copy of a row, followed by [`BEYOND`] bytes.
fn pad<'a>(row: &[u8], padded: &'a mut Vec<u8>) -> &'a [u8] {
    padded.clear();
    padded.extend_from_slice(row);
    padded.resize(row.len() + BEYOND, 0);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::resize::method::{Kernel, Reach, Rule};
    use crate::image::resize::window::Axis;

    /// Asserts that both ways resize a row of `from` pixels to the same row of `to` pixels.
    fn agree<const C: usize, const L: usize>(precision: Precision, from: u32, to: u32) {
        let mut taps = Taps::default();
        taps.compute(Rule::Kernel(Kernel::Lanczos3, Reach::Widened), &Axis::whole(from, to, 0));
        let mut weights = Vec::new();
        let bits = precision.quantize(&taps, &mut weights);
        // Steps between black and white overshoot.
        let bytes = (0..from as usize * C).map(|n| [0, 255, (n * 7 % 251) as u8][n / 5 % 3]);
        let samples: Vec<u8> = bytes.chain([0xAA; BEYOND]).collect();
        let (mut one_by_one, mut by_quads) = (vec![0; to as usize * C], vec![0; to as usize * C]);
        Weighted { runs: &taps.runs, weights: &weights, bits }.resize_row::<C, L>(&samples, &mut one_by_one);
        let mut quads = Quads::default();
        quads.set(&taps.runs, &weights);
        if quads.resize_row::<C>(&taps.runs, bits, &samples, &mut by_quads) {
            assert_eq!(by_quads, one_by_one, "{C} channels, {precision:?}, {from} to {to}");
        }
    }

    #[test]
    fn vectors_make_the_bytes_that_are_made_one_by_one() {
        for precision in [Precision::Pillow, Precision::Torch] {
            for (from, to) in [(1, 1), (1, 9), (2, 3), (7, 5), (50, 224), (400, 7), (9000, 1)] {
                agree::<1, 1>(precision, from, to);
                agree::<3, 4>(precision, from, to);
                agree::<4, 4>(precision, from, to);
            }
        }
    }
}
