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

/// Which part of an epoch a process reads. The parts of all ranks are all rows, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// This process, from 0.
    pub rank: usize,
    /// How many processes there are.
    pub world_size: usize,
    /// Whether every rank gets as many rows as any other, in whole batches or not: the last rows of an
    /// epoch are then left out. Otherwise some get one row more.
    pub equal: bool,
}

impl Default for Share {
    fn default() -> Share {
        Share { rank: 0, world_size: 1, equal: false }
    }
}

impl Share {
    /// The part of so many rows.
    pub fn of(&self, rows: usize) -> Range<usize> {
        let world_size = self.world_size.max(1);
        match self.equal {
            true => self.rank * (rows / world_size)..(self.rank + 1) * (rows / world_size),
            false => rows * self.rank / world_size..rows * (self.rank + 1) / world_size,
        }
    }
}

/// How far a process has come: what it takes to go on with exactly the next row, in any number of
/// workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The number of the epoch.
    pub epoch: u64,
    /// Batches of it that were read.
    pub batches: usize,
}
