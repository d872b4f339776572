//! The labels and columns of all sets of images, one after another.

use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef, FixedSizeListArray, UInt8Array, new_null_array};
use arrow_schema::{DataType, Field};
use arrow_select::concat::concat;

use super::set::Set;
use crate::error::{Error, SourceError};
use crate::source::labels::{Labels, RowLabels};
use crate::source::values::{self, kind_of};
use crate::spec::{ColumnSpec, ColumnType};

/// The column of these names and types of a set; none if it has none.
type Part = Option<ArrayRef>;

/// Names and types of the columns that the sets have, in the order in which they are met.
///
/// # Errors
/// If the values of one can't be read.
pub(super) fn columns(sets: &[Set]) -> Result<Vec<(ColumnSpec, ArrayRef)>, Error> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in sets.iter().flat_map(|set| &set.columns) {
        if !names.contains(&&**name) {
            names.push(name);
        }
    }
    let column = |name: &&str| {
        let parts = parts(sets, name)?;
        let kind = common(&parts);
        Ok((ColumnSpec::new(*name, kind), joined(name, sets, &parts, kind)?))
    };
    names.iter().map(column).collect()
}

/// Values of these columns.
///
/// # Errors
/// If one does not exist, or has other values.
pub(super) fn given_columns(sets: &[Set], columns: &[ColumnSpec]) -> Result<Vec<ArrayRef>, Error> {
    let column = |column: &ColumnSpec| {
        let parts = parts(sets, &column.name)?;
        if parts.iter().all(Option::is_none) {
            let mut names: Vec<String> =
                sets.iter().flat_map(|set| &set.columns).map(|(name, _)| name.clone()).collect();
            names.sort();
            names.dedup();
            return Err(error(sets, SourceError::NoColumn { column: column.name.clone(), columns: names }));
        }
        joined(&column.name, sets, &parts, column.kind)
    };
    columns.iter().map(column).collect()
}

/// The values of a column in every set that has it.
fn parts(sets: &[Set], name: &str) -> Result<Vec<Part>, Error> {
    let of_set = |set: &Set| set.columns.iter().find(|(of, _)| of == name).map(|(_, array)| array.values()).transpose();
    sets.iter().map(of_set).collect()
}

/// The type of values of several sets.
fn common(parts: &[Part]) -> ColumnType {
    let mut kinds = parts.iter().flatten().filter_map(|part| kind_of(part.data_type()));
    let first = kinds.next().unwrap_or(ColumnType::Int64);
    kinds.fold(first, |common, kind| match (common, kind) {
        _ if common == kind => common,
        (ColumnType::String, _) | (_, ColumnType::String) => ColumnType::String,
        (ColumnType::Float64, _) | (_, ColumnType::Float64) => ColumnType::Float64,
        _ => ColumnType::Int64,
    })
}

/// The values of all sets, null where one has none.
fn joined(name: &str, sets: &[Set], parts: &[Part], kind: ColumnType) -> Result<ArrayRef, Error> {
    let to = crate::format::columns::typed::data_type(kind);
    let part = |(set, part): (&Set, &Part)| match part {
        Some(values) => {
            values::cast(name, values, kind).map_err(|cause| Error::source(set.images.array.stored.path())(cause))
        }
        None => Ok(new_null_array(&to, set.images.rows as usize)),
    };
    let parts = sets.iter().zip(parts).map(part).collect::<Result<Vec<_>, _>>()?;
    Ok(one(&parts))
}

fn one(parts: &[ArrayRef]) -> ArrayRef {
    let parts: Vec<&dyn arrow_array::Array> = parts.iter().map(|part| &**part).collect();
    concat(&parts).expect("arrays of one type can be joined")
}

fn error(sets: &[Set], cause: SourceError) -> Error {
    let path = sets.first().map(|set| set.images.array.stored.path().to_owned()).unwrap_or_default();
    Error::source(&path)(cause)
}

/// The labels of all sets; none if no set has any.
///
/// # Errors
/// If they can't be read, or are no labels.
pub(super) fn labels(sets: &[Set]) -> Result<Option<Labels>, Error> {
    let labelled: Vec<&Set> = sets.iter().filter(|set| set.labels.is_some()).collect();
    if labelled.is_empty() {
        return Ok(None);
    }
    if labelled.iter().any(|set| set.has_rows_of_labels()) {
        return rows_of_labels(sets).map(Some);
    }
    let part = |set: &Set| set.labels.as_ref().map(|labels| labels.values()).transpose();
    let parts = sets.iter().map(part).collect::<Result<Vec<_>, _>>()?;
    let kind = common(&parts);
    let of_all = joined("label", sets, &parts, kind)?;
    let names = labelled.iter().find_map(|set| set.names.as_deref());
    let column = labelled[0].labels.as_ref().map_or("", |labels| &*labels.name);
    Labels::of(column, &of_all, names).map(Some).map_err(|cause| error(sets, cause))
}

/// Labels that are rows of 0 and 1. If every row has one 1, they are classes.
fn rows_of_labels(sets: &[Set]) -> Result<Labels, Error> {
    let (mut hot, mut width, mut is_one_hot) = (Vec::new(), None, true);
    for set in sets {
        let Some(labels) = &set.labels else {
            hot.push(None);
            continue;
        };
        let refused = |reason: String| labels.error(SourceError::Labels { column: labels.name.clone(), reason });
        let classes = labels.shape.get(1).copied().unwrap_or(1) as usize;
        if *width.get_or_insert(classes) != classes || classes == 0 {
            return Err(refused(format!("rows have {classes} numbers, not {} as others", width.unwrap_or(0))));
        }
        let values = labels.hot()?;
        let values = values
            .ok_or_else(|| refused(format!("they have the shape {}, but are not 0 and 1", labels.shape_text())))?;
        is_one_hot &=
            values.chunks_exact(classes).all(|row| row.iter().map(|value| u32::from(*value)).sum::<u32>() == 1);
        hot.push(Some(values));
    }
    let width = width.unwrap_or(1);
    let classes: Vec<String> = (0..width).map(|class| class.to_string()).collect();
    let rows = |set: &Set| set.images.rows as usize;
    if is_one_hot {
        let of_set = |(set, hot): (&Set, &Option<Vec<u8>>)| -> Vec<Option<u32>> {
            match hot {
                None => vec![None; rows(set)],
                Some(hot) => hot
                    .chunks_exact(width)
                    .map(|row| row.iter().position(|value| *value == 1).map(|class| class as u32))
                    .collect(),
            }
        };
        let labels = sets.iter().zip(&hot).flat_map(of_set).collect();
        return Ok(Labels { classes, rows: RowLabels::Class(labels) });
    }
    let of_set = |(set, hot): (&Set, Option<Vec<u8>>)| hot.unwrap_or_else(|| vec![0; rows(set) * width]);
    let hot: Vec<u8> = sets.iter().zip(hot).flat_map(of_set).collect();
    let field = Arc::new(Field::new("item", DataType::UInt8, false));
    let lists = FixedSizeListArray::new(field, width as i32, Arc::new(UInt8Array::from(hot)), None);
    Ok(Labels { classes, rows: RowLabels::MultiHot(Arc::new(lists)) })
}
