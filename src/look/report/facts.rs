//! What a dataset is, how it was made, and its splits.

use serde::Serialize;
use serde_json::Value;

use super::numbers::{grouped, length, share};
use crate::dataset::manifest::Manifest;
use crate::look::rows::{Rows, SplitRows};
use crate::look::sample::Sample;
use crate::spec::ByteSize;

/// A name and its value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fact {
    name: String,
    value: String,
}

/// A split.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SplitReport {
    name: String,
    rows: String,
    share: String,
    bytes: String,
    files: String,
    /// In percent of all rows.
    width: f64,
}

impl Fact {
    fn new(name: &str, value: impl Into<String>) -> Fact {
        Fact { name: name.to_owned(), value: value.into() }
    }
}

/// What matters most. `images` are the numbers of all images, and of those that were looked at, if they are not converted
/// yet.
pub(super) fn of(rows: &Rows, manifest: Option<&Manifest>, images: Option<[usize; 2]>, rejects: usize) -> Vec<Fact> {
    let mut facts = match images {
        Some([all, looked_at]) => {
            vec![Fact::new("Images", grouped(all)), Fact::new("Looked at", grouped(looked_at))]
        }
        None => vec![Fact::new("Rows", grouped(rows.len()))],
    };
    if !rows.classes.is_empty() {
        facts.push(Fact::new("Classes", grouped(rows.classes.len())));
    }
    if images.is_some() {
        facts.push(Fact::new("Rejected", grouped(rejects)));
        return facts;
    }
    if let Some(split) = rows.splits.first() {
        facts.push(match split.table.tensor_column() {
            Some(column) => {
                let shape: Vec<_> = column.shape.iter().map(usize::to_string).collect();
                Fact::new("Tensors", format!("{}, {}", shape.join(" × "), column.element.numpy_name()))
            }
            None => Fact::new("Images", "files"),
        });
    }
    let bytes = rows.splits.iter().flat_map(|split| split.table.lengths()).sum();
    facts.push(Fact::new("Size", ByteSize(bytes).to_string()));
    if let Some(manifest) = manifest {
        facts.push(Fact::new("Rejected", grouped(rejects)));
        facts.push(Fact::new("Snapshot", manifest.snapshot.dataset_version.to_string()));
    }
    facts
}

/// Every split; of images that are not converted yet, without files.
pub(super) fn splits(rows: &Rows, sample: &Sample, are_images: bool) -> Vec<SplitReport> {
    let of_images = |split: usize| sample.classes.iter().map(|class| class.rows[split]).sum();
    let counts = rows.splits.iter().enumerate();
    let counts = counts.map(|(at, split)| if are_images { of_images(at) } else { split.table.len() });
    let counts: Vec<usize> = counts.collect();
    let all = counts.iter().sum();
    let split = |(split, count): (&SplitRows, &usize)| SplitReport {
        name: split.name.clone(),
        rows: grouped(*count),
        share: share(*count, all),
        bytes: if are_images { "–".to_owned() } else { ByteSize(split.table.lengths().sum()).to_string() },
        files: if are_images { "–".to_owned() } else { grouped(split.table.files().count()) },
        width: length(*count, all),
    };
    rows.splits.iter().zip(&counts).map(split).collect()
}

/// The settings that the rows were made with.
pub(super) fn settings(manifest: &Manifest) -> Vec<Fact> {
    let mut facts = vec![Fact::new("Made by", &*manifest.tool)];
    if let Ok(Value::Object(spec)) = serde_json::to_value(&manifest.spec) {
        add(&mut facts, "", spec);
    }
    facts
}

fn add(facts: &mut Vec<Fact>, prefix: &str, values: serde_json::Map<String, Value>) {
    for (key, value) in values {
        let name = format!("{prefix}{}", key.replace('_', " "));
        match value {
            Value::Null => {}
            Value::Object(inner) => add(facts, &format!("{name}: "), inner),
            Value::Bool(is_set) => facts.push(Fact::new(&capital(&name), if is_set { "yes" } else { "no" })),
            Value::String(text) => facts.push(Fact::new(&capital(&name), text)),
            value => facts.push(Fact::new(&capital(&name), value.to_string())),
        }
    }
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
