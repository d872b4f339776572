//! Labels as indices into the class names of several files, which may number them differently.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use serde_json::{Value, json};

use super::file::TensorFile;
use super::table::Table;
use crate::error::Error;
use crate::format::columns::{LABEL, told_features};
use crate::format::keys::{CLASSES, HUGGINGFACE};

/// The labels of files whose class names differ.
pub(super) struct Labels {
    /// All class names: those of the first file, then those that others add, in order.
    pub(super) classes: Vec<String>,
    /// For each file, the label of each of its own.
    of_files: Vec<Arc<[i64]>>,
}

/// The classes of one file.
struct Own {
    /// Class names.
    names: Vec<String>,
    /// For each label in the file, the index of its name, where that is another number.
    indices: Option<Arc<[i64]>>,
}

impl Labels {
    /// The labels of files that are read as one table. None if labels are the same in all of them: appends add classes
    /// at the end, so that the names of a file may be the first ones of another's.
    ///
    /// # Errors
    /// If classes differ, and a file does not name its own.
    pub(super) fn of_files(files: &[Arc<TensorFile>]) -> Result<Option<Labels>, Error> {
        let names: Vec<Option<Vec<String>>> = files.iter().map(|file| class_names(&file.schema)).collect();
        if agree(names.iter().flatten()) {
            return Ok(None);
        }
        let own = |(file, names): (&Arc<TensorFile>, Option<Vec<String>>)| match names {
            Some(names) => Ok(Own { names, indices: None }),
            None => Err(Error::NotJoined(format!(
                "`{}` does not name its classes, and others name them differently",
                file.path.display()
            ))),
        };
        Ok(Some(Labels::merged(files.iter().zip(names).map(own).collect::<Result<_, _>>()?)))
    }

    /// The labels of tables that become one. None if labels are the same in all of them.
    ///
    /// # Errors
    /// If some tables name their classes, and another has labels without names.
    pub(super) fn of_tables(tables: &[&Table]) -> Result<Option<Labels>, Error> {
        let names: Vec<Vec<String>> = tables.iter().map(|table| table.classes()).collect();
        let has_names = names.iter().any(|names| !names.is_empty());
        for (table, _) in tables.iter().zip(&names).filter(|(_, names)| has_names && names.is_empty()) {
            let is_labelled = table.schema().fields().find(LABEL).is_some() && {
                let labels = table.column(LABEL)?;
                labels.null_count() < labels.len()
            };
            if is_labelled {
                let path = table.stored.files[0].path.display();
                return Err(Error::NotJoined(format!(
                    "`{path}` has labels without class names, the others name theirs"
                )));
            }
        }
        if agree(names.iter()) && tables.iter().all(|table| table.stored.labels.is_none()) {
            return Ok(None);
        }
        let of_table = |(table, names): (&&Table, &Vec<String>)| {
            let old = table.stored.labels.as_ref();
            let files = 0..table.stored.files.len();
            let own = |file: usize| Own { names: names.clone(), indices: old.map(|old| old.of_files[file].clone()) };
            files.map(own).collect::<Vec<_>>()
        };
        Ok(Some(Labels::merged(tables.iter().zip(&names).flat_map(of_table).collect())))
    }

    fn merged(files: Vec<Own>) -> Labels {
        let (mut classes, mut labels): (Vec<String>, HashMap<String, i64>) = Default::default();
        for name in files.iter().flat_map(|file| &file.names) {
            labels.entry(name.clone()).or_insert_with(|| {
                classes.push(name.clone());
                classes.len() as i64 - 1
            });
        }
        let of_files = files.into_iter().map(|file| {
            let new: Vec<i64> = file.names.iter().map(|name| labels[name]).collect();
            match file.indices {
                Some(indices) => indices.iter().map(|index| new[*index as usize]).collect(),
                None => new.into(),
            }
        });
        let of_files = of_files.collect();
        Labels { classes, of_files }
    }

    /// The labels of a file as they are in the table. Those that name no class are missing.
    ///
    /// # Errors
    /// If they are not integers.
    pub(super) fn renumbered(&self, labels: &ArrayRef, file: usize) -> Result<ArrayRef, Error> {
        let Some(own) = integers(labels) else {
            let kind = labels.data_type();
            return Err(Error::NotJoined(format!("labels of type {kind} are not matched by the names of classes")));
        };
        let new = |label: i64| usize::try_from(label).ok().and_then(|label| self.of_files[file].get(label)).copied();
        Ok(Arc::new(own.unary_opt::<_, Int64Type>(new)))
    }

    /// The schema of a table with these labels.
    pub(super) fn schema(&self, schema: &Schema) -> Schema {
        let mut metadata = schema.metadata().clone();
        metadata.insert(CLASSES.to_owned(), json!(self.classes).to_string());
        // What it told of the features of `datasets` is no longer true of the labels.
        if let Some(mut told) = metadata.get(HUGGINGFACE).and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            if let Some(names) = told.pointer_mut("/info/features/label/names") {
                *names = json!(self.classes);
            }
            metadata.insert(HUGGINGFACE.to_owned(), told.to_string());
        }
        let field = |field: &FieldRef| match field.name() == LABEL {
            true => Arc::new(Field::clone(field).with_data_type(DataType::Int64).with_nullable(true)),
            false => field.clone(),
        };
        Schema::new_with_metadata(schema.fields().iter().map(field).collect::<Vec<_>>(), metadata)
    }
}

/// The class names in a schema's metadata; none if it has none.
pub(super) fn class_names(schema: &Schema) -> Option<Vec<String>> {
    match schema.metadata().get(CLASSES) {
        Some(text) => serde_json::from_str(text).ok(),
        None => serde_json::from_value(told_features(schema)?.get(LABEL)?.get("names")?.clone()).ok(),
    }
}

/// Whether a label is the same class in all lists of names: each is the beginning of the longest.
fn agree<'n>(lists: impl Iterator<Item = &'n Vec<String>> + Clone) -> bool {
    let longest = lists.clone().max_by_key(|names| names.len());
    longest.is_none_or(|longest| lists.into_iter().all(|names| longest.starts_with(names)))
}

/// Integers of any type as those of 64 bits.
fn integers(labels: &ArrayRef) -> Option<PrimitiveArray<Int64Type>> {
    fn widened<T: ArrowPrimitiveType>(labels: &ArrayRef) -> PrimitiveArray<Int64Type>
    where
        i64: From<T::Native>,
    {
        labels.as_primitive::<T>().unary(i64::from)
    }
    Some(match labels.data_type() {
        DataType::Int8 => widened::<Int8Type>(labels),
        DataType::Int16 => widened::<Int16Type>(labels),
        DataType::Int32 => widened::<Int32Type>(labels),
        DataType::Int64 => labels.as_primitive::<Int64Type>().clone(),
        DataType::UInt8 => widened::<UInt8Type>(labels),
        DataType::UInt16 => widened::<UInt16Type>(labels),
        DataType::UInt32 => widened::<UInt32Type>(labels),
        _ => return None,
    })
}
