//! Notices about the sources of a run that a user may want to see.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use crate::dataset::card::CardNote;
use crate::spec::{ByteSize, Folders, Split};

/// Extensions of image files that Pillow can't decode.
pub(super) const UNKNOWN_TO_PILLOW: &[&str] = &["pam", "hdr", "exr", "ff"];

/// Numbers of files that were ignored, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ignored {
    /// Number of files and folders whose names begin with `.` or `__`.
    pub hidden: usize,
    /// Number of files without an image extension, by extension in lower case (empty for none).
    pub other: BTreeMap<String, usize>,
    /// Number of files and folders that operating systems and network storage leave, by name: `.DS_Store`, `@eaDir`.
    pub system: BTreeMap<&'static str, usize>,
    /// Number of symbolic links to folders that were not followed.
    pub linked_folders: usize,
}

/// Remark about the sources that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Top folders that were used as splits.
    SplitFolders(PathBuf),
    /// A table whose name says no split, so that those of others don't either.
    NoSplitInName(PathBuf),
    /// Number of images that an append adds without labels, to a dataset with labels.
    NoLabels(usize),
    /// The column `split` of a table that describes images, and a value that is not the name of a split.
    NotSplits {
        /// Name of the column.
        column: String,
        /// The first such value; empty for none.
        value: String,
    },
    /// The column `split` of tables with images, which says no splits.
    SplitIsValue(String),
    /// Columns of classes any of which could be the labels, so that rows have none.
    SeveralLabels(Vec<String>),
    /// The folder that an archive of a whole folder begins with, which is not a class.
    TopFolder {
        /// Path of the archive.
        archive: PathBuf,
        /// The folder, as a path in the archive.
        folder: String,
    },
    /// Bytes of compressed archives and tables that are unpacked for as long as a run takes.
    Unpacked(u64),
    /// A tar without the mark of its end, so that files may be missing.
    NoEnd(PathBuf),
    /// A folder named after a split that was used as a class.
    SplitWordIsClass(String),
    /// Source whose arrays, files or folders are named after splits, which were used.
    SplitNames(PathBuf),
    /// Arrays whose channels could be another dimension than the last one, with their shapes.
    AmbiguousChannels(Vec<String>),
    /// Arrays that are neither images, nor labels or values of any.
    ArraysLeftOut(Vec<String>),
    /// Files beside arrays that are none, with counts as in [`Ignored::other`].
    NoArrays(BTreeMap<String, usize>),
    /// Folders without images: class folders, or split folders and class folders in them.
    EmptyFolders {
        /// The folders, sorted.
        folders: Vec<PathBuf>,
        /// Meaning of the source's top folders.
        of: Folders,
    },
    /// Folders with images below class folders, by class: they are part of the path and no classes of their own.
    NestedFolders {
        /// Paths below the source.
        folders: BTreeMap<String, BTreeSet<String>>,
        /// Folder to give as the source if these folders are the classes; none if classes have images beside them.
        source: Option<PathBuf>,
    },
    /// Folders of images that are sources of their own, in a dataset without classes: a user may take them for classes.
    FolderSources {
        /// Number of such folders.
        count: usize,
        /// Folder that holds all of them; none if they are in several, or it has no name.
        above: Option<PathBuf>,
    },
    /// Classes that only some of the source's split folders hold.
    ClassesInSplits {
        /// Names of the classes.
        names: Vec<String>,
        /// Splits that hold them.
        splits: Vec<Split>,
    },
    /// Number of links to folders that were not followed.
    LinkedFolders(usize),
    /// Files ignored because of their extensions, with counts as in [`Ignored::other`].
    OtherFiles(BTreeMap<String, usize>),
    /// Tables such as `metadata.csv` that are not read, because another one is given: paths below the source.
    MetadataFiles(Vec<String>),
    /// A table such as `metadata.csv` that is not read, because it has no column with the names of the files.
    NoFileColumn {
        /// Path of the table.
        path: PathBuf,
        /// Name of the column.
        column: String,
    },
    /// Folders that are no classes, because a table without labels describes the images.
    FoldersBesideTable(Vec<String>),
    /// The column of a table that was used as splits.
    SplitColumn(String),
    /// Columns of a table that are not kept, and why.
    ColumnsLeft(Vec<(String, String)>),
    /// Files and folders of the operating system that were ignored, with counts as in [`Ignored::system`].
    SystemFiles(BTreeMap<&'static str, usize>),
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

impl Notice {
    /// The notice to an append, without what it says of classes that the dataset has already: that was said when they
    /// came. None if nothing is left.
    pub(crate) fn of_new_classes(self, there: &[String]) -> Option<Notice> {
        let is_new = |name: &str| !there.iter().any(|class| class == name);
        match self {
            Notice::EmptyFolders { mut folders, of } => {
                folders.retain(|folder| folder.file_name().is_none_or(|name| is_new(&name.to_string_lossy())));
                (!folders.is_empty()).then_some(Notice::EmptyFolders { folders, of })
            }
            Notice::NestedFolders { mut folders, source } => {
                folders.retain(|class, _| is_new(class));
                (!folders.is_empty()).then_some(Notice::NestedFolders { folders, source })
            }
            Notice::FolderSources { .. } => None,
            other => Some(other),
        }
    }

    /// Whether it says what was used as splits.
    pub(crate) fn is_of_splits(&self) -> bool {
        matches!(self, Notice::SplitFolders(_) | Notice::SplitNames(_) | Notice::SplitColumn(_))
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::SplitFolders(path) => write!(f, "the top folders of `{}` are used as splits", path.display()),
            Notice::SplitNames(path) => write!(f, "splits are taken from the names in `{}`", path.display()),
            Notice::AmbiguousChannels(arrays) => {
                write!(f, "the last dimension was taken for the channels of {}", first_of(arrays))
            }
            Notice::ArraysLeftOut(arrays) => match arrays.len() {
                1 => write!(f, "array {} belongs to no images, so it was left out", first_of(arrays)),
                n => write!(f, "{n} arrays belong to no images, so they were left out: {}", first_of(arrays)),
            },
            Notice::NoArrays(counts) => write!(f, "ignored files that hold no arrays: {}", counted(counts)),
            Notice::NoSplitInName(path) => {
                write!(f, "the name of `{}` says no split, so those of other files are not used", path.display())
            }
            Notice::NoLabels(1) => write!(f, "the new image has no label, though the dataset has labels"),
            Notice::NoLabels(n) => write!(f, "none of the {n} new images has a label, though the dataset has labels"),
            Notice::NotSplits { column, value } => {
                write!(f, "column `{column}` is not used as splits, since `{value}` is not the name of one")
            }
            Notice::SplitIsValue(name) => {
                write!(f, "column `{name}` is kept as it is: the splits of tables are taken from their names")
            }
            Notice::SeveralLabels(names) => {
                write!(f, "any of the columns {} could be the labels, so rows have none", first_of(names))
            }
            Notice::TopFolder { archive, folder } => {
                write!(f, "everything in `{}` is in the folder `{folder}`, so paths begin below it", archive.display())
            }
            Notice::Unpacked(bytes) => {
                write!(f, "compressed sources take up to {} in the output folder while it is written", ByteSize(*bytes))
            }
            Notice::NoEnd(path) => {
                write!(f, "`{}` has no mark of its end, as if it were cut off: files may be missing", path.display())
            }
            Notice::SplitWordIsClass(name) => {
                write!(
                    f,
                    "folder `{name}` is used as a class, since not every folder next to it is named after a split"
                )
            }
            Notice::EmptyFolders { folders, of } => {
                let names = first_of(folders.iter().map(|folder| folder.display()));
                match (folders.len(), of) {
                    (1, Folders::Splits) => write!(f, "folder {names} has no images"),
                    (n, Folders::Splits) => write!(f, "{n} folders have no images: {names}"),
                    (1, _) => write!(f, "folder {names} has no images, so it is not a class"),
                    (n, _) => write!(f, "{n} folders have no images, so they are not classes: {names}"),
                }
            }
            Notice::NestedFolders { folders, .. } => {
                let names = first_of(folders.values().flatten());
                match folders.values().map(BTreeSet::len).sum() {
                    1 => write!(f, "folder {names} lies in a class folder, so it is not a class of its own"),
                    n => write!(f, "{n} folders lie in class folders, so they are not classes of their own: {names}"),
                }
            }
            Notice::FolderSources { count, .. } => {
                write!(f, "{count} folders are sources of their own, so their names are not classes")
            }
            Notice::ClassesInSplits { names, splits } => {
                let splits: Vec<_> = splits.iter().map(|split| split.as_str()).collect();
                let (list, splits) = (first_of(names), splits.join(" and "));
                match names.len() {
                    1 => write!(f, "class {list} has images in {splits} only"),
                    n => write!(f, "{n} classes have images in {splits} only: {list}"),
                }
            }
            Notice::LinkedFolders(1) => write!(f, "1 symbolic link to a folder was not followed"),
            Notice::LinkedFolders(n) => write!(f, "{n} symbolic links to folders were not followed"),
            Notice::OtherFiles(counts) => {
                write!(f, "ignored files without an image extension: {}", counted(counts))
            }
            Notice::MetadataFiles(paths) => {
                let names = first_of(paths);
                match paths.len() {
                    1 => write!(f, "{names} is not read, since another table is given"),
                    n => write!(f, "{n} files are not read, since another table is given: {names}"),
                }
            }
            Notice::NoFileColumn { path, column } => {
                write!(f, "`{}` is not read: it has no column `{column}` with the names of the files", path.display())
            }
            Notice::FoldersBesideTable(names) => {
                let list = first_of(names);
                write!(
                    f,
                    "folders {list} are not used as classes, since the table that describes the images has no labels"
                )
            }
            Notice::SplitColumn(name) => write!(f, "column `{name}` of the table is used as splits"),
            Notice::ColumnsLeft(columns) => {
                let columns: Vec<_> = columns.iter().map(|(name, reason)| format!("`{name}` ({reason})")).collect();
                write!(f, "columns left out: {}", columns.join(", "))
            }
            Notice::SystemFiles(counts) => {
                let counts: Vec<_> = counts.iter().map(|(name, n)| format!("{n} {name}")).collect();
                write!(f, "ignored files and folders of the operating system: {}", counts.join(", "))
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
                write!(
                    f,
                    "an earlier run with other sources was interrupted; the rows it committed stay, and appending its sources adds the rest"
                )
            }
        }
    }
}

/// `2 .txt, 1 no extension`.
fn counted(counts: &BTreeMap<String, usize>) -> String {
    let name = |ext: &str| if ext.is_empty() { "no extension".to_owned() } else { format!(".{ext}") };
    counts.iter().map(|(ext, n)| format!("{n} {}", name(ext))).collect::<Vec<_>>().join(", ")
}

/// `` `ant`, `bee` ``, or the first few and `and 3 more`.
fn first_of(names: impl IntoIterator<Item = impl fmt::Display>) -> String {
    const NAMED: usize = 5;
    let mut names = names.into_iter();
    let first: Vec<_> = names.by_ref().take(NAMED).map(|name| format!("`{name}`")).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// `train, then test, then validation`.
fn in_order(splits: &[Split]) -> String {
    splits.iter().map(|split| split.as_str()).collect::<Vec<_>>().join(", then ")
}
