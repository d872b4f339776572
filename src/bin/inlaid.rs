//! The program: the command line of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    inlaid::cli::main(std::env::args_os()).into()
}
