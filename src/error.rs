//! The two kinds of failure: [`Error`] (the run stopped, what is committed is whole) and [`RecordError`] (one
//! input can't become a row), and what is wrong with a setting, [`SpecError`].

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error as ThisError;

use crate::spec::{Folders, Split};

/// The run stopped; the dataset is as it was last committed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A setting is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The operating system refused something.
    #[error("can't {action} `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A source is not a folder.
    #[error("source `{}` is not a folder", .0.display())]
    SourceNotFolder(PathBuf),
    /// No source was given.
    #[error("no source folder is given")]
    NoSource,
    /// The sources hold no image at all.
    #[error("no images in {}", quoted(.0))]
    NoImages(Vec<PathBuf>),
    /// Every input was rejected.
    #[error("none of the {inputs} inputs can be used; the first one is `{path}`: {detail}")]
    NothingUsable {
        /// How many inputs there are.
        inputs: usize,
        /// The key of the first of them.
        path: String,
        /// Why that one can't be used.
        detail: String,
    },
    /// One source has class folders, another split folders.
    #[error("`{}` holds {first_folders} folders, but `{}` holds {other_folders} folders", first.display(), other.display())]
    MixedSources {
        /// The first source.
        first: PathBuf,
        /// What its top folders are.
        first_folders: Folders,
        /// The source that differs.
        other: PathBuf,
        /// What its top folders are.
        other_folders: Folders,
    },
    /// `--split-by folder` without split folders.
    #[error("`{}` has no split folders to split by", .0.display())]
    NoSplitFolders(PathBuf),
    /// A folder that should name a split doesn't.
    #[error("folder `{folder}` in `{}` is not named after a split", source_folder.display())]
    NotASplitFolder {
        /// The folder's name.
        folder: String,
        /// The source it lies in.
        source_folder: PathBuf,
    },
    /// A class can't give every split a row.
    #[error("class `{class}` has {count} images, too few to give each of {shares} its share")]
    ClassTooSmall {
        /// The name of the class.
        class: String,
        /// How many images it has.
        count: usize,
        /// The shares that were asked for.
        shares: String,
    },
    /// The whole source can't give every split a row.
    #[error("{count} images are too few to give each of {shares} its share")]
    TooFewImages {
        /// How many images there are.
        count: usize,
        /// The shares that were asked for.
        shares: String,
    },
    /// The output folder holds something else.
    #[error("output folder `{}` is not empty and not an inlaid dataset", .0.display())]
    OutputNotEmpty(PathBuf),
    /// The output is a dataset already.
    #[error("output folder `{}` already holds a dataset", .0.display())]
    OutputExists(PathBuf),
    /// The output is a dataset with files of somebody else among its shards.
    #[error("`{}` is in the way and was not written by inlaid", .0.display())]
    ForeignFile(PathBuf),
    /// The output folder is, holds or lies in a source.
    #[error("output folder `{}` and source `{}` lie in one another", output.display(), source_folder.display())]
    OutputInSource {
        /// The output folder.
        output: PathBuf,
        /// The source folder.
        source_folder: PathBuf,
    },
    /// Another process is writing.
    #[error("dataset `{}` is being written by {holder}", path.display())]
    Locked {
        /// The dataset.
        path: PathBuf,
        /// `process N on host H`, as it wrote into the lock file.
        holder: String,
    },
    /// A file of the dataset does not hold what it should.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A dataset of another release.
    #[error("`{}` has format version {found}, this release knows version {known}", path.display())]
    FormatVersion {
        /// The manifest.
        path: PathBuf,
        /// The version in the manifest.
        found: u32,
        /// The version this release writes.
        known: u32,
    },
    /// An input is unusable and the run was told to stop at that.
    #[error("`{path}` can't be used: {detail}")]
    Rejected {
        /// What stands for its key.
        path: String,
        /// Why.
        detail: String,
    },
    /// More inputs are unusable than allowed.
    #[error(
        "{rejects} of {inputs} inputs can't be used, more than {limit} allowed; the last one is `{path}`: {detail}"
    )]
    TooManyRejects {
        /// How many so far.
        rejects: usize,
        /// How many inputs there are.
        inputs: usize,
        /// How many were allowed.
        limit: usize,
        /// What stands for the key of the last of them.
        path: String,
        /// Why that one can't be used.
        detail: String,
    },
    /// A shard could not be encoded.
    #[error("can't write `{}`", path.display())]
    Shard {
        /// The shard.
        path: PathBuf,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk is full.
    #[error("the disk is full: `{}` could not be written, {} more are needed", path.display(), crate::spec::ByteSize(*needed))]
    DiskFull {
        /// The file that could not be written.
        path: PathBuf,
        /// Bytes of everything that was still to be written.
        needed: u64,
    },
    /// The worker threads could not be started.
    #[error("can't start {threads} threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why.
        source: rayon::ThreadPoolBuildError,
    },
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// There is nothing to append to.
    #[error("`{}` holds no dataset", .0.display())]
    NoDataset(PathBuf),
    /// A source's folders mean something else than those of the dataset.
    #[error("`{}` holds {found_folders} folders, but the dataset was made of {folders} folders", source_folder.display())]
    OtherFolders {
        /// The source.
        source_folder: PathBuf,
        /// What its top folders are.
        found_folders: Folders,
        /// What they were when the dataset was made.
        folders: Folders,
    },
    /// An input has the key of a row, but not its content, and the run was told to stop at that.
    #[error("`{path}` has another content than the row that was made from it")]
    ContentChanged {
        /// The key.
        path: String,
    },
    /// The dataset holds part of a conversion that this one does not continue.
    #[error("output folder `{}` holds a conversion that was interrupted, with other settings or sources", .0.display())]
    OtherConversion(PathBuf),
    /// A file without tensors.
    #[error("`{}` holds no tensors", .0.display())]
    NoTensors(PathBuf),
    /// A row that a table does not have.
    #[error("there is no row {row}, the table has {rows}")]
    NoRow {
        /// Which was asked for, from 0.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// A column that a file does not have.
    #[error("`{}` has no column `{columns}`", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// Which was asked for.
        columns: String,
    },
    /// A reader saw two versions of a dataset.
    #[error("`{}` was changed while it was read", .0.display())]
    ChangedMeanwhile(PathBuf),
    /// A run on the dataset was interrupted.
    #[error("`{}` holds a run that was interrupted", .0.display())]
    Unfinished(PathBuf),
    /// There is no version to go back to.
    #[error("`{}` has no earlier version to go back to", .0.display())]
    NoHistory(PathBuf),
}

