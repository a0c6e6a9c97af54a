//! Help, wrong usage, and readers that go away.

use std::process::{Command, Stdio};

use super::run;
use crate::support::{Scratch, ingestd};

const COMMANDS: [&str; 34] = [
    "alerts",
    "alerts rules",
    "alerts test",
    "why",
    "undo",
    "forget",
    "top",
    "chaos",
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
    "dead-letters stats",
    "dead-letters export",
    "dead-letters replay",
    "dead-letters discard",
    "status",
    "pause",
    "resume",
    "drain",
    "rescan",
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
fn the_readme_names_every_command() {
    let readme = include_str!("../../README.md");
    for command in COMMANDS {
        let name = command.split(' ').next().expect("a word");
        let row = format!("| `ingestd {name}");
        assert!(readme.contains(&row), "{name} is not in the table");
    }
}

/// What the server's codes mean is decided in one place; whatever has advice there has it on the page.
#[test]
fn the_page_for_trouble_has_every_code_that_has_advice() {
    let page = include_str!("../../docs/troubleshooting.md");
    let source = include_str!("../../src/postgres/error.rs");
    let (_, advice) = source.split_once("fn advice_for").expect("there");
    let (advice, _) = advice.split_once("\n}").expect("an end");
    let mut codes = 0;
    for code in advice.split('"').filter(|word| {
        word.len() == 5
            && word
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    }) {
        assert!(page.contains(code), "{code} is not on the page");
        codes += 1;
    }
    assert!(codes > 15, "{codes}");
}

/// The words of messages that say what holds a pipeline or a file up, as the page quotes them, are
/// the program's own.
#[test]
fn the_page_for_trouble_quotes_the_program() {
    let page = include_str!("../../docs/troubleshooting.md");
    let mut source = String::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![root.join("src"), root.join("actors/src")];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                None => open.push(path),
                Some(_) => source.push_str(&std::fs::read_to_string(path).expect("text")),
            }
        }
    }
    let spaces = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let source = spaces(&source.replace("\\\n", " "));
    let mut quotes = 0;
    let mut foreign = Vec::new();
    for cell in page.lines().filter_map(|line| line.strip_prefix("| *")) {
        let cell = format!("*{}", cell.split('|').next().unwrap_or_default());
        for quote in cell.split('*').skip(1).step_by(2) {
            for part in quote
                .split('…')
                .map(str::trim)
                .filter(|part| part.len() > 8)
            {
                if !source.contains(part) {
                    foreign.push(part.to_owned());
                }
                quotes += 1;
            }
        }
    }
    assert!(foreign.is_empty(), "nowhere in the program: {foreign:#?}");
    assert!(quotes > 40, "{quotes}");
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
        "chaos --times 0",
        "chaos --faults kil",
        "chaos --soak --times 3",
        "chaos --every 1m",
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
