//! Errors for programs: a word for the kind of failure, and the paths that it is about.

use std::path::{Path, PathBuf};

use super::{Error, LoadError, RepackError, SourceError};

impl Error {
    /// Word for this kind of failure, stable across releases.
    pub fn kind(&self) -> &'static str {
        use Error::*;
        match self {
            Format(error) => error.kind(),
            Spec(error) | Load(LoadError::Spec(error)) => error.kind(),
            Load(_) => "loading",
            Repack { source, .. } => source.kind(),
            Source { source, .. } => source.kind(),
            SourceNotFolder(..) => "source-not-folder",
            NoSource => "no-source",
            SourceKey(..) => "source-key",
            SourceLabel(..) => "source-label",
            SourceColumn { .. } => "source-column",
            NoImages { .. } => "no-images",
            NothingUsable { .. } => "nothing-usable",
            MixedSources { .. } => "mixed-sources",
            NoSplitFolders(..) => "no-split-folders",
            NotASplitFolder { .. } => "not-a-split-folder",
            SplitFoldersBelow(..) => "split-folders-below",
            SmallClasses { .. } => "small-classes",
            TooFewImages { .. } => "too-few-images",
            OutputNotEmpty(..) => "output-not-empty",
            OutputTaken(..) => "output-taken",
            Card { .. } => "card",
            OtherFile(..) => "other-file",
            NotATerminal => "not-a-terminal",
            NothingToShow => "nothing-to-show",
            NoClass { .. } => "no-class",
            NoSplit { .. } => "no-split",
            OutputNotFolder(..) => "output-not-folder",
            OutputLinkBroken { .. } => "output-link-broken",
            MountPoint(..) => "mount-point",
            OutputExists(..) => "output-exists",
            ForeignFile(..) => "foreign-file",
            OutputInSource { .. } => "output-in-source",
            Store { .. } => "store",
            Plan { .. } => "plan",
            OutputInDataset { .. } => "output-in-dataset",
            Locked { .. } => "locked",
            Rejected { .. } => "rejected",
            TooManyRejects { .. } => "too-many-rejects",
            TooManyThreads { .. } => "too-many-threads",
            Threads { .. } => "threads",
            Interrupted => "interrupted",
            Abandoned => "abandoned",
            OtherFolders { .. } => "other-folders",
            OtherLabels { .. } => "other-labels",
            NewClasses(..) => "new-classes",
            SecondFolderOfList(..) => "second-folder-of-list",
            NoMetadata(..) => "no-metadata",
            ContentChanged { .. } => "content-changed",
            OtherConversion(..) => "other-conversion",
            CommitInterrupted(..) => "commit-interrupted",
            ChangedMeanwhile(..) => "changed-meanwhile",
            Unfinished(..) => "unfinished",
            NoHistory(..) => "no-history",
        }
    }

    /// Files and folders that the failure is about, and keys of inputs, which are paths below a source.
    pub fn paths(&self) -> Vec<&Path> {
        use Error::*;
        match self {
            Format(error) => error.paths(),
            SourceNotFolder(path)
            | SecondFolderOfList(path)
            | NoSplitFolders(path)
            | OutputNotEmpty(path)
            | OutputTaken(path)
            | OtherFile(path)
            | OutputNotFolder(path)
            | MountPoint(path)
            | OutputExists(path)
            | ForeignFile(path)
            | Card { path, .. }
            | Locked { path, .. }
            | OtherFolders { source_folder: path, .. }
            | OtherConversion(path)
            | CommitInterrupted(path)
            | ChangedMeanwhile(path)
            | Unfinished(path)
            | NoHistory(path) => vec![path],
            SourceKey(key) | SourceLabel(key) => vec![Path::new(key)],
            NothingUsable { path, .. }
            | Rejected { path, .. }
            | TooManyRejects { path, .. }
            | ContentChanged { path } => vec![Path::new(path)],
            NoImages { sources, .. } => sources.iter().map(PathBuf::as_path).collect(),
            MixedSources { first, other, .. } => vec![first, other],
            NotASplitFolder { source_folder, .. } => vec![source_folder],
            SplitFoldersBelow(folders) => folders.iter().map(PathBuf::as_path).collect(),
            OutputLinkBroken { path, target } => vec![path, target],
            OutputInSource { output, source_folder } => vec![output, source_folder],
            Store { place, .. } | Plan { run: place, .. } => vec![place],
            OutputInDataset { output, dataset } => vec![output, dataset],
            Source { path, source } => match source {
                SourceError::LacksColumn { other, .. }
                | SourceError::OtherType { other, .. }
                | SourceError::OtherClasses { other, .. } => vec![path, other],
                _ => vec![path],
            },
            Repack { path, source } => match source {
                RepackError::SameName(other) | RepackError::OtherTensors(other) => vec![path, other],
                _ => vec![path],
            },
            Spec(_)
            | Load(_)
            | NoSource
            | SourceColumn { .. }
            | OtherLabels { .. }
            | NewClasses(..)
            | NoMetadata(..)
            | SmallClasses { .. }
            | TooFewImages { .. }
            | TooManyThreads { .. }
            | NoClass { .. }
            | NoSplit { .. }
            | NotATerminal
            | NothingToShow
            | Threads { .. }
            | Interrupted
            | Abandoned => Vec::new(),
        }
    }
}

