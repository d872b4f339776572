//! Labels of rows of a table, from a column of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, UInt8Array};
use arrow_cast::cast;
use arrow_schema::{DataType, Field};

use super::listing::{Listing, OtherLabels};
use super::values::{self, kind_of};
use crate::error::SourceError;
use crate::spec::{ColumnType, LabelKind};

/// Greatest number that is a label without a name. A class has a name and statistics, whether it has rows or not.
const MOST: i64 = 65_535;

/// Labels of the rows of a table.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    /// Names of the classes; empty if labels are numbers.
    pub(super) classes: Vec<String>,
    /// Labels of the rows, in their order.
    pub(super) rows: RowLabels,
}

/// Labels of rows.
#[derive(Clone, Debug)]
pub(super) enum RowLabels {
    /// One class, or none: an index into the classes.
    Class(Vec<Option<u32>>),
    /// Any number of classes: lists of 0 and 1, one for each class.
    MultiHot(ArrayRef),
    /// Numbers, which are no classes: 64-bit floats.
    Number(ArrayRef),
}

impl Labels {
    /// The labels in a column: names of classes, their numbers, lists of either, rows of 0 and 1, or any numbers.
    /// `names` are the names of the numbers, if they are known.
    ///
    /// # Errors
    /// If the values are of another type, or a number has no name.
    pub(super) fn of(column: &str, values: &ArrayRef, names: Option<&[String]>) -> Result<Labels, SourceError> {
        let refused = |reason: String| SourceError::Labels { column: column.to_owned(), reason };
        if let Some(lists) = lists(values) {
            return Labels::of_lists(&lists, names).map_err(refused);
        }
        if values.data_type() == &DataType::Null {
            return Ok(Labels::none(values.len()));
        }
        match kind_of(values.data_type()) {
            Some(ColumnType::Int64) => Labels::of_integers(&to(values, &DataType::Int64), names).map_err(refused),
            Some(ColumnType::Bool) => {
                let names = names.map_or_else(|| vec!["false".to_owned(), "true".to_owned()], <[_]>::to_vec);
                Labels::of_integers(&to(values, &DataType::Int64), Some(&names)).map_err(refused)
            }
            Some(ColumnType::Float64) => {
                let numbers = to(values, &DataType::Float64);
                Ok(match as_integers(&numbers) {
                    Some(integers) => Labels::of_integers(&integers, names).map_err(refused)?,
                    None => Labels { classes: Vec::new(), rows: RowLabels::Number(numbers) },
                })
            }
            Some(ColumnType::String) => Ok(Labels::of_names(&to(values, &DataType::Utf8))),
            _ => Err(refused(format!("they are of type {}", values.data_type()))),
        }
    }

    /// Gives a listing the classes, and labels that are not one class each. Returns the labels that are: those of all
    /// rows, or none.
    pub(super) fn into_listing(self, listing: &mut Listing) -> Option<Vec<Option<u32>>> {
        listing.classes = self.classes;
        let (kind, values) = match self.rows {
            RowLabels::Class(labels) => return Some(labels),
            RowLabels::MultiHot(values) => (LabelKind::MultiHot, values),
            RowLabels::Number(values) => (LabelKind::Number, values),
        };
        listing.labels = Some(OtherLabels { kind, values });
        None
    }

    /// Rows without labels.
    fn none(rows: usize) -> Labels {
        Labels { classes: Vec::new(), rows: RowLabels::Class(vec![None; rows]) }
    }

    /// The labels in a column that are numbers to be predicted, whole or not.
    ///
    /// # Errors
    /// If they are not numbers.
    pub(super) fn of_numbers(column: &str, values: &ArrayRef) -> Result<Labels, SourceError> {
        let rows = RowLabels::Number(values::cast(column, values, ColumnType::Float64)?);
        Ok(Labels { classes: Vec::new(), rows })
    }

