//! Columns of encoded images as Arrow arrays: of a row group at a time, or of some rows of a view.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_schema::{ArrowError, DataType};
use arrow_select::concat::concat;
use arrow_select::take::take;

use super::table::{Table, without_dictionary};
use crate::error::Error;

/// Bytes of files that the rows of a view in one batch have about, and most rows of one.
const TOGETHER: u64 = 16 << 20;
const MOST_ROWS: u64 = 4096;

/// The images of a table, a row group of which is kept.
#[derive(Debug)]
pub(super) struct ImageBatches {
    /// Name of the column.
    name: String,
    /// Type of its values, decoded from dictionaries.
    pub(super) data_type: DataType,
    /// The row group that was read last.
    last: Option<(usize, ArrayRef)>,
}

impl ImageBatches {
    /// The images of a table whose main column they are.
    pub(super) fn new(table: &Table) -> Result<ImageBatches, Error> {
        let name = table.main_column().to_owned();
        let field = table.schema().field_with_name(&name).map_err(|_| table.no_column(&name))?;
        let mut data_type = field.data_type();
        while let DataType::Dictionary(_, values) = data_type {
            data_type = values;
        }
        Ok(ImageBatches { name, data_type: data_type.clone(), last: None })
    }

    /// Number of rows from this one on that are in one batch.
    pub(super) fn count(table: &Table, row: usize) -> usize {
        let stored = table.stored(row);
        match table.chosen {
            None => table.row_group_at(stored).end - stored,
            Some(_) => {
                let (_, file, _) = table.stored.row_groups[table.row_group_of(stored)];
                let file = &table.stored.files[file];
                let rows: usize = file.row_groups.iter().sum();
                let row_bytes = file.len() as u64 / rows.max(1) as u64;
                (TOGETHER / row_bytes.max(1)).clamp(1, MOST_ROWS) as usize
            }
        }
    }

    /// The images of these rows.
    ///
    /// # Errors
    /// If a row group is damaged, or of another type than that of the first.
    pub(super) fn of(&mut self, table: &Table, rows: Range<usize>) -> Result<ArrayRef, Error> {
        let damaged = |error: ArrowError| Error::damaged(&table.stored.files[0].path, error.to_string());
        if table.chosen.is_none() {
            let group = table.row_group_at(rows.start);
            let images = self.row_group(table, table.row_group_of(rows.start))?;
            return Ok(images.slice(rows.start - group.start, rows.len()));
        }
        // By row group, each of which is read once.
        let mut places: Vec<(usize, usize)> = rows.map(|row| table.stored(row)).zip(0..).collect();
        places.sort_unstable();
        let mut parts = Vec::new();
        for part in places.chunk_by(|(one, _), (other, _)| table.row_group_of(*one) == table.row_group_of(*other)) {
            let (first, _) = part[0];
            let start = table.row_group_at(first).start;
            let within = UInt64Array::from_iter_values(part.iter().map(|(stored, _)| (stored - start) as u64));
            let images = self.row_group(table, table.row_group_of(first))?;
            parts.push(take(&images, &within, None).map_err(damaged)?);
        }
        let parts: Vec<&dyn Array> = parts.iter().map(|part| &**part).collect();
        let sorted = concat(&parts).map_err(damaged)?;
        let mut order = vec![0; places.len()];
        places.iter().zip(0..).for_each(|((_, place), at)| order[*place] = at);
        take(&sorted, &UInt64Array::from(order), None).map_err(damaged)
    }

    /// All images of a row group, by its number in the table.
    fn row_group(&mut self, table: &Table, number: usize) -> Result<ArrayRef, Error> {
        if let Some((_, images)) = self.last.as_ref().filter(|(last, _)| *last == number) {
            return Ok(images.clone());
        }
        // Not both at a time.
        self.last = None;
        let (_, file, row_group) = table.stored.row_groups[number];
        let file = &table.stored.files[file];
        let images = without_dictionary(file.read(row_group, &[&self.name])?.column(0));
        let images = images.map_err(|error| Error::damaged(&file.path, error.to_string()))?;
        if *images.data_type() != self.data_type {
            let (name, kind, expected) = (&self.name, images.data_type(), &self.data_type);
            let reason = format!("its column `{name}` has type {kind}, but {expected} in the first file");
            return Err(Error::damaged(&file.path, reason));
        }
        self.last = Some((number, images.clone()));
        Ok(images)
    }
}
