//! What inlaid writes into a card: the YAML that declares features and splits for Hugging Face `datasets`, and the text
//! that shows people how to read the data.

use std::fmt::Write;

use super::about::{About, is_url};
use super::counts;
use super::markdown::escaped;
use crate::dataset::manifest::Manifest;
use crate::dataset::names::CARD_PICTURES;
use crate::format::columns::{TENSOR_COLUMN, typed};
use crate::format::row_layout::{RowLayout, TensorLayout};
use crate::format::tensor::TensorShape;
use crate::spec::{Dtype, Format, LabelKind, Scale, Spec, Storage};

/// The value of `dataset_info`, with its key.
pub(super) fn dataset_info(out: &mut String, manifest: &Manifest, layout: &RowLayout) -> std::fmt::Result {
    let spec = &manifest.spec;
    writeln!(out, "dataset_info:\n  features:")?;
    if layout.tensors().is_empty() {
        writeln!(out, "  - name: {TENSOR_COLUMN}\n    dtype: image")?;
    }
    for TensorLayout { name, shape, .. } in layout.tensors() {
        writeln!(out, "  - name: {}", yaml_name(name))?;
        match spec.storage {
            Storage::Binary => writeln!(out, "    dtype: fixed_size_binary[{}]", shape.bytes())?,
            // The `id` says nothing to `datasets`; inlaid's Python package finds the shape in it.
            _ => {
                let ([a, b, c], dtype) = (shape.dims(), shape.dtype().numpy_name());
                writeln!(out, "    list: {dtype}\n    length: {}\n    id: tensor[{a},{b},{c}]", shape.elements())?;
            }
        }
    }
    writeln!(out, "  - name: label")?;
    match (spec.label, &*manifest.snapshot.classes) {
        (LabelKind::Number, _) => writeln!(out, "    dtype: float64")?,
        (LabelKind::MultiHot, names) => writeln!(out, "    list: uint8\n    length: {}", names.len())?,
        (LabelKind::Class, []) => writeln!(out, "    dtype: int64")?,
        (LabelKind::Class, names) => {
            writeln!(out, "    dtype:\n      class_label:\n        names:")?;
            for (id, name) in names.iter().enumerate() {
                writeln!(out, "          '{id}': {}", yaml_string(name))?;
            }
        }
    }
    for (name, dtype) in
        [("path", "string"), ("source_height", "int32"), ("source_width", "int32"), ("sha256", "string")]
    {
        writeln!(out, "  - name: {name}\n    dtype: {dtype}")?;
    }
    for column in &spec.columns {
        writeln!(out, "  - name: {}\n    dtype: {}", yaml_name(&column.name), typed::feature(column.kind))?;
    }
    writeln!(out, "  splits:")?;
    for (split, info) in &manifest.snapshot.splits {
        writeln!(out, "  - name: {split}\n    num_bytes: {}\n    num_examples: {}", info.bytes, info.rows)?;
    }
    let bytes: u64 = manifest.snapshot.splits.values().map(|split| split.bytes).sum();
    writeln!(out, "  download_size: {bytes}\n  dataset_size: {bytes}")
}

/// The value of `configs`, with its key.
pub(super) fn configs(out: &mut String, manifest: &Manifest) -> std::fmt::Result {
    writeln!(out, "configs:\n- config_name: default\n  data_files:")?;
    for split in manifest.snapshot.splits.keys() {
        writeln!(out, "  - split: {split}\n    path: {split}/*.{}", manifest.spec.format.extension())?;
    }
    Ok(())
}

/// The name of a column, in quotes unless it is the image column.
fn yaml_name(name: &str) -> String {
    if name == TENSOR_COLUMN { name.to_owned() } else { yaml_string(name) }
}

