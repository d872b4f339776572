//! The two kinds of failure: [`Error`] (the run stopped; the dataset is as it was last committed) and
//! [`RecordError`] (one input can't become a row). Also [`RepackError`], the reason a file can't be repacked.

mod kind;
mod load;
mod plan;
mod record;
mod repack;
mod source;
mod store;

use std::io;
use std::path::{Path, PathBuf};

use arrow_schema::DataType;
use thiserror::Error as ThisError;

use crate::spec::{Folders, LabelKind, SpecError};

pub(crate) use inlaid_format::counted;

pub use inlaid_format::Error as FormatError;
pub use load::LoadError;
pub use plan::PlanError;
pub use record::RecordError;
pub use repack::RepackError;
pub use source::SourceError;
pub use store::StoreError;

/// Failure that stopped a run; the dataset is as it was last committed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// Failure to read or write a file, or a file that is not what it should be.
    #[error(transparent)]
    Format(FormatError),
    /// A wrong setting.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Rows that can't be loaded with some settings.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An object store that a dataset is in, or is to be.
    #[error("can't use `{}`: {reason}", place.display())]
    Store {
        /// URL of the dataset, or of a file of it.
        place: PathBuf,
        /// Cause.
        reason: StoreError,
    },
    /// A written plan that can't be used, or not yet.
    #[error("can't use the plan `{}`: {reason}", run.display())]
    Plan {
        /// Path or URL of its run.
        run: PathBuf,
        /// Cause.
        reason: PlanError,
    },
    /// A source that is nothing that images are read from.
    #[error("source `{}` is neither a folder, an archive, a table nor an array of images", .0.display())]
    SourceNotFolder(PathBuf),
    /// No source.
    #[error("no source folder is given")]
    NoSource,
    /// A source that lists a key twice, or not in the order of keys.
    #[error("the source lists `{0}` twice or out of order")]
    SourceKey(String),
    /// A source that gives a record a label outside its classes.
    #[error("the source gives `{0}` a label that is not one of its classes")]
    SourceLabel(String),
    /// A source without the values of a column.
    #[error("the source does not list values of type {expected} for every record of column `{column}`")]
    SourceColumn {
        /// Name of the column.
        column: String,
        /// Type of its values.
        expected: DataType,
    },
    /// Sources without any images.
    #[error("no images in {}{}", quoted(.sources), unnamed(*.no_extension))]
    NoImages {
        /// Sources.
        sources: Vec<PathBuf>,
        /// Number of files without an extension that were ignored.
        no_extension: usize,
    },
    /// Rejection of every input.
    #[error("{}: {detail}", all_of(*.inputs, .path))]
    NothingUsable {
        /// Number of inputs.
        inputs: usize,
        /// Key of the first rejected input.
        path: String,
        /// Reason that it can't be used.
        detail: String,
    },
    /// Sources whose top folders have different meanings.
    #[error("`{}` holds {}, but `{}` holds {}", first.display(), first_folders.described(), other.display(), other_folders.described())]
    MixedSources {
        /// First source.
        first: PathBuf,
        /// Meaning of its top folders.
        first_folders: Folders,
        /// Source that differs from it.
        other: PathBuf,
        /// Meaning of that source's top folders.
        other_folders: Folders,
    },
    /// A split by folders (`--split-by folder`) of a source without split folders.
    #[error("`{}` has no split folders to split by", .0.display())]
    NoSplitFolders(PathBuf),
    /// A folder that should be named after a split, but isn't.
    #[error("folder `{folder}` in `{}` is not named after a split", source_folder.display())]
    NotASplitFolder {
        /// Name of the folder.
        folder: String,
        /// Source that contains it.
        source_folder: PathBuf,
    },
    /// Split folders below the folders that would be classes.
    #[error("{}", holding_splits(.0))]
    SplitFoldersBelow(Vec<PathBuf>),
    /// Classes too small for exact fractions, with [`SmallClasses::Stop`](crate::SmallClasses::Stop).
    #[error("{} too few images to give each of {shares} its share; {enough} are enough", having(.classes))]
    SmallClasses {
        /// Name of each class, and its number of images.
        classes: Vec<(String, usize)>,
        /// Split fractions that were asked for.
        shares: String,
        /// Number of images that is enough to give each split its fraction.
        enough: usize,
    },
    /// Too few images in all for exact fractions, with [`SmallClasses::Stop`](crate::SmallClasses::Stop).
    #[error("{} too few to give each of {shares} its share; {enough} are enough", being(*.count))]
    TooFewImages {
        /// Number of images.
        count: usize,
        /// Split fractions that were asked for.
        shares: String,
        /// Number of images that is enough to give each split its fraction.
        enough: usize,
    },
    /// An output folder with something other than a dataset in it.
    #[error("output folder `{}` is neither empty nor an inlaid dataset", .0.display())]
    OutputNotEmpty(PathBuf),
    /// An output folder that is a file, or below one.
    #[error("`{}` is not a folder, so nothing can be written there", .0.display())]
    OutputNotFolder(PathBuf),
    /// An output folder that is a link to nothing, or below one.
    #[error("`{}` is a link to `{}`, which does not exist", path.display(), target.display())]
    OutputLinkBroken {
        /// Link.
        path: PathBuf,
        /// Target of the link.
        target: PathBuf,
    },
    /// An output folder with anything in it.
    #[error("output folder `{}` is not empty", .0.display())]
    OutputTaken(PathBuf),
    /// A class that a dataset does not have.
    #[error("the dataset has no class `{name}`: {}", known("classes", .classes))]
    NoClass {
        /// Name that was asked for.
        name: String,
        /// Names of the classes.
        classes: Vec<String>,
    },
    /// A split that a dataset does not have.
    #[error("the dataset has no split `{name}`: {}", known("splits", .splits))]
    NoSplit {
        /// Name that was asked for.
        name: String,
        /// Names of the splits.
        splits: Vec<String>,
    },
    /// A contact sheet without rows.
    #[error("no rows match, so there is nothing to show")]
    NothingToShow,
    /// Pictures for a terminal, where there is none.
    #[error("standard output is not a terminal that shows pictures")]
    NotATerminal,
    /// A card or a `croissant.json` whose parts can't be told apart, so that it can't be rewritten.
    #[error("can't rewrite `{}`: {reason}", path.display())]
    Card {
        /// The file.
        path: PathBuf,
        /// Cause.
        reason: String,
    },
    /// A file in the place of a page or picture that is something else.
    #[error("`{}` exists, and was not made by this command", .0.display())]
    OtherFile(PathBuf),
    /// An output folder that can't be replaced atomically.
    #[error("output folder `{}` is a mount point", .0.display())]
    MountPoint(PathBuf),
    /// An output folder with a dataset in it.
    #[error("output folder `{}` already holds a dataset", .0.display())]
    OutputExists(PathBuf),
    /// A file of another program where shards will be written.
    #[error("`{}` is in the way and was not written by inlaid", .0.display())]
    ForeignFile(PathBuf),
    /// An output folder that is a source, contains one, or is inside one.
    #[error("output folder `{}` overlaps source `{}`", output.display(), source_folder.display())]
    OutputInSource {
        /// Output folder.
        output: PathBuf,
        /// Source folder.
        source_folder: PathBuf,
    },
    /// An output folder inside another dataset, which readers would take for a part of it.
    #[error("output folder `{}` is inside the dataset `{}`", output.display(), dataset.display())]
    OutputInDataset {
        /// Output folder.
        output: PathBuf,
        /// Folder of the other dataset.
        dataset: PathBuf,
    },
    /// A dataset or folder that another process is writing.
    #[error("`{}` is being written by {holder}", path.display())]
    Locked {
        /// Folder of the dataset or of the repacked files.
        path: PathBuf,
        /// Process that holds the lock, as recorded in the lock file: `process N on host H`.
        holder: String,
    },
    /// An unusable input with [`OnError::Stop`](crate::OnError::Stop).
    #[error("`{path}` can't be used: {detail}")]
    Rejected {
        /// Key of the input, or its path where it has no key.
        path: String,
        /// Reason that it can't be used.
        detail: String,
    },
    /// More unusable inputs than allowed.
    #[error(
        "{rejects} of {} can't be used, {}; the last is `{path}`: {detail}",
        counted(*.inputs, "input"),
        match .limit { 0 => "and none is allowed".to_owned(), limit => format!("more than the {limit} allowed") }
    )]
    TooManyRejects {
        /// Number of rejected inputs so far.
        rejects: usize,
        /// Number of inputs.
        inputs: usize,
        /// Most rejected inputs that are allowed.
        limit: usize,
        /// Key of the last rejected input, or its path where it has no key.
        path: String,
        /// Reason that it can't be used.
        detail: String,
    },
    /// More threads than [`RunOptions::MAX_THREADS`](crate::RunOptions::MAX_THREADS).
    #[error("{threads} threads are too many, the limit is {most}")]
    TooManyThreads {
        /// Number of threads that were asked for.
        threads: usize,
        /// Most threads that are allowed.
        most: usize,
    },
    /// Failure to start the worker threads.
    #[error("can't start {}", counted(*.threads, "thread"))]
    Threads {
        /// Number of threads that were asked for.
        threads: usize,
        /// Cause.
        source: io::Error,
    },
    /// An interrupted run that can be resumed.
    #[error("interrupted")]
    Interrupted,
    /// An interrupted run that left nothing behind.
    #[error("interrupted, nothing was written")]
    Abandoned,
    /// A file of another tool that can't be repacked.
    #[error("can't repack `{}`", path.display())]
    Repack {
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: RepackError,
    },
    /// A source that can't be read.
    #[error("can't read `{}`: {source}", path.display())]
    Source {
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: SourceError,
    },
    /// A column of a table that is asked for, where there is no table.
    #[error("there is no table with a column `{0}`: no metadata file is given, and none is in the sources")]
    NoMetadata(String),
    /// A second source beside a list of files.
    #[error("a list of files is relative to one folder, not also to `{}`", .0.display())]
    SecondFolderOfList(PathBuf),
    /// Labels of another kind than those of the dataset.
    #[error("the dataset has labels of the kind {kind}, the new images of the kind {found}")]
    OtherLabels {
        /// Kind of the dataset's labels.
        kind: LabelKind,
        /// Kind of the new ones.
        found: LabelKind,
    },
    /// Classes that a dataset of multi-hot labels does not have: its column has a place for each of its own.
    #[error("the dataset has multi-hot labels without {}", classes(.0))]
    NewClasses(Vec<String>),
    /// A source whose top folders have another meaning than in the original conversion.
    #[error("`{}` holds {}, but the dataset was made from {}", source_folder.display(), found_folders.described(), folders.described())]
    OtherFolders {
        /// Source folder.
        source_folder: PathBuf,
        /// Meaning of its top folders.
        found_folders: Folders,
        /// Meaning of top folders in the original conversion.
        folders: Folders,
    },
    /// An input that has changed since its row was written, with [`OnChanged::Stop`](crate::OnChanged::Stop).
    #[error("`{path}` has changed since its row was written")]
    ContentChanged {
        /// Key of the input.
        path: String,
    },
    /// An interrupted conversion in the output folder that this one can't resume.
    #[error("output folder `{}` holds an interrupted conversion with other settings, sources or files", .0.display())]
    OtherConversion(PathBuf),
    /// A dataset whose last commit was interrupted and can't be completed here.
    #[error("the last commit to `{}` was interrupted", .0.display())]
    CommitInterrupted(PathBuf),
    /// A dataset that changed from one snapshot to another during a read.
    #[error("`{}` changed while it was being read", .0.display())]
    ChangedMeanwhile(PathBuf),
    /// A dataset with an interrupted run.
    #[error("`{}` holds an interrupted run", .0.display())]
    Unfinished(PathBuf),
    /// A dataset without a snapshot to roll back to.
    #[error("`{}` has no earlier snapshot to roll back to", .0.display())]
    NoHistory(PathBuf),
}

