//! Columns of lists of file names, as Hugging Face ImageFolder has them: each place in the lists becomes a column of its
//! own. `file_names` names the file of a row and its further images, `NAME_file_names` further images alone.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field};

use super::table::Column;
use super::{FILE, FURTHER};
use crate::error::SourceError;

/// The column with the lists of files of rows.
pub(in crate::source) const FILES: &str = "file_names";

/// What the names of columns with lists of further images end with.
const FURTHER_LISTS: &str = "_file_names";

/// The columns, with those of lists of file names spread out.
///
/// # Errors
/// If the lists of a column are of different lengths.
pub(super) fn spread(columns: Vec<Column>) -> Result<Vec<Column>, SourceError> {
    let has = |wanted: &str| columns.iter().any(|column| column.name == wanted);
    let is_list = |column: &Column| {
        let single = match column.name.strip_suffix(FURTHER_LISTS) {
            Some(name) => format!("{name}{FURTHER}"),
            None if column.name == FILES => FILE.to_owned(),
            None => return false,
        };
        column.values.data_type().is_list() && !has(&single)
    };
    let are_lists: Vec<bool> = columns.iter().map(is_list).collect();
    let mut spread = Vec::with_capacity(columns.len());
    for (column, is_list) in columns.into_iter().zip(are_lists) {
        match is_list {
            true => spread.extend(places(&column)?),
            false => spread.push(column),
        }
    }
    Ok(spread)
}

/// A column for each place in the lists of a column. A row without a list has no names.
fn places(column: &Column) -> Result<Vec<Column>, SourceError> {
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let lists = cast(&column.values, &DataType::List(item))
        .map_err(|error| SourceError::Damaged(format!("column `{}`: {error}", column.name)))?;
    let lists = lists.as_list::<i32>();
    let length = lists.iter().flatten().map(|list| list.len()).find(|length| *length > 0).unwrap_or(1);
    for (row, list) in lists.iter().enumerate() {
        let found = list.map_or(0, |list| list.len());
        if found != length && found != 0 {
            return Err(SourceError::ImageCounts { column: column.name.clone(), row, found, expected: length });
        }
    }
    let texts = lists.values().as_string::<i32>();
    let place = |place: usize| {
        let starts = lists.offsets().windows(2).map(|ends| (ends[0] as usize, ends[1] > ends[0]));
        let name =
            |(start, has_any): (usize, bool)| (has_any && texts.is_valid(start + place)).then_some(start + place);
        let names: StringArray = starts.map(|start| name(start).map(|at| texts.value(at))).collect();
        Column { name: named(&column.name, place + 1), values: Arc::new(names) }
    };
    Ok((0..length).map(place).collect())
}

/// The name of the column for a place, from 1.
fn named(lists: &str, number: usize) -> String {
    let further = lists.strip_suffix(FURTHER_LISTS).unwrap_or("image");
    match number {
        1 if lists == FILES => FILE.to_owned(),
        1 => format!("{further}{FURTHER}"),
        number => format!("{further}_{number}{FURTHER}"),
    }
}
