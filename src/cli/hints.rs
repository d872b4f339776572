//! Hints: what to do about an error or a notice, with the exact option.

use std::path::{Path, PathBuf};

use crate::remote::is_url;
use crate::{
    Error, Filter, FormatError, Notice, PlanError, RecordError, RepackError, SourceError, SpecError, Split, StoreError,
};

const ANY_NAME: &str = "`inlaid convert --any-name` takes files of any name and lets their content decide";

/// Suggestion for a notice, with the exact option.
pub fn notice_hint(notice: &Notice) -> Option<String> {
    Some(match notice {
        // Most likely names that are hashes.
        Notice::OtherFiles(counts) if counts.keys().all(String::is_empty) => ANY_NAME.into(),
        Notice::OtherFiles(counts) if counts.contains_key("cls") => {
            "a WebDataset has the files of a sample side by side: write them sorted by name".into()
        }
        Notice::OtherFiles(counts) if counts.keys().any(|extension| SOURCES.contains(&&**extension)) => {
            "archives, tables and arrays are read where no image files are beside them, or given themselves".into()
        }
        Notice::FoldersBesideTable(_) => "`--folders classes` uses folders as classes".into(),
        Notice::OtherFiles(counts) if counts.keys().any(|extension| TABLES.contains(&&**extension)) => {
            "a table that describes the images is given with `--metadata`".into()
        }
        Notice::NoLabels(_) => {
            "undo it with `inlaid rollback`, and give their table with `--metadata` or their column with `--label-column`"
                .into()
        }
        Notice::SmallClasses { names, .. } if names.iter().all(|name| name.parse::<i64>().is_ok()) => {
            "numbers that are quantities, not classes, are of type float64: `--column NAME:float64`".into()
        }
        Notice::SeveralLabels(_) => "choose one with `--label-column`".into(),
        Notice::NestedFolders { source: Some(source), .. } => {
            format!("give `{}` to make them classes", source.display())
        }
        Notice::FolderSources { above: Some(above), .. } => format!("give `{}` to make them classes", above.display()),
        Notice::FolderSources { above: None, .. } => "give the folder that holds them to make them classes".into(),
        _ => return None,
    })
}