impl Error {
    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Error {
        FormatError::damaged(path, reason).into()
    }

    /// For `map_err`: adds the path to the reason that a file can't be repacked.
    pub(crate) fn repack(path: &Path) -> impl FnOnce(RepackError) -> Error {
        move |source| Error::Repack { path: path.to_owned(), source }
    }

    /// For `map_err`: adds the path to the reason that a source can't be read.
    pub(crate) fn source(path: &Path) -> impl FnOnce(SourceError) -> Error {
        move |source| Error::Source { path: path.to_owned(), source }
    }

    /// For `map_err`: adds the action and the path to an I/O error.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        move |error| FormatError::io(action, path)(error).into()
    }

    /// For `map_err`: a store that can't be used is a source that can't be read.
    pub(crate) fn of_source(self) -> Error {
        match self {
            Error::Store { place, reason } => Error::Source { path: place, source: SourceError::Store(reason) },
            other => other,
        }
    }

    /// Like [`FormatError::or_disk_full`].
    pub(crate) fn or_disk_full(self, needed: u64) -> Error {
        match self {
            Error::Format(error) => error.or_disk_full(needed).into(),
            other => other,
        }
    }
}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Error {
        let mut causes =
            std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |error| error.source());
        let of_store = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<StoreError>().cloned()
        };
        match (causes.find_map(of_store), error.paths().first()) {
            (Some(reason), Some(place)) => Error::Store { place: (*place).to_owned(), reason },
            _ => Error::Format(error),
        }
    }
}

