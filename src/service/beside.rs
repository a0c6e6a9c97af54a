//! What a service has beside its tree.

use std::time::Duration;

use slog::Logger;

use super::background::{Background, Kept};
use crate::metrics::Metrics;
use crate::postgres::{Database, Notes};

/// How long the end of a service waits for what has happened to be noted.
const LAST: Duration = Duration::from_millis(1500);

/// The database of a service, whoever notes there what happens, and whoever looks after all that runs
/// beside the tree. Clones are the same.
#[derive(Clone)]
pub struct Beside {
    /// The pool.
    pub database: Database,
    /// Where it is noted what happens.
    pub notes: Notes,
    /// Looks after what runs beside the tree.
    pub background: Background,
    /// What this process counts of itself, where it does.
    pub metrics: Option<Metrics>,
}

/// The writer of the notes: to be ended.
pub struct NoteWriter {
    notes: Notes,
    kept: Kept,
}

impl Beside {
    /// Begins to write notes; where there are metrics, all of it is counted there.
    pub fn start(
        database: &Database,
        metrics: Option<&Metrics>,
        stuck_after: Duration,
        log: &Logger,
    ) -> (Beside, NoteWriter) {
        let background = Background::new(metrics.cloned(), stuck_after, log);
        let notes = Notes::default();
        let (own, place, log) = (notes.clone(), database.clone(), log.clone());
        let kept = background.keep(database.runtime(), "notes", move |pulse| {
            own.clone().keep(place.clone(), log.clone(), pulse)
        });
        let beside = Beside {
            database: database.clone(),
            notes: notes.clone(),
            background,
            metrics: metrics.cloned(),
        };
        (beside, NoteWriter { notes, kept })
    }
}

impl NoteWriter {
    /// Ends once all is written that has happened, or shortly: then it is said how much is not.
    pub async fn finish(self, log: &Logger) {
        self.notes.close();
        // Dropped where it takes too long.
        let _ = tokio::time::timeout(LAST, self.kept.ended()).await;
        let lost = self.notes.left();
        if lost > 0 {
            slog::warn!(log, "what has happened is in this log alone: the ledger did not take it in time";
                "notes" => lost);
        }
    }
}
