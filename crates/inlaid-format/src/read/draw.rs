//! Which rows an epoch draws, before they are put in order and shared. Pure, as [`super::order`] is.

use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::order::{Epoch, RowOrder};
use crate::error::Error;

/// The rows that an epoch draws from a table.
#[derive(Clone, Debug, Default)]
pub enum Draw {
    /// Every row once.
    #[default]
    Every,
    /// A number of rows of each part. A part goes on where the epoch before it stopped, in passes over all of its rows:
    /// so each of its rows is drawn as often as any other, give or take one.
    Parts(Arc<[Part]>),
    /// As many rows as the table has, each as often as its weight demands, rounded up or down: an epoch draws the row
    /// `i` of `n` rows `n * weights[i] / sum(weights)` times on average (systematic sampling; see Tillé, "Sampling
    /// Algorithms", 2006, chapter 7).
    Weights(Arc<[f64]>),
}

/// Rows of which an epoch draws some.
#[derive(Clone, Debug)]
pub struct Part {
    /// Numbers of the rows in the table, at least one.
    pub rows: Arc<[usize]>,
    /// How many rows an epoch draws.
    pub count: usize,
}

impl Draw {
    /// Number of rows that an epoch draws from a table of `rows` rows.
    pub fn count(&self, rows: usize) -> usize {
        match self {
            Draw::Every | Draw::Weights(_) => rows,
            Draw::Parts(parts) => parts.iter().fold(0, |sum, part| part.count.saturating_add(sum)),
        }
    }

    /// The rows that an epoch draws from a table of `rows` rows, in stored order; those of several parts take turns.
    ///
    /// # Errors
    /// If memory runs out.
    pub(super) fn rows(&self, epoch: &Epoch, rows: usize) -> Result<Vec<usize>, Error> {
        Ok(match self {
            Draw::Every => (0..rows).collect(),
            Draw::Weights(weights) => weighted(weights, &mut random(epoch.seed, u64::MAX, epoch.number)),
            Draw::Parts(parts) => {
                let drawn = parts.iter().zip(0..).map(|(part, number)| part.draw(epoch, number));
                interleaved(drawn.collect::<Result<_, _>>()?)?
            }
        })
    }
}

impl Part {
    /// The rows that an epoch draws; `number` is that of the part.
    fn draw(&self, epoch: &Epoch, number: u64) -> Result<Vec<usize>, Error> {
        let mut drawn = room(self.count)?;
        if self.rows.is_empty() {
            return Ok(drawn);
        }
        let begin = u128::from(epoch.number) * self.count as u128;
        let (mut pass, mut skip) = (begin / self.rows.len() as u128, (begin % self.rows.len() as u128) as usize);
        while drawn.len() < self.count {
            let wanted = self.count - drawn.len();
            let mut rows = self.rows.to_vec();
            if epoch.order != RowOrder::Stored {
                rows.shuffle(&mut random(epoch.seed, number, pass as u64));
            }
            drawn.extend(rows.into_iter().skip(skip).take(wanted));
            (pass, skip) = (pass + 1, 0);
        }
        Ok(drawn)
    }
}

/// The numbers of a pass, unrelated to those that the order of an epoch takes from the same seed.
fn random(seed: u64, part: u64, pass: u64) -> ChaCha8Rng {
    // The 64-bit golden ratio, as in SplitMix64: other parts get unrelated seeds.
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ part.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    random.set_stream(pass);
    random
}

/// Draws as many rows as there are weights. The rows lie in random order on a line, each as long as its weight, and
/// marks at equal distances draw the rows that they fall on.
fn weighted(weights: &[f64], random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).filter(|row| weights[*row] > 0.0).collect();
    order.shuffle(random);
    let total: f64 = order.iter().map(|row| weights[*row]).sum();
    let (Some(last), step) = (order.last().copied(), total / weights.len() as f64) else { return Vec::new() };
    let offset: f64 = random.random();
    let (mut end, mut drawn) = (0.0, Vec::with_capacity(weights.len()));
    for row in order {
        end += weights[row];
        while drawn.len() < weights.len() && (drawn.len() as f64 + offset) * step < end {
            drawn.push(row);
        }
    }
    // What rounding errors have left.
    drawn.resize(weights.len(), last);
    drawn.sort_unstable();
    drawn
}

/// Rows of several parts, which take turns: after any number of rows, each part has given its share of them, give or
/// take one.
fn interleaved(parts: Vec<Vec<usize>>) -> Result<Vec<usize>, Error> {
    // The place of a row is the middle of its share of the part, on a scale from 0 to 1.
    let place = |at: usize, count: usize| (2 * at + 1) as f64 / (2 * count) as f64;
    let mut placed: Vec<(f64, usize, usize)> = room(parts.iter().map(Vec::len).sum())?;
    for (number, rows) in parts.iter().enumerate() {
        placed.extend(rows.iter().enumerate().map(|(at, row)| (place(at, rows.len()), number, *row)));
    }
    // Stable: rows at the same place in the order of their parts.
    placed.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    Ok(placed.into_iter().map(|(.., row)| row).collect())
}

/// An empty list with room for as many values.
fn room<T>(count: usize) -> Result<Vec<T>, Error> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(|_| Error::NoMemory(count.saturating_mul(size_of::<T>()) as u64))?;
    Ok(list)
}
