//! Every command that the README, the pages, the help texts and the Docker files show is one that the
//! program takes.

use std::path::Path;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::Cli;

/// The text of every file that shows commands, with its name.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md"), root.join("benches/README.md")];
    for folder in ["docs", "docker", "config"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("a folder of the project");
        paths.extend(entries.map(|entry| entry.expect("a file of the project").path()));
    }
    let read = |path: &Path| {
        let name = path.strip_prefix(root).expect("below the root").display();
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name.to_string(), text)
    };
    let texts = paths.iter().filter(|path| path.is_file());
    let mut pages: Vec<_> = texts.map(|path| read(path)).collect();
    for subcommand in Cli::command().get_subcommands_mut() {
        let help = subcommand.render_long_help().to_string();
        pages.push((format!("ingestd {} --help", subcommand.get_name()), help));
    }
    pages
}

/// The commands of a text: in backquotes, and on lines that are commands, to the end of the line.
fn commands(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let whole = text.lines().filter_map(|line| {
        let line = line.trim_start_matches(['#', ' ', '$']);
        match line.strip_prefix("ExecStart=") {
            Some(command) => command.find("ingestd ").map(|at| &command[at..]),
            None if line.starts_with("docker ") => {
                line.find("ingestd ingestd ").map(|at| &line[at + 8..])
            }
            None => Some(line),
        }
    });
    quoted
        .chain(whole)
        .filter(|text| is_command(text))
        .collect()
}

/// Whether it begins with the program's name and a subcommand: prose goes on in other words.
fn is_command(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.next() == Some("ingestd")
        && words
            .next()
            .is_some_and(|word| Cli::command().find_subcommand(word).is_some())
}

/// What a shell would hand to the program: nothing of what follows it in a pipe or a comment.
fn words(command: &str) -> Vec<String> {
    let words = shlex::split(command).unwrap_or_else(|| panic!("unbalanced quotes: {command}"));
    let ends = |word: &String| ["|", "&&", ";", "&", ">", ">>"].contains(&word.as_str());
    words.into_iter().take_while(|word| !ends(word)).collect()
}

/// In prose a command may be named without what it needs, or with `--help`.
fn is_shortened(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument
            | ErrorKind::DisplayHelp
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) || error.to_string().contains("a value is required")
}

#[test]
fn every_command_that_is_shown_is_taken() {
    let mut shown = 0;
    for (page, text) in pages() {
        for command in commands(&text) {
            shown += 1;
            if let Err(error) = Cli::try_parse_from(words(command))
                && !is_shortened(&error)
            {
                panic!("{page}: {command}\n{error}");
            }
        }
    }
    assert!(shown > 40, "only {shown} commands were found");
}

#[test]
fn commands_are_found_where_they_stand() {
    let text = "see `ingestd files`\n```sh\n$ ingestd run --config a.toml\n```\n\
                # docker compose exec ingestd ingestd status\nExecStart=/usr/bin/ingestd run\n\
                ingestd is a program\n";
    assert_eq!(
        commands(text),
        [
            "ingestd files",
            "ingestd run --config a.toml",
            "ingestd status",
            "ingestd run"
        ]
    );
    assert_eq!(
        words("ingestd status --json | jq '.'"),
        ["ingestd", "status", "--json"]
    );
}
