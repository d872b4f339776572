//! Views: tables whose rows are some rows of other tables. They share files, maps and columns with them.

use std::ops::Range;

use super::labels::Labels;
use super::table::Table;
use crate::error::Error;

impl Table {
    /// The table of these rows, in this order. Rows may repeat. Takes 8 bytes per row, and copies nothing else.
    ///
    /// # Errors
    /// If there is no such row.
    pub fn select(&self, rows: &[usize]) -> Result<Table, Error> {
        let length = self.len();
        if let Some(row) = rows.iter().find(|row| **row >= length) {
            return Err(Error::NoRow { row: *row, rows: length });
        }
        let chosen = rows.iter().map(|row| self.stored(*row)).collect();
        Ok(Table { stored: self.stored.clone(), chosen: Some(chosen) })
    }

    /// The rows of several tables, at least one, as one table: those of the first, then those of the second, and so on.
    /// A class has one label in it, wherever it comes from: the names of the first table, then those that the others
    /// add, in order.
    ///
    /// # Errors
    /// If the main columns differ in name, shape or element type, or a table has labels without class names where
    /// others name theirs.
    pub fn concat(tables: &[&Table]) -> Result<Table, Error> {
        let first = &tables[0].stored.files[0];
        if let Some(other) = tables.iter().map(|table| &table.stored.files[0]).find(|other| !other.is_like(first)) {
            let (path, of_first) = (other.path.display(), first.path.display());
            let (other, first) = (other.main_words(), first.main_words());
            return Err(Error::NotJoined(format!("`{path}` has {other}, `{of_first}` has {first}")));
        }
        let (mut files, mut chosen, mut rows) = (Vec::new(), Vec::new(), 0);
        for table in tables {
            files.extend(table.stored.files.iter().cloned());
            chosen.extend((0..table.len()).map(|row| rows + table.stored(row)));
            rows += table.stored.rows;
        }
        let all = Table::of_open_files(files, Labels::of_tables(tables)?);
        let is_all = tables.iter().all(|table| table.chosen.is_none());
        Ok(if is_all { all } else { Table { chosen: Some(chosen.into()), ..all } })
    }

    /// The stored row of a row.
    pub(super) fn stored(&self, row: usize) -> usize {
        self.chosen.as_ref().map_or(row, |chosen| chosen[row])
    }

    /// The stored row of a row, and how many of up to `rows` rows from it on follow each other in the files, at least 1
    /// unless `rows` is 0.
    pub(super) fn stored_run(&self, row: usize, rows: usize) -> Result<(usize, usize), Error> {
        if row >= self.len() {
            return Err(Error::NoRow { row, rows: self.len() });
        }
        let Some(chosen) = &self.chosen else { return Ok((row, rows)) };
        let first = chosen[row];
        let run = chosen[row..].iter().take(rows).zip(first..).take_while(|(stored, next)| *stored == next).count();
        Ok((first, run))
    }

    /// The stored rows of the row group with a stored row.
    pub(super) fn row_group_at(&self, stored: usize) -> Range<usize> {
        let groups = &self.stored.row_groups;
        let next = groups.partition_point(|(start, ..)| *start <= stored);
        groups[next - 1].0..groups.get(next).map_or(self.stored.rows, |(start, ..)| *start)
    }
}