/// Suggested fix for an error, with the exact option.
pub fn hint(error: &Error) -> Option<String> {
    Some(match error {
        Error::Spec(SpecError::ShareSum(_)) => {
            "give fractions with a sum of 1, as in `--split train=0.8,validation=0.1,test=0.1`".into()
        }
        Error::Spec(SpecError::NoSize) => {
            "add `--size 224`, or store the original files with `--storage encoded`".into()
        }
        Error::Format(FormatError::Link(_)) => {
            "replace the link by what it points to, if you trust the dataset".into()
        }
        Error::Spec(SpecError::Untouched(_)) => "add `--size 224`, or leave out the option".into(),
        Error::Spec(SpecError::NotEncoded(_)) => "add `--storage encoded`, or leave out the option".into(),
        Error::Spec(SpecError::TensorsBesideFiles(_)) => {
            "use `--storage tensor` with a `--size`, or take the column of its files out of the table".into()
        }
        Error::Spec(SpecError::NoTensors(_)) => {
            "use `--storage tensor` with a `--size`, or leave out the option".into()
        }
        Error::Spec(SpecError::JpegSide { .. }) => "choose a smaller `--size`, or `--encoding png`".into(),
        Error::Spec(SpecError::RowGroupBytes { shard, .. }) => {
            format!("use `--row-group-bytes {shard}`, or leave it out")
        }
        Error::Spec(SpecError::StoredFileBytes { .. }) => "choose a smaller `--max-file-bytes`".into(),
        Error::Spec(SpecError::UnknownToEncoding { .. }) => {
            "choose another `--encoding`, or leave out `--quality` and `--channels rgba`".into()
        }
        Error::TooManyThreads { .. } => "leave out `--threads`: one thread per core is fastest".into(),
        Error::Spec(SpecError::TensorTooLarge { .. }) => "choose a smaller `--size`".into(),
        Error::Spec(SpecError::FloatsOnly { .. }) => {
            "`--scale`, `--mean` and `--std` need `--dtype f32` or `--dtype f16`".into()
        }
        Error::Spec(SpecError::Overflow(_)) => {
            "give `--mean` and `--std` on the scale of `--scale`, as in `--mean 0.5 --std 0.25`".into()
        }
        Error::Spec(SpecError::ScaleOfImagenet { .. }) => {
            "leave out `--scale`, or give numbers on the scale that you chose".into()
        }
        Error::Spec(SpecError::ThreeForGray { .. }) => "give one number, as in `--mean 0.5 --std 0.25`".into(),
        Error::Spec(SpecError::ShrinkingDecoder(_)) if cfg!(feature = "turbojpeg") => {
            "add `--jpeg-decoder libjpeg-turbo`".into()
        }
        Error::Spec(SpecError::ShrinkingDecoder(_)) => {
            "add `--jpeg-decoder libjpeg-turbo`, in a build with the feature `turbojpeg`".into()
        }
        Error::Spec(SpecError::MissingDecoder(_)) => {
            "build inlaid with the feature `turbojpeg`, or use `--jpeg-decoder zune-jpeg` for a new dataset".into()
        }
        Error::Spec(SpecError::UnknownFilter { filter: Filter::Lanczos3, .. }) => {
            "`INTER_LANCZOS4` is a different filter; choose another `--filter`, or `--resize-like pillow`".into()
        }
        Error::Spec(SpecError::UnknownFilter { .. }) => "choose another `--filter`, or another `--resize-like`".into(),
        Error::Spec(SpecError::AreaOfNone) => {
            "add `--resize-like opencv` or `--resize-like tf`, or use `--filter box`".into()
        }
        Error::Spec(SpecError::AntialiasDecided(_)) => {
            "leave out `--no-antialias`; `--resize-like tf` and `opencv` don't antialias".into()
        }
        Error::Spec(SpecError::CropRatioFit(_)) => "use `--fit shortest-side`, or leave out `--crop-ratio`".into(),
        Error::Spec(SpecError::FolderShares) => {
            "leave out `--split`, or add `--split-by label` to reassign all images".into()
        }
        Error::Spec(SpecError::FolderRule(_)) => "leave out `--folders`, or use `--split-by label`".into(),
        Error::NoImages { no_extension: 1.., .. } => ANY_NAME.into(),
        Error::NoImages { .. } => {
            "a source holds class folders, split folders, or images; see `inlaid convert --help`".into()
        }
        Error::NothingUsable { detail, .. } if detail.contains(" allowed") => {
            "if its size is the reason, raise `--max-pixels`, `--max-file-bytes` or `--memory`".into()
        }
        Error::MixedSources { .. } => {
            "say what the top folders mean with `--folders classes`, `splits` or `none`".into()
        }
        Error::NoSplitFolders(_) => "name the top folders train, validation and test, or use `--split-by label`".into(),
        Error::NotASplitFolder { .. } => "split folders are named train, validation (valid, val, dev) or test (eval); \
             for a new dataset, `--folders classes` makes them classes"
            .into(),
        Error::SplitFoldersBelow(folders) => above_splits(folders),
        Error::SmallClasses { .. } | Error::TooFewImages { .. } => {
            "leave out `--small-classes stop`, or let a new dataset draw for each image with `--split-by path`".into()
        }
        Error::Repack { source, .. } => return repack_hint(source),
        Error::Source { source, .. } => return source_hint(source),
        Error::NoMetadata(_) => "give the table with `--metadata`".into(),
        Error::SecondFolderOfList(_) => "leave it out, or give the folder that holds all files".into(),
        Error::OtherLabels { .. } | Error::NewClasses(_) => "convert all images to a new dataset".into(),
        Error::MountPoint(_) => "choose a new folder inside it for `--out`".into(),
        Error::NotATerminal => "name a PNG file to write with `--out`".into(),
        Error::Card { path, .. } if path.ends_with("croissant.json") => {
            "mend the file, or move it away and add `--croissant`".into()
        }
        Error::Card { .. } => "mend the file, or move it away: it is written anew then".into(),
        Error::OtherFile(_) => "name another file, or move that one away".into(),
        Error::NoSplit { name, splits } => return meant_split(name, splits),
        Error::NothingToShow => "choose other rows, another class or another split".into(),
        Error::OutputTaken(_) | Error::OutputNotEmpty(_) => "choose a new folder for `--out`".into(),
        Error::OutputExists(_) => {
            "add to it with `inlaid append`, replace it with `--overwrite`, or choose a new folder for `--out`".into()
        }
        Error::OtherConversion(_) => {
            "`inlaid append` keeps its rows and adds the missing ones; `--overwrite` starts over".into()
        }
        Error::Format(FormatError::NoDataset(_)) => "create it with `inlaid convert`".into(),
        Error::OtherFolders { folders, .. } => format!(
            "give the folder that holds the {}, or say what its folders mean with `--folders {folders}`",
            folders.described()
        ),
        Error::ContentChanged { .. } => {
            "leave out `--on-changed stop` to keep the row and list the file in `rejects.jsonl`".into()
        }
        Error::ChangedMeanwhile(_) => "run it again".into(),
        Error::Format(FormatError::Committing(_)) => "wait for it to finish".into(),
        Error::CommitInterrupted(_) => "`inlaid info` completes it, run by a user who may write to the folder".into(),
        Error::Unfinished(_) => {
            "run the same command again to finish it, or `inlaid append` with other sources to abandon it".into()
        }
        Error::NoHistory(_) => {
            "only the last append can be rolled back, and not after `inlaid compact` or with `--no-history`".into()
        }
        Error::Format(FormatError::NoInodes { .. }) => {
            "remove files that are not needed there, or choose another disk for `--out`; then run the same command again"
                .into()
        }
        Error::Format(FormatError::UnknownFormat(_)) => {
            "tensors are read from Parquet and Arrow files; `inlaid convert` makes them from images".into()
        }
        Error::Spec(SpecError::NotInFolders(_)) => {
            "give the table that has the column with `--metadata`, or put it beside the images".into()
        }
        Error::Format(FormatError::DiskFull { .. }) => "free some space and run the same command again".into(),
        Error::Format(FormatError::FileLimit(_)) => {
            "raise the limit (`ulimit -f`), or choose a smaller `--shard-bytes` for a new dataset".into()
        }
        Error::Interrupted => "run the same command again to resume after the last finished file".into(),
        Error::ForeignFile(_) => "move that file elsewhere".into(),
        Error::Store { reason, .. } => return store_hint(reason),
        Error::Plan { reason, .. } => return plan_hint(reason),
        Error::OutputInSource { .. } => "choose a folder for `--out` outside the source".into(),
        Error::OutputInDataset { .. } => "choose a folder for `--out` outside the dataset".into(),
        Error::SourceNotFolder(path) if is_url(path) => "give the prefix that contains it".into(),
        Error::SourceNotFolder(path) if !path.is_file() => "pipes and devices can't be read as sources".into(),
        Error::SourceNotFolder(path) => instead_of_file(path).into(),
        Error::OutputNotFolder(_) => "choose a new folder for `--out`".into(),
        Error::OutputLinkBroken { .. } => "create that folder, or choose another one for `--out`".into(),
        Error::Locked { .. } => "wait for it to finish".into(),
        Error::Format(FormatError::Damaged { .. }) => "restore the file, or convert to a new folder".into(),
        Error::Format(FormatError::NoImage { reason, .. }) if reason.contains(" allowed") => {
            "if its size is the reason, raise `--max-pixels` or `--memory` of batches, or leave such rows out of them \
             with `--on-error skip`"
                .into()
        }
        Error::Format(FormatError::NoImage { .. }) => "`--on-error skip` leaves such rows out of batches".into(),
        Error::Format(FormatError::NoTables(_)) => "`inlaid convert` makes a dataset from images".into(),
        Error::Format(FormatError::NoTensors(_)) => {
            "`inlaid repack` turns lists of equal length into tensors, and also bytes with `--shape`".into()
        }
        Error::Format(FormatError::Permuted { .. }) => {
            "have the tool that wrote the file store the tensors in row-major order".into()
        }
        Error::Format(FormatError::SeveralColumns { .. }) => {
            "have the tool that wrote the file give them different names".into()
        }
        Error::Format(FormatError::EncodedImages(_)) => "a `Loader` with a size makes tensors of them, as batches do in Python".into(),
        Error::Format(FormatError::FormatVersion { .. }) => "use the release of inlaid that wrote the dataset".into(),
        Error::Rejected { detail, .. } if is_missing(detail) => {
            "leave out `--missing stop`, and `--on-error stop` if it is given, to skip such rows and files and list \
             them in `rejects.jsonl`"
                .into()
        }
        Error::Rejected { .. } => {
            "leave out `--on-error stop` to skip such inputs and list them in `rejects.jsonl`".into()
        }
        Error::TooManyRejects { .. } => "raise `--max-errors` to continue".into(),
        _ => return None,
    })
}

