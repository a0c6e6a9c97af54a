//! What somebody is told who asks about a file.

use serde::Serialize;
use utoipa::ToSchema;

/// The stage that a file is in, and what holds it up there.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Answer {
    /// Its number, where the ledger knows it.
    pub file: Option<i64>,
    /// Where it was found, or is.
    pub path: String,
    /// Where it stands now, where it has left that place.
    pub stands_at: Option<String>,
    /// Its pipeline.
    pub pipeline: Option<String>,
    /// The stage.
    pub stage: Stage,
    /// What that means, for people.
    pub because: String,
    /// Since when, in RFC 3339.
    pub since: Option<String>,
    /// What to do.
    pub advice: Option<String>,
    /// In how many seconds it will be over, as far as anybody can tell.
    pub estimate_seconds: Option<f64>,
    /// Why the file stands that it waits for.
    #[schema(no_recursion)]
    pub waits_for: Option<Box<Answer>>,
}

impl Answer {
    /// What there is to say, as names and values; below it what there is to say of the file that it waits
    /// for.
    pub fn lines(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        let mut line = |name: &str, value: String| lines.push((name.to_owned(), value));
        line(
            "file",
            match self.file {
                Some(file) => format!("{file} ({})", self.path),
                None => self.path.clone(),
            },
        );
        if let Some(place) = &self.stands_at {
            line("stands at", place.clone());
        }
        if let Some(pipeline) = &self.pipeline {
            line("pipeline", pipeline.clone());
        }
        line("stage", self.stage.name());
        line("because", self.because.clone());
        if let Some(since) = &self.since {
            line("since", since.clone());
        }
        if let Some(seconds) = self.estimate_seconds {
            line("estimate", about(seconds));
        }
        if let Some(advice) = &self.advice {
            line("what to do", advice.clone());
        }
        if let Some(first) = &self.waits_for {
            line("that one:", String::new());
            let first = first.lines().into_iter();
            lines.extend(first.map(|(name, value)| (format!("  {name}"), value)));
        }
        lines
    }
}

/// PURE: how long it still takes, no more exact than anybody can know.
fn about(seconds: f64) -> String {
    match seconds {
        less if less < 1.0 => "less than a second".to_owned(),
        less if less < 120.0 => format!("about {less:.0} s"),
        less if less < 7200.0 => format!("about {:.0} min", less / 60.0),
        more => format!("about {:.1} h", more / 3600.0),
    }
}

/// The stages of a file's way, and what holds one up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It lies in no pipeline's directory.
    OutsideInboxes,
    /// No pattern has its name.
    NotMatched,
    /// Its name is hidden, or one of an unfinished file.
    UnfinishedName,
    /// It is nothing that can be loaded.
    NoFile,
    /// It may still be written.
    Settling,
    /// Its done-marker is missing.
    WaitingForMarker,
    /// Its manifest is missing.
    WaitingForManifest,
    /// It is ready, and found at the next look.
    AboutToBeFound,
    /// No service runs its pipeline.
    NoService,
    /// Its pipeline is paused.
    Paused,
    /// Its pipeline is drained.
    Drained,
    /// Another instance, on another machine, has its pipeline.
    LeasedElsewhere,
    /// Its pipeline can't go on.
    Degraded,
    /// A writer of its pipeline waits for somebody's lock.
    BlockedByLock,
    /// Another file comes first.
    WaitingBehind,
    /// It is to be read next.
    Scheduled,
    /// It is read.
    Reading,
    /// The server is at its batches.
    WritersBusy,
    /// It is read to its end, and the last of it is on its way.
    Completing,
    /// It is over its error budget.
    OverBudget,
    /// It can't be loaded.
    Quarantined,
    /// It can't be loaded, and does not go on.
    Failed,
    /// Its content was loaded before.
    SkippedAsDuplicate,
    /// It was passed by for another reason.
    Skipped,
    /// It was loaded, and its rows were taken back.
    Undone,
    /// It is loaded, and stays where it is.
    Loaded,
    /// It is loaded, and could not leave.
    NotArchived,
    /// It is loaded, and has left.
    Archived,
}

impl Stage {
    /// Its name, as JSON has it, with blanks.
    fn name(self) -> String {
        let name = serde_json::to_value(self).unwrap_or_default();
        name.as_str().unwrap_or_default().replace('_', " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_no_more_exact_than_anybody_can_know() {
        let said = [0.3, 42.4, 600.0, 9000.0].map(about);
        assert_eq!(
            said,
            [
                "less than a second",
                "about 42 s",
                "about 10 min",
                "about 2.5 h"
            ]
        );
    }
}
