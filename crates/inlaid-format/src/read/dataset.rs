//! A dataset's folder, opened for reading.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::cached_bytes::Wanted;
use super::input::FileAccess;
use super::store_cache::StoreCache;
use super::table::Table;
use crate::dataset::manifest::{Manifest, SplitInfo};
use crate::dataset::names::is_committing;
use crate::dataset::reject::RejectList;
use crate::error::{Error, counted};
use crate::format::files::Files;
use crate::format::shard::Footer;
use crate::spec::Split;

/// An open dataset: the snapshot that was current when it was opened. Later commits don't affect it, since
/// they replace files and never change them in place. [`Table`] says how much memory its rows take.
pub struct Dataset {
    manifest: Manifest,
    splits: BTreeMap<Split, Table>,
    rejects: RejectList,
}

/// Number of attempts of a reader that finds a commit in progress, and the pause between them.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

impl Dataset {
    /// Opens the dataset in `folder`.
    ///
    /// # Errors
    /// If `folder` is not a dataset, or a shard is missing or damaged. During a commit, the previous snapshot is
    /// opened as long as all its files exist; otherwise `open` waits for the commit to end, at most two seconds.
    pub fn open(folder: impl AsRef<Path>) -> Result<Dataset, Error> {
        Dataset::open_with(folder, FileAccess::Map)
    }

    /// Opens the dataset in `folder`, as [`Dataset::open`] does, and reads its files in the given way.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open_with(folder: impl AsRef<Path>, access: FileAccess) -> Result<Dataset, Error> {
        let folder = folder.as_ref();
        for _ in 0..LOOKS {
            let manifest = match read_manifest(folder) {
                // The first commit is not complete.
                Err(Error::NoDataset(_)) if is_committing(folder) => {
                    thread::sleep(PAUSE);
                    continue;
                }
                manifest => manifest?,
            };
            let opened = open_splits(folder, &manifest, access);
            let rejects = RejectList::open(folder, &manifest);
            // In this order, because a commit removes its journal after it has replaced the manifest.
            let committing = is_committing(folder);
            if read_manifest(folder)? != manifest {
                continue;
            }
            if !committing {
                let splits = opened?;
                if let Some((path, surplus)) = splits.values().find_map(Table::lengthened) {
                    return Err(Error::damaged(path, format!("it is {surplus} bytes too long")));
                }
                return Ok(Dataset { manifest, splits, rejects });
            }
            match opened {
                Ok(splits) if are_of_their_version(folder, &manifest) => {
                    return Ok(Dataset { manifest, splits, rejects });
                }
                Ok(_) | Err(Error::Damaged { .. } | Error::Io { .. }) => thread::sleep(PAUSE),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Committing(folder.to_owned()))
    }

    /// Opens the dataset with these files, which are not on a disk, and keeps parts of them in a cache.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    #[doc(hidden)]
    pub fn open_files(files: &Arc<dyn Files>, cache: &Arc<StoreCache>) -> Result<Dataset, Error> {
        for _ in 0..LOOKS {
            let read = || Manifest::read_from(&**files)?.ok_or_else(|| Error::NoDataset(files.path("")));
            let manifest = read()?;
            let open = |(split, info): (&Split, &SplitInfo)| {
                let shards = info.shards.iter();
                let shards = shards.map(|shard| (&*shard.file, Wanted::Shard(shard, manifest.spec.format)));
                let table = Table::of_stored(files, shards.collect(), split.as_str(), cache);
                Ok((*split, of_its_length(table?, &files.path(split.as_str()), info)?))
            };
            let opened = manifest.snapshot.splits.iter().map(open).collect::<Result<_, Error>>();
            let opened = opened.and_then(|splits| Ok((splits, RejectList::read_in(&**files, &manifest)?)));
            match opened {
                // Shards that an append has lengthened begin with those of this snapshot.
                Ok((splits, rejects)) => return Ok(Dataset { manifest, splits, rejects }),
                Err(_) if read()? != manifest => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Committing(files.path("")))
    }

    /// The manifest of the snapshot that is open.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The rows of a split; none if it has no rows.
    pub fn split(&self, split: Split) -> Option<&Table> {
        self.splits.get(&split)
    }

    /// The rows of every split that has any.
    pub fn into_splits(self) -> BTreeMap<Split, Table> {
        self.splits
    }

    /// The inputs that could not become rows.
    pub fn rejects(&self) -> &RejectList {
        &self.rejects
    }

    /// The rows of every split that has any, and the inputs that could not become rows.
    pub fn into_parts(self) -> (BTreeMap<Split, Table>, RejectList) {
        (self.splits, self.rejects)
    }
}

fn read_manifest(folder: &Path) -> Result<Manifest, Error> {
    Manifest::read(folder)?.ok_or_else(|| Error::NoDataset(folder.to_owned()))
}

/// Opens the splits. Shards may be longer than the manifest says, because appends lengthen them.
fn open_splits(folder: &Path, manifest: &Manifest, access: FileAccess) -> Result<BTreeMap<Split, Table>, Error> {
    let open = |(split, info): (&Split, &SplitInfo)| {
        let shards: Vec<_> = info.shards.iter().map(|shard| (folder.join(&shard.file), shard.bytes)).collect();
        let table = Table::of_shards(&shards, folder, access)?;
        Ok((*split, of_its_length(table, &folder.join(split.as_str()), info)?))
    };
    manifest.snapshot.splits.iter().map(open).collect()
}

fn of_its_length(table: Table, path: &Path, info: &SplitInfo) -> Result<Table, Error> {
    match table.len() == info.rows {
        true => Ok(table),
        false => {
            let reason = format!("its files have {} instead of {}", counted(table.len(), "row"), info.rows);
            Err(Error::damaged(path, reason))
        }
    }
}

/// Whether no shard has been replaced. A longer shard still begins with the shard of this snapshot, or it could
/// not have been opened.
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
