//! Notices about the sources of a run that a user may want to see.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::dataset::card::CardNote;
use crate::spec::Split;

/// Extensions of image files that Pillow can't decode.
pub(super) const UNKNOWN_TO_PILLOW: &[&str] = &["pam", "hdr", "exr", "ff"];

/// Numbers of files that were ignored, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ignored {
    /// Number of files and folders whose names begin with `.` or `__`.
    pub hidden: usize,
    /// Number of files without an image extension, by extension in lower case (empty for none).
    pub other: BTreeMap<String, usize>,
    /// Number of symbolic links to folders that were not followed.
    pub linked_folders: usize,
}

/// Remark about the sources that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Top folders that were used as splits.
    SplitFolders(PathBuf),
    /// A folder named after a split that was used as a class.
    SplitWordIsClass(String),
    /// A folder without images, which does not become a class.
    EmptyFolder(PathBuf),
    /// Number of links to folders that were not followed.
    LinkedFolders(usize),
    /// Files ignored because of their extensions, with counts as in [`Ignored::other`].
    OtherFiles(BTreeMap<String, usize>),
    /// Number of hidden files or folders that were ignored.
    Hidden(usize),
    /// Number of files stored unchanged that Pillow can't decode.
    UnknownToPillow(usize),
    /// Classes that are too small for exact fractions.
    SmallClasses {
        /// Names of the first few classes.
        names: Vec<String>,
        /// Number of such classes.
        count: usize,
        /// Splits, in the order in which they are filled.
        order: Vec<Split>,
    },
    /// Too few images in all for exact fractions.
    FewImages {
        /// Number of images.
        count: usize,
        /// Splits, in the order in which they are filled.
        order: Vec<Split>,
    },
    /// An interrupted run that was given up.
    GivenUp,
    /// Remark on the dataset's card.
    Card(CardNote),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::SplitFolders(path) => write!(f, "the top folders of `{}` are used as splits", path.display()),
            Notice::SplitWordIsClass(name) => {
                write!(
                    f,
                    "folder `{name}` is used as a class, since not every folder next to it is named after a split"
                )
            }
            Notice::EmptyFolder(path) => write!(f, "folder `{}` has no images, so it is not a class", path.display()),
            Notice::LinkedFolders(1) => write!(f, "1 symbolic link to a folder was not followed"),
            Notice::LinkedFolders(n) => write!(f, "{n} symbolic links to folders were not followed"),
            Notice::OtherFiles(counts) => {
                let name = |ext: &str| if ext.is_empty() { "no extension".to_owned() } else { format!(".{ext}") };
                let counts: Vec<_> = counts.iter().map(|(ext, n)| format!("{n} {}", name(ext))).collect();
                write!(f, "ignored files without an image extension: {}", counts.join(", "))
            }
            Notice::Hidden(1) => write!(f, "ignored 1 hidden file or folder (its name begins with `.` or `__`)"),
            Notice::Hidden(n) => write!(f, "ignored {n} hidden files or folders (names beginning with `.` or `__`)"),
            Notice::UnknownToPillow(n) => {
                write!(f, "files stored unchanged that Pillow can't decode ({}): {n}", UNKNOWN_TO_PILLOW.join(", "))
            }
            Notice::SmallClasses { names, count, order } => {
                let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                let (names, order) = (quoted.join(", "), in_order(order));
                match (count, count - quoted.len()) {
                    (1, _) => write!(f, "class {names} is too small for exact fractions, so it fills {order}"),
                    (n, 0) => write!(f, "{n} classes are too small for exact fractions, so they fill {order}: {names}"),
                    (n, more) => write!(
                        f,
                        "{n} classes are too small for exact fractions, so they fill {order}: {names} and {more} more"
                    ),
                }
            }
            Notice::FewImages { count: 1, order } => {
                write!(f, "1 image is too few for exact fractions, so it goes to {}", order[0])
            }
            Notice::FewImages { count, order } => {
                write!(f, "{count} images are too few for exact fractions, so they fill {}", in_order(order))
            }
            Notice::Card(note) => note.fmt(f),
            Notice::GivenUp => {
                write!(f, "an earlier run with other sources was interrupted; the rows it committed stay")
            }
        }
    }
}

/// `train, then test, then validation`.
fn in_order(splits: &[Split]) -> String {
    splits.iter().map(|split| split.as_str()).collect::<Vec<_>>().join(", then ")
}
