//! The command line: parses arguments, calls the library, reports the result. Uses only the public API of the
//! crate. It is a module, not a program, so that the Python package includes it.
//!
//! Exit codes: 0 finished, or intact; 1 stopped, or damaged; 2 usage error; 3 finished, but some inputs were
//! rejected; 4 intact, but unfinished; 129, 130 and 143 if a signal stopped the command, which ends by that signal.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line")]

mod args;
mod generated;
mod hints;
mod info;
#[cfg(feature = "report")]
mod look;
#[cfg(feature = "report")]
mod picture;
mod report;
mod signals;
mod source_args;
mod terminal;
mod write;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Once};

use clap::Parser;

use crate::{Change, Error, Progress};
use args::{Arguments, Command, Commit, Convert, ConvertRun, Dataset, ProgressForm, Verify, Work};
use report::Failure;
use signals::{OnSignal, Watch};
use terminal::Terminal;
use write::{Write, Written};

pub use hints::hint;
pub use report::message;
pub use terminal::{Shown, bar};

/// Runs the command line; the first argument is the program's name. Returns the exit code, unless a signal stopped the
/// command: then the process ends by that signal.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = match Arguments::try_parse_from(&arguments) {
        Ok(Arguments { command }) => command,
        Err(error) => {
            // Help or a usage error. A failure to print it is ignored: its reader may be gone.
            let _ = error.print();
            let is_failure = error.use_stderr() && arguments.iter().any(|argument| argument == "--json");
            return match is_failure {
                true => Failure::of_usage(&error).print_json(),
                false => u8::try_from(error.exit_code()).unwrap_or(2),
            };
        }
    };
    quiet_codec_panics();
    signals::let_long_writes_fail();
    let json = command.json();
    let run = || match command {
        Command::Convert(run) => run_convert(&run),
        Command::Append(append) => run_write(&Write::from(&*append), append.run.quiet, append.run.progress, json),
        Command::Plan(plan) => run_plan(&plan.convert),
        Command::Work(work) => run_work(&work),
        Command::Commit(commit) => run_commit(&commit),
        Command::Repack(repack) => run_write(&Write::from(&repack), repack.quiet, repack.progress, json),
        Command::Verify(verify) => run_verify(&verify),
        Command::Info(dataset) => run_info(&dataset),
        Command::Card(card) => run_card(&card),
        #[cfg(feature = "report")]
        Command::Report(report) => look::write_report(&report),
        #[cfg(feature = "report")]
        Command::Show(show) => look::show(&show),
        Command::Compact(dataset) => run_change(&dataset, |folder| crate::compact(folder)),
        Command::Rollback(dataset) => run_change(&dataset, |folder| crate::rollback(folder)),
        Command::Completions { shell } => generated::completions(shell),
        Command::Man { folder } => generated::manual(&folder),
    };
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let failure = Failure::of_panic();
        if json { failure.print_json() } else { 1 }
    })
}

fn run_convert(run: &ConvertRun) -> u8 {
    let (convert, write) = (&run.convert, Write::from(run));
    #[cfg(feature = "report")]
    if let (Some(page), false) = (&run.report, convert.run.dry_run) {
        return report(look::page_of(write.out(), page.as_deref()), convert.run.json, |page| {
            match run_write(&write, convert.run.quiet, convert.run.progress, convert.run.json) {
                code @ (0 | 3) => look::report_on(write.out(), page, convert.run.json).unwrap_or(code),
                code => code,
            }
        });
    }
    run_write(&write, convert.run.quiet, convert.run.progress, convert.run.json)
}

fn run_write(write: &Write, quiet: bool, form: ProgressForm, json: bool) -> u8 {
    let terminal = Terminal::new(quiet);
    let outcome = stopped_by_signals(write.resumes(), json, write.progress(), || {
        let _shown = terminal.show(write, form);
        write.run()
    });
    report(outcome, json, |written| {
        if let Written::Rows(summary) = written {
            terminal.notes(&summary.notices);
        }
        report::written(written, write.out(), json)
    })
}

