//! Help, wrong usage, and readers that go away.

use std::process::{Command, Stdio};

use super::run;
use crate::support::{Scratch, ingestd};

const COMMANDS: [&str; 18] = [
    "files show",
    "config",
    "config show",
    "audit",
    "run",
    "load",
    "check",
    "retry",
    "demo",
    "generate",
    "files",
    "dead-letters",
    "dead-letters list",
    "dead-letters show",
    "status",
    "psql",
    "migrate",
    "reset",
];

#[test]
fn every_command_has_help_with_an_example() {
    for command in COMMANDS {
        let said = run(ingestd().args(command.split(' ')).arg("--help"));
        assert_eq!(said.code, Some(0), "{command}");
        assert!(said.out.contains("Example"), "{command}: {}", said.out);
        let example = format!("  ingestd {command}");
        assert!(said.out.contains(&example), "{command}: {}", said.out);
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for line in [
        "--nope",
        "nope",
        "load",
        "load x --nope",
        "load x --key id",
        "demo --rows 0",
        "files --state NOPE",
        "generate",
        "dead-letters",
    ] {
        let said = run(ingestd().args(line.split(' ')));
        assert_eq!(said.code, Some(2), "{line}: {}", said.err);
        assert!(!said.err.is_empty() && said.out.is_empty(), "{line}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let scratch = Scratch::new();
    let out = scratch.path().join("out");
    let generate = format!("generate --rows 200 --every 1us --out {}", out.display());
    for line in ["--help", "load --help", &generate] {
        let mut child = ingestd()
            .args(line.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ended");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {err}");
        assert_eq!(err, "", "{line}");
    }
    assert_eq!(std::fs::read_dir(&out).expect("made").count(), 14);
}

#[test]
fn reset_asks_only_where_somebody_can_answer() {
    let database = crate::support::database();
    let mut reset: Command = ingestd();
    reset.args(["reset", "nope", "--database-url", &database.url]);
    let said = run(&mut reset);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("no ledger"), "{}", said.err);
}
