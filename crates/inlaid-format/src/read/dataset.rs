//! A dataset's folder, opened to be read.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::table::Table;
use crate::dataset::manifest::{Manifest, SplitInfo};
use crate::dataset::names::is_committing;
use crate::error::Error;
use crate::format::shard::Footer;
use crate::spec::Split;

/// A dataset that is open: the version that its manifest named when it was opened. Later commits don't
/// change what is read, since they replace files and never change them.
pub struct Dataset {
    manifest: Manifest,
    splits: BTreeMap<Split, Table>,
}

/// How often a reader that meets a commit looks again, and after what time.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

impl Dataset {
    /// Opens the dataset in `folder`.
    ///
    /// # Errors
    /// If there is none, or a shard is missing or damaged. A reader that meets a commit reads the version
    /// before it as long as its files are all there, else waits for its end, at most two seconds.
    pub fn open(folder: impl AsRef<Path>) -> Result<Dataset, Error> {
        let folder = folder.as_ref();
        for _ in 0..LOOKS {
            let manifest = read_manifest(folder)?;
            let opened = open_splits(folder, &manifest);
            // In this order, as a commit removes its journal when its manifest is there.
            let committing = is_committing(folder);
            if read_manifest(folder)? != manifest {
                continue;
            }
            if !committing {
                let splits = opened?;
                if let Some((path, surplus)) = splits.values().find_map(Table::lengthened) {
                    return Err(Error::damaged(path, format!("it has {surplus} bytes too many")));
                }
                return Ok(Dataset { manifest, splits });
            }
            match opened {
                Ok(splits) if are_of_their_version(folder, &manifest) => return Ok(Dataset { manifest, splits }),
                Ok(_) | Err(Error::Damaged { .. } | Error::Io { .. }) => thread::sleep(PAUSE),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Committing(folder.to_owned()))
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

/// Opens the splits; shards may be longer than they were.
fn open_splits(folder: &Path, manifest: &Manifest) -> Result<BTreeMap<Split, Table>, Error> {
    let open = |(split, info): (&Split, &SplitInfo)| {
        let shards: Vec<_> = info.shards.iter().map(|shard| (folder.join(&shard.file), shard.bytes)).collect();
        let table = Table::of_shards(&shards, folder)?;
        match table.len() == info.rows {
            true => Ok((*split, table)),
            false => {
                let reason = format!("its files have {} rows instead of {}", table.len(), info.rows);
                Err(Error::damaged(&folder.join(split.as_str()), reason))
            }
        }
    };
    manifest.snapshot.splits.iter().map(open).collect()
}

/// Whether no shard has been replaced. One that is longer now begins with the one that it was: it would
/// not have been opened otherwise.
fn are_of_their_version(folder: &Path, manifest: &Manifest) -> bool {
    manifest.snapshot.shards().all(|shard| {
        let path = folder.join(&shard.file);
        path.metadata().is_ok_and(|now| now.len() > shard.bytes)
            || Footer::of_shard(&path, shard, manifest.spec.format).is_ok()
    })
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("snapshot", &self.manifest.snapshot.dataset_version)
            .field("splits", &self.splits)
            .finish_non_exhaustive()
    }
}