impl Error {
    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Error {
        Error::Damaged { path: path.to_owned(), reason: reason.into() }
    }

    /// For `map_err`: a shard that could not be written.
    pub(crate) fn write<E: std::error::Error + Send + Sync + 'static>(path: &Path) -> impl FnOnce(E) -> Error {
        let path = path.to_owned();
        move |error| Error::Shard { path, source: Box::new(error) }
    }

    /// If the disk is full, says how much room was still `needed`; whoever has still more to write adds
    /// to that.
    pub(crate) fn or_disk_full(self, needed: u64) -> Error {
        if let Error::DiskFull { path, needed: before } = self {
            return Error::DiskFull { path, needed: before + needed };
        }
        let is_full = |error: &(dyn std::error::Error + 'static)| {
            error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
        };
        let full = std::iter::successors(Some(&self as &(dyn std::error::Error + 'static)), |error| error.source());
        match full.into_iter().any(is_full) {
            true => match self {
                Error::Io { path, .. } | Error::Shard { path, .. } => Error::DiskFull { path, needed },
                other => other,
            },
            false => self,
        }
    }

    /// For `map_err`: names the action and the path of an I/O error.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { action, path: path.as_ref().to_owned(), source }
    }
}

fn quoted(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}

/// A setting is wrong.
#[derive(Clone, Debug, PartialEq, ThisError)]
#[non_exhaustive]
pub enum SpecError {
    /// A word that is none of a set.
    #[error("unknown {what} `{word}`, expected one of {known}")]
    UnknownWord {
        /// What the word should have named.
        what: &'static str,
        /// The word.
        word: String,
        /// The words that are known.
        known: String,
    },
    /// A size that is not `N` or `HxW`.
    #[error("size `{0}` is not HEIGHTxWIDTH in pixels, 1 to 65535 each")]
    Size(String),
    /// A colour in no known notation.
    #[error("color `{0}` is not R,G,B (0 to 255 each), #RRGGBB, black, gray or white")]
    Color(String),
    /// A number of bytes in no known notation.
    #[error("`{0}` is not a number of bytes such as 16MiB")]
    ByteSize(String),
    /// A share that is not `SPLIT=FRACTION`.
    #[error("share `{0}` is not SPLIT=FRACTION")]
    ShareSyntax(String),
    /// A split with two shares.
    #[error("split `{0}` is named twice")]
    SplitTwice(Split),
    /// A share that is no fraction.
    #[error("share {share} of `{split}` is not above 0 and at most 1")]
    ShareRange {
        /// Of which split.
        split: Split,
        /// Its share.
        share: f64,
    },
    /// Shares that don't make a whole.
    #[error("shares sum to {0}, not to 1")]
    ShareSum(f64),
    /// A tensor of more elements than readers can hold.
    #[error("a tensor of {0} elements is too large, the most is {max}", max = crate::tensor::MAX_ELEMENTS)]
    TensorTooLarge(u64),
    /// Sorting labels needs classes.
    #[error("split folders can't be split by `folder` when folders mean `{0}`")]
    FolderRule(Folders),
}

/// The step that an input failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Listing the source.
    Discover,
    /// Reading the file and turning it into pixels.
    Decode,
    /// Scaling the pixels.
    Resize,
}

