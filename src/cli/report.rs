//! Output at the end of a command: the result on standard output, an error with a hint on standard
//! error.

use std::error::Error as _;
use std::io::{ErrorKind, Write, stdout};
use std::path::Path;

use super::Written;
use crate::{
    ByteSize, Error, Filter, FormatError, Notice, RepackError, RepackSummary, SmallClass, Snapshot, SpecError, Summary,
    Verification,
};

/// Exit code of a run that stopped.
pub fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Spec(_) | Error::NoSource | Error::TooManyThreads { .. } => 2,
        _ => 1,
    }
}

/// Prints a result and returns the exit code: `done`, or 1 if it could not be printed. A closed pipe is not
/// an error.
pub fn print(text: &str, done: u8) -> u8 {
    let mut stdout = stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: can't print the result: {error}");
            1
        }
        _ => done,
    }
}

/// Prints the summary and returns the exit code.
pub fn written(written: &Written, out: &Path, json: bool) -> u8 {
    let text = match (json, written) {
        (true, _) => serde_json::to_string_pretty(written).expect("a summary has only string keys") + "\n",
        (false, Written::Rows(summary)) => visible(&in_words(summary, out)),
        (false, Written::Files(summary)) => visible(&files_in_words(summary, out)),
    };
    let left_out = matches!(written, Written::Rows(summary) if summary.rejects > 0);
    print(&text, if left_out { 3 } else { 0 })
}

fn in_words(summary: &Summary, out: &Path) -> String {
    let Summary { rows, inputs, unchanged, classes, rejects, seconds, .. } = summary;
    let mut text = String::new();
    for (split, info) in &summary.splits {
        let (rows, bytes, files) = (info.rows, ByteSize(info.bytes).to_string(), files(info.shards));
        let added = match info.added {
            added if added == rows => String::new(),
            added => format!(", {added} new"),
        };
        text += &format!("{:<11}{rows:>9} rows {bytes:>11} in {files}{added}\n", split.as_str());
    }
    let classes = match classes {
        0 => "no labels".to_owned(),
        1 => "1 class".to_owned(),
        n => format!("{n} classes"),
    };
    let out = out.display();
    text += &match (summary.dry_run, summary.committed) {
        (true, _) => format!("would write {rows} rows from {inputs} images, {classes}, to `{out}`\n"),
        (false, true) => {
            let rate = summary.images_per_second;
            format!("{rows} rows from {inputs} images, {classes}, in {seconds:.1} s ({rate:.0} images/s): `{out}`\n")
        }
        (false, false) => format!("nothing to do, `{out}` is complete\n"),
    };
    if summary.dry_run {
        text += &small_classes(&summary.small_classes);
    }
    if *unchanged > 0 {
        text += &format!("{unchanged} images were already in the dataset\n");
    }
    if *rejects > 0 {
        let reasons: Vec<_> = summary.rejects_by_reason.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        text += &format!("{rejects} rejected: {}\n", reasons.join(", "));
        if !summary.dry_run {
            text += &format!("see `{out}/{}` for the reason of each\n", crate::REJECTS);
        }
    }
    text
}

/// A line for each class that is too small for exact fractions.
fn small_classes(small: &[SmallClass]) -> String {
    let line = |SmallClass { class, images, splits }: &SmallClass| {
        let name = class.as_ref().map_or_else(|| "all images".to_owned(), |class| format!("class `{class}`"));
        let held: Vec<_> = splits.iter().map(|(split, images)| format!("{images} {split}")).collect();
        format!("too small for exact fractions: {name}, {images} in all: {}\n", held.join(", "))
    };
    small.iter().map(line).collect()
}

fn files_in_words(summary: &RepackSummary, out: &Path) -> String {
    let RepackSummary { rows, column, shape, dtype, seconds, .. } = summary;
    let (files, bytes, out) = (files(summary.files), ByteSize(summary.bytes), out.display());
    let rate = summary.tensor_bytes_per_second / 1e6;
    format!(
        "{rows} rows of `{column}` ({shape} {dtype}) in {files}, {bytes}, in {seconds:.1} s ({rate:.0} MB/s): `{out}`\n"
    )
}

fn files(count: usize) -> String {
    match count {
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    }
}

/// Prints the result of verifying a dataset and returns the exit code.
pub fn verification(verification: &Verification, folder: &Path, json: bool) -> u8 {
    let Verification { problems, rows, shards, bytes, sources, seconds, unfinished } = verification;
    let text = match json {
        true => serde_json::to_string_pretty(verification).expect("a list of problems is JSON") + "\n",
        false => {
            let mut text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
            let bytes = ByteSize(*bytes);
            text += &match problems.len() {
                0 => {
                    let (files, folder) = (files(*shards), folder.display());
                    format!("intact: {rows} rows in {files}, {bytes} read in {seconds:.1} s: `{folder}`\n")
                }
                1 => "1 problem\n".to_owned(),
                n => format!("{n} problems\n"),
            };
            if *sources > 0 {
                text += &format!("{sources} rows compared with their sources\n");
            }
            if *unfinished {
                text += "incomplete: a run was interrupted; run the same command again to resume it\n";
            }
            visible(&text)
        }
    };
    print(&text, u8::from(!problems.is_empty()))
}

