//! Names of the files and folders in a dataset's folder, besides its shards.

use std::path::Path;

/// The manifest.
pub const MANIFEST: &str = "inlaid.json";

/// The dataset card.
pub const CARD: &str = "README.md";

/// The list of rejected inputs.
pub const REJECTS: &str = "rejects.jsonl";

/// The folder for inlaid's own files that are not part of the dataset.
pub const PRIVATE: &str = ".inlaid";

/// The file in [`PRIVATE`] that a writer holds a lock on.
pub const LOCK: &str = "lock";

/// The file in [`PRIVATE`] that lists the steps of a commit.
pub const JOURNAL: &str = "journal.json";

/// The list of rejected inputs of the previous snapshot.
pub const REJECTS_BEFORE: &str = ".inlaid/rejects-before.jsonl";

/// Whether a commit is in progress, or was interrupted.
pub fn is_committing(folder: &Path) -> bool {
    folder.join(PRIVATE).join(JOURNAL).exists()
}
