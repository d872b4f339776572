//! Names of the files and folders in a dataset's folder, besides its shards.

use std::ffi::OsStr;
use std::path::Path;

/// The manifest.
pub const MANIFEST: &str = "inlaid.json";

/// The dataset card.
pub const CARD: &str = "README.md";

/// The description of the dataset in the vocabulary of Croissant, if it was asked for.
pub const CROISSANT: &str = "croissant.json";

/// The pictures of the card, if they were asked for: some of the images, and the rows of each class.
pub const CARD_PICTURES: [&str; 2] = ["card-images.png", "card-classes.png"];

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

/// Files and folders that operating systems and network storage leave in any folder.
const SYSTEM: &[&str] = &[
    // macOS
    ".DS_Store",
    ".AppleDouble",
    ".LSOverride",
    ".apdisk",
    ".DocumentRevisions-V100",
    ".fseventsd",
    ".Spotlight-V100",
    ".TemporaryItems",
    ".Trashes",
    ".VolumeIcon.icns",
    "__MACOSX",
    // Windows
    "Thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "$RECYCLE.BIN",
    "System Volume Information",
    // Linux
    "lost+found",
    ".directory",
    // Synology and QNAP
    "@eaDir",
    "#recycle",
    "#snapshot",
    "@Recycle",
    ".@__thumb",
];

/// What the names of other such files begin with, and how these are called together: second halves of files of macOS,
/// trash folders of Linux, and deleted files that NFS keeps while they are open.
const SYSTEM_PREFIXES: &[(&str, &str)] = &[("._", "._*"), (".Trash-", ".Trash-*"), (".nfs0", ".nfs*")];

/// The name of a system file or folder, such as `.DS_Store`, or of its kind, such as `._*`: one that an operating system
/// or network storage left, so that it belongs to no source and no dataset. None for other names. Case is ignored.
pub fn system_file(name: &OsStr) -> Option<&'static str> {
    let name = name.to_string_lossy();
    let begins = |prefix: &str| name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
    let kind = SYSTEM_PREFIXES.iter().find(|(prefix, _)| begins(prefix)).map(|(_, kind)| *kind);
    kind.or_else(|| SYSTEM.iter().copied().find(|system| system.eq_ignore_ascii_case(&name)))
}

/// Whether a file or folder of this name is a system's; see [`system_file`].
pub fn is_system(name: &OsStr) -> bool {
    system_file(name).is_some()
}
