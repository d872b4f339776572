//! Hidden folders that killed runs have left beside their outputs.

use std::fs::{self, DirEntry, File};
use std::path::Path;

use crate::commit::lock::is_at;
use crate::commit::staging::is_marked;

/// Removes the hidden folders beside an output whose runs have died. A folder with files, but without the mark of a run,
/// is somebody else's, and one that is locked is in use.
pub(super) fn remove_abandoned(output: &Path) {
    let Some(entries) = output.parent().and_then(|parent| fs::read_dir(parent).ok()) else { return };
    entries.flatten().filter(is_hidden_folder).for_each(|entry| remove(&entry.path()));
}

/// Name of the hidden folder for an output of this name.
pub(super) fn hidden_name(output: &str) -> String {
    format!(".{output}.inlaid")
}

fn is_hidden_folder(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let output = name.strip_prefix('.').and_then(|name| name.strip_suffix(".inlaid"));
    output.is_some_and(|output| !output.is_empty()) && entry.file_type().is_ok_and(|kind| kind.is_dir())
}

fn remove(hidden: &Path) {
    let Ok(folder) = File::open(hidden) else { return };
    if folder.try_lock().is_ok() && is_at(&folder, hidden) {
        // What can't be removed, such as a folder of another user, stays. Without a mark, it goes if it is empty: a run
        // may die before it has made the mark, or after it has removed it.
        let _ = if is_marked(hidden) { fs::remove_dir_all(hidden) } else { fs::remove_dir(hidden) };
    }
    let _ = folder.unlock();
}
