//! `croissant.json`: the dataset in the vocabulary of Croissant 1.1 (MLCommons), which search engines and loaders read.
//!
//! Some of its keys are inlaid's, and every change of the dataset rewrites them. Others, such as `creator` or `citeAs`,
//! belong to people, and stay. `name`, `license`, `isBasedOn` and `description` are set once, and belong to people then: but
//! `inlaid card` sets what it is given, and a description that nobody has changed is kept up to date.

mod records;

use serde_json::{Map, Value, json};

use crate::dataset::card::{About, License};
use crate::dataset::manifest::Manifest;
use crate::format::row_layout::RowLayout;
use crate::format::shard::Checksum;
use crate::spec::Format;

/// Keys that are inlaid's.
const OWN_KEYS: [&str; 6] = ["@context", "@type", "conformsTo", "distribution", "recordSet", "version"];

/// The version of the vocabulary.
const CONFORMS_TO: &str = "http://mlcommons.org/croissant/1.1";

/// What a `croissant.json` that can't be rewritten is left for.
pub const NOT_AN_OBJECT: &str = "it is not a JSON object";

/// A dataset that is described.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// As it is to be.
    pub manifest: &'a Manifest,
    /// Layout of its rows.
    pub layout: &'a RowLayout,
    /// As it was last committed, if it was.
    pub before: Option<&'a Manifest>,
    /// Its name where nobody has given it one.
    pub folder: &'a str,
}

/// The text of `croissant.json`: with what people say about the dataset, and what is `there` already.
///
/// # Errors
/// If what is there is not a JSON object; the error says so.
pub fn text(dataset: &Described<'_>, about: &About, there: Option<&str>) -> Result<String, String> {
    let Described { manifest, layout, before, folder } = *dataset;
    let mut keys = match there {
        None => Map::new(),
        Some(there) => parsed(there).ok_or(NOT_AN_OBJECT)?,
    };
    let earlier = before.and_then(|before| Some(records::described(before, &RowLayout::new(&before.spec).ok()?)));
    if earlier.is_some_and(|earlier| keys.get("description").is_some_and(|there| *there == earlier)) {
        keys.remove("description");
    }
    let said = [
        ("license", about.license.as_ref().map(License::as_str)),
        ("name", about.title.as_deref()),
        ("isBasedOn", about.source.as_deref()),
    ];
    for (key, said) in said {
        match said {
            None => {}
            Some("") => drop(keys.remove(key)),
            Some(text) => drop(keys.insert(key.to_owned(), text.into())),
        }
    }
    let mut set = |key: &str, value: Value| drop(keys.insert(key.to_owned(), value));
    set("@context", context());
    set("@type", "sc:Dataset".into());
    set("conformsTo", CONFORMS_TO.into());
    set("distribution", distribution(manifest));
    set("recordSet", records::record_sets(manifest, layout));
    set("version", format!("{}.0.0", manifest.snapshot.dataset_version).into());
    let mut unless_there = |key: &str, value: Value| {
        keys.entry(key).or_insert(value);
    };
    unless_there("name", folder.into());
    unless_there("description", records::described(manifest, layout).into());
    // A license is required; this one says that nobody has given one.
    unless_there("license", json!({ "@type": "sc:CreativeWork", "name": "unknown" }));
    Ok(format!("{:#}\n", Value::Object(sorted(keys))))
}

/// Checksum of what is inlaid's in a `croissant.json`; none if it is not a JSON object.
pub fn own_checksum(text: &str) -> Option<Checksum> {
    let keys = parsed(text)?;
    let own = OWN_KEYS.iter().map(|key| keys.get(*key).map(Value::to_string).unwrap_or_default());
    Some(Checksum::of(own.collect::<Vec<_>>().join("\n").as_bytes()))
}

fn parsed(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(keys)) => Some(keys),
        _ => None,
    }
}

/// The same, in alphabetical order, whatever the map keeps.
fn sorted(keys: Map<String, Value>) -> Map<String, Value> {
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort_by(|(one, _), (other, _)| one.cmp(other));
    keys.into_iter().collect()
}

/// Files of each split, by patterns below the folder of `croissant.json`. Their checksums are in the manifest.
fn distribution(manifest: &Manifest) -> Value {
    let format = manifest.spec.format;
    let extension = format.extension();
    let includes: Vec<String> = manifest.snapshot.splits.keys().map(|split| format!("{split}/*.{extension}")).collect();
    let encoding = match format {
        Format::Parquet => "application/x-parquet",
        Format::Arrow => "application/vnd.apache.arrow.file",
    };
    json!([{
        "@id": records::FILES,
        "@type": "cr:FileSet",
        "description": "The files of every split.",
        "encodingFormat": encoding,
        "includes": includes,
        "name": records::FILES,
    }])
}

/// The vocabulary, as version 1.1 has it.
fn context() -> Value {
    let mut terms = Map::new();
    let mut set = |term: &str, value: Value| drop(terms.insert(term.to_owned(), value));
    set("@language", "en".into());
    set("@vocab", "https://schema.org/".into());
    set("conformsTo", "dct:conformsTo".into());
    set("cr", "http://mlcommons.org/croissant/".into());
    set("data", json!({ "@id": "cr:data", "@type": "@json" }));
    set("dataType", json!({ "@id": "cr:dataType", "@type": "@vocab" }));
    set("dct", "http://purl.org/dc/terms/".into());
    set("examples", json!({ "@id": "cr:examples", "@type": "@json" }));
    set("rai", "http://mlcommons.org/croissant/RAI/".into());
    set("sc", "https://schema.org/".into());
    for term in [
        "arrayShape",
        "citeAs",
        "column",
        "containedIn",
        "equivalentProperty",
        "extract",
        "field",
        "fileObject",
        "fileProperty",
        "fileSet",
        "format",
        "includes",
        "isArray",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
        "regex",
        "repeated",
        "replace",
        "samplingRate",
        "separator",
        "source",
        "subField",
        "transform",
    ] {
        set(term, format!("cr:{term}").into());
    }
    Value::Object(sorted(terms))
}
