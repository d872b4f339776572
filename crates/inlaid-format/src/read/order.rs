//! The order in which an epoch reads the rows of a table, and how ranks share them. Pure: it depends only
//! on the settings, so every process of a training run computes the same result.

use std::ops::Range;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::draw::Draw;
use super::table::Table;
use crate::error::Error;

/// The order in which an epoch reads the rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowOrder {
    /// Stored order.
    #[default]
    Stored,
    /// Row groups in random order, with rows shuffled within every `row_groups` consecutive groups. Files that are
    /// not in memory are then read in long stretches.
    Mixed {
        /// Number of row groups whose rows are shuffled together, at least 1.
        row_groups: usize,
    },
    /// All rows shuffled: every order is equally likely.
    Random,
}

/// One pass over a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// Order of the rows. Default: stored order.
    pub order: RowOrder,
    /// Seed of random orders. Default: 0.
    pub seed: u64,
    /// Number of the epoch, from 0. Random orders differ from one epoch to the next. Default: 0.
    pub number: u64,
}

impl Epoch {
    /// The numbers of all rows of a table, in the order of this epoch. Takes 8 bytes per row.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn rows(&self, table: &Table) -> Result<Vec<usize>, Error> {
        self.drawn(table, &Draw::Every)
    }

    /// The numbers of the rows that are drawn from a table, in the order of this epoch.
    pub(super) fn drawn(&self, table: &Table, draw: &Draw) -> Result<Vec<usize>, Error> {
        // The sequence of a seed is the same on every machine, and unrelated to the sequences of other seeds.
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.number);
        let mut rows = draw.rows(self, table.len())?;
        match self.order {
            RowOrder::Stored => {}
            RowOrder::Random => rows.shuffle(&mut random),
            RowOrder::Mixed { row_groups } => {
                let mut groups = by_row_group(rows, table);
                groups.shuffle(&mut random);
                rows = Vec::with_capacity(groups.iter().map(Vec::len).sum());
                for together in groups.chunks(row_groups.max(1)) {
                    let begin = rows.len();
                    rows.extend(together.iter().flatten());
                    rows[begin..].shuffle(&mut random);
                }
            }
        }
        Ok(rows)
    }
}

/// The rows of each row group that has any of them, in stored order.
fn by_row_group(mut rows: Vec<usize>, table: &Table) -> Vec<Vec<usize>> {
    rows.sort_by_key(|row| table.stored(*row));
    let (mut groups, mut rest) = (Vec::new(), &rows[..]);
    while let Some(first) = rest.first() {
        let end = table.row_group_at(table.stored(*first)).end;
        let (group, later) = rest.split_at(rest.partition_point(|row| table.stored(*row) < end));
        groups.push(group.to_vec());
        rest = later;
    }
    groups
}

/// The treatment of rows that ranks can't share equally. Except for `Keep`, every rank gets the same number of
/// rows, and so of batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uneven {
    /// Some ranks get one more row, so that every row is read once.
    #[default]
    Keep,
    /// The last rows of the epoch, fewer than there are ranks, are left out.
    Drop,
    /// The first rows of the epoch, fewer than there are ranks, are repeated at its end. (With more ranks than
    /// rows, all rows are repeated as often as needed.)
    Pad,
}

/// The part of an epoch that one process reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Index of this process, from 0 and below `world_size`. Default: 0.
    pub rank: usize,
    /// Number of processes, at least 1. Default: 1.
    pub world_size: usize,
    /// Treatment of rows that the processes can't share equally. Default: [`Uneven::Keep`].
    pub uneven: Uneven,
}

impl Default for Share {
    fn default() -> Share {
        Share { rank: 0, world_size: 1, uneven: Uneven::Keep }
    }
}

impl Share {
    /// Number of rows in this share of an epoch of `rows` rows.
    pub fn count(&self, rows: usize) -> usize {
        self.of(rows).len()
    }

    /// The rows of an epoch that belong to this share.
    pub fn rows(&self, epoch: &[usize]) -> Vec<usize> {
        self.of_epoch(epoch)
    }

    /// What belongs to this share, of values for every row of an epoch.
    pub(super) fn of_epoch<T: Copy>(&self, epoch: &[T]) -> Vec<T> {
        self.of(epoch.len()).map(|place| epoch[place % epoch.len()]).collect()
    }

    /// The share as positions in an epoch of `rows` rows. Positions past the end wrap around to the beginning.
    fn of(&self, rows: usize) -> Range<usize> {
        let world_size = self.world_size.max(1);
        let start = |rank: usize| match self.uneven {
            // The product may overflow a usize.
            Uneven::Keep => (rows as u128 * rank as u128 / world_size as u128) as usize,
            Uneven::Drop => rows / world_size * rank,
            Uneven::Pad => rows.div_ceil(world_size) * rank,
        };
        start(self.rank)..start(self.rank + 1)
    }
}
