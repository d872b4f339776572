//! An item: the records of one shard, with everything that is needed to make it. Written as an Arrow stream.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, LargeStringArray, RecordBatch, UInt32Array};
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, Field, Schema};
use arrow_select::take::take;

use crate::format::sha256::Sha256;
use crate::source::{ImageRef, Listing, Location, OtherLabels, Record, Source};
use crate::spec::{LabelKind, Split};

const SPLIT: &str = "split";
const NUMBER: &str = "number";
const KEY: &str = "key";
const LABEL: &str = "label";
const LABELS: &str = "labels";
const SHA256: &str = "sha256";
const LENGTH: &str = "length";
const IMAGE: &str = "image";
const VALUES: &str = "values";

/// The records of one shard, with everything that is needed to make it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) split: Split,
    /// Number of the shard in its split.
    pub(crate) number: usize,
    /// The records in the order of their rows, with their values. Their places and rows are their numbers.
    pub(crate) listing: Listing,
    /// Hashes of the files, if they decided the splits.
    pub(crate) hashes: Vec<Sha256>,
    /// Lengths of the files, if they decide the pages.
    pub(crate) lengths: Option<Vec<u32>>,
    /// Where the images of every record are, one record after the other; none if only the source knows.
    pub(crate) locations: Option<Vec<Option<Location>>>,
}

/// What all items of a plan are made from.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) listing: &'a Listing,
    pub(crate) hashes: &'a [Sha256],
    pub(crate) lengths: Option<&'a [u32]>,
    /// Number of images of a record.
    pub(crate) images: usize,
    /// Whether items have labels and values of columns.
    pub(crate) has_values: bool,
}

impl Origin<'_> {
    fn values(&self) -> &[ArrayRef] {
        if self.has_values { &self.listing.columns } else { &[] }
    }

    /// Where the images of these records are; none if only the source can read one.
    pub(crate) fn locate(&self, source: &dyn Source, rows: &[u32]) -> Option<Vec<Option<Location>>> {
        let mut locations = Vec::with_capacity(rows.len() * self.images);
        for &row in rows {
            let record = &self.listing.records[row as usize];
            for image in 0..self.images {
                let location = source.locate(&ImageRef { record, image });
                if image == 0 && location.is_none() {
                    return None;
                }
                locations.push(location);
            }
        }
        Some(locations)
    }

    /// The bytes of an item.
    ///
    /// # Errors
    /// If Arrow has a limit that it exceeds.
    pub(crate) fn item(
        &self,
        split: Split,
        number: usize,
        rows: &[u32],
        locations: Option<&[Option<Location>]>,
    ) -> Result<Vec<u8>, ArrowError> {
        let records = || rows.iter().map(|row| &self.listing.records[*row as usize]);
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        let mut add = |name: String, values: ArrayRef| columns.push((name, values));
        add(KEY.to_owned(), Arc::new(LargeStringArray::from_iter_values(records().map(|record| &*record.key))));
        add(LABEL.to_owned(), Arc::new(UInt32Array::from_iter(records().map(|record| record.label))));
        if !self.hashes.is_empty() {
            let hashes = rows.iter().map(|row| self.hashes[*row as usize].as_bytes());
            add(SHA256.to_owned(), Arc::new(FixedSizeBinaryArray::try_from_iter(hashes)?));
        }
        if let Some(lengths) = self.lengths {
            let lengths = rows.iter().map(|row| lengths[*row as usize]);
            add(LENGTH.to_owned(), Arc::new(UInt32Array::from_iter_values(lengths)));
        }
        for image in 0..locations.map_or(0, |_| self.images) {
            let of_image = locations.into_iter().flatten().skip(image).step_by(self.images);
            let texts = of_image.map(|location| location.as_ref().map(to_json));
            add(format!("{IMAGE}{image}"), Arc::new(LargeStringArray::from_iter(texts)));
        }
        let stored = UInt32Array::from_iter_values(records().map(|record| record.row));
        for (number, column) in self.values().iter().enumerate() {
            add(format!("{VALUES}{number}"), take(column, &stored, None)?);
        }
        if let Some(labels) = self.listing.labels.as_ref().filter(|_| self.has_values) {
            add(LABELS.to_owned(), take(&labels.values, &stored, None)?);
        }
        let fields: Vec<Field> =
            columns.iter().map(|(name, values)| Field::new(name, values.data_type().clone(), true)).collect();
        let place = [(SPLIT, split.to_string()), (NUMBER, number.to_string())];
        let place: HashMap<String, String> = place.map(|(name, value)| (name.to_owned(), value)).into();
        let schema = Arc::new(Schema::new(fields).with_metadata(place));
        let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, values)| values).collect())?;
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options)?;
        writer.write(&batch)?;
        writer.into_inner()
    }
}