/// Extensions of tables that may describe images.
const TABLES: [&str; 4] = ["csv", "jsonl", "ndjson", "tsv"];

/// Extensions of files that are sources by themselves.
const SOURCES: [&str; 12] =
    ["arrow", "feather", "npy", "npz", "parquet", "tar", "tgz", "tzst", "zip", "gz", "zst", "arrows"];

/// Whether a reject is a row of a table without its file, or a file without its row.
fn is_missing(detail: &str) -> bool {
    let reasons = [
        RecordError::NoFileName,
        RecordError::NoFile,
        RecordError::SeveralFiles,
        RecordError::NameOutside,
        RecordError::SecondRow,
        RecordError::NoTableRow,
    ];
    reasons.iter().any(|reason| reason.to_string() == detail)
}

/// The split of a dataset that another of its names may mean.
fn meant_split(name: &str, splits: &[String]) -> Option<String> {
    let meant = Split::from_folder_name(name)?.as_str();
    splits.iter().any(|split| split == meant).then(|| format!("did you mean `{meant}`?"))
}

/// What to give instead of a source that is a file.
fn instead_of_file(path: &Path) -> &'static str {
    const ARCHIVES: [&str; 12] = ["tar", "zip", "tgz", "gz", "tbz2", "bz2", "txz", "xz", "zst", "7z", "rar", "lz4"];
    const TABLES: [&str; 6] = ["parquet", "pq", "arrow", "arrows", "feather", "ipc"];
    let is_one_of = |known: &[&str]| {
        path.extension().is_some_and(|extension| known.iter().any(|known| extension.eq_ignore_ascii_case(known)))
    };
    match path {
        _ if is_one_of(&ARCHIVES) => "unpack it, and give the folder with its contents",
        _ if is_one_of(&TABLES) => "`inlaid repack` takes Parquet and Arrow files",
        _ => "give the folder that contains it",
    }
}

