//! PURE: the ledger's figures against what reading the file again has shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ingestd_actors::model::{Counts, FileState};
use serde_json::{Value, json};

use super::account::Account;
use crate::fs::path_text;

/// What reading a file again has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its records.
    pub records: u64,
    /// Those that a filter left out.
    pub filtered: u64,
    /// Its dead letters: record and reason.
    pub letters: Vec<(u64, String)>,
    /// Whether its last record ends where the text does.
    pub whole: bool,
}

/// What an audit has shown.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The file's number.
    pub file: i64,
    /// Its pipeline.
    pub pipeline: String,
    /// Its state.
    pub state: &'static str,
    /// Where its content is now, where that was found.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its records, by the ledger.
    pub records: u64,
    /// What became of them.
    pub counts: Counts,
    /// What was read again.
    pub reading: Option<Reading>,
    /// How many dead letters the ledger has of it, and how many of those the server refused.
    pub letters: (u64, u64),
    /// How many of them were replayed, how many discarded; and how many more were forgotten by their age.
    pub settled: (u64, u64, u64),
    /// Whether its content was removed as the configuration says: the figures are the ledger's alone.
    pub removed: bool,
    /// When and by whom its rows were taken back, where they were.
    pub undone: Option<String>,
    /// What does not hold; nothing: all of it does.
    pub problems: Vec<String>,
}

/// A file that is not loaded to its end, or not at all.
pub fn of_uncommitted(account: &Account) -> Verdict {
    let mut verdict = begin(account);
    let state = account.known.state;
    let reason = account
        .known
        .reason
        .as_deref()
        .unwrap_or("no reason is recorded");
    if account.known.undone {
        verdict.undone = Some(reason.to_owned());
        return verdict;
    }
    verdict.problems = match state {
        // Nothing of it was to be loaded.
        FileState::Skipped => Vec::new(),
        FileState::Quarantined | FileState::Failed => {
            vec![format!("it is {}: {reason}", state.name())]
        }
        _ => vec![format!(
            "it is {}: its figures are whole once it is COMMITTED",
            state.name()
        )],
    };
    verdict
}

/// Judges a committed file.
pub fn judge(
    account: &Account,
    content: Result<PathBuf, String>,
    reading: Option<Result<Reading, String>>,
) -> Verdict {
    let mut verdict = begin(account);
    let mut problems = Vec::new();
    match content {
        Ok(path) => verdict.path = path_text(&path),
        Err(_) if account.removed => verdict.removed = true,
        Err(what) => problems.push(what),
    }
    let total = account.counts.total();
    if verdict.records != total {
        problems.push(format!(
            "the ledger says {} records, and accounts for {total}",
            verdict.records
        ));
    }
    let (letters, _) = verdict.letters;
    if letters + account.forgotten != account.counts.rejected {
        problems.push(format!(
            "the ledger counts {} rejected records, and has {letters} dead letters ({} were forgotten by their age)",
            account.counts.rejected, account.forgotten
        ));
    }
    match reading {
        Some(Ok(reading)) => {
            problems.extend(against(account, verdict.records, &reading));
            verdict.reading = Some(reading);
        }
        Some(Err(error)) => problems.push(format!("it can't be read again: {error}")),
        None => {}
    }
    verdict.problems = problems;
    verdict
}

fn begin(account: &Account) -> Verdict {
    let known = &account.known;
    let refused = account.letters.iter().filter(|(_, _, server)| *server);
    Verdict {
        file: known.file.0,
        pipeline: account.pipeline.clone(),
        state: known.state.name(),
        path: path_text(known.archive_path.as_ref().unwrap_or(&known.candidate.path)),
        bytes: known.candidate.size,
        records: known.records.unwrap_or(0),
        counts: account.counts,
        reading: None,
        letters: (account.letters.len() as u64, refused.count() as u64),
        settled: (account.settled.0, account.settled.1, account.forgotten),
        removed: false,
        undone: None,
        problems: Vec::new(),
    }
}

fn against(account: &Account, records: u64, reading: &Reading) -> Vec<String> {
    let mut problems = Vec::new();
    if !reading.whole {
        problems.push("its last record does not end where its text does".to_owned());
    }
    if reading.records != records {
        problems.push(format!(
            "the ledger says {records} records, {} were read again",
            reading.records
        ));
    }
    if reading.filtered != account.counts.filtered {
        problems.push(format!(
            "the ledger says {} filtered records, {} were found again",
            account.counts.filtered, reading.filtered
        ));
    }
    let read: BTreeMap<u64, &str> = reading
        .letters
        .iter()
        .map(|(record, reason)| (*record, reason.as_str()))
        .collect();
    let kept: BTreeMap<u64, (&str, bool)> = account
        .letters
        .iter()
        .map(|(record, reason, server)| (*record, (reason.as_str(), *server)))
        .collect();
    let missing = read.keys().filter(|record| !kept.contains_key(record));
    // Which ones were forgotten by their age, nobody knows any more.
    let may_miss = account.forgotten >= missing.clone().count() as u64;
    let missing = missing.filter(|_| !may_miss);
    problems.extend(listed(missing, "is no row, and has no dead letter"));
    let extra = kept
        .iter()
        .filter(|(record, (_, server))| !server && !read.contains_key(record));
    problems.extend(listed(
        extra.map(|(record, _)| record),
        "has a dead letter, and is a row as it is read now",
    ));
    let other = kept
        .iter()
        .filter(|(record, (reason, _))| read.get(record).is_some_and(|read| read != reason));
    problems.extend(listed(
        other.map(|(record, _)| record),
        "has a dead letter with another reason than it gets now",
    ));
    problems
}

/// One line for all records of which something is true.
fn listed<'a>(records: impl Iterator<Item = &'a u64>, what: &str) -> Option<String> {
    let records: Vec<u64> = records.copied().collect();
    let first = records.first()?;
    Some(match records.len() {
        1 => format!("record {first} {what}"),
        count => format!("record {first} {what}; so it is with {count} records"),
    })
}

impl Verdict {
    /// Whether the identity holds.
    pub fn holds(&self) -> bool {
        self.problems.is_empty()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let counts = &self.counts;
        let reading = self.reading.as_ref().map(|reading| {
            json!({
                "records": reading.records, "filtered": reading.filtered,
                "dead_letters": reading.letters.len(),
            })
        });
        json!({
            "file": self.file, "pipeline": self.pipeline, "state": self.state, "path": self.path,
            "bytes": self.bytes, "records": self.records, "inserted": counts.inserted,
            "updated": counts.updated, "unchanged": counts.unchanged,
            "duplicate": counts.duplicate, "deleted": counts.deleted,
            "filtered": counts.filtered, "rejected": counts.rejected, "read_again": reading,
            "dead_letters": self.letters.0, "refused_by_the_server": self.letters.1,
            "resolved": self.settled.0, "discarded": self.settled.1, "forgotten": self.settled.2,
            "content_removed": self.removed, "undone": self.undone, "holds": self.holds(), "problems": self.problems,
        })
    }
}
