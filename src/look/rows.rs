//! The rows of a dataset, and what is known of each besides its image.

use std::borrow::Cow;
use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, StringArray, UInt8Array};

use crate::error::FormatError;
use crate::format::columns::LABEL;
use crate::read::Table;

/// The rows of every split.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) splits: Vec<SplitRows>,
    /// Class names of all splits; empty if rows have no classes.
    pub(crate) classes: Vec<String>,
}

/// The rows of a split.
#[derive(Debug)]
pub(crate) struct SplitRows {
    pub(crate) name: String,
    pub(crate) table: Table,
    labels: Labels,
    /// The number in [`Rows::classes`] of each class of the split's own list.
    classes: Vec<usize>,
    paths: Option<StringArray>,
    hashes: Option<StringArray>,
    /// Height and width of the source images, in pixels.
    sides: Option<[Int32Array; 2]>,
}

/// The classes of rows.
#[derive(Debug)]
enum Labels {
    None,
    Class(Int64Array),
    /// A byte for each class of each row.
    MultiHot(UInt8Array),
}

/// A row, by the number of its split and its number in the split.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) split: u32,
    pub(crate) row: u32,
}

impl Rows {
    /// The rows of tables, one for each split, by their names.
    ///
    /// # Errors
    /// If a column can't be read.
    pub(crate) fn new(tables: Vec<(String, Table)>) -> Result<Rows, FormatError> {
        let mut classes: Vec<String> = Vec::new();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let splits = tables.into_iter().map(|(name, table)| {
            let own = table.classes().into_iter().map(|class| {
                *numbers.entry(class).or_insert_with_key(|class| {
                    classes.push(class.clone());
                    classes.len() - 1
                })
            });
            let own = own.collect();
            SplitRows::new(name, table, own)
        });
        Ok(Rows { splits: splits.collect::<Result<_, _>>()?, classes })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.splits.iter().map(|split| split.table.len()).sum()
    }

    /// Every row.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        (0..).zip(&self.splits).flat_map(|(split, rows)| {
            let rows = u32::try_from(rows.table.len()).unwrap_or(u32::MAX);
            (0..rows).map(move |row| Place { split, row })
        })
    }

    pub(crate) fn split(&self, place: Place) -> &SplitRows {
        &self.splits[place.split as usize]
    }

    /// Calls a function with the number of every class of a row.
    pub(crate) fn each_class(&self, place: Place, mut with: impl FnMut(usize)) {
        let (row, own) = (place.row as usize, &self.split(place).classes);
        match &self.split(place).labels {
            Labels::None => {}
            Labels::Class(labels) if labels.is_null(row) => {}
            Labels::Class(labels) => {
                let class = usize::try_from(labels.value(row)).ok().and_then(|class| own.get(class));
                class.copied().into_iter().for_each(with);
            }
            Labels::MultiHot(flags) => {
                let flags = &flags.values()[row * own.len()..][..own.len()];
                flags.iter().zip(own).filter(|(flag, _)| **flag != 0).for_each(|(_, class)| with(*class));
            }
        }
    }

    /// Whether a row has a label that is none of the classes.
    pub(crate) fn is_beyond_classes(&self, place: Place) -> bool {
        let (row, split) = (place.row as usize, self.split(place));
        let Labels::Class(labels) = &split.labels else { return false };
        let is_class = |label: i64| usize::try_from(label).is_ok_and(|label| label < split.classes.len());
        labels.is_valid(row) && !is_class(labels.value(row))
    }

    /// The names of the classes of a row, or nothing.
    pub(crate) fn class_names(&self, place: Place) -> String {
        let mut names: Vec<&str> = Vec::new();
        self.each_class(place, |class| names.push(&self.classes[class]));
        names.join(", ")
    }

    /// Name of the file that a row was made from; none if it is not known.
    pub(crate) fn path(&self, place: Place) -> Option<&str> {
        let paths = self.split(place).paths.as_ref()?;
        paths.is_valid(place.row as usize).then(|| paths.value(place.row as usize))
    }

    /// Height and width of the image that a row was made from, in pixels; none if they are not known.
    pub(crate) fn source_sides(&self, place: Place) -> Option<[u32; 2]> {
        let sides = self.split(place).sides.as_ref()?.each_ref();
        let row = place.row as usize;
        let [height, width] = sides.map(|side| side.is_valid(row).then(|| side.value(row)).map(u32::try_from));
        Some([height?.ok()?, width?.ok()?]).filter(|sides| !sides.contains(&0))
    }

    /// The first half of the checksum of the file that a row was made from; none if it is not known.
    pub(crate) fn checksum(&self, place: Place) -> Option<u128> {
        let hashes = self.split(place).hashes.as_ref()?;
        let row = place.row as usize;
        u128::from_str_radix(hashes.is_valid(row).then(|| hashes.value(row))?.get(..32)?, 16).ok()
    }

    /// A row in words, such as `train, row 12`.
    pub(crate) fn described(&self, place: Place) -> String {
        format!("{}, row {}", self.split(place).name, place.row)
    }

    /// What a row is called: the name of its file, or its place.
    pub(crate) fn called(&self, place: Place) -> Cow<'_, str> {
        self.path(place).map_or_else(|| self.described(place).into(), Cow::from)
    }
}

impl SplitRows {
    fn new(name: String, table: Table, classes: Vec<usize>) -> Result<SplitRows, FormatError> {
        let column = |name: &str| -> Result<Option<ArrayRef>, FormatError> {
            match table.schema().field_with_name(name) {
                Ok(_) => table.column(name).map(Some),
                Err(_) => Ok(None),
            }
        };
        let texts = |name| Ok::<_, FormatError>(column(name)?.and_then(|array| array.as_string_opt::<i32>().cloned()));
        let sides =
            |name| Ok::<_, FormatError>(column(name)?.and_then(|array| array.as_primitive_opt::<Int32Type>().cloned()));
        let labels = column(LABEL)?.map_or(Labels::None, |array| labels(&array, classes.len()));
        let (height, width) = (sides("source_height")?, sides("source_width")?);
        let sides = height.zip(width).map(|(height, width)| [height, width]);
        Ok(SplitRows { labels, classes, paths: texts("path")?, hashes: texts("sha256")?, sides, name, table })
    }
}

fn labels(array: &ArrayRef, classes: usize) -> Labels {
    if classes == 0 {
        return Labels::None;
    }
    if let Some(labels) = numbers(array) {
        return Labels::Class(labels);
    }
    let flags = array.as_fixed_size_list_opt().filter(|list| list.value_length() as usize == classes);
    match flags.and_then(|list| list.values().as_primitive_opt().cloned()) {
        Some(flags) => Labels::MultiHot(flags),
        None => Labels::None,
    }
}

/// Integers of any type.
fn numbers(array: &ArrayRef) -> Option<Int64Array> {
    macro_rules! as_i64 {
        ($($type:ty),+) => {
            $(if let Some(array) = array.as_primitive_opt::<$type>() {
                return Some(array.iter().map(|label| label.map(|label| i64::try_from(label).unwrap_or(i64::MAX))).collect());
            })+
        };
    }
    as_i64!(Int64Type, Int32Type, Int16Type, Int8Type, UInt64Type, UInt32Type, UInt16Type, UInt8Type);
    None
}
