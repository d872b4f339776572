//! Undoes the last append. Appends only ever add shards, or bytes to a shard, so the previous contents
//! still exist: added shards are removed, and others are truncated to their former length.

use std::path::Path;

use crate::commands::change::Change;
use crate::commands::verify::read_back;
use crate::commit::journal::Purpose;
use crate::commit::output::Output;
use crate::dataset::card::About;
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{REJECTS, REJECTS_BEFORE};
use crate::dataset::reject::{read_rejects, to_lines};
use crate::error::{Error, StoreError, counted};
use crate::format::columns::Columns;
use crate::format::files::Folder;
use crate::format::row_layout::RowLayout;
use crate::format::shard;
use crate::remote::is_url;
use crate::run::{Progress, RunOptions};

/// Restores the snapshot of the dataset in `folder` from before the last append. Returns what has
/// changed. If an earlier rollback was interrupted in its commit, only completes that one; where
/// the snapshot before it is not known anymore, the one after it stands for both.
///
/// # Errors
/// If `folder` is not a dataset, keeps no earlier snapshot, is damaged, or can't be written to.
pub fn rollback(folder: impl AsRef<Path>) -> Result<Change, Error> {
    rollback_with(folder, &Progress::default())
}

/// Rolls a dataset back, as [`rollback`] does, and counts the rows of the shards that it has cut and read back.
///
/// # Errors
/// As [`rollback`], and [`Error::Abandoned`] if it was asked to stop.
pub fn rollback_with(folder: impl AsRef<Path>, progress: &Progress) -> Result<Change, Error> {
    let folder = folder.as_ref();
    if is_url(folder) {
        return Err(Error::Store { place: folder.to_owned(), reason: StoreError::InPlace("not rolled back") });
    }
    // In place until the last step of a commit.
    let before = Manifest::read(folder).ok().flatten();
    let (mut output, there) = Output::open(folder, &RunOptions::default())?;
    if output.completed() == Some(Purpose::Rollback) {
        let before = before.unwrap_or_else(|| there.clone());
        return Ok(Change { before: before.snapshot, after: there.snapshot, card: Vec::new() });
    }
    let Some(previous) = there.previous.clone() else { return Err(Error::NoHistory(folder.to_owned())) };
    let layout = RowLayout::new(&there.spec)?;
    let columns = Columns::new(&layout, &there.spec, &there.snapshot.classes);
    let mut next = Manifest { snapshot: previous, unfinished: None, previous: None, ..there.clone() };
    progress.begin(next.snapshot.rows(), 0);
    for info in next.snapshot.splits.values_mut() {
        for earlier in &mut info.shards {
            let path = folder.join(&earlier.file);
            let now = there.snapshot.shards().find(|now| now.file == earlier.file);
            let now = now.ok_or_else(|| Error::damaged(&path, "the current snapshot does not list it"))?;
            if now == earlier {
                progress.add(earlier.rows);
                continue;
            }
            shard::copy_beginning(&path, earlier.bytes, &output.scratch().join(&earlier.file))
                .map_err(|error| error.or_disk_full(earlier.bytes))?;
            let whole = read_back(&Folder(output.scratch().to_owned()), earlier, &columns, &layout, progress);
            progress.go_on()?;
            whole.map_err(|reason| Error::damaged(&path, reason))?;
            output.add_shard(earlier.file.clone());
        }
        info.count();
    }
    if next.snapshot.rejects > 0 {
        let lines = next.snapshot.rejects;
        let rejects = read_rejects(&**output.files(), REJECTS_BEFORE)?;
        if rejects.len() != lines {
            return Err(Error::damaged(
                &folder.join(REJECTS_BEFORE),
                format!("it lists {} instead of {lines}", counted(rejects.len(), "input")),
            ));
        }
        output.stage(REJECTS, &to_lines(&rejects))?;
    }
    let card = output.describe(&mut next, &layout, &About::default())?;
    let next = output.commit_for(Purpose::Rollback, next)?;
    Ok(Change { before: there.snapshot, after: next.snapshot, card })
}
