//! A dataset's folder, opened to be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::table::Table;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::spec::Split;

/// A dataset that is open: the version that its manifest named when it was opened. Later commits don't
/// change what is read, since they replace files and never change them.
pub struct Dataset {
    manifest: Manifest,
    splits: BTreeMap<Split, Table>,
}

impl Dataset {
    /// Opens the dataset in `folder`.
    ///
    /// # Errors
    /// If there is none, or a shard is missing or damaged. A reader that meets a commit may find a shard
    /// that is already another one: it tries again with the manifest of that commit.
    pub fn open(folder: &Path) -> Result<Dataset, Error> {
        let mut manifest = read_manifest(folder)?;
        loop {
            let opened = open_splits(folder, &manifest);
            let now = read_manifest(folder)?;
            if now == manifest {
                return Ok(Dataset { manifest, splits: opened? });
            }
            manifest = now;
        }
    }

    /// What the dataset is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The rows of a split; none if it has no rows.
    pub fn split(&self, split: Split) -> Option<&Table> {
        self.splits.get(&split)
    }

    /// The rows of every split that has some.
    pub fn into_splits(self) -> BTreeMap<Split, Table> {
        self.splits
    }
}

fn read_manifest(folder: &Path) -> Result<Manifest, Error> {
    Manifest::read(folder)?.ok_or_else(|| Error::NoDataset(folder.to_owned()))
}

fn open_splits(folder: &Path, manifest: &Manifest) -> Result<BTreeMap<Split, Table>, Error> {
    let open = |(split, info): (&Split, &crate::manifest::SplitInfo)| {
        let paths: Vec<PathBuf> = info.shards.iter().map(|shard| folder.join(&shard.file)).collect();
        let table = Table::of_files(&paths, folder)?;
        match table.len() == info.rows {
            true => Ok((*split, table)),
            false => {
                let reason = format!("its files have {} rows instead of {}", table.len(), info.rows);
                Err(Error::damaged(&folder.join(split.as_str()), reason))
            }
        }
    };
    manifest.version.splits.iter().map(open).collect()
}
