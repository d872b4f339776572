//! Image files, to be found by what tables call them.

use std::cell::OnceCell;

use arrow_array::{Array, StringArray};

use super::Place;
use super::names::below;
use crate::error::RecordError;
use crate::source::record::Record;

/// Image files, to be found by what tables call them.
pub(super) struct ImageFiles<'a> {
    /// Sorted by key.
    records: &'a [Record],
    /// Indices of the records, sorted by the last part of their keys; made when it is needed.
    by_name: OnceCell<Vec<u32>>,
}

impl<'a> ImageFiles<'a> {
    pub(super) fn new(records: &'a [Record]) -> ImageFiles<'a> {
        ImageFiles { records, by_name: OnceCell::new() }
    }

    /// Index of the record of the file that a row of a table names.
    ///
    /// # Errors
    /// If it names none, one outside of its folder, one that does not exist, or several.
    pub(super) fn named(&self, table: &Place, names: &StringArray, row: usize) -> Result<u32, RecordError> {
        let name = if names.is_valid(row) { names.value(row) } else { "" };
        if name.is_empty() {
            return Err(RecordError::NoFileName);
        }
        let name = below(name)?;
        let in_folder = |folder: &str| self.with_key(table, &format!("{folder}{name}"));
        let mut found = in_folder(&table.folder)?;
        if table.is_given() && found.is_none() {
            found = match name.contains('/') {
                true => in_folder("")?,
                false => self.anywhere(&name)?,
            };
        }
        found.ok_or(RecordError::NoFile)
    }

    /// The record with this key, or the only one that differs from it by an extension. A table that was found describes
    /// files of its own source alone.
    fn with_key(&self, table: &Place, key: &str) -> Result<Option<u32>, RecordError> {
        let found = only(self.records.len(), |index| &self.records[index].key, key)?;
        Ok(found.filter(|index| table.describes(&self.records[*index])).map(|index| index as u32))
    }

    /// The only record in any folder whose file has this name, or differs from it by an extension.
    fn anywhere(&self, name: &str) -> Result<Option<u32>, RecordError> {
        let last = |index: u32| {
            let key = &*self.records[index as usize].key;
            key.rsplit_once('/').map_or(key, |(_, last)| last)
        };
        let by_name = self.by_name.get_or_init(|| {
            let mut all: Vec<u32> = (0..self.records.len() as u32).collect();
            all.sort_by(|a, b| last(*a).cmp(last(*b)));
            all
        });
        let found = only(by_name.len(), |place| last(by_name[place]), name)?;
        Ok(found.map(|place| by_name[place]))
    }
}

/// The only one of `count` sorted texts that is `wanted`, or else differs from it by an extension.
///
/// # Errors
/// If there are several.
fn only<'t>(count: usize, text: impl Fn(usize) -> &'t str, wanted: &str) -> Result<Option<usize>, RecordError> {
    let stem = format!("{wanted}.");
    // The texts between these, which merely begin with `wanted`, are not looked at: there may be millions.
    let first = |least: &str| {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if text(middle) < least { low = middle + 1 } else { high = middle }
        }
        low
    };
    let equal = (first(wanted)..count).take_while(|place| text(*place) == wanted);
    let extended = (first(&stem)..count).take_while(|place| text(*place).starts_with(&stem));
    let extended = extended.filter(|place| !text(*place)[stem.len()..].contains(['/', '.']));
    let equal: Vec<usize> = equal.take(2).collect();
    let found = if equal.is_empty() { extended.take(2).collect() } else { equal };
    match *found {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(RecordError::SeveralFiles),
    }
}
