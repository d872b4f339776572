//! What `inlaid info` prints.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::path::Path;

use crate::{ByteSize, Manifest, Split, SplitInfo};

/// Prints what a dataset is: as text, or the manifest itself.
pub fn print(manifest: &Manifest, folder: &Path, json: bool) {
    let text = match json {
        true => serde_json::to_string_pretty(manifest).expect("a manifest has no maps with odd keys") + "\n",
        false => in_words(manifest, folder),
    };
    // A reader that has gone away is no error.
    let _ = stdout().write_all(text.as_bytes());
}

fn in_words(manifest: &Manifest, folder: &Path) -> String {
    let Manifest { format_version, tool, spec, version, unfinished, previous, .. } = manifest;
    let number = version.dataset_version;
    let mut text = format!("`{}`: version {number}, format {format_version}, written by {tool}\n", folder.display());
    text += &format!(
        "tensors: {}, {} {} {}, {}, {}, storage {}, format {}, compression {}\n",
        spec.size,
        spec.channels,
        spec.dtype,
        spec.layout,
        spec.fit_in_words(),
        spec.filter_in_words(),
        spec.storage,
        spec.format,
        spec.compression
    );
    let rule = spec.split_by.map_or("label", |rule| rule.as_str());
    text += &format!("splits: {} by {rule}, order {}, seed {}\n\n", spec.shares, spec.order, spec.seed);
    text += &format!("{:<11}{:>9} {:>11} {:>7} {:>11}\n", "split", "rows", "bytes", "files", "row groups");
    for (split, info) in &version.splits {
        let (bytes, row_groups) = (ByteSize(info.bytes).to_string(), info.shards.iter().map(|s| s.row_groups));
        let (files, row_groups) = (info.shards.len(), row_groups.sum::<usize>());
        text += &format!("{:<11}{:>9} {bytes:>11} {files:>7} {row_groups:>11}\n", split.as_str(), info.rows);
    }
    text += &classes(&version.classes, &version.splits);
    match version.rejects {
        0 => {}
        1 => text += &format!("\n1 input is no row, a line of `{}`\n", crate::REJECTS),
        n => text += &format!("\n{n} inputs are no rows, each a line of `{}`\n", crate::REJECTS),
    }
    if unfinished.is_some() {
        text += "\na run is going on or was interrupted; the same command goes on with it\n";
    }
    if let Some(previous) = previous {
        let (rows, number) = (previous.splits.values().map(|info| info.rows).sum::<usize>(), previous.dataset_version);
        text += &format!("\n`inlaid rollback` goes back to version {number} with {rows} rows\n");
    }
    text
}

/// A line for each class, with its rows in every split.
fn classes(names: &[String], splits: &BTreeMap<Split, SplitInfo>) -> String {
    if names.is_empty() {
        return "\nno labels\n".to_owned();
    }
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("class".len());
    let mut text = format!("\n{:>5}  {:<width$}", "label", "class");
    splits.keys().for_each(|split| text += &format!(" {:>10}", split.as_str()));
    text += "\n";
    for (label, name) in (0..).zip(names) {
        text += &format!("{label:>5}  {name:<width$}");
        splits.values().for_each(|info| text += &format!(" {:>10}", info.rows_of(Some(label))));
        text += "\n";
    }
    text
}