/// A name in single quotes, or in double quotes with escapes if it has characters that can't stand for themselves (YAML
/// 1.2, 5.1 and 7.3; U+0085 is printable there, but a line break in YAML 1.1).
pub(super) fn yaml_string(name: &str) -> String {
    let is_plain = |character: char| {
        matches!(character, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
            && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    if name.chars().all(is_plain) {
        return format!("'{}'", name.replace('\'', "''"));
    }
    let escaped = name.chars().map(|character| match character {
        '"' | '\\' => format!("\\{character}"),
        _ if is_plain(character) => character.to_string(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        _ => format!("\\u{:04x}", u32::from(character)),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// What the rows are, how many there are, and how to read them, as cards of this format version have it.
pub(super) fn prose(
    out: &mut String,
    manifest: &Manifest,
    layout: &RowLayout,
    version: u32,
    about: &About,
) -> std::fmt::Result {
    let spec = &manifest.spec;
    let shape = layout.shape();
    let shape = shape.as_ref();
    let what = if spec.storage == Storage::Encoded { "files" } else { "tensors" };
    let title = about.title.as_deref().map_or_else(|| format!("Images as {what}"), escaped);
    writeln!(out, "# {title}\n")?;
    writeln!(
        out,
        "Every row is {}, its class, the path and size of the file it was made from, and that file's SHA-256.\n",
        image_in_words(spec, shape)
    )?;
    if version == 1 {
        writeln!(out, "| split | rows | files |\n|---|---:|---:|")?;
        for (split, info) in &manifest.snapshot.splits {
            writeln!(out, "| {split} | {} | {} |", info.rows, info.shards.len())?;
        }
    } else {
        people_say(out, about)?;
        pictures(out, manifest)?;
        counts::splits(out, manifest)?;
        counts::classes(out, manifest)?;
        counts::elements(out, manifest)?;
    }
    match spec.size {
        Some(_) => {
            let (filter, fit) = (spec.filter_in_words(), spec.fit_in_words());
            writeln!(out, "\nResized with {filter}, {fit}, channels {}.", spec.channels)?;
        }
        None => writeln!(out, "\nThe images are as they were found, byte for byte.")?,
    }
    writeln!(out, "`inlaid.json` says exactly how the rows were made and which files belong to the dataset.\n")?;
    if version > 1 {
        writeln!(
            out,
            "Readers other than `datasets` take the folder of a split, or the files `*/*.{}`: not this folder, where \
             they would read `README.md` and `inlaid.json` too.\n",
            spec.format.extension()
        )?;
    }
    writeln!(out, "```python")?;
    match version {
        1 => reading_in_version_1(out, spec, shape)?,
        _ => reading(out, spec, shape)?,
    }
    writeln!(out, "```")
}

/// Where the images are from, and their license.
fn people_say(out: &mut String, about: &About) -> std::fmt::Result {
    let linked = |text: &str| if is_url(text) { format!("<{text}>") } else { escaped(text) };
    let source = about.source.as_deref().map(|source| format!("Source: {}.", linked(source)));
    let license = about.license.as_ref().map(|license| format!("License: {}.", linked(license.as_str())));
    let said: Vec<String> = source.into_iter().chain(license).collect();
    if said.is_empty() { Ok(()) } else { writeln!(out, "{}\n", said.join(" ")) }
}

/// The pictures of the card that there are.
fn pictures(out: &mut String, manifest: &Manifest) -> std::fmt::Result {
    let there = CARD_PICTURES.iter().zip(["Some of the images", "Rows of each class"]);
    let there = there.filter_map(|(name, text)| Some((*name, text, manifest.files.get(*name)?)));
    let mut shown = None;
    for (name, text, info) in there {
        writeln!(out, "![{text}]({name})\n")?;
        shown = info.snapshot;
    }
    match shown.filter(|shown| *shown != manifest.snapshot.dataset_version) {
        Some(shown) => {
            let now = manifest.snapshot.dataset_version;
            writeln!(out, "The pictures show snapshot {shown} of the dataset, which is at snapshot {now}.\n")
        }
        None => Ok(()),
    }
}

/// An example that reads the images: all rows of a split, however many files and row groups it has, in bounded memory.
fn reading(out: &mut String, spec: &Spec, shape: Option<&TensorShape>) -> std::fmt::Result {
    let Some(shape) = shape.filter(|_| spec.storage != Storage::Encoded) else {
        let extension = spec.format.extension();
        return writeln!(
            out,
            "from datasets import load_dataset\n\n\
             for row in load_dataset(\"{extension}\", data_files=\"train/*.{extension}\", split=\"train\"):\n    \
                 image = row[\"image\"]  # PIL.Image"
        );
    };
    let numpy = if spec.storage == Storage::Binary { "import numpy as np\n" } else { "" };
    match spec.format {
        Format::Parquet => writeln!(
            out,
            "import glob\n{numpy}import pyarrow.parquet as pq\n\n\
             for file in sorted(glob.glob(\"train/*.parquet\")):\n    \
                 for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(32):"
        )?,
        Format::Arrow => writeln!(
            out,
            "import glob\n{numpy}import pyarrow as pa\n\n\
             for file in sorted(glob.glob(\"train/*.arrow\")):\n    \
                 batches = pa.ipc.open_file(pa.memory_map(file))\n    \
                 for batch in map(batches.get_batch, range(batches.num_record_batches)):"
        )?,
    }
    let [a, b, c] = shape.dims();
    let dtype = shape.dtype().numpy_name();
    let comment = format!("# (rows, {a}, {b}, {c}) {dtype}");
    if spec.storage == Storage::Tensor {
        return writeln!(out, "        images = batch[\"image\"].to_numpy_ndarray()  {comment}");
    }
    writeln!(out, "        column = batch[\"image\"]")?;
    writeln!(out, "        images = np.frombuffer(column.buffers()[1], np.{dtype}).reshape(-1, {a}, {b}, {c})")?;
    writeln!(out, "        images = images[column.offset : column.offset + len(column)]  {comment}")
}

/// The example that cards of format version 1 have, by which their section is found.
fn reading_in_version_1(out: &mut String, spec: &Spec, shape: Option<&TensorShape>) -> std::fmt::Result {
    let Some(shape) = shape.filter(|_| spec.storage != Storage::Encoded) else {
        return writeln!(
            out,
            "from datasets import load_dataset\n\
             image = load_dataset(\".\", split=\"train\")[0][\"image\"]  # PIL.Image"
        );
    };
    let [a, b, c] = shape.dims();
    let dtype = shape.dtype().numpy_name();
    match (spec.format, spec.storage) {
        (Format::Parquet, Storage::Tensor) => writeln!(
            out,
            "import pyarrow.parquet as pq\n\
             table = pq.read_table(\"train\")\n\
             images = table[\"image\"].chunk(0).to_numpy_ndarray()  # (rows, {a}, {b}, {c}) {dtype}"
        )?,
        (Format::Parquet, _) => writeln!(
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
        (Format::Arrow, _) => writeln!(
            out,
            "import numpy as np, pyarrow as pa\n\
             batches = pa.ipc.open_file(pa.memory_map(\"train/train-00000.arrow\"))\n\
             column = batches.get_batch(0)[\"image\"]\n\
             images = np.frombuffer(column.buffers()[1], np.{dtype}).reshape(-1, {a}, {b}, {c})"
        )?,
    }
    Ok(())
}

/// A phrase such as `an image of 224x224x3 (height, width, channels; uint8, 0 to 255)`.
fn image_in_words(spec: &Spec, shape: Option<&TensorShape>) -> String {
    match (spec.storage, spec.size, shape) {
        (Storage::Encoded, Some(size), _) => {
            let quality = spec.quality.map(|quality| format!(" of quality {quality}")).unwrap_or_default();
            let encoding = spec.encoding.unwrap_or_default().name();
            format!("an image of {size} (height, width) as {encoding}{quality}")
        }
        (_, _, None) | (Storage::Encoded, ..) => "an image in the format of its file".to_owned(),
        (_, _, Some(shape)) => {
            let [a, b, c] = shape.dims();
            let (names, dtype) = (shape.names().map(in_words).join(", "), shape.dtype().numpy_name());
            format!("an image of {a}x{b}x{c} ({names}; {dtype}, {})", values(spec))
        }
    }
}

fn in_words(dimension: &str) -> &str {
    match dimension {
        "H" => "height",
        "W" => "width",
        _ => "channels",
    }
}

/// The range of the elements, in words.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_yaml_whatever_they_are() {
        for (name, yaml) in [
            ("it's", "'it''s'"),
            ("é \u{1f426} \u{a0}", "'é \u{1f426} \u{a0}'"),
            ("a\tb\n\"\\", r#""a\tb\n\"\\""#),
            ("\u{1b}\u{7f}\u{80}\u{9b}", r#""\u001b\u007f\u0080\u009b""#),
            ("\u{85}\u{2028}\u{feff}\u{fffe}\u{ffff}", r#""\u0085\u2028\ufeff\ufffe\uffff""#),
        ] {
            assert_eq!(yaml_string(name), yaml);
        }
    }
}
