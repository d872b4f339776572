//! What a user may want to know about the sources of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Extensions of image files that Pillow has no decoder for.
pub(super) const UNKNOWN_TO_PILLOW: &[&str] = &["pam", "hdr", "exr", "ff"];

/// Files that are no inputs, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ignored {
    /// Files and folders whose names begin with `.` or `__`.
    pub hidden: usize,
    /// Files with the extension of something else, by extension in lower case (empty: none).
    pub other: BTreeMap<String, usize>,
    /// Symbolic links to folders, not followed.
    pub linked_folders: usize,
}

/// Something about the sources that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The top folders were taken for splits.
    SplitFolders(PathBuf),
    /// A folder named like a split was taken for a class.
    SplitWordIsClass(String),
    /// A class has no image.
    EmptyFolder(PathBuf),
    /// Links to folders were not followed.
    LinkedFolders(usize),
    /// Files were passed over because of their names.
    OtherFiles(String),
    /// Hidden files or folders were passed over.
    Hidden(usize),
    /// Files are stored as they are that who reads them with Pillow can't decode.
    UnknownToPillow(usize),
    /// A run that was interrupted is not continued.
    GivenUp,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::SplitFolders(path) => write!(f, "the top folders of `{}` are taken as splits", path.display()),
            Notice::SplitWordIsClass(name) => {
                write!(f, "folder `{name}` is taken as a class, as not every folder beside it is named after a split")
            }
            Notice::EmptyFolder(path) => write!(f, "folder `{}` holds no image and is no class", path.display()),
            Notice::LinkedFolders(1) => write!(f, "1 symbolic link to a folder is not followed"),
            Notice::LinkedFolders(n) => write!(f, "{n} symbolic links to folders are not followed"),
            Notice::OtherFiles(counts) => write!(f, "ignored files that are not named as images: {counts}"),
            Notice::Hidden(n) => write!(f, "ignored {n} hidden files or folders (names that begin with `.` or `__`)"),
            Notice::UnknownToPillow(n) => write!(
                f,
                "stored as they are, files named {} can't be decoded by Pillow: {n}",
                UNKNOWN_TO_PILLOW.join(", ")
            ),
            Notice::GivenUp => {
                write!(f, "an earlier run was interrupted and had other sources; what it committed stays")
            }
        }
    }
}