impl Item {
    /// The item of these bytes. `classes` and `kind` are those of the plan.
    ///
    /// # Errors
    /// If they are no item.
    pub(crate) fn parse(bytes: &[u8], classes: &[String], kind: LabelKind) -> Result<Item, ArrowError> {
        let mut reader = StreamReader::try_new(Cursor::new(bytes), None)?;
        let none = || ArrowError::ParseError("it is no item".to_owned());
        let batch = reader.next().ok_or_else(none)??;
        let schema = batch.schema();
        let said = |name: &str| schema.metadata().get(name).ok_or_else(none);
        let split = said(SPLIT)?.parse().map_err(|_| none())?;
        let number = said(NUMBER)?.parse().map_err(|_| none())?;
        let column = |name: &str| batch.column_by_name(name);
        let keys = column(KEY).and_then(|keys| keys.as_string_opt::<i64>()).ok_or_else(none)?;
        let labels = column(LABEL).and_then(|labels| labels.as_primitive_opt::<UInt32Type>()).ok_or_else(none)?;
        let record = |row: usize| Record {
            label: labels.is_valid(row).then(|| labels.value(row)),
            split: Some(split),
            ..Record::new(keys.value(row), row as u32)
        };
        let hashes = column(SHA256).map(|hashes| {
            let hashes = hashes.as_fixed_size_binary_opt().ok_or_else(none)?;
            let hash = |hash: Option<&[u8]>| Some(Sha256::from(<[u8; 32]>::try_from(hash?).ok()?));
            hashes.iter().map(hash).collect::<Option<Vec<_>>>().ok_or_else(none)
        });
        let lengths = column(LENGTH).map(|lengths| {
            let lengths = lengths.as_primitive_opt::<UInt32Type>().ok_or_else(none)?;
            Ok::<_, ArrowError>(lengths.values().to_vec())
        });
        let listing = Listing {
            records: (0..batch.num_rows()).map(record).collect(),
            columns: (0..).map_while(|number| column(&format!("{VALUES}{number}")).cloned()).collect(),
            labels: column(LABELS).map(|values| OtherLabels { kind, values: values.clone() }),
            classes: classes.to_vec(),
            ..Listing::default()
        };
        let images: Vec<&ArrayRef> = (0..).map_while(|image| column(&format!("{IMAGE}{image}"))).collect();
        let locations = match images.is_empty() {
            true => None,
            false => {
                let mut locations = Vec::with_capacity(batch.num_rows() * images.len());
                for row in 0..batch.num_rows() {
                    for texts in &images {
                        let texts = texts.as_string_opt::<i64>().ok_or_else(none)?;
                        let text = texts.is_valid(row).then(|| texts.value(row));
                        locations.push(text.map(serde_json::from_str).transpose().map_err(|_| none())?);
                    }
                }
                Some(locations)
            }
        };
        Ok(Item {
            split,
            number,
            listing,
            hashes: hashes.transpose()?.unwrap_or_default(),
            lengths: lengths.transpose()?,
            locations,
        })
    }
}

fn to_json(location: &Location) -> String {
    serde_json::to_string(location).expect("a location is made of texts and numbers")
}