fn run_plan(convert: &Convert) -> u8 {
    let (spec, options) = convert.resolve();
    let (json, progress) = (convert.run.json, options.progress.clone());
    let outcome =
        stopped_by_signals(true, json, &progress, || crate::plan(&convert.sources, &convert.out, &spec, &options));
    report(outcome, json, |planned| {
        Terminal::new(convert.run.quiet).notes(&planned.notices);
        report::planned(planned, json)
    })
}

fn run_work(work: &Work) -> u8 {
    let options = work.resolve();
    let all = |planned: crate::PlannedRun| match work.step {
        Some(step) => (work.item..planned.items).step_by(step.get()).collect(),
        None => vec![work.item],
    };
    let items: Result<Vec<usize>, Error> = crate::PlannedRun::open(&work.run, &options.source.storage).map(all);
    let failed = |error: &Error| report::failure(&Failure::new(error, report::exit_code(error)), work.json);
    let items = match &items {
        Ok(items) => items,
        Err(error) => return failed(error),
    };
    if items.is_empty() && !work.json {
        eprintln!("note: the plan has no item {} or after it", work.item);
    }
    for &item in items {
        let outcome = stopped_by_signals(true, work.json, &options.progress, || crate::work(&work.run, item, &options));
        let code = match &outcome {
            Ok(done) => report::worked(done, work.json),
            Err(error) => failed(error),
        };
        if code != 0 {
            return code;
        }
    }
    0
}

fn run_commit(commit: &Commit) -> u8 {
    let options = commit.resolve();
    let watch = Watch::new(OnSignal::End, commit.json, || {});
    let outcome = crate::commit(&commit.run, &options);
    watch.report();
    report(outcome, commit.json, |summary| {
        Terminal::new(false).notes(&summary.notices);
        let out = commit.run.ancestors().nth(3).unwrap_or(&commit.run);
        report::written(&Written::Rows(summary.clone()), out, commit.json)
    })
}

/// Calls `run`, which a signal stops by `progress`. If one did, the process ends by that signal.
fn stopped_by_signals<T>(
    resumes: bool,
    json: bool,
    progress: &Arc<Progress>,
    run: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let stopped = progress.clone();
    let watch = Watch::new(OnSignal::Stop { resumes }, json, move || stopped.stop());
    let outcome = run();
    let signal = watch.report();
    if let (Err(error @ (Error::Interrupted | Error::Abandoned)), Some(signal)) = (&outcome, signal) {
        report::failure(&Failure::new(error, signals::exit_code(signal)), json);
        signals::end_by(signal);
    }
    outcome
}

fn run_verify(verify: &Verify) -> u8 {
    let Dataset { folder, json } = &verify.dataset;
    let options = crate::RunOptions { threads: verify.threads, ..crate::RunOptions::default() };
    let verification = match &verify.sources[..] {
        [] => crate::verify(folder, None, &options),
        sources => crate::open_source(sources, &options.source)
            .and_then(|source| crate::verify(folder, Some(&*source), &options)),
    };
    report(verification, *json, |verification| {
        report::verification_notices(verification);
        report::verification(verification, folder, *json)
    })
}

fn run_info(dataset: &Dataset) -> u8 {
    let Dataset { folder, json } = dataset;
    report(crate::info(folder), *json, |info| info::print(info, folder, *json))
}

fn run_card(card: &args::Card) -> u8 {
    let watch = Watch::new(OnSignal::End, card.json, || {});
    let outcome = crate::card(&card.dataset, &card.resolve());
    watch.report();
    report(outcome, card.json, |written| {
        written.notes.iter().for_each(|note| report::note(note));
        report::card(written, &card.dataset, card.json)
    })
}

/// Runs a command that makes a new snapshot of a dataset.
fn run_change(dataset: &Dataset, change: impl FnOnce(&Path) -> Result<Change, Error>) -> u8 {
    let Dataset { folder, json } = dataset;
    let watch = Watch::new(OnSignal::End, *json, || {});
    let outcome = change(folder);
    watch.report();
    report(outcome, *json, |change| {
        change.card.iter().for_each(|note| report::note(note));
        report::change(change, folder, *json)
    })
}

fn report<T>(outcome: Result<T, Error>, json: bool, print: impl FnOnce(&T) -> u8) -> u8 {
    let failed = |error: &Error| report::failure(&Failure::new(error, report::exit_code(error)), json);
    outcome.as_ref().map_or_else(failed, print)
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
