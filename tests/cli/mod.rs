//! The program as somebody meets it who types its commands.

mod audit;
mod check;
mod degraded;
mod errors;
mod help;
mod lists;
mod load;
mod retry;
mod summaries;

use std::process::{Command, Output};

/// What a command said, and how it ended.
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Said {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("started");
    Said {
        out: String::from_utf8(stdout).expect("text"),
        err: String::from_utf8(stderr).expect("text"),
        code: status.code(),
    }
}
