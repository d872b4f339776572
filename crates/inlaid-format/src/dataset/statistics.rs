//! Statistics of a split's rows: mean and standard deviation of their elements by channel and class, and
//! histograms of source sizes and aspect ratios.
//!
//! Each row is summarized on its own, and rows are added in the order in which they are written. So the
//! figures depend only on the rows, not on threads or on whether a run was interrupted.

use std::f64::consts::SQRT_2;

use serde::{Deserialize, Serialize};

use crate::dataset::moments::Moments;

/// Statistics of a set of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Mean and standard deviation of the elements of all rows.
    #[serde(flatten)]
    pub elements: Moments,
    /// Mean and standard deviation of the elements of the rows of each label. Shorter than the list of classes if the
    /// last classes have no rows.
    pub labels: Vec<Moments>,
    /// Histogram of the number of pixels of the source images: one bin for each power of 2.
    pub source_pixels: Vec<Bin>,
    /// Histogram of the aspect ratio of the source images, width / height: four bins for each power of 2.
    pub source_aspects: Vec<Bin>,
}

/// A bin of a histogram; empty bins are left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower bound of the bin, inclusive. The upper bound, exclusive, is the lower bound of the following bin.
    pub at_least: f64,
    /// Number of rows.
    pub rows: usize,
}

impl Statistics {
    /// Adds a row: its elements, its label, and the width and height of its source image, in pixels.
    pub fn add(&mut self, elements: &Moments, label: Option<u32>, width: u32, height: u32) {
        self.elements.add(elements);
        if let Some(label) = label {
            self.of_label(label as usize).add(elements);
        }
        add_bin(&mut self.source_pixels, Bin { at_least: pixels_bin(width, height), rows: 1 });
        add_bin(&mut self.source_aspects, Bin { at_least: aspect_bin(width, height), rows: 1 });
    }

    /// Adds the statistics of other rows.
    pub fn merge(&mut self, other: &Statistics) {
        self.elements.add(&other.elements);
        for (label, moments) in other.labels.iter().enumerate() {
            self.of_label(label).add(moments);
        }
        other.source_pixels.iter().for_each(|bin| add_bin(&mut self.source_pixels, *bin));
        other.source_aspects.iter().for_each(|bin| add_bin(&mut self.source_aspects, *bin));
    }

    fn of_label(&mut self, label: usize) -> &mut Moments {
        if self.labels.len() <= label {
            self.labels.resize(label + 1, Moments::default());
        }
        &mut self.labels[label]
    }
}

fn add_bin(bins: &mut Vec<Bin>, bin: Bin) {
    match bins.binary_search_by(|there| there.at_least.total_cmp(&bin.at_least)) {
        Ok(place) => bins[place].rows += bin.rows,
        Err(place) => bins.insert(place, bin),
    }
}

/// The largest power of 2 that is not greater than the number of pixels.
fn pixels_bin(width: u32, height: u32) -> f64 {
    power_of_2((u64::from(width) * u64::from(height)).max(1).ilog2() as i32)
}

/// The largest power of the fourth root of 2 that is not greater than the aspect ratio. Computed by multiplication,
/// which, unlike logarithms, rounds in the same way on every machine.
fn aspect_bin(width: u32, height: u32) -> f64 {
    const FOURTH_ROOT: f64 = 1.189_207_115_002_721;
    const ROOTS: [f64; 4] = [1.0, FOURTH_ROOT, SQRT_2, FOURTH_ROOT * SQRT_2];
    let ratio = f64::from(width.max(1)) / f64::from(height.max(1));
    let fourth = (ratio * ratio) * (ratio * ratio);
    // The exponent of a normal number is its logarithm to base 2, rounded down.
    let bin = ((fourth.to_bits() >> 52) & 0x7FF) as i32 - 1023;
    power_of_2(bin.div_euclid(4)) * ROOTS[bin.rem_euclid(4) as usize]
}

fn power_of_2(exponent: i32) -> f64 {
    2f64.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aspect_ratios_fall_into_quarters_of_octaves() {
        let bins = [(1, 1), (99, 100), (500, 375), (375, 500), (16, 9), (2, 1), (1, 2), (1, 65_535), (65_535, 1)];
        let quarters = bins.map(|(width, height)| (4.0 * aspect_bin(width, height).log2()).round());
        assert_eq!(quarters, [0.0, -1.0, 1.0, -2.0, 3.0, 4.0, -4.0, -64.0, 63.0]);
    }

    #[test]
    fn sizes_fall_into_powers_of_two() {
        assert_eq!(
            [(1, 1), (3, 1), (256, 256), (255, 257)].map(|(w, h)| pixels_bin(w, h)),
            [1.0, 2.0, 65536.0, 32768.0]
        );
    }

    #[test]
    fn parts_make_the_whole() {
        let row = |mean: f64| Moments { rows: 1, mean: vec![mean], std: vec![mean / 2.0] };
        let rows = [(row(1.5), Some(0)), (row(6.0), None), (row(4.0), Some(2))];
        let of = |rows: &[(Moments, Option<u32>)]| {
            let mut statistics = Statistics::default();
            rows.iter().for_each(|(moments, label)| statistics.add(moments, *label, 640, 480));
            statistics
        };
        let (mut begin, end) = (of(&rows[..1]), of(&rows[1..]));
        begin.merge(&end);
        let whole = of(&rows);
        assert_eq!((begin.labels, begin.source_pixels), (whole.labels.clone(), whole.source_pixels));
        assert_eq!(whole.labels.iter().map(|moments| moments.rows).collect::<Vec<_>>(), [1, 0, 1]);
        assert!((begin.elements.mean[0] - whole.elements.mean[0]).abs() < 1e-12);
        assert!((begin.elements.std[0] - whole.elements.std[0]).abs() < 1e-12);
    }
}