/// Prints how a dataset changed and returns the exit code.
pub fn change(before: &Snapshot, after: &Snapshot, folder: &Path, json: bool) -> u8 {
    let text = match json {
        true => serde_json::to_string_pretty(after).expect("a snapshot has only string keys") + "\n",
        false => {
            let held = |held: &Snapshot| format!("{} rows in {}", held.rows(), files(held.shards().count()));
            let (number, folder) = (after.dataset_version, folder.display());
            visible(&format!("snapshot {number}: {}, before: {}: `{folder}`\n", held(after), held(before)))
        }
    };
    print(&text, 0)
}

/// Prints an error and its hint.
pub fn error(error: &Error) {
    eprintln!("error: {}", visible(&message(error)));
    if let Some(hint) = hint(error) {
        eprintln!("hint: {}", visible(&hint));
    }
}

/// The text with control characters escaped, since names of files and classes may contain sequences that control
/// a terminal.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\n' {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// An error and its causes, in one line.
pub fn message(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let text = source.to_string();
        // Some errors only repeat the error that they wrap.
        let repeats = source.source().is_some_and(|wrapped| text.ends_with(&wrapped.to_string()));
        if !repeats && !line.ends_with(&text) {
            line += &format!(": {text}");
        }
        cause = source.source();
    }
    line
}

const ANY_NAME: &str = "`inlaid convert --any-name` takes files of any name and lets their content decide";

/// Suggestion for a notice, with the exact option.
pub fn notice_hint(notice: &Notice) -> Option<&'static str> {
    match notice {
        // Most likely names that are hashes.
        Notice::OtherFiles(counts) if counts.keys().all(String::is_empty) => Some(ANY_NAME),
        _ => None,
    }
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
        Error::Spec(SpecError::Untouched(_)) => "add `--size 224`, or leave out the option".into(),
        Error::Spec(SpecError::NotEncoded(_)) => "add `--storage encoded`, or leave out the option".into(),
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
            "add `--jpeg-decoder libjpeg-turbo`, in a build with `--features turbojpeg`".into()
        }
        Error::Spec(SpecError::MissingDecoder(_)) => {
            "build inlaid with `--features turbojpeg`, or use `--jpeg-decoder zune-jpeg` for a new dataset".into()
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
        Error::NothingUsable { .. } => "if its size is the reason, raise `--max-pixels` or `--max-file-bytes`".into(),
        Error::MixedSources { .. } => {
            "say what the top folders mean with `--folders classes`, `splits` or `none`".into()
        }
        Error::NoSplitFolders(_) => "name the top folders train, validation and test, or use `--split-by label`".into(),
        Error::NotASplitFolder { .. } => "split folders are named train, validation (valid, val, dev) or test (eval); \
             for a new dataset, `--folders classes` makes them classes"
            .into(),
        Error::SmallClasses { .. } | Error::TooFewImages { .. } => {
            "leave out `--small-classes stop`, or let a new dataset draw for each image with `--split-by path`".into()
        }
        Error::Repack { source, .. } => return repack_hint(source),
        Error::MountPoint(_) => "choose a new folder inside it for `--out`".into(),
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
        Error::Format(FormatError::Committing(_)) => {
            "wait for it to finish; if its process was killed, run the same command again".into()
        }
        Error::Unfinished(_) => {
            "run the same command again to finish it, or `inlaid append` with other sources to abandon it".into()
        }
        Error::NoHistory(_) => {
            "only the last append can be rolled back, and not after `inlaid compact` or with `--no-history`".into()
        }
        Error::Format(FormatError::DiskFull { .. }) => "free some space and run the same command again".into(),
        Error::Interrupted => "run the same command again to resume after the last finished file".into(),
        Error::ForeignFile(_) => "move that file elsewhere".into(),
        Error::OutputInSource { .. } => "choose a folder for `--out` outside the source".into(),
        Error::OutputInDataset { .. } => "choose a folder for `--out` outside the dataset".into(),
        Error::SourceNotFolder(_) => "give the folder that contains it".into(),
        Error::Locked { .. } => "wait for it to finish".into(),
        Error::Format(FormatError::Damaged { .. }) => "restore the file, or convert to a new folder".into(),
        Error::Format(FormatError::NoTensors(_)) => {
            "`inlaid repack` turns lists of equal length into tensors, and also bytes with `--shape`".into()
        }
        Error::Format(FormatError::Permuted { .. }) => {
            "have the tool that wrote the file store the tensors in row-major order".into()
        }
        Error::Format(FormatError::SeveralColumns { .. }) => {
            "have the tool that wrote the file give them different names".into()
        }
        Error::Format(FormatError::EncodedImages(_)) => "read them with Hugging Face `datasets`".into(),
        Error::Format(FormatError::FormatVersion { .. }) => "use the release of inlaid that wrote the dataset".into(),
        Error::Rejected { .. } => {
            "leave out `--on-error stop` to skip such inputs and list them in `rejects.jsonl`".into()
        }
        Error::TooManyRejects { .. } => "raise `--max-errors` to continue".into(),
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
