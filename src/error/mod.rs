//! The two kinds of failure: [`Error`] (the run stopped, what is committed is whole) and
//! [`RecordError`] (one input can't become a row); and what is wrong with a file to be repacked,
//! [`RepackError`].

mod record;
mod repack;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error as ThisError;

use crate::spec::{Folders, SpecError};

pub use inlaid_format::Error as FormatError;
pub use record::RecordError;
pub use repack::RepackError;

/// The run stopped; the dataset is as it was last committed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A file can't be read or written, or is not what it should be.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A setting is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A source is not a folder.
    #[error("source `{}` is not a folder", .0.display())]
    SourceNotFolder(PathBuf),
    /// No source was given.
    #[error("no source folder is given")]
    NoSource,
    /// The sources hold no image at all.
    #[error("no images in {}{}", quoted(.sources), unnamed(*.no_extension))]
    NoImages {
        /// The sources.
        sources: Vec<PathBuf>,
        /// How many files without an extension were passed over.
        no_extension: usize,
    },
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
    #[error("`{}` holds {}, but `{}` holds {}", first.display(), first_folders.described(), other.display(), other_folders.described())]
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
    /// Classes can't give every split its exact share, and the run was told to stop at that.
    #[error("{} too few images to give each of {shares} its share; {enough} are enough", having(.classes))]
    SmallClasses {
        /// Name of each class, and how many images it has.
        classes: Vec<(String, usize)>,
        /// The shares that were asked for.
        shares: String,
        /// How many images give each its share, whatever the other shares are.
        enough: usize,
    },
    /// All images together can't give every split its exact share, and the run was told to stop at that.
    #[error("{} too few to give each of {shares} its share; {enough} are enough", counted(*.count))]
    TooFewImages {
        /// How many images there are.
        count: usize,
        /// The shares that were asked for.
        shares: String,
        /// How many images give each its share, whatever the other shares are.
        enough: usize,
    },
    /// The output folder holds something else.
    #[error("output folder `{}` is not empty and not an inlaid dataset", .0.display())]
    OutputNotEmpty(PathBuf),
    /// The output folder holds something, be it a dataset.
    #[error("output folder `{}` is not empty", .0.display())]
    OutputTaken(PathBuf),
    /// The output folder can't be replaced by a whole one.
    #[error("output folder `{}` is where a file system is mounted", .0.display())]
    MountPoint(PathBuf),
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
    /// The output folder would be taken for part of another dataset.
    #[error("output folder `{}` lies in the dataset `{}`", output.display(), dataset.display())]
    OutputInDataset {
        /// The output folder.
        output: PathBuf,
        /// The folder of the dataset.
        dataset: PathBuf,
    },
    /// Another process is writing.
    #[error("`{}` is being written by {holder}", path.display())]
    Locked {
        /// The dataset, or the folder of repacked files.
        path: PathBuf,
        /// `process N on host H`, as it wrote into the lock file.
        holder: String,
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
    /// More threads than [`RunOptions::MAX_THREADS`](crate::RunOptions::MAX_THREADS).
    #[error("{threads} threads are too many, the most is {most}")]
    TooManyThreads {
        /// How many were asked for.
        threads: usize,
        /// The most there may be.
        most: usize,
    },
    /// The worker threads could not be started.
    #[error("can't start {threads} threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why.
        source: io::Error,
    },
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// The run was interrupted, and leaves nothing.
    #[error("interrupted, nothing is written")]
    Abandoned,
    /// A file that others wrote can't be repacked.
    #[error("can't repack `{}`", path.display())]
    Repack {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: RepackError,
    },
    /// A source's folders mean something else than those of the dataset.
    #[error("`{}` holds {}, but the dataset was made of {}", source_folder.display(), found_folders.described(), folders.described())]
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
    #[error("output folder `{}` holds a conversion that was interrupted, with other settings, sources or files", .0.display())]
    OtherConversion(PathBuf),
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
        FormatError::damaged(path, reason).into()
    }

    /// For `map_err`: a file that can't be repacked.
    pub(crate) fn repack(path: &Path) -> impl FnOnce(RepackError) -> Error {
        move |source| Error::Repack { path: path.to_owned(), source }
    }

    /// For `map_err`: names the action and the path of an I/O error.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        move |error| FormatError::io(action, path)(error).into()
    }

    /// As [`FormatError::or_disk_full`].
    pub(crate) fn or_disk_full(self, needed: u64) -> Error {
        match self {
            Error::Format(error) => error.or_disk_full(needed).into(),
            other => other,
        }
    }
}

/// `1 image is`, `2 images are`.
fn counted(images: usize) -> String {
    match images {
        1 => "1 image is".to_owned(),
        n => format!("{n} images are"),
    }
}

/// ``class `ant` (2 images) has``, ``classes `ant` (2 images), `bee` (1 image) have``.
fn having(classes: &[(String, usize)]) -> String {
    let named = classes.iter().map(|(name, images)| match images {
        1 => format!("`{name}` (1 image)"),
        n => format!("`{name}` ({n} images)"),
    });
    let (names, one) = (named.collect::<Vec<_>>().join(", "), classes.len() == 1);
    if one { format!("class {names} has") } else { format!("classes {names} have") }
}

/// Nothing, or `, but 2 files without an extension`.
fn unnamed(files: usize) -> String {
    match files {
        0 => String::new(),
        1 => ", but 1 file without an extension".to_owned(),
        n => format!(", but {n} files without an extension"),
    }
}

fn quoted(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}
