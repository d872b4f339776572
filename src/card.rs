//! The dataset card: a `README.md` whose YAML tells Hugging Face `datasets` the features and splits,
//! and whose text tells people how to read the data.

use std::fmt::Write;

use crate::columns::TENSOR_COLUMN;
use crate::manifest::Manifest;
use crate::spec::{Dtype, Format, Scale, Spec, Storage};
use crate::tensor::TensorShape;

/// The name of the card in the dataset's folder.
pub const CARD: &str = "README.md";

/// The text of a dataset's card.
pub(crate) fn card(manifest: &Manifest, shape: &TensorShape) -> String {
    let mut text = String::from("---\n");
    yaml(&mut text, manifest, shape).expect("a string takes all that is written to it");
    text.push_str("---\n\n");
    prose(&mut text, manifest, shape).expect("a string takes all that is written to it");
    text
}

fn yaml(out: &mut String, manifest: &Manifest, shape: &TensorShape) -> std::fmt::Result {
    let spec = &manifest.spec;
    writeln!(out, "dataset_info:\n  features:\n  - name: {TENSOR_COLUMN}")?;
    match spec.storage {
        Storage::Tensor => writeln!(out, "    list: {}\n    length: {}", shape.dtype().numpy_name(), shape.elements())?,
        Storage::Binary => writeln!(out, "    dtype: fixed_size_binary[{}]", shape.bytes())?,
    }
    writeln!(out, "  - name: label")?;
    if manifest.version.classes.is_empty() {
        writeln!(out, "    dtype: int64")?;
    } else {
        writeln!(out, "    dtype:\n      class_label:\n        names:")?;
        for (id, name) in manifest.version.classes.iter().enumerate() {
            writeln!(out, "          '{id}': {}", yaml_string(name))?;
        }
    }
    for (name, dtype) in
        [("path", "string"), ("source_height", "int32"), ("source_width", "int32"), ("sha256", "string")]
    {
        writeln!(out, "  - name: {name}\n    dtype: {dtype}")?;
    }
    writeln!(out, "  splits:")?;
    for (split, info) in &manifest.version.splits {
        writeln!(out, "  - name: {split}\n    num_bytes: {}\n    num_examples: {}", info.bytes, info.rows)?;
    }
    let bytes: u64 = manifest.version.splits.values().map(|split| split.bytes).sum();
    writeln!(out, "  download_size: {bytes}\n  dataset_size: {bytes}")?;
    writeln!(out, "configs:\n- config_name: default\n  data_files:")?;
    for split in manifest.version.splits.keys() {
        writeln!(out, "  - split: {split}\n    path: {split}/*.{}", spec.format.extension())?;
    }
    Ok(())
}

/// A name in single quotes, or in double quotes where it holds control characters (YAML 1.2, 7.3).
fn yaml_string(name: &str) -> String {
    if name.chars().any(char::is_control) {
        serde_json::to_string(name).expect("a string is always JSON")
    } else {
        format!("'{}'", name.replace('\'', "''"))
    }
}

fn prose(out: &mut String, manifest: &Manifest, shape: &TensorShape) -> std::fmt::Result {
    let spec = &manifest.spec;
    let [a, b, c] = shape.dims();
    let dtype = shape.dtype().numpy_name();
    writeln!(out, "# Images as tensors\n")?;
    writeln!(
        out,
        "Every row is an image of {a}x{b}x{c} ({}; {dtype}, {}), its class, the path and size of the file it was made \
         from, and that file's SHA-256.\n",
        shape.names().map(in_words).join(", "),
        values(spec)
    )?;
    writeln!(out, "| split | rows | files |\n|---|---:|---:|")?;
    for (split, info) in &manifest.version.splits {
        writeln!(out, "| {split} | {} | {} |", info.rows, info.shards.len())?;
    }
    writeln!(out, "\nResized with {}, {}, channels {}.", spec.filter_in_words(), spec.fit_in_words(), spec.channels)?;
    writeln!(out, "`inlaid.json` says exactly how the rows were made and which files belong to the dataset.\n")?;
    writeln!(out, "```python")?;
    match (spec.format, spec.storage) {
        (Format::Parquet, Storage::Tensor) => writeln!(
            out,
            "import pyarrow.parquet as pq\n\
             table = pq.read_table(\"train\")\n\
             images = table[\"image\"].chunk(0).to_numpy_ndarray()  # (rows, {a}, {b}, {c}) {dtype}"
        )?,
        (Format::Parquet, Storage::Binary) => writeln!(
            out,
            "import numpy as np, pyarrow.parquet as pq\n\
             column = pq.read_table(\"train\")[\"image\"].chunk(0)\n\
             images = np.frombuffer(column.buffers()[1], np.{dtype}).reshape(-1, {a}, {b}, {c})"
        )?,
        (Format::Arrow, Storage::Tensor) => writeln!(
            out,
            "import pyarrow as pa\n\
             batches = pa.ipc.open_file(pa.memory_map(\"train/train-00000.arrow\"))\n\
             images = batches.get_batch(0)[\"image\"].to_numpy_ndarray()  # (rows, {a}, {b}, {c}) {dtype}, no copy"
        )?,
        (Format::Arrow, Storage::Binary) => writeln!(
            out,
            "import numpy as np, pyarrow as pa\n\
             batches = pa.ipc.open_file(pa.memory_map(\"train/train-00000.arrow\"))\n\
             column = batches.get_batch(0)[\"image\"]\n\
             images = np.frombuffer(column.buffers()[1], np.{dtype}).reshape(-1, {a}, {b}, {c})"
        )?,
    }
    writeln!(out, "```")
}

fn in_words(dimension: &str) -> &str {
    match dimension {
        "H" => "height",
        "W" => "width",
        _ => "channels",
    }
}

/// What the elements are between.
fn values(spec: &Spec) -> String {
    let scale = match (spec.dtype, spec.scale.unwrap_or_default()) {
        (Dtype::U8, _) => "0 to 255",
        (Dtype::U16, _) => "0 to 65535",
        (_, Scale::Unit) => "scale 0 to 1",
        (_, Scale::Signed) => "scale -1 to 1",
        (_, Scale::Bytes) => "scale 0 to 255",
    };
    let list = |numbers: &[f32]| numbers.iter().map(f32::to_string).collect::<Vec<_>>().join(", ");
    let mean = spec.mean.as_ref().map(|mean| format!(", less mean {}", list(mean.numbers())));
    let std = spec.std.as_ref().map(|std| format!(", divided by standard deviation {}", list(std.numbers())));
    format!("{scale}{}{}", mean.unwrap_or_default(), std.unwrap_or_default())
}