    /// Labels from several columns, one for each class, of 0 and 1 or false and true.
    ///
    /// # Errors
    /// If there are other values.
    pub(super) fn of_columns(columns: &[(String, ArrayRef)]) -> Result<Labels, SourceError> {
        let rows = columns.first().map_or(0, |(_, values)| values.len());
        let mut hot = vec![0; rows * columns.len()];
        for (place, (name, values)) in columns.iter().enumerate() {
            let refused = |reason: String| SourceError::Labels { column: name.clone(), reason };
            let is_number =
                matches!(kind_of(values.data_type()), Some(ColumnType::Int64 | ColumnType::Float64 | ColumnType::Bool));
            if !is_number {
                return Err(refused(format!(
                    "one of several columns of labels holds 0 and 1, not {}",
                    values.data_type()
                )));
            }
            let numbers = to(values, &DataType::Float64);
            for (row, number) in numbers.as_primitive::<Float64Type>().iter().enumerate() {
                hot[row * columns.len() + place] = match number {
                    Some(0.0) | None => 0,
                    Some(1.0) => 1,
                    Some(number) => {
                        return Err(refused(format!("one of several columns of labels holds 0 and 1, not {number}")));
                    }
                };
            }
        }
        let classes: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let rows = RowLabels::MultiHot(multi_hot(hot, classes.len()));
        Ok(Labels { classes, rows })
    }

    fn of_names(values: &ArrayRef) -> Labels {
        let values = values.as_string::<i32>();
        let filled = |name: Option<&'_ str>| name.is_some_and(|name| !name.is_empty());
        let names: BTreeSet<&str> = values.iter().flatten().filter(|name| filled(Some(name))).collect();
        let classes: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let label = |name: &str| classes.binary_search_by(|class| (**class).cmp(name)).ok().map(|label| label as u32);
        let rows = values.iter().map(|name| name.and_then(label)).collect();
        Labels { rows: RowLabels::Class(rows), classes }
    }

    fn of_integers(values: &ArrayRef, names: Option<&[String]>) -> Result<Labels, String> {
        let values = values.as_primitive::<Int64Type>();
        let classes = named(values.iter().flatten(), names)?;
        // -1 is what data without labels has in many tables.
        let rows = values.iter().map(|label| label.and_then(|label| u32::try_from(label).ok())).collect();
        Ok(Labels { classes, rows: RowLabels::Class(rows) })
    }

    fn of_lists(lists: &[Option<ArrayRef>], names: Option<&[String]>) -> Result<Labels, String> {
        let Some(first) = lists.iter().flatten().find(|list| !list.is_empty()) else {
            return Ok(Labels::none(lists.len()));
        };
        let (classes, of_rows): (Vec<String>, Vec<Vec<usize>>) = match kind_of(first.data_type()) {
            Some(ColumnType::String) => {
                let texts: Vec<ArrayRef> =
                    lists.iter().map(|list| list.as_ref().map_or_else(|| first.slice(0, 0), Arc::clone)).collect();
                let texts: Vec<ArrayRef> = texts.iter().map(|list| to(list, &DataType::Utf8)).collect();
                let found: BTreeSet<&str> =
                    texts.iter().flat_map(|list| list.as_string::<i32>().iter().flatten()).collect();
                let classes: Vec<String> = found.into_iter().map(str::to_owned).collect();
                let label = |name: &str| classes.binary_search_by(|class| (**class).cmp(name)).ok();
                let rows =
                    texts.iter().map(|list| list.as_string::<i32>().iter().flatten().filter_map(label).collect());
                let rows = rows.collect();
                (classes, rows)
            }
            Some(ColumnType::Int64 | ColumnType::Bool | ColumnType::Float64) => {
                let numbers = |list: &Option<ArrayRef>| -> Vec<i64> {
                    let Some(list) = list else { return Vec::new() };
                    to(list, &DataType::Int64).as_primitive::<Int64Type>().iter().map(|n| n.unwrap_or(-1)).collect()
                };
                let fractions = |list: &&ArrayRef| {
                    let numbers = to(list, &DataType::Float64);
                    numbers.as_primitive::<Float64Type>().iter().flatten().any(|number| number.fract() != 0.0)
                };
                if lists.iter().flatten().any(|list| fractions(&list)) {
                    return Err("they are lists of numbers with fractions".to_owned());
                }
                let rows: Vec<Vec<i64>> = lists.iter().map(numbers).collect();
                if let Some(width) = width_of_hot(&rows) {
                    let classes = match names {
                        Some(names) if names.len() == width => names.to_vec(),
                        Some(names) => return Err(format!("rows have {width} numbers for {} classes", names.len())),
                        None => (0..width).map(|class| class.to_string()).collect(),
                    };
                    let hot = rows.iter().map(|row| (0..row.len()).filter(|place| row[*place] == 1).collect());
                    let hot = hot.collect();
                    (classes, hot)
                } else {
                    let classes = named(rows.iter().flatten().copied(), names)?;
                    let rows = rows.iter().map(|row| row.iter().filter_map(|n| usize::try_from(*n).ok()).collect());
                    let rows = rows.collect();
                    (classes, rows)
                }
            }
            _ => return Err(format!("they are lists of {}", first.data_type())),
        };
        let mut hot = vec![0; of_rows.len() * classes.len()];
        for (row, labels) in of_rows.iter().enumerate() {
            labels.iter().for_each(|label| hot[row * classes.len() + label] = 1);
        }
        Ok(Labels { rows: RowLabels::MultiHot(multi_hot(hot, classes.len())), classes })
    }
}

