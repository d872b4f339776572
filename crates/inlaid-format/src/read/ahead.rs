//! What is fetched before it is needed, of files that are not on a disk: the row groups of the rows that come next.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::table::{Stored, Table};

/// Row groups that are fetched before they are needed, and how many are looked at for that.
const ROW_GROUPS: usize = 16;
const LOOK: usize = 64;

/// Row groups whose values of a column are fetched before they are needed.
const COLUMN_ROW_GROUPS: usize = 512;

/// The row groups that the batches of a pass need next.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The batch of the next row to look at, and the number of that row in the batch.
    batch: usize,
    row: usize,
    /// The row group that was looked at last.
    last: Option<usize>,
    /// The batches that need what was begun, and how many bytes that were.
    begun: VecDeque<(usize, u64)>,
}

/// The batches of a pass that one process makes.
pub(super) struct Coming<'p> {
    pub(super) rows: &'p [usize],
    pub(super) batch_size: usize,
    /// Number of batches, and the step from one of this worker to its next.
    pub(super) count: usize,
    pub(super) step: usize,
    /// Names of the tensor columns.
    pub(super) columns: &'p [&'p str],
}

impl Ahead {
    /// Begins to fetch what the batches from `number` on need, as far as there is room.
    pub(super) fn announce(&self, table: &Table, number: usize, coming: &Coming<'_>) {
        let Some(cache) = table.cache() else { return };
        // Another thread is at it.
        let Ok(mut state) = self.state.try_lock() else { return };
        if state.batch < number {
            (state.batch, state.row) = (number, 0);
        }
        while state.begun.front().is_some_and(|(batch, _)| *batch < number) {
            state.begun.pop_front();
        }
        let mut ahead: u64 = state.begun.iter().map(|(_, bytes)| bytes).sum();
        let rows_of_groups = (table.stored.rows / table.stored.row_groups.len().max(1)).max(1) * LOOK;
        let most = number.saturating_add((rows_of_groups / coming.batch_size + 2).saturating_mul(coming.step));
        while state.batch < coming.count.min(most) && state.begun.len() < ROW_GROUPS && ahead < cache.room_ahead() {
            let row = state.batch * coming.batch_size + state.row;
            let Some(row) = coming.rows.get(row).filter(|_| state.row < coming.batch_size) else {
                (state.batch, state.row) = (state.batch + coming.step, 0);
                continue;
            };
            state.row += 1;
            let place = table.row_group_of(table.stored(*row));
            if state.last.replace(place) == Some(place) {
                continue;
            }
            let bytes = table.stored.fetch_ahead(place, coming.columns);
            if bytes > 0 {
                ahead += bytes;
                let batch = state.batch;
                state.begun.push_back((batch, bytes));
            }
        }
    }
}

/// The row groups whose values of a column are needed next.
#[derive(Debug, Default)]
pub(super) struct ColumnAhead {
    next: usize,
}

impl ColumnAhead {
    /// Begins to fetch the values of a column of the row groups after `place`.
    pub(super) fn announce(&mut self, stored: &Stored, place: usize, column: &str) {
        self.next = self.next.max(place);
        let end = stored.row_groups.len().min(place + COLUMN_ROW_GROUPS);
        while self.next < end && stored.has_room(self.next) {
            stored.fetch_ahead(self.next, &[column]);
            self.next += 1;
        }
    }
}

impl Stored {
    /// Whether a row group is in a file that is not on a disk, and more of these can be fetched ahead.
    fn has_room(&self, place: usize) -> bool {
        let file = &self.files[self.row_groups[place].1];
        file.cached().is_some_and(|cached| cached.cache().has_room())
    }

    /// Begins to fetch columns of a row group of the table, and returns how many bytes that are.
    fn fetch_ahead(&self, place: usize, columns: &[&str]) -> u64 {
        let (_, file, row_group) = self.row_groups[place];
        self.files[file].fetch_ahead(row_group, columns)
    }
}

impl Table {
    /// The number of the row group with a stored row, in the table.
    pub(super) fn row_group_of(&self, stored: usize) -> usize {
        self.stored.row_groups.partition_point(|(start, ..)| *start <= stored).saturating_sub(1)
    }

    /// Begins to fetch the row groups of these rows, as many as there is room for.
    pub(super) fn fetch_ahead(&self, rows: &[usize], column: &str) {
        if self.cache().is_none() {
            return;
        }
        let (mut last, mut begun) = (None, 0);
        for row in rows.iter().filter(|row| **row < self.len()) {
            let place = self.row_group_of(self.stored(*row));
            if last.replace(place) != Some(place) {
                begun += usize::from(self.stored.fetch_ahead(place, &[column]) > 0);
            }
            if begun >= ROW_GROUPS {
                break;
            }
        }
    }
}
