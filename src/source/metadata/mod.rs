//! Tables that describe images that are files: their labels, splits, further images and values.
//!
//! A table named `metadata` lies in a folder and names files below it; the nearest one above a file describes it. Any
//! other table is given. Rows without a file, and files without a row, are rejects.

mod csv;
mod file_lists;
mod image_files;
mod join;
mod names;
mod table;

use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow_array::{Array, StringArray};
use arrow_select::concat::concat;

use self::file_lists::spread;
use self::table::{Column, as_texts};
use super::found::{Found, FoundTable, Part};
use super::labels::Labels;
use super::notice::Notice;
use super::record::Record;
use super::value_columns::{TAKEN, ValueColumns};
use crate::error::{Error, SourceError};
use crate::remote::{Stores, is_url};
use crate::run::SourceOptions;
use crate::spec::{ColumnSpec, ColumnType, Split};

pub(super) use self::file_lists::FILES;
pub(super) use self::join::Others;

/// Names of tables that are found by themselves.
const NAMES: [&str; 5] = ["metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.parquet", "metadata.arrow"];

/// The column with the names of files, unless another one is named.
pub(super) const FILE: &str = "file_name";

/// What the names of columns with further images end with.
const FURTHER: &str = "_file_name";

/// Columns with labels, unless another one is named.
const LABELS: [&str; 2] = ["label", "labels"];

/// The column with the names of splits.
const SPLIT: &str = "split";

/// Whether a file is a table by its name.
pub(super) fn is_table(path: &Path) -> bool {
    path.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known))
}

/// The tables of a source, read.
#[derive(Debug)]
pub(super) struct Tables {
    /// Where they are, in the order of their rows.
    tables: Vec<Place>,
    /// Names of files, as they are written.
    files: StringArray,
    /// Columns of further images, with the names of files.
    further: Vec<(String, StringArray)>,
    labels: Option<Labels>,
    splits: Option<Vec<Split>>,
    /// Columns of values.
    values: ValueColumns,
    notices: Vec<Notice>,
}

/// Where a table is.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Folder that names of files are relative to, below the source, with a `/` at its end; empty for the top.
    folder: String,
    /// Places of the files of its source; none if the table was given, so that files are looked for everywhere.
    places: Option<Range<u32>>,
    /// Number of its rows.
    rows: usize,
}

impl Place {
    fn is_given(&self) -> bool {
        self.places.is_none()
    }

    /// Whether a file may be one of the table's.
    fn describes(&self, record: &Record) -> bool {
        self.places.as_ref().is_none_or(|places| places.contains(&record.place))
    }
}

/// Reads the tables of what was found, or the one that the options name.
///
/// # Errors
/// If one can't be read, lacks a column that the options name, or they differ in their columns.
pub(super) fn read(found: &Found, options: &SourceOptions, stores: &Stores) -> Result<Tables, Error> {
    let parts = found.parts.iter();
    let mut tables_found: Vec<(&Part, &FoundTable)> =
        parts.flat_map(|part| part.tables.iter().map(move |table| (part, table))).collect();
    tables_found.sort_by_key(|(part, table)| (part.places.start, &table.below));
    let mut notices = Vec::new();
    let mut tables: Vec<(Place, Vec<Column>)> = Vec::new();
    // The first table that is not read, and its columns.
    let mut left_out = None;
    if let Some(path) = &options.metadata {
        let columns = spread(table::read(path, None, &options.column_types, stores)?).map_err(Error::source(path))?;
        tables.push((Place { path: path.clone(), folder: folder_of_given(found), places: None, rows: 0 }, columns));
        let others = tables_found.iter().filter(|(part, table)| !found.is_given(&part.source.join(&table.below)));
        let others: Vec<String> = others.map(|(_, table)| table.below.clone()).collect();
        if !others.is_empty() {
            notices.push(Notice::MetadataFiles(others));
        }
    } else {
        for (part, FoundTable { below, bytes }) in tables_found {
            let path = part.source.join(below);
            let columns = table::read(&path, bytes.as_deref(), &options.column_types, stores)?;
            let columns = spread(columns).map_err(Error::source(&path))?;
            let file = options.file_column.as_deref().unwrap_or(FILE);
            if !columns.iter().any(|column| column.name == file) {
                left_out.get_or_insert_with(|| (path.clone(), names(&columns)));
                notices.push(Notice::NoFileColumn { path, column: file.to_owned() });
                continue;
            }
            let folder = below.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            tables.push((Place { path, folder, places: Some(part.places.clone()), rows: 0 }, columns));
        }
    }
    if tables.is_empty() {
        let asked = options.file_column.as_ref().or(options.label_columns.first());
        return match (asked, left_out) {
            (Some(_), Some((path, columns))) => Err(Error::source(&path)(no_file_column(options, columns))),
            (Some(column), None) => Err(Error::NoMetadata(column.clone())),
            (None, _) => Ok(Tables::new(Vec::new(), notices)),
        };
    }
    Tables::of(tables, options, notices)
}

