//! Undoes the last append. Appends only ever add shards, or bytes to a shard, so the previous contents
//! still exist: added shards are removed, and others are truncated to their former length.

use std::path::Path;

use crate::commands::verify::read_back;
use crate::commit::output::Output;
use crate::dataset::card::card;
use crate::dataset::manifest::{Manifest, Snapshot};
use crate::dataset::names::CARD;
use crate::dataset::names::{REJECTS, REJECTS_BEFORE};
use crate::dataset::reject::{read_rejects, to_lines};
use crate::error::{Error, counted};
use crate::format::columns::Columns;
use crate::format::row_layout::RowLayout;
use crate::format::shard;

/// Restores the snapshot of the dataset in `folder` from before the last append. Returns the snapshots
/// before and after the rollback.
///
/// # Errors
/// If `folder` is not a dataset, keeps no earlier snapshot, is damaged, or can't be written to.
pub fn rollback(folder: impl AsRef<Path>) -> Result<(Snapshot, Snapshot), Error> {
    let folder = folder.as_ref();
    let (mut output, there) = Output::open(folder)?;
    let Some(previous) = there.previous.clone() else { return Err(Error::NoHistory(folder.to_owned())) };
    let layout = RowLayout::new(&there.spec)?;
    let columns = Columns::new(&layout, &there.spec, &there.snapshot.classes);
    let mut next = Manifest { snapshot: previous, unfinished: None, previous: None, ..there.clone() };
    let mut staged = Vec::new();
    for info in next.snapshot.splits.values_mut() {
        for earlier in &mut info.shards {
            let path = folder.join(&earlier.file);
            let now = there.snapshot.shards().find(|now| now.file == earlier.file);
            let now = now.ok_or_else(|| Error::damaged(&path, "the current snapshot does not list it"))?;
            if now == earlier {
                continue;
            }
            shard::copy_beginning(&path, earlier.bytes, &output.staging().join(&earlier.file))
                .map_err(|error| error.or_disk_full(earlier.bytes))?;
            read_back(output.staging(), earlier, &columns, &layout).map_err(|reason| Error::damaged(&path, reason))?;
            staged.push(earlier.file.clone());
        }
        info.count();
    }
    if next.snapshot.rejects > 0 {
        let (path, lines) = (folder.join(REJECTS_BEFORE), next.snapshot.rejects);
        let rejects = read_rejects(&path)?;
        if rejects.len() != lines {
            return Err(Error::damaged(
                &path,
                format!("it lists {} instead of {lines}", counted(rejects.len(), "input")),
            ));
        }
        output.stage(REJECTS, &to_lines(&rejects))?;
        staged.push(REJECTS.to_owned());
    }
    output.stage(CARD, &card(&next, &layout))?;
    staged.push(CARD.to_owned());
    output.commit(&staged, next.clone())?;
    Ok((there.snapshot, next.snapshot))
}