/// One input can't become a row.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum RecordError {
    /// The name is not UTF-8, so it can't be a key.
    #[error("its name is not UTF-8")]
    NameNotUtf8,
    /// A pipe, socket, device or folder with an image's name.
    #[error("it is not a regular file")]
    NotAFile,
    /// A symbolic link that leads nowhere.
    #[error("the symbolic link leads nowhere")]
    BrokenLink,
    /// A symbolic link that leads back to a folder above it.
    #[error("the symbolic link leads back to a folder above it")]
    LinkLoop,
    /// An earlier source has a file of the same key.
    #[error("key is already taken by the file in `{}`", .0.display())]
    DuplicateKey(PathBuf),
    /// A file beside class folders.
    #[error("it lies beside class folders, so it has no class")]
    NoClass,
    /// A file beside split folders.
    #[error("it lies beside split folders, so it has no split")]
    NoSplit,
    /// The operating system refused to read it.
    #[error("can't be read: {0}")]
    Unreadable(io::Error),
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file is longer than allowed.
    #[error("the file has {bytes} bytes, more than {limit} allowed")]
    FileTooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Neither content nor name is an image's.
    #[error("the content is no known image format")]
    UnknownFormat,
    /// An image format that can't be decoded.
    #[error("{0} images can't be decoded")]
    UnsupportedFormat(&'static str),
    /// An image of a known format that is coded in a way which can't be decoded.
    #[error("{0}")]
    UnsupportedVariant(String),
    /// An image with a height or width of 0.
    #[error("the image is {width} pixels wide and {height} high")]
    NoPixels {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// The image is larger than allowed.
    #[error("the image is {width} pixels wide and {height} high, more than {limit} pixels allowed")]
    TooManyPixels {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// The limit on width times height.
        limit: u64,
    },
    /// The image is longer or wider than allowed.
    #[error("the image is {width} pixels wide and {height} high, more than {limit} allowed")]
    SideTooLong {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// The limit on each.
        limit: u32,
    },
    /// The file ends before the image does.
    #[error("the file ends before the image does")]
    Truncated,
    /// The codec refused it.
    #[error("{0}")]
    Malformed(String),
    /// The codec panicked.
    #[error("the codec failed: {0}")]
    CodecPanic(String),
    /// The resizer refused it.
    #[error("can't be resized: {0}")]
    Resize(String),
    /// The dataset has a row of this key that was made from other bytes.
    #[error("the dataset's row of this key was made from another content")]
    ContentChanged,
    /// The file changed between two looks at it.
    #[error("the file changed while it was read")]
    Changed,
}

impl RecordError {
    /// The step that failed.
    pub fn stage(&self) -> Stage {
        use RecordError::*;
        match self {
            NameNotUtf8 | NotAFile | BrokenLink | LinkLoop | DuplicateKey(_) | NoClass | NoSplit | ContentChanged => {
                Stage::Discover
            }
            Resize(_) => Stage::Resize,
            _ => Stage::Decode,
        }
    }

    /// A word for this kind of failure, the same in every release: what summaries count by.
    pub fn code(&self) -> &'static str {
        use RecordError::*;
        match self {
            NameNotUtf8 => "name-not-utf8",
            NotAFile => "not-a-file",
            BrokenLink => "broken-link",
            LinkLoop => "link-loop",
            DuplicateKey(_) => "duplicate-key",
            NoClass => "no-class",
            NoSplit => "no-split",
            Unreadable(_) => "unreadable",
            Empty => "empty",
            FileTooLarge { .. } => "file-too-large",
            UnknownFormat => "unknown-format",
            UnsupportedFormat(_) | UnsupportedVariant(_) => "unsupported-format",
            NoPixels { .. } => "no-pixels",
            TooManyPixels { .. } => "too-many-pixels",
            SideTooLong { .. } => "side-too-long",
            Truncated => "truncated",
            Malformed(_) => "malformed",
            CodecPanic(_) => "codec-panic",
            Resize(_) => "resize",
            ContentChanged => "content-changed",
            Changed => "changed",
        }
    }
}
