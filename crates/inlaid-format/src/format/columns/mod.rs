//! The columns of a dataset: their schema, including the metadata that other tools expect, and the
//! arrays of all columns except the tensors.

pub mod image_files;
pub mod labels;
mod row;
pub mod typed;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, StringArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::{Value, json};

use crate::format::keys;
use crate::format::page::PageLayout;
use crate::format::row_layout::{RowLayout, TensorLayout};

pub use crate::format::row_layout::TENSOR_COLUMN;
use crate::spec::{Compression, Encoding, Format, LabelKind, Spec, Storage};

pub use row::Row;

/// The origin of a file's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Converted images: inlaid's own columns, and those of the spec.
    Images,
    /// A table that another tool wrote.
    Table,
}

/// A column of tensors in a shard.
#[derive(Clone, Copy, Debug)]
pub struct TensorPages {
    /// Index of the column in the schema, from 0.
    pub index: usize,
    /// Layout of the column's pages.
    pub pages: PageLayout,
}

/// The columns of every shard of a dataset.
#[derive(Clone, Debug)]
pub struct Columns {
    schema: SchemaRef,
    origin: Origin,
    /// Tensor columns, in schema order. Empty if images are stored as files, in the first column.
    tensors: Vec<TensorPages>,
    encoding: Option<Encoding>,
    format: Format,
    compression: Compression,
}

impl Columns {
    /// The columns of a dataset with this layout, spec and class names.
    pub fn new(layout: &RowLayout, spec: &Spec, classes: &[String]) -> Columns {
        let metadata = HashMap::from([
            (
                keys::HUGGINGFACE.to_owned(),
                json!({ "info": { "features": features(layout, spec, classes) } }).to_string(),
            ),
            (keys::VERSION.to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            (keys::SPEC.to_owned(), serde_json::to_string(spec).expect("a spec has no maps with odd keys")),
            (keys::CLASSES.to_owned(), json!(classes).to_string()),
        ]);
        let images = match layout.tensors() {
            [] => vec![image_files::field(TENSOR_COLUMN)],
            tensors => tensors.iter().map(|column| column.shape.field(&column.name, layout.storage)).collect(),
        };
        let own = [
            labels::field(spec.label, classes.len()),
            Field::new("path", DataType::Utf8, false),
            Field::new("source_height", DataType::Int32, false),
            Field::new("source_width", DataType::Int32, false),
            Field::new("sha256", DataType::Utf8, false),
        ];
        let typed = spec.columns.iter().map(typed::field);
        let fields: Vec<Field> = images.into_iter().chain(own).chain(typed).collect();
        let pages = layout.tensors().iter().enumerate();
        Columns {
            schema: Arc::new(Schema::new_with_metadata(fields, metadata)),
            origin: Origin::Images,
            tensors: pages.map(|(index, column)| TensorPages { index, pages: column.pages }).collect(),
            encoding: layout.encoding,
            format: layout.format,
            compression: layout.compression,
        }
    }

    /// The columns of a Parquet table with the schema of another tool. In `schema`, the columns of `tensors` are
    /// required lists of optional elements.
    pub fn of_table(schema: SchemaRef, tensors: Vec<TensorPages>, compression: Compression) -> Columns {
        Columns { schema, origin: Origin::Table, tensors, encoding: None, format: Format::Parquet, compression }
    }

    /// The Arrow schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The origin of the columns.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Tensor columns, in schema order. Empty if images are stored as files, in the first column.
    pub fn tensors(&self) -> &[TensorPages] {
        &self.tensors
    }

    /// Whether the column at this index of the schema holds tensors.
    pub fn is_tensors(&self, index: usize) -> bool {
        self.tensors.iter().any(|column| column.index == index)
    }

    /// The file format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Compression of the columns of tensors or encoded images.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The arrays of all columns except the tensors, in schema order: images stored as files, inlaid's own columns of
    /// each row, and the `typed` columns. `labels` holds the labels of the rows unless they are classes.
    pub fn other_arrays(&self, rows: &[Row<'_>], labels: Option<ArrayRef>, typed: &[ArrayRef]) -> Vec<ArrayRef> {
        let images = self.tensors.is_empty().then(|| image_files::array(rows, self.encoding));
        let pixels = |side: u32| i32::try_from(side).expect("codecs hold sides in 31 bits");
        let classes = || Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.label.map(i64::from)))) as ArrayRef;
        let own: [ArrayRef; 5] = [
            labels.unwrap_or_else(classes),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.path))),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| pixels(row.source_height)))),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| pixels(row.source_width)))),
            Arc::new(digests(rows)),
        ];
        images.into_iter().chain(own).chain(typed.iter().cloned()).collect()
    }
}

/// The digests of these rows, in hex digits: built at once, since a text of each would be allocated.
fn digests(rows: &[Row<'_>]) -> StringArray {
    let digits: Vec<u8> = rows.iter().flat_map(|row| row.sha256.digits()).collect();
    let lengths = OffsetBuffer::from_repeated_length(64, rows.len());
    StringArray::new(lengths, digits.into(), None)
}

/// The feature types of Hugging Face `datasets`, by column.
fn features(layout: &RowLayout, spec: &Spec, classes: &[String]) -> Value {
    let value = |dtype: &str| json!({ "dtype": dtype, "_type": "Value" });
    let label = match (spec.label, classes) {
        (LabelKind::Number, _) => value("float64"),
        (LabelKind::MultiHot, names) => json!({ "feature": value("uint8"), "length": names.len(), "_type": "List" }),
        (LabelKind::Class, []) => value("int64"),
        (LabelKind::Class, names) => json!({ "names": names, "_type": "ClassLabel" }),
    };
    let mut features = json!({
        TENSOR_COLUMN: { "_type": "Image" },
        "label": label,
        "path": value("string"),
        "source_height": value("int32"),
        "source_width": value("int32"),
        "sha256": value("string"),
    });
    for TensorLayout { name, shape, .. } in layout.tensors() {
        features[name] = match layout.storage {
            Storage::Tensor => {
                json!({ "feature": value(shape.dtype().numpy_name()), "length": shape.elements(), "_type": "List" })
            }
            _ => value(&format!("fixed_size_binary[{}]", shape.bytes())),
        };
    }
    for column in &spec.columns {
        features[&column.name] = value(typed::feature(column.kind));
    }
    features
}

/// Name of the column of labels.
pub const LABEL: &str = "label";

/// The Hugging Face `datasets` features that a schema's metadata declares, by column. None if it declares none.
pub fn told_features(schema: &Schema) -> Option<Value> {
    let text = schema.metadata().get(keys::HUGGINGFACE)?;
    Some(serde_json::from_str::<Value>(text).ok()?.get("info")?.get("features")?.clone())
}
