//! Names of what lies in a dataset's folder, besides its shards.

use std::path::Path;

/// The manifest.
pub const MANIFEST: &str = "inlaid.json";

/// The dataset card.
pub const CARD: &str = "README.md";

/// The list of rejected inputs.
pub const REJECTS: &str = "rejects.jsonl";

/// The folder of everything of inlaid's own that is not part of the dataset.
pub const PRIVATE: &str = ".inlaid";

/// The file in [`PRIVATE`] that a writer locks.
pub const LOCK: &str = "lock";

/// The file in [`PRIVATE`] that names what a commit does.
pub const JOURNAL: &str = "journal.json";

/// The list of rejected inputs of the snapshot before.
pub const REJECTS_BEFORE: &str = ".inlaid/rejects-before.jsonl";

/// Whether a commit is in progress, or was interrupted.
pub fn is_committing(folder: &Path) -> bool {
    folder.join(PRIVATE).join(JOURNAL).exists()
}
