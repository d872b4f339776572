//! Merges the small shards that appends leave, by copying their row groups.

use std::path::Path;

use crate::card::{CARD, card};
use crate::columns::Columns;
use crate::error::Error;
use crate::manifest::Version;
use crate::output::Output;
use crate::plan::RowCounts;
use crate::shard::{self, Footer, ShardInfo};
use crate::tensor::TensorShape;

/// A shard with less than this part of the rows it may have is small.
const SMALL: f64 = 0.5;

/// Merges neighbouring small shards of every split of the dataset in `folder`, as far as they fit into
/// one, and drops what a rollback needs. Returns the version before and after.
///
/// Readers that have listed a split's files before must list them again.
///
/// # Errors
/// If there is no dataset, a run on it was interrupted, it is damaged or can't be written to.
pub fn compact(folder: &Path) -> Result<(Version, Version), Error> {
    let (mut output, there) = Output::of_dataset(folder)?;
    if there.unfinished.is_some() {
        return Err(Error::Unfinished(folder.to_owned()));
    }
    let shape = TensorShape::of(&there.spec)?;
    let columns = Columns::new(&there.spec, &there.version.classes)?;
    let most = RowCounts::of(&there.spec, &shape).shard;

    let (mut next, mut staged) = (there.clone(), Vec::new());
    for info in next.version.splits.values_mut() {
        let groups = groups(std::mem::take(&mut info.shards), most);
        for group in groups {
            info.shards.push(match &group[..] {
                [alone] => alone.clone(),
                several => {
                    staged.push(several[0].file.clone());
                    let bytes = several.iter().map(|shard| shard.bytes).sum();
                    merge(several, folder, output.staging(), &columns).map_err(|error| error.or_disk_full(bytes))?
                }
            });
        }
        info.count();
    }
    if staged.is_empty() && there.previous.is_none() {
        return Ok((there.version.clone(), there.version));
    }
    next.previous = None;
    next.version.dataset_version += 1;
    output.stage(CARD, &card(&next, &shape))?;
    staged.push(CARD.to_owned());
    output.commit(&staged, next.clone())?;
    Ok((there.version, next.version))
}

/// Writes a shard that has the row groups of several, and the name of the first.
fn merge(several: &[ShardInfo], folder: &Path, staging: &Path, columns: &Columns) -> Result<ShardInfo, Error> {
    let mut merged = shard::create(staging, several[0].file.clone(), columns)?;
    for shard in several {
        let path = folder.join(&shard.file);
        Footer::of_shard(&path, shard, columns.format())?;
        merged.copy_row_groups(&path, shard.row_groups)?;
    }
    merged.finish()
}

/// Cuts the shards of a split into groups that become one shard each.
fn groups(shards: Vec<ShardInfo>, most: usize) -> Vec<Vec<ShardInfo>> {
    let is_small = |shard: &ShardInfo| (shard.rows as f64) < SMALL * most as f64;
    let mut groups: Vec<Vec<ShardInfo>> = Vec::new();
    for shard in shards {
        match groups.last_mut() {
            Some(group)
                if is_small(&shard)
                    && group.iter().all(is_small)
                    && group.iter().map(|shard| shard.rows).sum::<usize>() + shard.rows <= most =>
            {
                group.push(shard);
            }
            _ => groups.push(vec![shard]),
        }
    }
    groups
}
