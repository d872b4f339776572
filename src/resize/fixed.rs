//! Weighted means in whole numbers, as Pillow and PyTorch make them of bytes: rows first, rounded to bytes between the
//! axes. Only the rows that a target row is made of are kept.

use super::image::{Image, Target};
use super::method::Precision;
use super::taps::{Run, Taps};
use super::wide::{Loops, widened};

/// The passes, with buffers that are used again.
#[derive(Debug, Default)]
pub(super) struct FixedPasses {
    across: Vec<i32>,
    down: Vec<i32>,
    rows: Vec<u8>,
    last_row: Vec<u8>,
    sums: Vec<i32>,
}

impl FixedPasses {
    /// Resizes an image of `C` channels; `L` is 4 where `C` is 3, else `C`.
    pub(super) fn resize<const C: usize, const L: usize>(
        &mut self,
        precision: Precision,
        image: Image<'_, u8>,
        [x, y]: [&Taps; 2],
        target: Target<'_, u8>,
    ) {
        let bits = [precision.quantize(x, &mut self.across), precision.quantize(y, &mut self.down)];
        let kept = y.runs.iter().map(|run| run.count).max().unwrap_or(0) as usize;
        self.rows.resize(self.rows.len().max(kept * target.len), 0);
        self.sums.clear();
        self.sums.resize(target.len, 0);
        // A pixel of three channels is read as four numbers, also at the end of the image.
        self.last_row.clear();
        self.last_row.extend_from_slice(&image.samples[image.samples.len() - image.stride..]);
        self.last_row.resize(image.stride + L - C, 0);
        widened(Passes::<C, L> {
            image,
            last_row: &self.last_row,
            runs: [&x.runs, &y.runs],
            weights: [&self.across, &self.down],
            bits,
            kept,
            rows: &mut self.rows,
            sums: &mut self.sums,
            target,
        });
    }
}

impl Precision {
    /// Makes weights whole numbers; returns their bits after the point.
    fn quantize(self, taps: &Taps, weights: &mut Vec<i32>) -> u32 {
        const MOST: u32 = 22;
        let greatest = taps.weights.iter().copied().fold(0.0, f64::max);
        let bits = match self {
            Precision::Pillow => MOST,
            Precision::Torch => {
                let fits = |bits: &u32| (0.5 + greatest * f64::from(1 << (bits + 1))) as i32 >= 1 << 15;
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

/// Both passes over an image.
struct Passes<'a, const C: usize, const L: usize> {
    image: Image<'a, u8>,
    /// The last row of the image, and a few bytes.
    last_row: &'a [u8],
    /// Along the rows, and down the columns; so are the weights and their bits after the point.
    runs: [&'a [Run]; 2],
    weights: [&'a [i32]; 2],
    bits: [u32; 2],
    /// How many resized rows are kept: that of the source row `y` is number `y % kept`.
    kept: usize,
    rows: &'a mut [u8],
    sums: &'a mut [i32],
    target: Target<'a, u8>,
}

impl<const C: usize, const L: usize> Loops for Passes<'_, C, L> {
    #[inline(always)]
    fn run(mut self) {
        let mut next = 0;
        for (y, down) in self.runs[1].iter().enumerate() {
            for source in next.max(down.first)..down.first + down.count {
                self.resize_row(source);
            }
            next = next.max(down.first + down.count);
            self.sum_rows(y, *down);
        }
    }
}

impl<const C: usize, const L: usize> Passes<'_, C, L> {
    /// Resizes a source row.
    #[inline(always)]
    fn resize_row(&mut self, y: u32) {
        let begin = y as usize * self.image.stride;
        let samples = self.image.samples.get(begin..begin + self.image.stride + L - C).unwrap_or(self.last_row);
        let row = &mut self.rows[y as usize % self.kept * self.target.len..][..self.target.len];
        for (pixel, across) in row.as_chunks_mut::<C>().0.iter_mut().zip(self.runs[0]) {
            let samples = &samples[across.first as usize * C..];
            let mut sums = [1 << (self.bits[0] - 1); L];
            for (number, weight) in across.of(self.weights[0]).iter().enumerate() {
                let sample = &samples[number * C..][..L];
                sums.iter_mut().zip(sample).for_each(|(sum, sample)| *sum += weight * i32::from(*sample));
            }
            pixel.iter_mut().zip(sums).for_each(|(byte, sum)| *byte = (sum >> self.bits[0]).clamp(0, 255) as u8);
        }
    }

    /// Makes a target row of resized rows.
    #[inline(always)]
    fn sum_rows(&mut self, y: usize, down: Run) {
        let len = self.target.len;
        self.sums.fill(1 << (self.bits[1] - 1));
        for (source, weight) in (down.first..).zip(down.of(self.weights[1])) {
            let row = &self.rows[source as usize % self.kept * len..][..len];
            self.sums.iter_mut().zip(row).for_each(|(sum, byte)| *sum += weight * i32::from(*byte));
        }
        let bytes = self.target.row(y).iter_mut().zip(&*self.sums);
        bytes.for_each(|(byte, sum)| *byte = (sum >> self.bits[1]).clamp(0, 255) as u8);
    }
}
