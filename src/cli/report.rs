//! Output at the end of a command: the result on standard output, an error with a hint on standard
//! error.

use std::error::Error as _;
use std::io::{ErrorKind, Write, stdout};
use std::path::Path;

use serde::Serialize;

use super::Written;
use super::hints::hint;
use super::signals::OnSignal;
use crate::{
    ByteSize, CardFiles, Change, Error, FormatError, ItemSummary, PlannedRun, RepackSummary, SmallClass, Snapshot,
    Summary, Verification, counted,
};

/// Exit code of a dataset that has no damage, but is unfinished.
pub const UNFINISHED: u8 = 4;

/// Exit code of a command that stopped.
pub fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Spec(_) | Error::NoSource | Error::TooManyThreads { .. } => 2,
        Error::CommitInterrupted(_) | Error::Format(FormatError::Committing(_)) => UNFINISHED,
        _ => 1,
    }
}

/// The failure of a command, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    error: String,
    kind: &'static str,
    hint: Option<String>,
    paths: Vec<String>,
    exit_code: u8,
}

impl Failure {
    /// A command that stopped with this error.
    pub fn new(error: &Error, exit_code: u8) -> Failure {
        let paths = error.paths().into_iter().map(|path| path.display().to_string()).collect();
        Failure { error: message(error), kind: error.kind(), hint: hint(error), paths, exit_code }
    }

    /// Arguments that clap refuses.
    pub fn of_usage(error: &clap::Error) -> Failure {
        let text = error.render().to_string();
        let mut paragraphs = text.split("\n\n");
        let told = paragraphs.next().and_then(|first| first.strip_prefix("error: ")).unwrap_or("no command is given");
        let words = told.split_whitespace().collect::<Vec<_>>();
        let hint = paragraphs.find_map(|paragraph| paragraph.trim().strip_prefix("tip: ")).map(str::to_owned);
        let exit_code = u8::try_from(error.exit_code()).unwrap_or(2);
        Failure { error: words.join(" "), kind: "usage", hint, paths: Vec::new(), exit_code }
    }

    /// A command that was ended by a signal, perhaps because a file can't be read to its end.
    pub fn given_up(stuck: Option<&Path>, on_signal: OnSignal, exit_code: u8) -> Failure {
        let (error, hint) = match on_signal {
            OnSignal::Stop { resumes: true } => (Error::Interrupted, hint(&Error::Interrupted)),
            OnSignal::Stop { resumes: false } => (Error::Abandoned, hint(&Error::Abandoned)),
            OnSignal::End => (Error::Interrupted, Some("run the same command again".to_owned())),
        };
        let paths: Vec<String> = stuck.iter().map(|path| path.display().to_string()).collect();
        let stuck = paths.iter().map(|path| format!("; reading `{path}` did not return")).collect::<String>();
        Failure { error: format!("{error}{stuck}"), kind: error.kind(), hint, paths, exit_code }
    }

    /// A bug.
    pub fn of_panic() -> Failure {
        let error = "a panic, which is a bug of inlaid".to_owned();
        Failure { error, kind: "panic", hint: None, paths: Vec::new(), exit_code: 1 }
    }

