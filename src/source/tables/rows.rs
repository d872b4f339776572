//! The columns of tables beside the images, read into memory.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, new_empty_array, new_null_array};
use arrow_schema::DataType;
use arrow_select::concat::concat;

use super::choice::{Choice, find};
use super::files::TableFile;
use crate::error::{Error, SourceError};
use crate::format::columns::typed;
use crate::source::labels::Labels;
use crate::source::values::cast_from;
use crate::spec::{ColumnSpec, ColumnType};

/// Rows of a Parquet file that are read at a time.
const ROWS: usize = 4096;

/// Values of all rows.
pub(super) struct Rows {
    /// One array for each column that was asked for.
    pub(super) values: Vec<ArrayRef>,
    pub(super) labels: Option<Labels>,
    pub(super) keys: Option<StringArray>,
}

/// What is read from tables.
struct Wanted<'a> {
    /// Columns, each once: the values and the keys with a type, the labels as they are.
    columns: Vec<(&'a str, Option<ColumnType>)>,
    /// What was read of each.
    parts: Vec<Vec<ArrayRef>>,
}

impl Rows {
    /// Reads the columns `values`, the labels and the keys.
    pub(super) fn read(files: &[TableFile], choice: &Choice, values: &[ColumnSpec]) -> Result<Rows, Error> {
        let Some(first) = files.first() else {
            let values = values.iter().map(|column| new_empty_array(&typed::data_type(column.kind)));
            return Ok(Rows { values: values.collect(), labels: None, keys: None });
        };
        let columns = values.iter().map(|column| (&*column.name, Some(column.kind)));
        let columns = columns.chain(choice.labels.iter().map(|name| (&**name, None)));
        let columns = columns.chain(choice.keys.iter().map(|name| (&**name, Some(ColumnType::String))));
        let columns: Vec<_> = columns.collect();
        let mut wanted = Wanted { parts: vec![Vec::new(); columns.len()], columns };
        for file in files {
            wanted.read(file)?;
        }
        let mut joined = wanted.join().map_err(first.unfit())?;
        let keys = choice.keys.as_ref().and_then(|_| joined.pop()).map(|keys| keys.as_string::<i32>().clone());
        let labels = joined.split_off(values.len());
        let labels = labels_of(&choice.labels, labels, choice.class_names.as_deref()).map_err(first.unfit())?;
        Ok(Rows { values: joined, labels, keys })
    }
}

fn labels_of(
    columns: &[String],
    mut values: Vec<ArrayRef>,
    names: Option<&[String]>,
) -> Result<Option<Labels>, SourceError> {
    match columns {
        [] => Ok(None),
        [column] => Labels::of(column, &values.remove(0), names).map(Some),
        columns => Labels::of_columns(&columns.iter().cloned().zip(values).collect::<Vec<_>>()).map(Some),
    }
}

impl Wanted<'_> {
    fn read(&mut self, file: &TableFile) -> Result<(), Error> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let table = file.open()?;
        let schema = table.schema();
        let mut indices: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, _) in &self.columns {
            find(schema, name).map_err(file.unfit())?;
            indices.extend(schema.index_of(name).ok().map(|index| (*name, index)));
        }
        let mut projection: Vec<usize> = indices.values().copied().collect();
        projection.sort_unstable();
        let mut first = 0;
        for batch in table.batches_of(ROWS, projection).map_err(file.unread())? {
            let batch = batch.map_err(file.unread())?;
            self.add(&batch, first).map_err(file.unfit())?;
            first += batch.num_rows();
        }
        Ok(())
    }

    /// Adds the rows of a batch, of which the first is the `first` of its table.
    fn add(&mut self, batch: &RecordBatch, first: usize) -> Result<(), SourceError> {
        for ((name, kind), parts) in self.columns.iter().zip(&mut self.parts) {
            let lacks = || SourceError::Damaged(format!("a batch of rows lacks column `{name}`"));
            let values = batch.column_by_name(name).ok_or_else(lacks)?;
            parts.push(match kind {
                Some(kind) => cast_from(name, values, *kind, first)?,
                None => values.clone(),
            });
        }
        Ok(())
    }

    fn join(self) -> Result<Vec<ArrayRef>, SourceError> {
        let columns = self.columns.into_iter().zip(self.parts);
        columns.map(|((name, kind), parts)| join(name, kind, parts)).collect()
    }
}

/// The parts of a column as one array.
fn join(name: &str, kind: Option<ColumnType>, mut parts: Vec<ArrayRef>) -> Result<ArrayRef, SourceError> {
    let text = |part: &ArrayRef| match part.data_type() {
        DataType::Utf8 => part.as_string::<i32>().value_data().len() as u64,
        DataType::Binary => part.as_binary::<i32>().value_data().len() as u64,
        _ => 0,
    };
    if parts.iter().map(text).sum::<u64>() > i32::MAX as u64 {
        return Err(SourceError::TooLong(name.to_owned()));
    }
    // A table may have no type for a column that is null in all of its rows.
    let empty = kind.map_or(DataType::Null, typed::data_type);
    let of = parts.iter().map(|part| part.data_type()).find(|kind| **kind != DataType::Null).cloned();
    let of = of.unwrap_or(empty);
    for part in parts.iter_mut().filter(|part| *part.data_type() == DataType::Null) {
        *part = new_null_array(&of, part.len());
    }
    if parts.is_empty() {
        return Ok(new_empty_array(&of));
    }
    let parts: Vec<&dyn Array> = parts.iter().map(|part| &**part).collect();
    concat(&parts).map_err(|error| SourceError::Damaged(format!("column `{name}`: {error}")))
}