/// The folder of the table that was given, below the source that it lies in; the top if it lies elsewhere.
fn folder_of_given(found: &Found) -> String {
    let folder = found.given.as_deref().and_then(Path::parent);
    let below = found.parts.iter().find_map(|part| {
        let source = if is_url(&part.source) { part.source.clone() } else { part.source.canonicalize().ok()? };
        let below = folder?.strip_prefix(source).ok()?.to_str()?;
        (!below.is_empty()).then(|| format!("{below}/"))
    });
    below.unwrap_or_default()
}

impl Tables {
    fn new(tables: Vec<Place>, notices: Vec<Notice>) -> Tables {
        let (further, values) = (Vec::new(), ValueColumns::default());
        Tables { tables, files: StringArray::new_null(0), further, labels: None, splits: None, values, notices }
    }

    fn of(tables: Vec<(Place, Vec<Column>)>, options: &SourceOptions, notices: Vec<Notice>) -> Result<Tables, Error> {
        let first = tables[0].0.path.clone();
        let refused = |error| Error::source(&first)(error);
        let (mut places, mut columns): (Vec<Place>, Vec<Column>) = Default::default();
        for (mut place, of_table) in tables {
            place.rows = of_table.first().map_or(0, |column| column.values.len());
            columns = joined(columns, of_table, &place)?;
            places.push(place);
        }
        let mut tables = Tables::new(places, notices);
        check_asked(&columns, options).map_err(refused)?;
        let file = options.file_column.as_deref().unwrap_or(FILE);
        let files = take(&mut columns, file).map_err(|_| refused(no_file_column(options, names(&columns))))?;
        tables.files = as_texts(&files).map_err(refused)?;
        tables.labels = take_labels(&mut columns, options).map_err(refused)?;
        tables.take_splits(&mut columns);
        tables.take_further(&mut columns).map_err(refused)?;
        tables.take_values(columns, options).map_err(refused)?;
        Ok(tables)
    }

    /// Takes the column of splits, if all of its values are names of splits.
    fn take_splits(&mut self, columns: &mut Vec<Column>) {
        let Some(place) = columns.iter().position(|column| column.name.eq_ignore_ascii_case(SPLIT)) else { return };
        let Ok(texts) = as_texts(&columns[place]) else { return };
        let split = |name: Option<&str>| name.and_then(Split::from_folder_name);
        let splits: Vec<Option<Split>> = texts.iter().map(split).collect();
        if let Some(row) = splits.iter().position(Option::is_none) {
            // One without any names of splits is a column like others.
            if splits.iter().any(Option::is_some) {
                let value = if texts.is_valid(row) { texts.value(row).to_owned() } else { String::new() };
                self.notices.push(Notice::NotSplits { column: columns[place].name.clone(), value });
            }
        } else {
            let splits = splits.into_iter().flatten().collect();
            columns.remove(place);
            self.notices.push(Notice::SplitColumn(SPLIT.to_owned()));
            self.splits = Some(splits);
        }
    }

    fn take_further(&mut self, columns: &mut Vec<Column>) -> Result<(), SourceError> {
        let is_further = |column: &Column| match column.name.strip_suffix(FURTHER) {
            Some(name) => ColumnSpec::is_free(name),
            None => false,
        };
        for column in columns.extract_if(.., |column| is_further(column)) {
            let texts = as_texts(&column)?;
            let name = column.name.strip_suffix(FURTHER).unwrap_or(&column.name).to_owned();
            match self.further.iter().any(|(other, _)| *other == name) {
                true => self.notices.push(Notice::ColumnsLeft(vec![(column.name, TAKEN.to_owned())])),
                false => self.further.push((name, texts)),
            }
        }
        Ok(())
    }

