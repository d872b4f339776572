//! What is said at the end: the summary on standard output, an error and its way out on standard
//! error.

use std::error::Error as _;
use std::io::{ErrorKind, Write, stdout};
use std::path::Path;

use super::Written;
use crate::{
    ByteSize, Error, Filter, FormatError, Notice, RepackError, RepackSummary, SmallClass, Snapshot, SpecError, Summary,
    Verification,
};

/// The exit code of a run that stopped.
pub fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Spec(_) | Error::NoSource | Error::TooManyThreads { .. } => 2,
        _ => 1,
    }
}

/// Prints a result and returns the exit code: `done`, or 1 if it could not be printed. A reader that has
/// gone away is no error.
pub fn print(text: &str, done: u8) -> u8 {
    let mut stdout = stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: the result can't be printed: {error}");
            1
        }
        _ => done,
    }
}

/// Prints the summary, and returns the exit code.
pub fn written(written: &Written, out: &Path, json: bool) -> u8 {
    let text = match (json, written) {
        (true, _) => serde_json::to_string_pretty(written).expect("a summary has no maps with odd keys") + "\n",
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
        (true, _) => format!("would write {rows} rows of {inputs} images, {classes}, to `{out}`\n"),
        (false, true) => {
            let rate = summary.images_per_second;
            format!("{rows} rows of {inputs} images, {classes}, in {seconds:.1} s ({rate:.0} images/s): `{out}`\n")
        }
        (false, false) => format!("nothing to do, `{out}` is complete\n"),
    };
    if summary.dry_run {
        text += &small_classes(&summary.small_classes);
    }
    if *unchanged > 0 {
        text += &format!("{unchanged} images were rows already\n");
    }
    if *rejects > 0 {
        let reasons: Vec<_> = summary.rejects_by_reason.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        text += &format!("{rejects} rejected: {}\n", reasons.join(", "));
        if !summary.dry_run {
            text += &format!("each is a line of `{out}/{}`\n", crate::REJECTS);
        }
    }
    text
}

/// A line for each class that is too small for exact shares.
fn small_classes(small: &[SmallClass]) -> String {
    let line = |SmallClass { class, images, splits }: &SmallClass| {
        let name = class.as_ref().map_or_else(|| "all images".to_owned(), |class| format!("class `{class}`"));
        let held: Vec<_> = splits.iter().map(|(split, images)| format!("{images} {split}")).collect();
        format!("too small for exact shares: {name}, {images} in all: {}\n", held.join(", "))
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

/// Prints what came of reading a dataset back, and returns the exit code.
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
                    format!("whole: {rows} rows in {files}, {bytes} read in {seconds:.1} s: `{folder}`\n")
                }
                1 => "1 problem\n".to_owned(),
                n => format!("{n} problems\n"),
            };
            if *sources > 0 {
                text += &format!("{sources} rows compared with their sources\n");
            }
            if *unfinished {
                text += "not all: a run was interrupted; the same command goes on with it\n";
            }
            visible(&text)
        }
    };
    print(&text, u8::from(!problems.is_empty()))
}

/// Prints how a dataset was changed, and returns the exit code.
pub fn change(before: &Snapshot, after: &Snapshot, folder: &Path, json: bool) -> u8 {
    let text = match json {
        true => serde_json::to_string_pretty(after).expect("a version has no maps with odd keys") + "\n",
        false => {
            let held = |held: &Snapshot| format!("{} rows in {}", held.rows(), files(held.shards().count()));
            let (number, folder) = (after.dataset_version, folder.display());
            visible(&format!("version {number}: {}, before: {}: `{folder}`\n", held(after), held(before)))
        }
    };
    print(&text, 0)
}

/// Prints an error and the way out.
pub fn error(error: &Error) {
    eprintln!("error: {}", visible(&message(error)));
    if let Some(hint) = hint(error) {
        eprintln!("hint: {}", visible(&hint));
    }
}

/// The text, with escapes in the place of characters that would control a terminal: names of files and
/// classes may hold any.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() && character != '\n' {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
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
        // Some errors only repeat what they wrap.
        let repeats = source.source().is_some_and(|wrapped| text.ends_with(&wrapped.to_string()));
        if !repeats && !line.ends_with(&text) {
            line += &format!(": {text}");
        }
        cause = source.source();
    }
    line
}

const ANY_NAME: &str = "`inlaid convert --any-name` takes files of any name and lets their content decide";

/// What to do about a notice, with the exact option.
pub fn notice_hint(notice: &Notice) -> Option<&'static str> {
    match notice {
        // Hashes, most likely.
        Notice::OtherFiles(counts) if counts.keys().all(String::is_empty) => Some(ANY_NAME),
        _ => None,
    }
}