/// What to give instead of a source with split folders below its top.
fn above_splits(folders: &[PathBuf]) -> String {
    let give = match folders {
        [folder] => format!("give `{}`", folder.display()),
        _ => "put split folders above class folders, or give each of these folders as a source".to_owned(),
    };
    format!("{give}; for a new dataset, `--folders classes` takes the top folders as classes")
}

/// Suggested fix for a plan that can't be used.
fn plan_hint(error: &PlanError) -> Option<String> {
    Some(match error {
        PlanError::Missing => "give the run that `inlaid plan` printed, as in DIR/.inlaid/runs/...".into(),
        PlanError::OtherBuild { .. } => "use the same release, with the same features, on all machines".into(),
        PlanError::NotDone { .. } | PlanError::ShardsGone(_) => {
            "work on them with `inlaid work`, and commit again".into()
        }
        PlanError::Scans => "run the same `inlaid plan` again when all items are done".into(),
        PlanError::NoSource(_) | PlanError::NothingReadable { .. } => {
            "mount it at the same path on all machines, or plan again if it is gone".into()
        }
        PlanError::InputGone(_) => "put it back, or plan again".into(),
        PlanError::SourceChanged => "plan again, and work on all items again".into(),
        PlanError::Interrupted => "finish it with `inlaid convert`, or plan for another folder".into(),
        PlanError::Superseded => "plan for another folder".into(),
        PlanError::Damaged(_) => "remove the run, and plan again".into(),
        PlanError::NoItem { .. } | PlanError::Setting(_) => return None,
    })
}

