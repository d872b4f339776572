//! What a user may want to know about the sources of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::spec::Split;

/// Extensions of image files that Pillow has no decoder for.
pub(super) const UNKNOWN_TO_PILLOW: &[&str] = &["pam", "hdr", "exr", "ff"];

/// Files that are no inputs, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ignored {
    /// Files and folders whose names begin with `.` or `__`.
    pub hidden: usize,
    /// Files that are not named as images, by extension in lower case (empty: none).
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
    /// Files were passed over because of their names: how many of each extension ([`Ignored::other`]).
    OtherFiles(BTreeMap<String, usize>),
    /// Hidden files or folders were passed over.
    Hidden(usize),
    /// Files are stored as they are that who reads them with Pillow can't decode.
    UnknownToPillow(usize),
    /// Classes are too small for exact shares.
    SmallClasses {
        /// Names of the first few.
        names: Vec<String>,
        /// How many there are.
        count: usize,
        /// The splits in the order in which they are filled.
        order: Vec<Split>,
    },
    /// All images together are too few for exact shares.
    FewImages {
        /// How many there are.
        count: usize,
        /// The splits in the order in which they are filled.
        order: Vec<Split>,
    },
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
            Notice::OtherFiles(counts) => {
                let name = |ext: &str| if ext.is_empty() { "no extension".to_owned() } else { format!(".{ext}") };
                let counts: Vec<_> = counts.iter().map(|(ext, n)| format!("{n} {}", name(ext))).collect();
                write!(f, "ignored files that are not named as images: {}", counts.join(", "))
            }
            Notice::Hidden(n) => write!(f, "ignored {n} hidden files or folders (names that begin with `.` or `__`)"),
            Notice::UnknownToPillow(n) => write!(
                f,
                "stored as they are, files named {} can't be decoded by Pillow: {n}",
                UNKNOWN_TO_PILLOW.join(", ")
            ),
            Notice::SmallClasses { names, count, order } => {
                let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                let (names, order) = (quoted.join(", "), in_order(order));
                match (count, count - quoted.len()) {
                    (1, _) => write!(f, "class {names} is too small for exact shares, so it fills {order}"),
                    (n, 0) => write!(f, "{n} classes are too small for exact shares, so they fill {order}: {names}"),
                    (n, more) => write!(
                        f,
                        "{n} classes are too small for exact shares, so they fill {order}: {names} and {more} more"
                    ),
                }
            }
            Notice::FewImages { count: 1, order } => {
                write!(f, "1 image is too few for exact shares, so it goes to {}", order[0])
            }
            Notice::FewImages { count, order } => {
                write!(f, "{count} images are too few for exact shares, so they fill {}", in_order(order))
            }
            Notice::GivenUp => {
                write!(f, "an earlier run was interrupted and had other sources; what it committed stays")
            }
        }
    }
}

/// `train, then test, then validation`.
fn in_order(splits: &[Split]) -> String {
    splits.iter().map(|split| split.as_str()).collect::<Vec<_>>().join(", then ")
}