/// The way out of an error, with the exact option.
pub fn hint(error: &Error) -> Option<String> {
    Some(match error {
        Error::Spec(SpecError::ShareSum(_)) => {
            "shares are fractions, as in `--split train=0.8,validation=0.1,test=0.1`".into()
        }
        Error::Spec(SpecError::NoSize) => {
            "add `--size 224`, or leave the files as they are with `--storage encoded`".into()
        }
        Error::Spec(SpecError::Untouched(_)) => "add `--size 224`, or leave that out".into(),
        Error::Spec(SpecError::NotEncoded(_)) => "add `--storage encoded`, or leave that out".into(),
        Error::Spec(SpecError::NoTensors(_)) => "use `--storage tensor` and a `--size`, or leave that out".into(),
        Error::Spec(SpecError::JpegSide { .. }) => "choose a smaller `--size`, or `--encoding png`".into(),
        Error::Spec(SpecError::RowGroupBytes { shard, .. }) => {
            format!("use `--row-group-bytes {shard}`, or leave it out")
        }
        Error::Spec(SpecError::StoredFileBytes { .. }) => "choose a smaller `--max-file-bytes`".into(),
        Error::Spec(SpecError::UnknownToEncoding { .. }) => "choose another `--encoding`, or leave that out".into(),
        Error::TooManyThreads { .. } => "without `--threads` there is one for every core, which is fastest".into(),
        Error::Spec(SpecError::TensorTooLarge { .. }) => "choose a smaller `--size`".into(),
        Error::Spec(SpecError::FloatsOnly { .. }) => {
            "`--scale`, `--mean` and `--std` are for `--dtype f32` and `--dtype f16`".into()
        }
        Error::Spec(SpecError::Overflow(_)) => {
            "mean and standard deviation are on the scale of `--scale`, as in `--mean 0.5 --std 0.25`".into()
        }
        Error::Spec(SpecError::ScaleOfImagenet { .. }) => {
            "leave out `--scale`, or give the numbers on the scale that you want".into()
        }
        Error::Spec(SpecError::ThreeForGray { .. }) => "give one number, as in `--mean 0.5 --std 0.25`".into(),
        Error::Spec(SpecError::ShrinkingDecoder(_)) if cfg!(feature = "turbojpeg") => {
            "add `--jpeg-decoder libjpeg-turbo`".into()
        }
        Error::Spec(SpecError::ShrinkingDecoder(_)) => {
            "add `--jpeg-decoder libjpeg-turbo`, with a build that has `--features turbojpeg`".into()
        }
        Error::Spec(SpecError::MissingDecoder(_)) => {
            "build it with `--features turbojpeg`, or use `--jpeg-decoder zune-jpeg` for a new dataset".into()
        }
        Error::Spec(SpecError::UnknownFilter { filter: Filter::Lanczos3, .. }) => {
            "INTER_LANCZOS4 is another filter; choose another `--filter`, or `--resize-like pillow`".into()
        }
        Error::Spec(SpecError::UnknownFilter { .. }) => "choose another `--filter`, or another `--resize-like`".into(),
        Error::Spec(SpecError::AreaOfNone) => {
            "name it with `--resize-like opencv` or `--resize-like tf`, or use `--filter box`".into()
        }
        Error::Spec(SpecError::AntialiasDecided(_)) => {
            "leave out `--no-antialias`; `--resize-like tf` and `opencv` don't antialias".into()
        }
        Error::Spec(SpecError::CropRatioFit(_)) => "use `--fit shortest-side`, or leave out `--crop-ratio`".into(),
        Error::Spec(SpecError::FolderShares) => {
            "leave out `--split`, or add `--split-by label` to split all images anew".into()
        }
        Error::Spec(SpecError::FolderRule(_)) => "leave out `--folders`, or use `--split-by label`".into(),
        Error::NoImages { no_extension: 1.., .. } => ANY_NAME.into(),
        Error::NoImages { .. } => {
            "a source holds class folders, split folders, or images; see `inlaid convert --help`".into()
        }
        Error::NothingUsable { .. } => {
            "if it is refused for its size, raise `--max-pixels` or `--max-file-bytes`".into()
        }
        Error::MixedSources { .. } => {
            "say what the top folders mean with `--folders classes`, `splits` or `none`".into()
        }
        Error::NoSplitFolders(_) => "name the top folders train, validation and test, or use `--split-by label`".into(),
        Error::NotASplitFolder { .. } => "split folders are named train, validation (valid, val, dev) or test (eval); \
             a new dataset may take them as classes with `--folders classes`"
            .into(),
        Error::SmallClasses { .. } | Error::TooFewImages { .. } => {
            "leave out `--small-classes stop`, or let a new dataset draw for each image with `--split-by path`".into()
        }
        Error::Repack { source, .. } => return repack_hint(source),
        Error::MountPoint(_) => "name a new folder below it".into(),
        Error::OutputTaken(_) | Error::OutputNotEmpty(_) => "choose a new folder for `--out`".into(),
        Error::OutputExists(_) => {
            "add to it with `inlaid append`, replace it with `--overwrite`, or choose a new folder for `--out`".into()
        }
        Error::OtherConversion(_) => {
            "`inlaid append` keeps its rows and adds what is missing; `--overwrite` begins anew".into()
        }
        Error::Format(FormatError::NoDataset(_)) => "make it with `inlaid convert`".into(),
        Error::OtherFolders { folders, .. } => format!(
            "give the folder that holds the {}, or say what its folders mean with `--folders {folders}`",
            folders.described()
        ),
        Error::ContentChanged { .. } => "leave out `--on-changed stop` to keep the row and list such images".into(),
        Error::ChangedMeanwhile(_) => "run it again".into(),
        Error::Format(FormatError::Committing(_)) => {
            "wait for it to end; if it was killed, run the same command again".into()
        }
        Error::Unfinished(_) => {
            "run the same command again to finish it, or `inlaid append` with other sources to give it up".into()
        }
        Error::NoHistory(_) => {
            "only the last append can be taken back, not after `inlaid compact` or `--no-history`".into()
        }
        Error::Format(FormatError::DiskFull { .. }) => "free some room and run the same command again".into(),
        Error::Interrupted => "the same command goes on from the last file that was finished".into(),
        Error::ForeignFile(_) => "move that file elsewhere".into(),
        Error::OutputInSource { .. } => "choose a folder for `--out` beside the source".into(),
        Error::OutputInDataset { .. } => "choose a folder for `--out` beside the dataset".into(),
        Error::SourceNotFolder(_) => "give the folder that holds it".into(),
        Error::Locked { .. } => "wait for it to end".into(),
        Error::Format(FormatError::Damaged { .. }) => "restore the file, or convert into a new folder".into(),
        Error::Format(FormatError::NoTensors(_)) => {
            "`inlaid repack` makes tensors of lists of equal length, and of bytes with `--shape`".into()
        }
        Error::Format(FormatError::Permuted { .. }) => {
            "let the tool that wrote it store the tensors contiguously".into()
        }
        Error::Format(FormatError::SeveralColumns { .. }) => "let the tool that wrote it name them apart".into(),
        Error::Format(FormatError::EncodedImages(_)) => "read them with Hugging Face `datasets`".into(),
        Error::Format(FormatError::FormatVersion { .. }) => "use the release of inlaid that wrote the dataset".into(),
        Error::Rejected { .. } => "leave out `--on-error stop` to list such inputs and go on".into(),
        Error::TooManyRejects { .. } => "raise `--max-errors` to go on".into(),
        _ => return None,
    })
}

