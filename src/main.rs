//! The program: see the crate `ingestd`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ingestd::cli::main()
}
