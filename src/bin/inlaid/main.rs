//! The program: the command line of the library.

mod out_of_memory;

use std::process::ExitCode;

use out_of_memory::Explaining;

#[global_allocator]
static ALLOCATOR: Explaining = Explaining;

fn main() -> ExitCode {
    inlaid::cli::main(std::env::args_os()).into()
}
