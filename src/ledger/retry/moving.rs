//! What a retry does on the file system.

use std::fs::{File, FileTimes, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ingestd_actors::error::Result;
use ingestd_actors::model::Candidate;
use postgres::Client;
use postgres::types::Type;

use super::read::Seen;
use super::refuse;
use crate::fs::archive::{Goal, Move, Outcome, follow, move_error, reason_path, run_all};
use crate::fs::path_text;
use crate::postgres::classify;
use crate::settings::Collision;

/// Moves a file from where it stands to its place; where it is not, somebody has taken it further.
///
/// # Errors
/// `Configuration` where its place is taken.
pub fn back(seen: &Seen, from: &Path) -> Result<()> {
    if from == seen.place {
        return Ok(());
    }
    let step = Move {
        file: seen.known.file,
        candidate: Candidate {
            path: from.to_owned(),
            ..seen.known.candidate.clone()
        },
        inbox: seen.inbox.clone(),
        tag: Arc::clone(&seen.tag),
        handle: None,
        content: seen.known.content.clone(),
        goal: Goal::To {
            target: seen.place.clone(),
            collision: Collision::Rename,
        },
        companions: seen.companions.clone(),
    };
    for outcome in run_all(std::slice::from_ref(&step)) {
        let outcome = outcome?;
        // What stays behind is no data, and can be moved by hand.
        follow(&step, &outcome);
        if outcome == Outcome::Collides {
            let message = format!(
                "file {} can't go back to {}: another file stands there by now",
                seen.known.file.0,
                path_text(&seen.place)
            );
            return Err(refuse(message, "move that one away, and type this again"));
        }
    }
    Ok(())
}

/// Notes that a file has left the quarantine.
pub fn note(client: &mut Client, file: i64) -> Result<()> {
    client
        .execute_typed(
            "update ingestd.files set archive_path = null where file_id = $1",
            &[(&file, Type::INT8)],
        )
        .map_err(|error| classify(error, "noting a move"))?;
    Ok(())
}

/// Takes the note beside a file away; whether there was one.
pub fn drop_reason(file: &Path) -> Result<bool> {
    let path = reason_path(file);
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            let doing = format!("taking {} away", path_text(&path));
            Err(move_error(error, &doing))
        }
    }
}

/// Makes a file look touched, by as little as its file system can tell: a service remembers what it
/// has seen by its metadata. It is the owner's to do; where this user can't, the file goes on once
/// the service looks at it anew.
pub fn freshen(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    let Ok(before) = file.metadata().and_then(|found| found.modified()) else {
        return;
    };
    for step in [Duration::from_nanos(1), Duration::from_secs(2)] {
        let times = FileTimes::new().set_modified(before + step);
        if file.set_times(times).is_err() {
            // Whoever may write it may set the time to now.
            let now = OpenOptions::new().append(true).open(path);
            let times = FileTimes::new().set_modified(std::time::SystemTime::now());
            let _ = now.and_then(|file| file.set_times(times));
            return;
        }
        let after = file.metadata().and_then(|found| found.modified());
        if after.is_ok_and(|after| after != before) {
            return;
        }
    }
}
