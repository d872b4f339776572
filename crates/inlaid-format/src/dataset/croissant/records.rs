//! The record sets of a dataset: its splits, its classes, and its rows with a field for each column.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::dataset::manifest::Manifest;
use crate::format::columns::TENSOR_COLUMN;
use crate::format::row_layout::{RowLayout, TensorLayout};
use crate::format::tensor::TensorShape;
use crate::spec::{ColumnType, Dtype, LabelKind, Split, Storage};

/// Name of the set of files.
pub(super) const FILES: &str = "files";

/// Name of the record set of rows; the names of those of splits and classes begin with it.
const ROWS: &str = "default";

/// What the dataset holds, in a sentence.
pub(super) fn described(manifest: &Manifest, layout: &RowLayout) -> String {
    let (rows, classes) = (manifest.snapshot.rows(), manifest.snapshot.classes.len());
    let images = match (layout.shape().map(|shape| shape.dims()), manifest.spec.storage) {
        (Some([a, b, c]), Storage::Tensor | Storage::Binary) => format!("tensors of shape [{a}, {b}, {c}]"),
        _ => "files".to_owned(),
    };
    let classes = match classes {
        0 => String::new(),
        1 => " of 1 class".to_owned(),
        n => format!(" of {n} classes"),
    };
    format!("{} as {images}{classes}.", crate::counted(rows, "image"))
}

/// All record sets.
pub(super) fn record_sets(manifest: &Manifest, layout: &RowLayout) -> Value {
    let mut sets = vec![splits(manifest)];
    sets.extend(labels(manifest));
    sets.push(rows(manifest, layout));
    Value::Array(sets)
}

fn splits(manifest: &Manifest) -> Value {
    let name = format!("{ROWS}_splits");
    let data = manifest.snapshot.splits.keys().map(|split| {
        let url = match split {
            Split::Train => "cr:TrainingSplit",
            Split::Validation => "cr:ValidationSplit",
            Split::Test => "cr:TestSplit",
        };
        let mut row = Map::new();
        row.insert(format!("{name}/split_name"), split.as_str().into());
        row.insert(format!("{name}/url"), url.into());
        Value::Object(row)
    });
    json!({
        "@id": name,
        "@type": "cr:RecordSet",
        "data": data.collect::<Vec<_>>(),
        "dataType": "cr:Split",
        "description": "The splits.",
        "field": [
            { "@id": format!("{name}/split_name"), "@type": "cr:Field", "dataType": "sc:Text", "name": "split_name" },
            { "@id": format!("{name}/url"), "@type": "cr:Field", "dataType": ["sc:URL", "cr:Split"], "name": "url" },
        ],
        "key": { "@id": format!("{name}/split_name") },
        "name": name,
    })
}

/// Names of the classes by their numbers; none without names.
fn labels(manifest: &Manifest) -> Option<Value> {
    let name = format!("{ROWS}_labels");
    let data = manifest.snapshot.classes.iter().enumerate().map(|(id, class)| {
        let mut row = Map::new();
        row.insert(format!("{name}/id"), id.into());
        row.insert(format!("{name}/name"), class.as_str().into());
        Value::Object(row)
    });
    let data: Vec<Value> = data.collect();
    (!data.is_empty()).then(|| {
        json!({
            "@id": name,
            "@type": "cr:RecordSet",
            "data": data,
            "dataType": "sc:Enumeration",
            "description": "The classes.",
            "field": [
                { "@id": format!("{name}/id"), "@type": "cr:Field", "dataType": "cr:Int64", "name": "id" },
                { "@id": format!("{name}/name"), "@type": "cr:Field", "dataType": ["sc:Text", "sc:name"], "name": "name" },
            ],
            "key": { "@id": format!("{name}/id") },
            "name": name,
        })
    })
}