/// Suggested fix for an object store that can't be read.
fn store_hint(error: &StoreError) -> Option<String> {
    Some(match error {
        StoreError::Url | StoreError::Scheme(_) | StoreError::ReadOnly(_) => {
            "give a prefix in a bucket: s3://bucket/photos, gs://bucket/photos or az://container/photos".into()
        }
        StoreError::HubUrl => "give a dataset, and a folder or file in it: hf://datasets/owner/name@main/data".into(),
        StoreError::NoRepository => {
            "check the names; HF_TOKEN, or `hf auth login`, gives access to private datasets".into()
        }
        StoreError::NoParts | StoreError::NoLength => "download the file, and give its path".into(),
        StoreError::NoListing => "give the URLs of archives, tables or arrays".into(),
        StoreError::SameUrl => "convert one, and append the other".into(),
        StoreError::NoTlsOfWeb => "set INLAID_ALLOW_HTTP=true to allow that".into(),
        StoreError::LeftOut => "build inlaid with the feature `remote`".into(),
        StoreError::Secret => "put them into the environment".into(),
        StoreError::List => "leave out `--files-from`".into(),
        StoreError::TableTooLarge { .. } => "raise `--max-file-bytes`".into(),
        StoreError::NoConditions => {
            "use a store that has conditional writes, or `--single-writer` if nobody else writes to it".into()
        }
        StoreError::TakenOver | StoreError::Raced => {
            "run the same command again once the other process has ended".into()
        }
        StoreError::InPlace(_) => "write to another prefix, or to a disk and copy it".into(),
        StoreError::DiskOnly => "write to a disk, and copy the files".into(),
        StoreError::TooManyParts => "choose a smaller `--shard-bytes` for a new dataset".into(),
        StoreError::UploadGone(_) => "run the same command again".into(),
        StoreError::Key(_) => "rename the object, or give a prefix that is not above it".into(),
        StoreError::SingleObject => "copy it to a disk first".into(),
        StoreError::Profile(_) => "put into the environment what `aws configure export-credentials` prints".into(),
        StoreError::NoCredentials => {
            "put the keys of the store into the environment, or AWS_SKIP_SIGNATURE=true for a public bucket".into()
        }
        StoreError::Denied(_) => "check the keys, and that they may list and read the bucket".into(),
        StoreError::Expired => "get new credentials, and run the same command again".into(),
        StoreError::NoTls => "set AWS_ALLOW_HTTP=true to allow that".into(),
        StoreError::Clock => "set the clock of this machine".into(),
        StoreError::Region => "set AWS_REGION to the region of the bucket".into(),
        StoreError::NoBucket => "check its name, and AWS_ENDPOINT or AZURE_STORAGE_ACCOUNT_NAME".into(),
        StoreError::Unreachable | StoreError::Status { .. } => {
            "run the same command again; AWS_ENDPOINT names stores other than that of AWS".into()
        }
        _ => return None,
    })
}