    fn take_values(&mut self, columns: Vec<Column>, options: &SourceOptions) -> Result<(), SourceError> {
        let columns = columns.into_iter().map(|column| (column.name, column.values));
        let is_further = |name: &str| self.further.iter().any(|(further, _)| further == name);
        self.values = ValueColumns::choose(columns, options, is_further, &mut self.notices)?;
        Ok(())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Whether rows have labels.
    pub(super) fn has_labels(&self) -> bool {
        self.labels.is_some()
    }
}

/// The columns of several tables, one after the other. All have the same columns.
fn joined(before: Vec<Column>, mut next: Vec<Column>, place: &Place) -> Result<Vec<Column>, Error> {
    if before.is_empty() {
        return Ok(next);
    }
    let refused = |error| Error::source(&place.path)(error);
    let mut columns = Vec::with_capacity(before.len());
    for column in before {
        let known = next.iter().position(|other| other.name == column.name);
        let other = known.map(|place| next.swap_remove(place)).ok_or_else(|| no_column(&column.name, &next));
        let other = other.map_err(refused)?;
        // One may be empty, or have numbers where the other has texts.
        let values = match column.values.data_type() == other.values.data_type() {
            true => concat(&[&*column.values, &*other.values]),
            false => {
                let (a, b) = (as_texts(&column).map_err(refused)?, as_texts(&other).map_err(refused)?);
                concat(&[&a, &b])
            }
        };
        let values = values.map_err(|error| refused(SourceError::Damaged(error.to_string())))?;
        columns.push(Column { name: column.name, values });
    }
    match next.first() {
        None => Ok(columns),
        Some(further) => Err(refused(SourceError::FurtherColumn(further.name.clone()))),
    }
}

/// Checks that there are the columns that the options name.
fn check_asked(columns: &[Column], options: &SourceOptions) -> Result<(), SourceError> {
    let mut asked = options.keep_columns.iter().flatten().chain(options.column_types.iter().map(|column| &column.name));
    let missing = asked.find(|name| !columns.iter().any(|column| column.name == **name));
    missing.map_or(Ok(()), |name| Err(no_column(name, columns)))
}

/// Takes the labels out of the columns.
fn take_labels(columns: &mut Vec<Column>, options: &SourceOptions) -> Result<Option<Labels>, SourceError> {
    match &*options.label_columns {
        [] => LABELS
            .iter()
            .find_map(|name| take(columns, name).ok())
            .map(|column| of_column(&column, options))
            .transpose(),
        [name] => of_column(&take(columns, name)?, options).map(Some),
        several => {
            let of_class = |name: &String| take(columns, name).map(|column| (column.name, column.values));
            Labels::of_columns(&several.iter().map(of_class).collect::<Result<Vec<_>, _>>()?).map(Some)
        }
    }
}

fn of_column(column: &Column, options: &SourceOptions) -> Result<Labels, SourceError> {
    let asked = options.column_types.iter().find(|asked| asked.name == column.name).map(|asked| asked.kind);
    match asked {
        Some(ColumnType::Float64) => Labels::of_numbers(&column.name, &column.values),
        _ => Labels::of(&column.name, &column.values, None),
    }
}

/// Takes a column out.
fn take(columns: &mut Vec<Column>, name: &str) -> Result<Column, SourceError> {
    match columns.iter().position(|column| column.name == name) {
        Some(place) => Ok(columns.remove(place)),
        None => Err(no_column(name, columns)),
    }
}

/// Why a table of these columns names no files.
fn no_file_column(options: &SourceOptions, columns: Vec<String>) -> SourceError {
    match &options.file_column {
        Some(column) => SourceError::NoColumn { column: column.clone(), columns },
        None => SourceError::NoFileColumn { column: FILE.to_owned(), columns },
    }
}

fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

fn no_column(name: &str, columns: &[Column]) -> SourceError {
    SourceError::NoColumn { column: name.to_owned(), columns: names(columns) }
}
