//! All files of a folder, to be compared and restored.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_ipc::reader::FileReader;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::scenario::MANIFEST;

/// Folders and the bytes of files, by their path below a folder, which is the empty path; all but the
/// lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree(BTreeMap<String, Option<Vec<u8>>>);

impl Tree {
    pub fn read(root: &Path) -> Tree {
        let mut tree = BTreeMap::new();
        let mut folders = if root.exists() { vec![root.to_owned()] } else { Vec::new() };
        while let Some(folder) = folders.pop() {
            let name = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            tree.insert(name(&folder), None);
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => drop(tree.insert(name(&path), Some(fs::read(&path).unwrap()))),
                }
            }
        }
        tree.remove(".inlaid/lock");
        Tree(tree)
    }

    pub fn write(&self, root: &Path) {
        let _ = fs::remove_dir_all(root);
        for (name, bytes) in &self.0 {
            match bytes {
                // Folders come before what is in them.
                None => fs::create_dir(root.join(name)).unwrap(),
                Some(bytes) => fs::write(root.join(name), bytes).unwrap(),
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name)?.as_deref()
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().filter_map(|(name, bytes)| Some((&**name, bytes.as_deref()?)))
    }

    /// What is not inlaid's own.
    pub fn public(&self) -> Tree {
        Tree(
            self.0
                .iter()
                .filter(|(name, _)| !name.starts_with(".inlaid"))
                .map(|(n, b)| (n.clone(), b.clone()))
                .collect(),
        )
    }

    /// With a manifest that does not say how often the dataset was changed.
    pub fn without_number(&self) -> Tree {
        let mut tree = self.clone();
        let manifest = tree.0.get_mut(MANIFEST).and_then(Option::as_mut);
        if let Some(text) = manifest {
            *text = without_number(text).into_bytes();
        }
        tree
    }

    /// The keys of all rows of each split that a reader finds in its folder, in order.
    pub fn rows(&self) -> BTreeMap<String, Vec<String>> {
        let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, bytes) in self.files() {
            if let Some((split, _)) = name.split_once('/').filter(|(folder, _)| *folder != ".inlaid") {
                rows.entry(split.to_owned()).or_default().extend(keys(name, bytes));
            }
        }
        rows
    }

    /// The names of what is not the same.
    pub fn differences(&self, other: &Tree) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }
}

/// A manifest, but for how often the dataset was changed: a command that replaces it can be repeated.
pub fn without_number(manifest: &[u8]) -> String {
    let text = str::from_utf8(manifest).unwrap();
    text.lines().filter(|line| !line.contains("\"dataset_version\"")).collect()
}

/// Reads a whole shard; the keys of its rows.
fn keys(name: &str, bytes: &[u8]) -> Vec<String> {
    let bytes = Bytes::copy_from_slice(bytes);
    let batches: Vec<RecordBatch> = match name.ends_with(".arrow") {
        true => FileReader::try_new(Cursor::new(bytes), None).unwrap().map(Result::unwrap).collect(),
        false => {
            ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap().map(Result::unwrap).collect()
        }
    };
    let keys = |batch: &RecordBatch| -> Vec<String> {
        let keys = batch.column_by_name("path").unwrap().as_string::<i32>();
        keys.iter().map(|key| key.unwrap().to_owned()).collect()
    };
    batches.iter().flat_map(keys).collect()
}