fn rows(manifest: &Manifest, layout: &RowLayout) -> Value {
    let spec = &manifest.spec;
    let mut fields = Fields::default();
    let pattern = format!(r"(train|validation|test)/.+\.{}$", spec.format.extension());
    fields.add(
        "split",
        json!({
            "dataType": ["sc:Text", "cr:Split"],
            "description": "The split, which is the folder of the file.",
            "source": {
                "extract": { "fileProperty": "fullpath" },
                "fileSet": { "@id": FILES },
                "transform": { "regex": pattern },
            },
        }),
    );
    if layout.tensors().is_empty() {
        let image = json!({
            "dataType": "sc:ImageObject",
            "description": "The image, as a file.",
            "source": {
                "extract": { "column": TENSOR_COLUMN },
                "fileSet": { "@id": FILES },
                "transform": { "jsonPath": "bytes" },
            },
        });
        fields.add(TENSOR_COLUMN, image);
    }
    for TensorLayout { name, shape, .. } in layout.tensors() {
        fields.add_column(name, tensor(shape, spec.storage));
    }
    let classes = manifest.snapshot.classes.len();
    let label = match spec.label {
        LabelKind::Number => json!({ "dataType": ["cr:Float64", "cr:Label"] }),
        LabelKind::MultiHot => json!({
            "arrayShape": classes.to_string(),
            "dataType": ["cr:UInt8", "cr:Label"],
            "description": "1 for each class of the image, else 0.",
            "isArray": true,
        }),
        LabelKind::Class => json!({
            "dataType": ["cr:Int64", "cr:Label"],
            "description": "The number of the class, from 0.",
        }),
    };
    fields.add_column("label", label);
    let of = |kind: &str, description: &str| json!({ "dataType": kind, "description": description });
    fields.add_column("path", of("sc:Text", "The path of the image below its source."));
    fields.add_column("source_height", of("cr:Int32", "The height of the source image, in pixels."));
    fields.add_column("source_width", of("cr:Int32", "The width of the source image, in pixels."));
    fields.add_column("sha256", of("sc:Text", "The SHA-256 of the source file, in hexadecimal digits."));
    for column in &spec.columns {
        let kind = match column.kind {
            ColumnType::Int64 => "cr:Int64",
            ColumnType::Float64 => "cr:Float64",
            ColumnType::Bool => "sc:Boolean",
            ColumnType::Timestamp => "sc:DateTime",
            ColumnType::String => "sc:Text",
        };
        fields.add_column(&column.name, json!({ "dataType": kind }));
    }
    json!({
        "@id": ROWS,
        "@type": "cr:RecordSet",
        "description": "The rows, one for each image.",
        "field": fields.all,
        "name": ROWS,
    })
}

fn tensor(shape: &TensorShape, storage: Storage) -> Value {
    let [a, b, c] = shape.dims();
    let dims = shape.names().join(", ");
    if storage == Storage::Binary {
        let dtype = shape.dtype().numpy_name();
        let description = format!("The bytes of the tensor: {dtype} of shape [{a}, {b}, {c}] ({dims}).");
        return json!({ "dataType": "sc:Text", "description": description });
    }
    let kind = match shape.dtype() {
        Dtype::U8 => "cr:UInt8",
        Dtype::U16 => "cr:UInt16",
        Dtype::F16 => "cr:Float16",
        Dtype::F32 => "cr:Float32",
    };
    json!({
        "arrayShape": format!("{a},{b},{c}"),
        "dataType": kind,
        "description": format!("The tensor, [{dims}]."),
        "isArray": true,
    })
}

/// Fields of the rows, whose identifiers are unique.
#[derive(Default)]
struct Fields {
    all: Vec<Value>,
    taken: BTreeSet<String>,
}

impl Fields {
    /// Adds the field of a column of the files.
    fn add_column(&mut self, column: &str, mut field: Value) {
        field["source"] = json!({ "extract": { "column": column }, "fileSet": { "@id": FILES } });
        self.add(column, field);
    }

    /// Adds a field. Of its name, what an identifier may not have is replaced.
    fn add(&mut self, name: &str, mut field: Value) {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let mut id: String = name.chars().map(|c| if is_plain(&c) { c } else { '_' }).collect();
        while !self.taken.insert(id.clone()) {
            id += "_0";
        }
        field["@id"] = format!("{ROWS}/{id}").into();
        field["@type"] = "cr:Field".into();
        field["name"] = name.into();
        self.all.push(field);
    }
}
