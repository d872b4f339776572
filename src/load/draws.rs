//! The random numbers of a row, and the crop that they choose. Pure: they depend on the seed, the epoch and the row, and
//! on nothing else.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::augment::RandomResizedCrop;
use crate::read::{DrawnRow, Epoch};

/// The random numbers of the rows of an epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct EpochDraws {
    seed: u64,
    epoch: u64,
}

/// The random numbers of a row, one after another.
#[derive(Debug)]
pub(super) struct RowDraws(ChaCha8Rng);

impl EpochDraws {
    pub(super) fn new(epoch: &Epoch) -> EpochDraws {
        // Another key than that of the orders of the same seed.
        EpochDraws { seed: epoch.seed ^ 0x6175_676D_656E_7465, epoch: epoch.number }
    }

    /// The numbers of a row, unrelated to those of other rows, and of the same row when it is drawn again.
    pub(super) fn of_row(&self, row: DrawnRow) -> RowDraws {
        /// Words that a row takes at most, and repetitions of a row that differ, as powers of 2.
        const WORDS: u32 = 7;
        const REPEATS: u32 = 16;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.epoch);
        let repeat = row.repeat % (1 << REPEATS);
        random.set_word_pos((((row.row as u128) << REPEATS) | u128::from(repeat)) << WORDS);
        RowDraws(random)
    }
}

impl RowDraws {
    /// The next number, from 0 to below 1.
    pub(super) fn next(&mut self) -> f64 {
        self.0.random()
    }

    /// A whole number below `end`, which is at least 1.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        below(self.next(), end)
    }
}

/// A number from 0 to below 1 as one of `end` whole numbers.
fn below(number: f64, end: u64) -> u64 {
    ((number * end as f64) as u64).min(end.saturating_sub(1))
}

/// The part of an image of this width and height that random numbers from 0 to below 1 choose: left, top, width and
/// height. The rule is that of torchvision's `RandomResizedCrop.get_params`: area and logarithm of the ratio are drawn
/// until a part of them fits, ten times at most; after that, it is the largest part in the middle with a ratio in its
/// range.
pub fn random_resized_crop(
    [width, height]: [u32; 2],
    crop: &RandomResizedCrop,
    mut next: impl FnMut() -> f64,
) -> [u32; 4] {
    const TRIES: usize = 10;
    let area = f64::from(width) * f64::from(height);
    let [least, most] = crop.ratio.map(f64::ln);
    let side = |length: f64| length.round_ties_even() as u32;
    for _ in 0..TRIES {
        let target = area * (crop.scale[0] + (crop.scale[1] - crop.scale[0]) * next());
        let ratio = (least + (most - least) * next()).exp();
        let (w, h) = (side((target * ratio).sqrt()), side((target / ratio).sqrt()));
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let top = below(next(), u64::from(height - h) + 1) as u32;
            let left = below(next(), u64::from(width - w) + 1) as u32;
            return [left, top, w, h];
        }
    }
    let ratio = f64::from(width) / f64::from(height);
    let [least, most] = crop.ratio;
    let (w, h) = match ratio {
        ratio if ratio < least => (width, side(f64::from(width) / least).clamp(1, height)),
        ratio if ratio > most => (side(f64::from(height) * most).clamp(1, width), height),
        _ => (width, height),
    };
    [(width - w) / 2, (height - h) / 2, w, h]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::RowOrder;

    fn numbers(seed: u64, epoch: u64, row: usize, repeat: u32) -> [f64; 3] {
        let epoch = Epoch { order: RowOrder::Stored, seed, number: epoch };
        let mut draws = EpochDraws::new(&epoch).of_row(DrawnRow { row, repeat });
        [draws.next(), draws.next(), draws.next()]
    }

    #[test]
    fn rows_epochs_seeds_and_repetitions_have_numbers_of_their_own() {
        let first = numbers(0, 0, 0, 0);
        assert_eq!(first, numbers(0, 0, 0, 0));
        for other in [numbers(1, 0, 0, 0), numbers(0, 1, 0, 0), numbers(0, 0, 1, 0), numbers(0, 0, 0, 1)] {
            assert!(first.iter().all(|number| !other.contains(number)), "{first:?} {other:?}");
        }
    }

    #[test]
    fn crops_are_where_the_numbers_say() {
        let of = |numbers: &[f64], source| {
            let mut numbers = numbers.iter().copied();
            random_resized_crop(source, &RandomResizedCrop::default(), || numbers.next().unwrap())
        };
        // A share of 0.54, a ratio of 1: sides of sqrt(0.54 * 187,500) = 318.2.
        assert_eq!(of(&[0.5, 0.5, 0.0, 0.0], [500, 375]), [0, 0, 318, 318]);
        assert_eq!(of(&[0.5, 0.5, 0.999_999, 0.999_999], [500, 375]), [182, 57, 318, 318]);
        // Nothing fits: a ratio of at most 4/3, in the middle.
        assert_eq!(of(&[0.999; 20], [1000, 30]), [480, 0, 40, 30]);
        assert_eq!(of(&[0.999; 20], [30, 1000]), [0, 480, 30, 40]);
        assert_eq!(of(&[0.999; 20], [1, 1]), [0, 0, 1, 1]);
    }
}
