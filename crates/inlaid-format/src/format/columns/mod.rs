//! The columns of a dataset: their schema, with what other tools look for in its metadata, and the
//! arrays of all columns but the tensors.

pub mod image_files;
mod row;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::{Value, json};

use crate::format::columns::image_files as encoded;
use crate::format::keys;
use crate::format::page::PageLayout;
use crate::format::row_layout::RowLayout;
use crate::format::tensor::TensorShape;
use crate::spec::{Compression, Encoding, Format, Spec, Storage};

pub use row::Row;

/// The name of the column of tensors or encoded images.
pub const TENSOR_COLUMN: &str = "image";

/// Where columns come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They tell of images.
    Images,
    /// A table that others wrote.
    Table,
}

/// The columns of every shard of a dataset.
#[derive(Clone, Debug)]
pub struct Columns {
    schema: SchemaRef,
    origin: Origin,
    images: usize,
    /// None if images are encoded.
    pages: Option<PageLayout>,
    encoding: Option<Encoding>,
    format: Format,
    compression: Compression,
}

impl Columns {
    /// The columns of a dataset of this spec, laid out so, with these classes.
    pub fn new(layout: &RowLayout, spec: &Spec, classes: &[String]) -> Columns {
        let shape = layout.shape().filter(|_| layout.storage != Storage::Encoded);
        let metadata = HashMap::from([
            (
                keys::HUGGINGFACE.to_owned(),
                json!({ "info": { "features": features(spec, shape.as_ref(), classes) } }).to_string(),
            ),
            (keys::VERSION.to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            (keys::SPEC.to_owned(), serde_json::to_string(spec).expect("a spec has no maps with odd keys")),
            (keys::CLASSES.to_owned(), json!(classes).to_string()),
        ]);
        let fields = vec![
            match &shape {
                Some(shape) => shape.field(TENSOR_COLUMN, spec.storage),
                None => encoded::field(TENSOR_COLUMN),
            },
            // Nullable and 64 bits wide: only so Hugging Face keeps it as a ClassLabel.
            Field::new("label", DataType::Int64, true),
            Field::new("path", DataType::Utf8, false),
            Field::new("source_height", DataType::Int32, false),
            Field::new("source_width", DataType::Int32, false),
            Field::new("sha256", DataType::Utf8, false),
        ];
        Columns {
            schema: Arc::new(Schema::new_with_metadata(fields, metadata)),
            origin: Origin::Images,
            images: 0,
            pages: layout.pages(),
            encoding: layout.encoding,
            format: layout.format,
            compression: layout.compression,
        }
    }

    /// The columns of a table that others wrote, in Parquet: `schema`, in which the column of this index
    /// is one of tensors, a required list of optional elements.
    pub fn of_table(schema: SchemaRef, tensors: usize, pages: PageLayout, compression: Compression) -> Columns {
        let (origin, format) = (Origin::Table, Format::Parquet);
        Columns { schema, origin, images: tensors, pages: Some(pages), encoding: None, format, compression }
    }

    /// The Arrow schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Where the columns come from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The index of the column of tensors or encoded images: 0 in a dataset.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The layout of the tensor column's pages; none if images are encoded.
    pub fn pages(&self) -> Option<PageLayout> {
        self.pages
    }

    /// The file format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Of the column of tensors or encoded images.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The arrays of all columns but that of tensors; encoded images are one of them.
    pub fn other_arrays(&self, rows: &[Row]) -> Vec<ArrayRef> {
        let images = self.pages.is_none().then(|| encoded::array(rows, self.encoding));
        let pixels = |side: u32| i32::try_from(side).expect("codecs hold sides in 31 bits");
        let others: [ArrayRef; 5] = [
            Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.label.map(i64::from)))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.path))),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| pixels(row.source_height)))),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| pixels(row.source_width)))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.sha256.to_string()))),
        ];
        images.into_iter().chain(others).collect()
    }
}

/// The features of Hugging Face `datasets`.
fn features(spec: &Spec, shape: Option<&TensorShape>, classes: &[String]) -> Value {
    let value = |dtype: &str| json!({ "dtype": dtype, "_type": "Value" });
    let image = match (shape, spec.storage) {
        (None, _) => json!({ "_type": "Image" }),
        (Some(shape), Storage::Tensor) => {
            json!({ "feature": value(shape.dtype().numpy_name()), "length": shape.elements(), "_type": "List" })
        }
        (Some(shape), _) => value(&format!("fixed_size_binary[{}]", shape.bytes())),
    };
    let label = match classes {
        [] => value("int64"),
        names => json!({ "names": names, "_type": "ClassLabel" }),
    };
    json!({
        TENSOR_COLUMN: image,
        "label": label,
        "path": value("string"),
        "source_height": value("int32"),
        "source_width": value("int32"),
        "sha256": value("string"),
    })
}

/// The features of Hugging Face `datasets` by column that the metadata of any schema tells.
pub fn told_features(schema: &Schema) -> Option<Value> {
    let text = schema.metadata().get(keys::HUGGINGFACE)?;
    Some(serde_json::from_str::<Value>(text).ok()?.get("info")?.get("features")?.clone())
}
