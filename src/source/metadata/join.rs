//! Rows of tables and the files that they name.

use std::collections::HashMap;

use arrow_array::{Array, StringArray};

use super::image_files::ImageFiles;
use super::{Place, Tables};
use crate::error::{Error, RecordError, SourceError};
use crate::run::{OnMissing, SourceOptions};
use crate::source::labels::RowLabels;
use crate::source::listing::Listing;
use crate::source::record::Record;
use crate::source::reject;
use crate::spec::{Folders, Spec, SpecError, TensorSpec};

/// No row, or no file.
const NONE: u32 = u32::MAX;

/// Further images of rows.
#[derive(Debug, Default)]
pub(in crate::source) struct Others {
    /// Place and key of each file that is a further image.
    files: Vec<(u32, Box<str>)>,
    /// Index of the file of each row, for each column of tensors.
    columns: Vec<Vec<u32>>,
}

impl Others {
    /// Place and key of the file of a row in a further column, from 0.
    ///
    /// # Errors
    /// If there is none.
    pub(in crate::source) fn image(&self, row: u32, column: usize) -> Result<(u32, &str), RecordError> {
        let file = self.columns.get(column).and_then(|rows| rows.get(row as usize)).filter(|file| **file != NONE);
        let (place, key) = file.and_then(|file| self.files.get(*file as usize)).ok_or(RecordError::NoFile)?;
        Ok((*place, key))
    }
}

impl Tables {
    /// Gives every record its row, and what the row says. Rows without a file, files without a row, and further rows of
    /// a file are rejected.
    ///
    /// # Errors
    /// If the options say so of one that is missing, or a column of the spec is.
    pub(in crate::source) fn join(
        self,
        listing: &mut Listing,
        spec: &Spec,
        options: &SourceOptions,
    ) -> Result<Others, Error> {
        listing.notices.extend(self.notices.iter().cloned());
        if self.tables.is_empty() {
            let tensors = spec.tensors.iter().map(|column| &column.name);
            let mut asked = tensors.chain(spec.columns.iter().map(|column| &column.name));
            return match asked.next() {
                Some(name) => Err(SpecError::NotInFolders(name.clone()).into()),
                None => Ok(Others::default()),
            };
        }
        let files = ImageFiles::new(&listing.records);
        let mut row_of = vec![NONE; listing.records.len()];
        let mut missing = Vec::new();
        // The nearest table describes a file, so those of deeper folders come first.
        for (table, first) in self.nearest_first() {
            for row in first..first + table.rows {
                match files.named(table, &self.files, row) {
                    Ok(file) if row_of[file as usize] == NONE => row_of[file as usize] = row as u32,
                    Ok(_) => missing.push((self.name(row), RecordError::SecondRow)),
                    Err(error) => missing.push((self.name(row), error)),
                }
            }
        }
        let mut others = Others::default();
        let mut is_other = vec![false; listing.records.len()];
        let further = self.further_in_order(spec)?;
        for names in &further {
            let mut of_rows = vec![NONE; names.len()];
            let mut known: HashMap<u32, u32> = HashMap::new();
            for (table, first) in self.nearest_first() {
                for (row, of_row) in of_rows.iter_mut().enumerate().skip(first).take(table.rows) {
                    let Ok(file) = files.named(table, names, row) else { continue };
                    is_other[file as usize] = true;
                    *of_row = *known.entry(file).or_insert_with(|| {
                        let record = &listing.records[file as usize];
                        others.files.push((record.place, record.key.clone()));
                        others.files.len() as u32 - 1
                    });
                }
            }
            others.columns.push(of_rows);
        }
        drop(files);
        let records = std::mem::take(&mut listing.records);
        listing.records.reserve_exact(records.len());
        for ((mut record, row), is_other) in records.into_iter().zip(row_of).zip(is_other) {
            if row == NONE {
                if !is_other {
                    missing.push((record.key.into(), RecordError::NoTableRow));
                }
                continue;
            }
            record.row = row;
            self.describe(&mut record);
            listing.records.push(record);
        }
        if options.on_missing == OnMissing::Stop
            && let Some((path, error)) = missing.first()
        {
            return Err(Error::Rejected { path: path.clone(), detail: error.to_string() });
        }
        listing.rejects.extend(missing.into_iter().map(|(path, error)| reject(path, &error)));
        self.give_columns(listing, spec)?;
        Ok(others)
    }

    /// The tables, with their first rows, from the deepest folder up.
    fn nearest_first(&self) -> Vec<(&Place, usize)> {
        let mut first = 0;
        let mut tables: Vec<(&Place, usize)> = Vec::with_capacity(self.tables.len());
        for table in &self.tables {
            tables.push((table, first));
            first += table.rows;
        }
        tables.sort_by_key(|(table, _)| std::cmp::Reverse(table.folder.matches('/').count()));
        tables
    }

    /// What a row is called where it has no file.
    fn name(&self, row: usize) -> String {
        match self.files.is_valid(row) {
            true => self.files.value(row).to_owned(),
            false => format!("row {}", row + 1),
        }
    }

    /// Gives a record the label and the split of its row.
    fn describe(&self, record: &mut Record) {
        let row = record.row as usize;
        if let Some(labels) = &self.labels {
            record.label = match &labels.rows {
                RowLabels::Class(labels) => labels[row],
                RowLabels::MultiHot(_) | RowLabels::Number(_) => None,
            };
        }
        if let Some(splits) = &self.splits {
            record.split = Some(splits[row]);
        }
    }

    /// The columns of further images: those of the spec, then all others.
    fn further_in_order(&self, spec: &Spec) -> Result<Vec<&StringArray>, Error> {
        let named = |name: &str| self.further.iter().find(|(further, _)| further == name).map(|(_, names)| names);
        let asked = spec.tensors.iter().map(|column| {
            let missing = || self.no_column(format!("{}{}", column.name, super::FURTHER));
            named(&column.name).ok_or_else(missing)
        });
        let mut columns = asked.collect::<Result<Vec<_>, _>>()?;
        let is_new = |name: &str| !spec.tensors.iter().any(|column| column.name == name);
        columns.extend(self.further.iter().filter(|(name, _)| is_new(name)).map(|(_, names)| names));
        Ok(columns)
    }

    fn give_columns(mut self, listing: &mut Listing, spec: &Spec) -> Result<(), Error> {
        if let Some(labels) = self.labels.take() {
            labels.into_listing(listing);
        }
        if self.splits.is_some() && spec.folders == Folders::Auto {
            listing.folders = Some(Folders::Splits);
        }
        for (name, _) in &self.further {
            if spec.tensors.iter().any(|column| column.name == *name) {
                continue;
            }
            let Some(size) = spec.size else { return Err(SpecError::TensorsBesideFiles(name.clone()).into()) };
            let is_mask = name == "mask" || name.ends_with("_mask");
            listing.found_tensors.push(match is_mask {
                true => TensorSpec::mask(name, size),
                false => TensorSpec::new(name, size),
            });
        }
        let path = &self.tables[0].path;
        self.values.give(listing, spec).map_err(Error::source(path))
    }

    fn no_column(&self, column: String) -> Error {
        let values = self.values.names().map(str::to_owned);
        let further = self.further.iter().map(|(name, _)| format!("{name}{}", super::FURTHER));
        let columns = values.chain(further).collect();
        Error::source(&self.tables[0].path)(SourceError::NoColumn { column, columns })
    }
}
