//! The order in which the rows of a table are read in an epoch, and who reads which of them. Pure: it
//! depends on the settings alone, so every process of a training run computes the same.

use std::ops::Range;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::table::Table;

/// The order of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowOrder {
    /// As they are stored.
    #[default]
    Stored,
    /// Row groups in random order, and the rows of `row_groups` of them at a time mixed: what is read at
    /// a time stays together, so that files which are not in memory are read in long stretches.
    Mixed {
        /// At least 1.
        row_groups: usize,
    },
    /// Every order is as likely as any other.
    Random,
}

/// One pass over a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// The order of its rows.
    pub order: RowOrder,
    /// With the number, decides the order.
    pub seed: u64,
    /// Counted from 0; another number gives another order.
    pub number: u64,
}

impl Epoch {
    /// All rows of a table, in the order of this epoch. Takes 8 bytes a row.
    pub fn rows(&self, table: &Table) -> Vec<usize> {
        // The sequence of a seed is the same on every machine, and unrelated to that of another.
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.number);
        match self.order {
            RowOrder::Stored => (0..table.len()).collect(),
            RowOrder::Random => {
                let mut rows: Vec<usize> = (0..table.len()).collect();
                rows.shuffle(&mut random);
                rows
            }
            RowOrder::Mixed { row_groups } => {
                let mut groups: Vec<Range<usize>> = table.row_groups().collect();
                groups.shuffle(&mut random);
                let mut rows = Vec::with_capacity(table.len());
                for together in groups.chunks(row_groups.max(1)) {
                    let begin = rows.len();
                    rows.extend(together.iter().cloned().flatten());
                    rows[begin..].shuffle(&mut random);
                }
                rows
            }
        }
    }
}

/// What becomes of rows that the ranks can't share equally. All but `Keep` give every rank as many rows,
/// and so as many batches, as any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uneven {
    /// Some ranks get one row more: every row is read once.
    #[default]
    Keep,
    /// The last rows of an epoch, fewer than there are ranks, are left out.
    Drop,
    /// The first rows of an epoch, fewer than there are ranks, are read once more at its end. (With more
    /// ranks than rows, all of them, as often as it takes.)
    Pad,
}

/// Which part of an epoch a process reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// This process, from 0; below `world_size`.
    pub rank: usize,
    /// How many processes there are, at least 1.
    pub world_size: usize,
    /// What becomes of rows that they can't share equally.
    pub uneven: Uneven,
}

impl Default for Share {
    fn default() -> Share {
        Share { rank: 0, world_size: 1, uneven: Uneven::Keep }
    }
}

impl Share {
    /// How many of so many rows.
    pub fn count(&self, rows: usize) -> usize {
        self.of(rows).len()
    }

    /// The part of the rows of an epoch.
    pub fn rows(&self, epoch: &[usize]) -> Vec<usize> {
        self.of(epoch.len()).map(|place| epoch[place % epoch.len()]).collect()
    }

    /// The part as places among so many rows. Those past the end are counted from the beginning again.
    fn of(&self, rows: usize) -> Range<usize> {
        let world_size = self.world_size.max(1);
        let start = |rank: usize| match self.uneven {
            // The product may be larger than a number of rows can be.
            Uneven::Keep => (rows as u128 * rank as u128 / world_size as u128) as usize,
            Uneven::Drop => rows / world_size * rank,
            Uneven::Pad => rows.div_ceil(world_size) * rank,
        };
        start(self.rank)..start(self.rank + 1)
    }
}
