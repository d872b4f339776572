//! The command line: parses arguments, calls the library, reports the result. Uses only the public API of the
//! crate. It is a module, not a program, so that the Python package includes it.
//!
//! Exit codes: 0 finished, or intact; 1 stopped, or damaged; 2 usage error; 3 finished, but some inputs were
//! rejected.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line")]

mod args;
mod hints;
mod info;
mod report;
mod terminal;
mod write;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

use clap::Parser;

use crate::{Error, FormatError, Snapshot};
use args::{Arguments, Command, Dataset, Verify};
use terminal::Terminal;
use write::{Write, Written};

pub use hints::hint;
pub use report::message;
pub use terminal::{Shown, bar};

/// Runs the command line; the first argument is the program's name. Returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let command = match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command }) => command,
        Err(error) => {
            // Help or a usage error. A failure to print it is ignored: its reader may be gone.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    quiet_codec_panics();
    let run = || match command {
        Command::Convert(convert) => run_write(&Write::from(&*convert), convert.run.quiet, convert.run.json),
        Command::Append(append) => run_write(&Write::from(&append), append.run.quiet, append.run.json),
        Command::Repack(repack) => run_write(&Write::from(&repack), repack.quiet, repack.json),
        Command::Verify(verify) => run_verify(&verify),
        Command::Info(dataset) => run_info(&dataset),
        Command::Compact(dataset) => run_change(&dataset, |folder| crate::compact(folder)),
        Command::Rollback(dataset) => run_change(&dataset, |folder| crate::rollback(folder)),
    };
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or(1)
}

fn run_write(write: &Write, quiet: bool, json: bool) -> u8 {
    let terminal = Terminal::new(quiet);
    terminal.stop_on_signal(write.progress());
    let shown = terminal.show(write);
    let outcome = write.run();
    drop(shown);
    report(outcome, |written| {
        if let Written::Rows(summary) = written {
            terminal.notes(&summary.notices);
        }
        report::written(written, write.out(), json)
    })
}

fn run_verify(verify: &Verify) -> u8 {
    let Dataset { folder, json } = &verify.dataset;
    let options = crate::RunOptions { threads: verify.threads, ..crate::RunOptions::default() };
    let verification = match &verify.sources[..] {
        [] => crate::verify(folder, None, &options),
        sources => crate::FolderSource::new(sources).and_then(|source| crate::verify(folder, Some(&source), &options)),
    };
    report(verification, |verification| report::verification(verification, folder, *json))
}

fn run_info(dataset: &Dataset) -> u8 {
    let manifest = crate::Manifest::read(&dataset.folder);
    let manifest = manifest.and_then(|found| found.ok_or_else(|| FormatError::NoDataset(dataset.folder.clone())));
    report(manifest.map_err(Error::from), |manifest| info::print(manifest, &dataset.folder, dataset.json))
}

/// Runs a command that makes a new snapshot of a dataset.
fn run_change(dataset: &Dataset, change: impl FnOnce(&Path) -> Result<(Snapshot, Snapshot), Error>) -> u8 {
    report(change(&dataset.folder), |(before, after)| report::change(before, after, &dataset.folder, dataset.json))
}

fn report<T>(outcome: Result<T, Error>, print: impl FnOnce(&T) -> u8) -> u8 {
    outcome.as_ref().map(print).unwrap_or_else(|error| {
        report::error(error);
        report::exit_code(error)
    })
}

/// Silences panics of codecs, which are caught and become rejects or errors, but would each print a message. Other panics
/// are bugs and are printed; `RUST_BACKTRACE` asks for all of them.
pub fn quiet_codec_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_asked_for = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
            if is_asked_for || !crate::is_contained() {
                print(info);
            }
        }));
    });
}