/// Suggested fix for a source that can't be read.
fn source_hint(error: &SourceError) -> Option<String> {
    Some(match error {
        SourceError::NoFileColumn { .. } => {
            "name it with `--file-column`, and that of the labels with `--label-column`".into()
        }
        SourceError::TableInArchive(_) => "extract it, and name it with `--metadata`".into(),
        SourceError::Store(error) => return store_hint(error),
        SourceError::NoColumn { .. } => "names of columns are case-sensitive".into(),
        SourceError::FurtherColumn(_) => "give one table with `--metadata`, or make their columns the same".into(),
        SourceError::Labels { .. } => "choose another column with `--label-column`".into(),
        SourceError::NotUtf8(_) => "save the table as UTF-8".into(),
        SourceError::TooLong(_) => "leave it out: name the columns to keep with `--keep-columns`".into(),
        SourceError::SeveralSources => {
            "give the folder of the images as the source, and the table with `--metadata`".into()
        }
        SourceError::OtherKind => "convert one kind, then add the others with `inlaid append`".into(),
        SourceError::NotFiles => "leave out `--metadata` and `--file-column`".into(),
        SourceError::NoFiles => "add a size, as in `--size 28`; `--encoding png` stores files without loss".into(),
        SourceError::Pickled { name: None } => {
            "take the binary version: `cifar-10-binary.tar.gz` has `data_batch_1.bin`, `cifar-100-binary.tar.gz` \
             has `train.bin`"
                .into()
        }
        SourceError::Pickled { name: Some(_) } => {
            "save it as numbers or texts: `numpy.save(\"images.npy\", numpy.stack(images))`".into()
        }
        SourceError::ArrayShape { .. } => {
            "put images one after another with `numpy.stack`, or change the shape with `numpy.reshape`".into()
        }
        SourceError::SeveralArrays { .. } => "call the images `images` and their labels `labels`".into(),
        SourceError::NoSplitNames => {
            "call arrays or files as in `x_train` and `x_test`, or leave out `--folders splits`".into()
        }
        SourceError::NoImages(_) => "if one of them does, name it with `--image-column`".into(),
        SourceError::SeveralImageColumns(_) => "choose one with `--image-column`".into(),
        SourceError::NotImages { .. } => "name a column of bytes, or of structs of `bytes` and `path`".into(),
        SourceError::Tensors(_) => "`inlaid repack` takes tables of tensors".into(),
        SourceError::ImageCounts { .. } => "convert rows of different numbers of images separately".into(),
        SourceError::SeveralImages { .. } => "add `--size 224`, and leave out `--storage encoded`".into(),
        SourceError::Codec(_) => "have the tool that wrote the file use Zstandard instead".into(),
        SourceError::Encrypted => "have the tool that wrote the file write it without encryption".into(),
        SourceError::LacksColumn { .. } | SourceError::OtherType { .. } | SourceError::OtherClasses { .. } => {
            "convert them separately, or leave the column out with `--keep-columns`".into()
        }
        SourceError::NoSplit => "leave out `--folders splits`".into(),
        _ => return None,
    })
}

/// Suggested fix for a file that can't be repacked.
fn repack_hint(error: &RepackError) -> Option<String> {
    Some(match error {
        RepackError::NoFiles => "files are found by extension: parquet, arrow, feather or ipc".into(),
        RepackError::SameName(_) => "repack them separately, each with its own `--out`".into(),
        RepackError::Damaged(_) => "restore the file".into(),
        RepackError::Permuted(_) => "have the tool that wrote the file store the tensors in row-major order".into(),
        RepackError::NoColumn { .. } | RepackError::NotTensors { .. } => {
            "name a column of lists of numbers, or of bytes with `--shape`".into()
        }
        RepackError::Codec(_) => "have the tool that wrote the file use Zstandard instead".into(),
        RepackError::NoElements(_) => "choose another column with `--column`, or leave the file out".into(),
        RepackError::EmptyLists(_) => "remove that column from the file: there is nothing in it".into(),
        RepackError::EmptyTensor(_) => "remove such rows from the file".into(),
        RepackError::UnknownFormat => "have the tool that wrote the file write Parquet".into(),
        RepackError::NoTensors(_) => {
            "tensors are lists of numbers, or bytes with `--shape`; use `inlaid convert` for image files".into()
        }
        RepackError::SeveralColumns(_) => "choose one with `--column`".into(),
        RepackError::SameColumns(_) => "have the tool that wrote the file give them different names".into(),
        RepackError::Shape { .. } => "give a matching shape, as in `--shape 224x224x3`".into(),
        RepackError::NoRows(_) => "give the shape with `--shape`, or leave the file out".into(),
        RepackError::Element { .. } => "have the tool that wrote the file cast the column".into(),
        RepackError::OtherTensors(_) => "repack them separately, each with its own `--out`".into(),
        RepackError::Unwritable { .. } => "remove that column from the file".into(),
        RepackError::NullTensor { .. } | RepackError::NullElement { .. } | RepackError::Ragged { .. } => {
            "remove such rows from the file".into()
        }
        _ => return None,
    })
}
