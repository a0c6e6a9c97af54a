//! The program: see the crate `ingestd`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ingestd::allocator::keep_one_arena();
    ingestd_actors::failpoint::set_up();
    ingestd::cli::main()
}
