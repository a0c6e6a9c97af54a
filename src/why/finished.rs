//! PURE: files that have come to an end, one way or the other.

use super::answer::{Answer, Stage};
use super::facts::{Facts, File, Leaves};
use super::stage::{answer, held_back, hurdle};
use crate::cli::thousands;
use crate::fs::shell_word;
use crate::ledger::retry::RETRIED;

fn reason(file: &File) -> String {
    let none = || "no reason is recorded".to_owned();
    file.reason.clone().unwrap_or_else(none)
}

/// Where it is to be mended.
fn place<'a>(facts: &'a Facts, file: &'a File) -> &'a str {
    file.stands_at().unwrap_or(&facts.path)
}

/// The command that loads all of it once more, whatever was loaded before.
fn load_again(facts: &Facts, file: &File) -> String {
    let pipeline = facts.pipeline.as_ref().map(|it| it.name.as_str());
    let pipeline = pipeline.map_or(String::new(), |name| {
        format!(" --pipeline {}", shell_word(name))
    });
    let path = shell_word(place(facts, file));
    format!("`ingestd load {path}{pipeline} --again`")
}

/// What comes of that where so many rows, of whichever file, are in the table already: nothing tells them
/// from those that come then.
fn twice(facts: &Facts, rows: u64, of: &str) -> String {
    let appends = facts.pipeline.as_ref().is_some_and(|it| it.appends);
    match appends && rows > 0 {
        true => format!(
            "; {} rows of {of} are in the table already, and the pipeline only appends: unless you delete them before, they stand there twice then",
            thousands(rows)
        ),
        false => String::new(),
    }
}

/// Where a service runs the database, nobody can load beside it.
const NOT_BESIDE: &str =
    "(not while a service runs on its private server: stop that one meanwhile)";

pub(super) fn of_quarantined(facts: &Facts, file: &File) -> Answer {
    let reason = reason(file);
    let stage = match reason.starts_with("over its error budget") {
        true => Stage::OverBudget,
        false => Stage::Quarantined,
    };
    let number = file.file;
    let retry = format!("`ingestd retry {number}`");
    let path = place(facts, file);
    let tells_rows = facts.pipeline.as_ref().is_some_and(|it| it.tells_rows);
    // What is mended is other content: it can't go on behind records that are in the table.
    let mended = match (file.loaded, tells_rows) {
        (0, _) => format!("mend {path}, then {retry}"),
        (_, true) => format!("`ingestd undo {number}`, mend {path}, then {retry}"),
        (rows, false) => format!(
            "mend {path} and load all of it once more, by {} {NOT_BESIDE}: {} of its records are in the table already{}",
            load_again(facts, file),
            thousands(rows),
            twice(facts, rows, "it")
        ),
    };
    let what = match stage {
        Stage::OverBudget => format!(
            "`ingestd dead-letters list --file {number}` shows what can't be loaded; raise the budget, then {retry}; or {mended}"
        ),
        _ if reason.contains("Permission denied") => {
            format!("give the service's user the right to read {path}, then {retry}")
        }
        _ if file.loaded > 0 => format!(
            "mend what the reason says, then {retry}, which goes on where it stopped; where its content is wrong, {mended}"
        ),
        _ => format!("mend what the reason says, then {retry}"),
    };
    let since = file.archived_at.as_ref().or(file.completed_at.as_ref());
    answer(facts, stage, reason).since(since).advice(what)
}

pub(super) fn of_failed(facts: &Facts, file: &File) -> Answer {
    let tells_rows = facts.pipeline.as_ref().is_some_and(|it| it.tells_rows);
    let back = match tells_rows {
        true => format!(", `ingestd undo {}` takes its rows back", file.file),
        false => String::new(),
    };
    answer(facts, Stage::Failed, reason(file)).advice(format!(
        "it does not go on: what was loaded of it stays; {} loads all of it once more {NOT_BESIDE}{back}{}",
        load_again(facts, file),
        twice(facts, file.loaded, "it")
    ))
}

pub(super) fn of_skipped(facts: &Facts, file: &File) -> Answer {
    let reason = reason(file);
    let since = Some(&file.discovered_at);
    // It may have been taken back before.
    if reason == RETRIED {
        let found = answer(facts, Stage::Skipped, reason.clone()).since(since);
        return match file.went_on_as {
            Some(next) => Answer {
                because: format!("{reason}: file {next}"),
                ..found
            }
            .advice(format!("`ingestd why {next}` says how that one stands")),
            None => {
                found.advice("the next look through the inbox finds it; `ingestd rescan` looks now")
            }
        };
    }
    if let Some(at) = &file.undone_at {
        return answer(facts, Stage::Undone, reason)
            .since(Some(at))
            .advice("it is loaded again once it is dropped into the inbox again");
    }
    let original = file.duplicate_of.as_ref();
    let original = original.map_or(String::new(), |(original, _)| format!("file {original}"));
    let again = format!(
        "{} loads it all the same {NOT_BESIDE}{}",
        load_again(facts, file),
        twice(facts, file.loaded_there, &original)
    );
    match &file.duplicate_of {
        Some((original, path)) => {
            // The reason mostly names that file already.
            let because = match reason.contains(&format!("file {original} (")) {
                true => reason.replacen("the same content", "it has the same content", 1),
                false => format!("its content is that of file {original} ({path}): {reason}"),
            };
            answer(facts, Stage::SkippedAsDuplicate, because)
                .since(since)
                .advice(again)
        }
        None => answer(facts, Stage::Skipped, reason)
            .since(since)
            .advice(again),
    }
}

pub(super) fn of_committed(facts: &Facts, file: &File) -> Answer {
    let since = file.committed_at.as_ref();
    if let Some(again) = &file.leave_again_at {
        let because = format!(
            "all of it is loaded, and it could not leave the inbox: {}; tried again at {again}",
            reason(file)
        );
        return answer(facts, Stage::NotArchived, because)
            .since(since)
            .advice("mend what the reason says: nothing of it is loaded again meanwhile");
    }
    let leaves = facts.pipeline.as_ref().and_then(|it| it.leaves);
    match leaves {
        Some(Leaves::Never) => {
            let because = "all of it is loaded; it stays in the inbox, as configured".to_owned();
            answer(facts, Stage::Loaded, because).since(since)
        }
        Some(Leaves::After(after)) => {
            let because = format!(
                "all of it is loaded; it is deleted {} s after its commit, as configured",
                after.as_secs()
            );
            answer(facts, Stage::Loaded, because).since(since)
        }
        _ => {
            let what = "all of it is loaded, and it is about to leave the inbox";
            match held_back(facts).or_else(|| hurdle(facts)) {
                Some(held) => Answer {
                    stage: Stage::NotArchived,
                    because: format!("{what}; but {}", held.because),
                    ..held
                },
                None => answer(facts, Stage::NotArchived, what.to_owned()).since(since),
            }
        }
    }
}

pub(super) fn of_archived(facts: &Facts, file: &File) -> Answer {
    let because = match (&file.archive_path, file.removed) {
        (Some(path), true) => {
            format!("all of it is loaded; it was archived as {path}, and removed from there since")
        }
        (Some(path), false) => format!("all of it is loaded; it is archived as {path}"),
        (None, _) => match &file.reason {
            Some(reason) => format!("all of it is loaded; {reason}"),
            None => {
                "all of it is loaded; it was not there any more when it was to leave".to_owned()
            }
        },
    };
    answer(facts, Stage::Archived, because)
        .since(file.archived_at.as_ref())
        .advice(format!("`ingestd audit {}` proves it", file.file))
}
