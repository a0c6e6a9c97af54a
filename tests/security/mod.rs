//! What docs/security.md promises: hostile names, secrets, values, places, and what is built on.

mod dependencies;
mod identifiers;
mod inbox;
mod names;
mod passwords;
mod permissions;
mod values;

use std::process::Command;

use crate::cli::Said;
use crate::support::PATIENCE;

/// As [`crate::cli::run`], for output that may hold any bytes: they stay visible.
fn run(command: &mut Command) -> Said {
    let output = command.output().expect("started");
    Said {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}

/// What could end a line, steer a terminal, or turn the direction of a text.
fn steers(c: char) -> bool {
    (c.is_control() && c != '\n') || "\u{2028}\u{2029}\u{202e}\u{2066}".contains(c)
}

/// A text as TOML has it.
fn toml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        quoted.push_str(&format!("\\U{:08X}", u32::from(c)));
    }
    quoted + "\""
}

/// A text as part of a URL.
fn url_part(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
