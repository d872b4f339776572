//! Columns of the small members of samples: texts, labels, and the keys of JSON objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{ArrayBuilder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;

use super::Reader;
use super::samples::{Sample, Samples};
use crate::error::RecordError;
use crate::source::json::{JsonColumns, LONGEST_COLUMN};
use crate::spec::{ByteSize, Limits};

/// Greatest length of a field that becomes a value of a column, in bytes.
const LONGEST_VALUE: u64 = 1 << 20;

/// Fields with the label of a sample.
const LABELS: &[&str] = &["cls", "cls2", "cls_index", "label", "label_index", "class", "index"];

/// Columns of the values of samples, of one archive or several.
#[derive(Debug, Default)]
pub(in crate::source) struct SampleColumns {
    rows: usize,
    /// Fields of text, in the order in which they first appear.
    texts: Vec<(Box<str>, Texts)>,
    labels: Vec<(Box<str>, Labels)>,
    json: JsonColumns,
    /// Number of fields that are no values, by name: long ones, and those that are no text.
    pub(in crate::source) ignored: BTreeMap<String, usize>,
}

/// Values of samples.
#[derive(Debug)]
pub(in crate::source) struct SampleLabels {
    /// Columns of texts, then those of JSON, in the order in which they first appear.
    pub(in crate::source) columns: Vec<(String, ArrayRef)>,
    /// Fields of labels: numbers, or names if one of them is no number.
    pub(in crate::source) labels: Vec<(String, ArrayRef)>,
}

impl SampleColumns {
    /// Adds a row with the values of a sample. On an error, no row is added.
    ///
    /// # Errors
    /// If a field can't be read, or is not what its name says.
    pub(in crate::source) fn push(
        &mut self,
        samples: &Samples,
        sample: &Sample<'_>,
        reader: &mut Reader<'_>,
        length: impl Fn(u32) -> Option<u64>,
    ) -> Result<(), RecordError> {
        let limits = Limits { file_bytes: ByteSize(LONGEST_VALUE), ..Limits::default() };
        let mut values = Vec::new();
        for field in sample.fields.iter().filter(|field| !samples.is_image(**field)) {
            let name = samples.name(*field);
            if length(field.member).is_none_or(|bytes| bytes > LONGEST_VALUE) || is_binary(name) {
                values.push((name, None));
                continue;
            }
            let mut bytes = Vec::new();
            reader.read(field.member, &limits, &mut bytes)?;
            let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
            if text.is_none() && (name == "json" || LABELS.contains(&name)) {
                let reason = "it is not UTF-8".to_owned();
                return Err(RecordError::Field { field: name.to_owned(), reason });
            }
            values.push((name, text));
        }
        // JSON first: it is the only value that can still be wrong.
        let json = values.iter().find(|(name, _)| *name == "json").and_then(|(_, text)| text.as_deref());
        let pushed = self.json.push(json.map(str::as_bytes));
        pushed.map_err(|reason| RecordError::Field { field: "json".to_owned(), reason })?;
        for (name, text) in values.into_iter().filter(|(name, _)| *name != "json") {
            match text {
                None => *self.ignored.entry(name.to_owned()).or_default() += 1,
                Some(text) if LABELS.contains(&name) => {
                    let column = column_of(&mut self.labels, name);
                    column.push(self.rows, text.trim());
                }
                Some(text) => {
                    let column = column_of(&mut self.texts, name);
                    if !column.push(self.rows, &text) {
                        *self.ignored.entry(name.to_owned()).or_default() += 1;
                    }
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The columns, as long as there were rows.
    pub(in crate::source) fn finish(self) -> SampleLabels {
        let rows = self.rows;
        let texts = self.texts.into_iter().map(|(name, texts)| (name.into_string(), texts.finish(rows)));
        let mut columns: Vec<(String, ArrayRef)> = texts.collect();
        let labels = self.labels.into_iter().map(|(name, labels)| (name.into_string(), labels.finish(rows)));
        let labels: Vec<(String, ArrayRef)> = labels.collect();
        for (name, values) in self.json.finish() {
            let is_taken = |name: &str| columns.iter().chain(&labels).any(|(other, _)| other == name);
            let name = if is_taken(&name) { format!("json.{name}") } else { name };
            columns.push((name, values));
        }
        SampleLabels { columns, labels }
    }
}

/// Whether the extension of a field is that of a format that no text is in: its bytes need not be read.
fn is_binary(field: &str) -> bool {
    const BINARY: &[&str] = &[
        "npy",
        "npz",
        "pth",
        "pt",
        "pkl",
        "pickle",
        "pyd",
        "cbor",
        "mp",
        "msg",
        "ten",
        "tb",
        "mp3",
        "mp4",
        "wav",
        "flac",
        "ogg",
        "m4a",
        "avi",
        "mov",
        "webm",
        "mkv",
        "gz",
        "zst",
        "zip",
        "bin",
        "safetensors",
        "parquet",
        "h5",
    ];
    BINARY.contains(&field.rsplit('.').next().unwrap_or(field))
}

fn column_of<'a, T: Default>(columns: &'a mut Vec<(Box<str>, T)>, name: &str) -> &'a mut T {
    let place = columns.iter().position(|(other, _)| **other == *name).unwrap_or_else(|| {
        columns.push((name.into(), T::default()));
        columns.len() - 1
    });
    &mut columns[place].1
}

/// A column of texts; rows that have none are null.
#[derive(Debug, Default)]
struct Texts(StringBuilder);

impl Texts {
    /// Adds the value of a row; false if the column is as long as it can be.
    fn push(&mut self, row: usize, text: &str) -> bool {
        if self.0.values_slice().len() + text.len() > LONGEST_COLUMN {
            return false;
        }
        self.0.append_nulls(row - self.0.len());
        self.0.append_value(text);
        true
    }

    fn finish(mut self, rows: usize) -> ArrayRef {
        self.0.append_nulls(rows - self.0.len());
        Arc::new(self.0.finish())
    }
}

/// A column of labels: whole numbers as long as all are, else names.
#[derive(Debug, Default)]
struct Labels {
    texts: Texts,
    /// Whether one is no number.
    has_names: bool,
}

impl Labels {
    fn push(&mut self, row: usize, text: &str) {
        // An empty one is no label.
        if text.is_empty() {
            return;
        }
        self.has_names |= text.parse::<i64>().is_err();
        self.texts.push(row, text);
    }

    fn finish(self, rows: usize) -> ArrayRef {
        let texts = self.texts.finish(rows);
        if self.has_names {
            return texts;
        }
        let mut numbers = Int64Builder::with_capacity(rows);
        let texts = texts.as_string::<i32>();
        for text in texts {
            numbers.append_option(text.and_then(|text| text.parse().ok()));
        }
        Arc::new(numbers.finish())
    }
}