/// The way out for a file that can't be repacked.
fn repack_hint(error: &RepackError) -> Option<String> {
    Some(match error {
        RepackError::NoFiles => "files are looked for by their extension: parquet, arrow, feather or ipc".into(),
        RepackError::SameName(_) => "repack them one after the other, each with its own `--out`".into(),
        RepackError::Damaged(_) => "restore the file".into(),
        RepackError::Permuted(_) => "let the tool that wrote it store the tensors contiguously".into(),
        RepackError::NoColumn { .. } | RepackError::NotTensors { .. } => {
            "name a column of lists of numbers, or of bytes with `--shape`".into()
        }
        RepackError::Codec(_) => "let the tool that wrote it write Zstandard instead".into(),
        RepackError::EmptyTensor(_) => "leave such rows out of the file".into(),
        RepackError::UnknownFormat => "read it with the tool that wrote it, and let that write Parquet".into(),
        RepackError::NoTensors(_) => {
            "tensors are lists of numbers, or bytes with `--shape`; encoded images are for `inlaid convert`".into()
        }
        RepackError::SeveralColumns(_) => "name it with `--column`".into(),
        RepackError::SameColumns(_) => "let the tool that wrote it name them apart".into(),
        RepackError::Shape { .. } => "give it as in `--shape 224x224x3`".into(),
        RepackError::NoRows(_) => "give the shape with `--shape`, or leave the file out".into(),
        RepackError::Element { .. } => "let the tool that wrote it cast the column".into(),
        RepackError::OtherTensors(_) => "repack them one after the other, each with its own `--out`".into(),
        RepackError::Unwritable { .. } => "leave that column out of the file".into(),
        RepackError::NullTensor { .. } | RepackError::NullElement { .. } | RepackError::Ragged { .. } => {
            "leave such rows out of the file".into()
        }
        _ => return None,
    })
}