/// Names of labels that are numbers: the given ones, or the numbers themselves.
fn named(labels: impl Iterator<Item = i64> + Clone, names: Option<&[String]>) -> Result<Vec<String>, String> {
    let (least, most) = labels.fold((-1, -1), |(least, most), label| (label.min(least), label.max(most)));
    if least < -1 {
        return Err(format!("{least} is no class"));
    }
    match names {
        Some(names) if most >= names.len() as i64 => Err(format!("{most} is no class, there are {}", names.len())),
        Some(names) => Ok(names.to_vec()),
        None if most > MOST => Err(format!("{most} is too large a number for a class without a name")),
        None => Ok((0..=most).map(|label| label.to_string()).collect()),
    }
}

/// The length of lists of 0 and 1 that say of each class whether a row has it; none if they are lists of classes. Those
/// repeat no number.
fn width_of_hot(rows: &[Vec<i64>]) -> Option<usize> {
    let width = rows.iter().map(Vec::len).find(|length| *length > 0)?;
    let is_hot = |row: &Vec<i64>| row.is_empty() || row.len() == width && row.iter().all(|n| (0..=1).contains(n));
    let repeats =
        |row: &Vec<i64>| row.iter().filter(|n| **n == 0).count() > 1 || row.iter().filter(|n| **n == 1).count() > 1;
    (rows.iter().all(is_hot) && rows.iter().any(repeats)).then_some(width)
}

/// Lists of 0 and 1, of one length, as labels.
pub(crate) fn multi_hot(hot: Vec<u8>, width: usize) -> ArrayRef {
    let field = Arc::new(Field::new("item", DataType::UInt8, false));
    Arc::new(FixedSizeListArray::new(field, width as i32, Arc::new(UInt8Array::from(hot)), None))
}

/// The lists of an array of lists; none if it is no such array.
fn lists(values: &ArrayRef) -> Option<Vec<Option<ArrayRef>>> {
    let rows = 0..values.len();
    let at = |value: &dyn Fn(usize) -> ArrayRef| {
        rows.map(|row| values.is_valid(row).then(|| value(row))).collect::<Vec<_>>()
    };
    Some(match values.data_type() {
        DataType::List(_) => at(&|row| values.as_list::<i32>().value(row)),
        DataType::LargeList(_) => at(&|row| values.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => at(&|row| values.as_fixed_size_list().value(row)),
        _ => return None,
    })
}

/// Numbers without fractions, as a table with missing numbers has them.
fn as_integers(numbers: &ArrayRef) -> Option<ArrayRef> {
    let floats = numbers.as_primitive::<Float64Type>();
    let is_whole = floats.iter().flatten().all(|number| number.fract() == 0.0 && number.abs() <= MOST as f64);
    (is_whole && numbers.null_count() < numbers.len()).then(|| to(numbers, &DataType::Int64))
}

fn to(values: &ArrayRef, kind: &DataType) -> ArrayRef {
    cast(values, kind).expect("values of these types can be cast")
}
