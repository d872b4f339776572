//! The command line: arguments in, library calls, report out. Sees only the public API.
//!
//! Exit codes: 0 committed; 1 stopped, nothing changed; 2 usage; 3 committed, but some inputs are
//! no rows.

mod args;
mod report;
mod terminal;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command, Convert};
use terminal::Terminal;

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    quiet_codec_panics();
    let run = || match command {
        Command::Convert(convert) => run_convert(&convert),
    };
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or(ExitCode::FAILURE)
}

fn run_convert(convert: &Convert) -> ExitCode {
    let terminal = Terminal::new(convert.quiet);
    let result = convert.resolve().and_then(|(spec, options)| {
        terminal.stop_on_signal(&options.progress);
        let _shows = terminal.show(&options.progress);
        match convert.dry_run {
            true => inlaid::dry_run(&convert.sources, &convert.out, &spec, &options),
            false => inlaid::convert(&convert.sources, &convert.out, &spec, &options),
        }
    });
    match result {
        Ok(summary) => {
            terminal.notes(&summary.notices);
            report::summary(&summary, &convert.out, convert.json);
            match summary.rejects {
                0 => ExitCode::SUCCESS,
                _ => ExitCode::from(3),
            }
        }
        Err(error) => {
            report::error(&error);
            ExitCode::from(report::exit_code(&error))
        }
    }
}

/// Panics of codecs are caught and become rejects; without this each would also print a backtrace.
/// Those of other threads are bugs and are printed.
fn quiet_codec_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !inlaid::is_decoding() {
            print(info);
        }
    }));
}