    /// As JSON, on standard output.
    pub fn print_json(&self) -> u8 {
        let text = serde_json::to_string_pretty(self).expect("a failure is made of strings and a number");
        print(&(text + "\n"), self.exit_code)
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

/// Prints what was planned and returns the exit code.
pub fn planned(planned: &PlannedRun, json: bool) -> u8 {
    let PlannedRun { run, items, inputs, rejects, scans, committed, .. } = planned;
    let text = match json {
        true => serde_json::to_string_pretty(planned).expect("a plan is made of texts and numbers") + "\n",
        false => {
            let (run, images) = (run.display(), counted(*inputs, "image"));
            let rejected = if *rejects > 0 { format!(", {rejects} rejected") } else { String::new() };
            let first = match scans {
                true => {
                    "these only read files, which decides the splits; when all are done, run the same command again\n"
                }
                false => "",
            };
            visible(&match (committed, items) {
                (true, _) => format!("nothing to do, the dataset is complete: `{run}`\n"),
                (false, 1) => format!("1 item, number 0, of {images}{rejected}: `{run}`\n{first}"),
                (false, n) => {
                    format!("{n} items, 0 to {}, of {images}{rejected}: `{run}`\n{first}", n.saturating_sub(1))
                }
            })
        }
    };
    print(&text, 0)
}

/// Prints what became of an item and returns the exit code.
pub fn worked(done: &ItemSummary, json: bool) -> u8 {
    let ItemSummary { item, made, rows, bytes, rejects, seconds } = done;
    let text = match json {
        true => serde_json::to_string(done).expect("a summary is made of numbers") + "\n",
        false if *made => {
            let rejected = if *rejects > 0 { format!(", {rejects} rejected") } else { String::new() };
            format!("item {item}: {}, {}{rejected}, in {seconds:.1} s\n", counted(*rows, "row"), ByteSize(*bytes))
        }
        false => format!("item {item}: already done\n"),
    };
    print(&text, 0)
}

fn in_words(summary: &Summary, out: &Path) -> String {
    let Summary { rows, inputs, unchanged, classes, rejects, seconds, .. } = summary;
    let mut text = String::new();
    for (split, info) in &summary.splits {
        let (rows, bytes, files) = (info.rows, ByteSize(info.bytes).to_string(), counted(info.shards, "file"));
        let noun = if rows == 1 { "row" } else { "rows" };
        let added = match info.added {
            added if added == rows => String::new(),
            added => format!(", {added} new"),
        };
        text += &format!("{:<11}{rows:>9} {noun:<4} {bytes:>11} in {files}{added}\n", split.as_str());
    }
    let classes = match classes {
        0 => "no classes".to_owned(),
        1 => "1 class".to_owned(),
        n => format!("{n} classes"),
    };
    let (done, out) = (format!("{} from {}", counted(*rows, "row"), counted(*inputs, "image")), out.display());
    text += &match (summary.dry_run, summary.committed) {
        (true, _) => format!("would write {done}, {classes}, to `{out}`\n"),
        (false, true) => {
            let rate = summary.images_per_second;
            format!("{done}, {classes}, in {seconds:.1} s ({rate:.0} images/s): `{out}`\n")
        }
        (false, false) => format!("nothing to do, `{out}` is complete\n"),
    };
    if summary.dry_run {
        text += &small_classes(&summary.small_classes);
    }
    text += &match unchanged {
        0 => String::new(),
        1 => "1 image was already in the dataset\n".to_owned(),
        n => format!("{n} images were already in the dataset\n"),
    };
    text += &match summary.truncated {
        0 => String::new(),
        1 => "1 image is truncated, and was filled\n".to_owned(),
        n => format!("{n} images are truncated, and were filled\n"),
    };
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
    let (rows, files) = (counted(*rows, "row"), counted(summary.files, "file"));
    let (bytes, out) = (ByteSize(summary.bytes), out.display());
    let rate = summary.tensor_bytes_per_second / 1e6;
    format!("{rows} of `{column}` ({shape} {dtype}) in {files}, {bytes}, in {seconds:.1} s ({rate:.0} MB/s): `{out}`\n")
}

/// Prints the remarks about a dataset that was verified.
pub fn verification_notices(verification: &Verification) {
    for notice in &verification.notices {
        eprintln!("note: {}", visible(notice));
    }
}

/// Prints the result of verifying a dataset and returns the exit code.
pub fn verification(verification: &Verification, folder: &Path, json: bool) -> u8 {
    let Verification { problems, rows, shards, bytes, sources, seconds, unfinished, .. } = verification;
    let text = match json {
        true => serde_json::to_string_pretty(verification).expect("a list of problems is JSON") + "\n",
        false => {
            let mut text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
            let bytes = ByteSize(*bytes);
            text += &match problems.len() {
                0 => {
                    let (rows, files, folder) = (counted(*rows, "row"), counted(*shards, "file"), folder.display());
                    format!("intact: {rows} in {files}, {bytes} read in {seconds:.1} s: `{folder}`\n")
                }
                n => counted(n, "problem") + "\n",
            };
            if *sources > 0 {
                text += &match sources {
                    1 => "1 row compared with its source\n".to_owned(),
                    n => format!("{n} rows compared with their sources\n"),
                };
            }
            if *unfinished {
                text += "incomplete: a run was interrupted; run the same command again to resume it\n";
            }
            visible(&text)
        }
    };
    let done = if *unfinished { UNFINISHED } else { 0 };
    print(&text, if problems.is_empty() { done } else { 1 })
}

/// Prints how a dataset changed and returns the exit code.
pub fn change(change: &Change, folder: &Path, json: bool) -> u8 {
    let Change { before, after, .. } = change;
    let text = match json {
        true => serde_json::to_string_pretty(after).expect("a snapshot has only string keys") + "\n",
        false => {
            let held = |held: &Snapshot| {
                format!("{} in {}", counted(held.rows(), "row"), counted(held.shards().count(), "file"))
            };
            let (number, folder) = (after.dataset_version, folder.display());
            visible(&format!("snapshot {number}: {}, before: {}: `{folder}`\n", held(after), held(before)))
        }
    };
    print(&text, 0)
}

/// Prints the names of the files that describe a dataset and returns the exit code.
pub fn card(written: &CardFiles, dataset: &Path, json: bool) -> u8 {
    let text = match json {
        true => serde_json::to_string_pretty(written).expect("names are strings") + "\n",
        false => written.files.iter().map(|file| visible(&format!("`{}`\n", dataset.join(file).display()))).collect(),
    };
    print(&text, 0)
}

/// Prints a report as JSON and returns the exit code.
#[cfg(feature = "report")]
pub fn report(report: &crate::Report) -> u8 {
    let text = serde_json::to_string_pretty(report).expect("a report has only string keys");
    print(&(text + "\n"), 0)
}

/// Prints a remark that is not an error.
pub fn note(note: &dyn std::fmt::Display) {
    eprintln!("note: {}", visible(&note.to_string()));
}

/// Prints a failure and its hint, on standard output too if that is to be JSON. Returns the exit code.
pub fn failure(failure: &Failure, json: bool) -> u8 {
    eprintln!("error: {}", visible(&failure.error));
    if let Some(hint) = &failure.hint {
        eprintln!("hint: {}", visible(hint));
    }
    if json { failure.print_json() } else { failure.exit_code }
}

/// The text with control characters escaped, since names of files and classes may contain sequences that control
/// a terminal.
pub fn visible(text: &str) -> String {
    escaped(text, |character| character.is_control() && character != '\n')
}

/// A name in one line, with characters escaped that control a terminal or turn the order of others around.
pub fn visible_name(name: &str) -> String {
    let turns = |character| matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    escaped(name, |character| character.is_control() || turns(character))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_escaped(character) {
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
