//! The command line: arguments in, library calls, report out. Sees only the public API.
//!
//! Exit codes: 0 committed, or whole; 1 stopped, or not whole; 2 usage; 3 committed, but some inputs
//! are no rows.

mod args;
mod info;
mod report;
mod terminal;

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use args::{Append, Arguments, Command, Convert, Dataset, Run, Verify};
use inlaid::{Error, RunOptions, Summary, Version};
use terminal::Terminal;

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    quiet_codec_panics();
    let run = || match command {
        Command::Convert(convert) => run_convert(&convert),
        Command::Append(append) => run_append(&append),
        Command::Verify(verify) => run_verify(&verify),
        Command::Info(dataset) => run_info(&dataset),
        Command::Compact(dataset) => run_change(&dataset, inlaid::compact),
        Command::Rollback(dataset) => run_change(&dataset, inlaid::rollback),
    };
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or(ExitCode::FAILURE)
}

fn run_convert(convert: &Convert) -> ExitCode {
    let (spec, options) = convert.resolve();
    write_rows(&convert.run, &convert.out, &options, || match convert.run.dry_run {
        true => inlaid::dry_run(&convert.sources, &convert.out, &spec, &options),
        false => inlaid::convert(&convert.sources, &convert.out, &spec, &options),
    })
}

fn run_append(append: &Append) -> ExitCode {
    let options = append.resolve();
    write_rows(&append.run, &append.out, &options, || match append.run.dry_run {
        true => inlaid::append_dry_run(&append.sources, &append.out, &options),
        false => inlaid::append(&append.sources, &append.out, &options),
    })
}

fn write_rows(run: &Run, out: &Path, options: &RunOptions, write: impl FnOnce() -> Result<Summary, Error>) -> ExitCode {
    let terminal = Terminal::new(run.quiet);
    terminal.stop_on_signal(&options.progress);
    let shown = terminal.show(&options.progress);
    let outcome = write();
    drop(shown);
    report(outcome, |summary| {
        terminal.notes(&summary.notices);
        report::summary(summary, out, run.json);
        match summary.rejects {
            0 => ExitCode::SUCCESS,
            _ if summary.committed || summary.dry_run => ExitCode::from(3),
            _ => ExitCode::SUCCESS,
        }
    })
}

fn run_verify(verify: &Verify) -> ExitCode {
    let Dataset { folder, json } = &verify.dataset;
    let options = RunOptions { threads: verify.threads, ..RunOptions::default() };
    report(inlaid::verify(folder, &verify.sources, &options), |verification| {
        report::verification(verification, folder, *json);
        match verification.problems.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    })
}

fn run_info(dataset: &Dataset) -> ExitCode {
    let manifest = inlaid::Manifest::read(&dataset.folder);
    let manifest = manifest.and_then(|found| found.ok_or_else(|| Error::NoDataset(dataset.folder.clone())));
    report(manifest, |manifest| {
        info::print(manifest, &dataset.folder, dataset.json);
        ExitCode::SUCCESS
    })
}

/// A command that makes another version of a dataset.
fn run_change(dataset: &Dataset, change: impl FnOnce(&Path) -> Result<(Version, Version), Error>) -> ExitCode {
    report(change(&dataset.folder), |(before, after)| {
        report::change(before, after, &dataset.folder, dataset.json);
        ExitCode::SUCCESS
    })
}

fn report<T>(outcome: Result<T, Error>, print: impl FnOnce(&T) -> ExitCode) -> ExitCode {
    outcome.as_ref().map(print).unwrap_or_else(|error| {
        report::error(error);
        ExitCode::from(report::exit_code(error))
    })
}

/// Panics of codecs are caught and become rejects; without this each would also print a backtrace.
/// Those of other threads are bugs and are printed.
fn quiet_codec_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !inlaid::is_contained() {
            print(info);
        }
    }));
}