/// ``the only input, `a.png`, can't be used``, or as many as there are.
fn all_of(inputs: usize, first: &str) -> String {
    match inputs {
        1 => format!("the only input, `{first}`, can't be used"),
        n => format!("none of the {n} inputs can be used; the first is `{first}`"),
    }
}

/// `1 image is`, `2 images are`.
fn being(images: usize) -> String {
    match images {
        1 => "1 image is".to_owned(),
        n => format!("{n} images are"),
    }
}

/// ``class `ant` (2 images) has``, ``classes `ant` (2 images), `bee` (1 image) have``.
fn having(classes: &[(String, usize)]) -> String {
    /// More would not be read.
    const NAMED: usize = 20;
    let named = classes.iter().take(NAMED).map(|(name, images)| format!("`{name}` ({})", counted(*images, "image")));
    let names = named.collect::<Vec<_>>().join(", ");
    match (classes.len(), classes.len().saturating_sub(NAMED)) {
        (1, _) => format!("class {names} has"),
        (_, 0) => format!("classes {names} have"),
        (_, more) => format!("classes {names} and {more} more have"),
    }
}

/// ``folder `a` holds split folders, so it is not taken for a class``, for any number of folders.
fn holding_splits(folders: &[PathBuf]) -> String {
    const NAMED: usize = 5;
    let names = quoted(&folders[..folders.len().min(NAMED)]);
    match (folders.len(), folders.len().saturating_sub(NAMED)) {
        (1, _) => format!("{names} holds split folders, so it is not taken for a class"),
        (_, 0) => format!("{names} hold split folders, so they are not taken for classes"),
        (_, more) => format!("{names} and {more} more hold split folders, so they are not taken for classes"),
    }
}

/// Some of the names that there are.
fn known(what: &str, names: &[String]) -> String {
    const SHOWN: usize = 10;
    let quoted: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => format!("it has no {what}"),
        count if count > SHOWN => format!("its {what} are {} and {} more", quoted.join(", "), count - SHOWN),
        _ => format!("its {what} are {}", quoted.join(", ")),
    }
}

/// ``a class `ant` ``, ``classes `ant`, `bee` and 3 more``.
fn classes(names: &[String]) -> String {
    const NAMED: usize = 10;
    let named = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (names.len(), names.len().saturating_sub(NAMED)) {
        (1, _) => format!("a class {named}"),
        (_, 0) => format!("classes {named}"),
        (_, more) => format!("classes {named} and {more} more"),
    }
}

/// Nothing, or `, but 2 files without an extension`.
fn unnamed(files: usize) -> String {
    match files {
        0 => String::new(),
        n => format!(", but {} without an extension", counted(n, "file")),
    }
}

fn quoted(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}