impl RepackError {
    /// Word for this kind of failure, stable across releases.
    pub fn kind(&self) -> &'static str {
        use RepackError::*;
        match self {
            NoFiles => "repack-no-files",
            NameNotUtf8 => "repack-name-not-utf8",
            SameName(..) => "repack-same-name",
            UnknownFormat => "repack-unknown-format",
            Damaged(..) => "repack-damaged",
            Codec(..) => "repack-codec",
            NoTensors(..) => "repack-no-tensors",
            SeveralColumns(..) => "repack-several-columns",
            SameColumns(..) => "repack-same-columns",
            Permuted(..) => "repack-permuted",
            NoColumn { .. } => "repack-no-column",
            NotTensors { .. } => "repack-not-tensors",
            NoRows(..) => "repack-no-rows",
            Element { .. } => "repack-element",
            EmptyTensor(..) | NoElements(..) | EmptyLists(..) => "repack-empty-tensor",
            Shape { .. } => "repack-shape",
            Size { .. } => "repack-size",
            OtherTensors(..) => "repack-other-tensors",
            Unwritable { .. } => "repack-unwritable",
            NullTensor { .. } => "repack-null-tensor",
            NullElement { .. } => "repack-null-element",
            Ragged { .. } => "repack-ragged",
        }
    }
}

impl SourceError {
    /// Word for this kind of failure, stable across releases.
    pub fn kind(&self) -> &'static str {
        use SourceError::*;
        match self {
            Damaged(_) => "source-damaged",
            UnknownFormat => "source-unknown-format",
            TableInArchive(_) => "source-table-in-archive",
            Store(_) => "source-store",
            EmptyList => "source-empty-list",
            SeveralSources => "source-several",
            NoMatch => "source-no-match",
            NotFolderOfList => "source-not-folder-of-list",
            OtherKind => "source-other-kind",
            NotFiles => "source-not-files",
            SeveralArchives => "source-several-archives",
            NoColumn { .. } => "source-no-column",
            NoFileColumn { .. } => "source-no-file-column",
            FurtherColumn(_) => "source-further-column",
            Pickled { .. } => "source-pickled",
            ArrayElements { .. } => "source-array-elements",
            ArrayShape { .. } => "source-array-shape",
            ArrayLabels { .. } => "source-array-labels",
            SeveralArrays { .. } => "source-several-arrays",
            NoImageArray { .. } => "source-no-image-array",
            NoFiles => "source-no-files",
            NoSplitNames => "source-no-split-names",
            Encrypted => "source-encrypted",
            Codec(_) => "source-codec",
            NoImages(_) => "source-no-images",
            SeveralImageColumns(_) => "source-several-image-columns",
            NotImages { .. } => "source-not-images",
            Tensors(_) => "source-tensors",
            ImageCounts { .. } | ImageColumns { .. } | TooManyImages { .. } => "source-image-count",
            SeveralImages { .. } => "source-several-images",
            SameColumns(_) => "source-same-columns",
            LacksColumn { .. } => "source-lacks-column",
            OtherType { .. } => "source-other-type",
            OtherClasses { .. } => "source-other-classes",
            NoSplit => "source-no-split",
            TooManyRows => "source-too-many-rows",
            Labels { .. } => "source-labels",
            TooLong(_) => "source-too-long",
            NotUtf8(_) => "source-not-utf8",
            Values { .. } => "source-values",
        }
    }
}
