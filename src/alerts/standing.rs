//! How the alerts stand: each rule, for each thing that it is about.

use std::time::Duration;

use super::disks::Disk;
use super::look::{Look, Me};
use super::notice::Alert;
use super::plan::Plan;
use super::rule::{Reading, State};
use super::tally::{Done, Tally};
use crate::settings::{AlertRule, Condition, Free};

/// Which alert it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub rule: String,
    pub pipeline: String,
    pub host: String,
    pub subject: String,
}

impl Key {
    pub fn of(alert: &Alert) -> Key {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Key {
            rule: alert.alert.clone(),
            pipeline: text(&alert.pipeline),
            host: text(&alert.host),
            subject: text(&alert.subject),
        }
    }
}

/// How one stands.
#[derive(Default)]
pub(super) struct Standing {
    pub state: State,
    /// What is told of it, as long as it fires, and it is this service that has to tell.
    pub alert: Option<Alert>,
    /// When it was noted last how it stands, by the clock that rules have.
    pub noted: Option<Duration>,
}

/// What there is to decide by, in one round.
pub(super) struct Sight<'a> {
    pub me: &'a Me,
    /// Nothing where the ledger can't be read.
    pub look: Option<&'a Look>,
    pub tally: &'a Tally,
    /// For how long the database was not reached, in seconds, and why.
    pub unreached: (f64, &'a str),
    /// Nothing where the disks don't answer.
    pub disks: Option<&'a [Disk]>,
}

/// What a rule reads: of which alert, how much, and in words which file or disk or reason.
pub(super) type Read = (Key, Reading, String);

impl Sight<'_> {
    /// What a rule reads of everything that it is about, as far as this service has to know.
    pub fn read(&self, rule: &AlertRule) -> Vec<Read> {
        match &rule.condition {
            Condition::DatabaseUnreachable { .. } => {
                let (seconds, why) = self.unreached;
                let key = self.key_here(rule, self.me.place.clone());
                vec![(key, Reading::Value(seconds), why.to_owned())]
            }
            Condition::DiskNearlyFull { free_below, .. } => {
                let disks = self.disks.unwrap_or_default().iter();
                disks
                    .map(|disk| self.read_disk(rule, *free_below, disk))
                    .collect()
            }
            _ => self.read_pipelines(rule),
        }
    }

    fn key_here(&self, rule: &AlertRule, subject: String) -> Key {
        Key {
            rule: rule.name.clone(),
            host: self.me.host.clone(),
            subject,
            ..Key::default()
        }
    }

    fn read_disk(&self, rule: &AlertRule, free_below: Free, disk: &Disk) -> Read {
        let mounted = disk.mounted.display().to_string();
        let value = match free_below {
            Free::Bytes(_) => disk.free as f64,
            Free::Share(_) => disk.free as f64 / (disk.size as f64).max(1.0),
        };
        let detail = format!(
            "{mounted} on {}, {} MiB of {} MiB",
            self.me.host,
            disk.free >> 20,
            disk.size >> 20
        );
        (self.key_here(rule, mounted), Reading::Value(value), detail)
    }

    fn read_pipelines(&self, rule: &AlertRule) -> Vec<Read> {
        let Some(look) = self.look else {
            return Vec::new();
        };
        let mine = look.pipelines.iter().filter(|it| it.is_mine);
        let about = mine.filter(|it| rule.pipelines.contains(&it.name));
        about
            .map(|pipeline| {
                let key = Key {
                    rule: rule.name.clone(),
                    pipeline: pipeline.name.clone(),
                    ..Key::default()
                };
                let (reading, detail) = match pipeline.is_running {
                    true => self.read_pipeline(&rule.condition, pipeline),
                    false => (Reading::Silent, String::new()),
                };
                (key, reading, detail)
            })
            .collect()
    }

    fn read_pipeline(
        &self,
        condition: &Condition,
        pipeline: &super::look::Pipeline,
    ) -> (Reading, String) {
        let timed = |what: &Option<(f64, String)>| match what {
            Some((seconds, detail)) => (Reading::Value(*seconds), detail.clone()),
            None => (Reading::Value(0.0), String::new()),
        };
        match condition {
            Condition::Lag { .. } => timed(&pipeline.oldest),
            Condition::BatchFailing { .. } => timed(&pipeline.held_up),
            Condition::FileQuarantined => {
                let (count, newest) = &pipeline.quarantined;
                (
                    Reading::Value(*count as f64),
                    newest.clone().unwrap_or_default(),
                )
            }
            Condition::ErrorRatio {
                above,
                over,
                min_records,
                ..
            } => {
                let done = self.tally.of(&pipeline.name, *over);
                let detail = format!("{} of {}", done.rejected, done.records);
                (ratio(&done, *above, *min_records), detail)
            }
            Condition::Throughput { over, .. } => {
                let done = self.tally.of(&pipeline.name, *over);
                let reading = match &pipeline.oldest {
                    // Nothing is too slow where nothing waits.
                    None => Reading::Value(f64::INFINITY),
                    Some(_) if !done.is_whole || !done.was_backlog => Reading::Unknown,
                    Some(_) => Reading::Value(done.records as f64 / done.over.as_secs_f64()),
                };
                (reading, String::new())
            }
            Condition::DatabaseUnreachable { .. } | Condition::DiskNearlyFull { .. } => {
                (Reading::Unknown, String::new())
            }
        }
    }

    /// Whether it is this service that tells of it.
    pub fn is_mine(&self, key: &Key) -> bool {
        match key.pipeline.is_empty() {
            true => key.host == self.me.host,
            false => self.look.is_some_and(|look| {
                let mut pipelines = look.pipelines.iter();
                pipelines.any(|it| it.is_mine && it.name == key.pipeline)
            }),
        }
    }

    /// Whether anything of the configuration is about it still.
    pub fn is_watched(&self, plan: &Plan, key: &Key, alert: &Alert) -> bool {
        let Some(rule) = plan.rule(&key.rule) else {
            return false;
        };
        if rule.condition.word() != alert.rule {
            return false;
        }
        match rule.condition {
            Condition::DatabaseUnreachable { .. } => key.subject == self.me.place,
            Condition::DiskNearlyFull { .. } => self.disks.is_none_or(|disks| {
                let mut mounted = disks.iter().map(|disk| disk.mounted.display().to_string());
                mounted.any(|mounted| mounted == key.subject)
            }),
            _ => rule.pipelines.contains(&key.pipeline),
        }
    }
}

/// The share of dead letters. A service that has not seen all of the time yet knows of too many, but not
/// that they are few.
fn ratio(done: &Done, above: f64, min_records: u64) -> Reading {
    let ratio = done.rejected as f64 / done.records.max(1) as f64;
    match done.rejected > 0 && done.records < min_records {
        true => Reading::Unknown,
        false if !done.is_whole && ratio <= above => Reading::Unknown,
        false => Reading::Value(ratio),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_records_and_half_the_time_are_no_reason_to_be_calm() {
        let done = |records, rejected, is_whole| Done {
            records,
            rejected,
            is_whole,
            ..Done::default()
        };
        for (done, reading) in [
            (done(0, 0, true), Reading::Value(0.0)),
            (done(0, 0, false), Reading::Unknown),
            (done(1_000, 0, true), Reading::Value(0.0)),
            (done(1_000, 10, true), Reading::Value(0.01)),
            (done(1_000, 10, false), Reading::Unknown),
            (done(1_000, 20, false), Reading::Value(0.02)),
            (done(99, 99, true), Reading::Unknown),
            (done(100, 100, true), Reading::Value(1.0)),
        ] {
            assert_eq!(ratio(&done, 0.01, 100), reading, "{done:?}");
        }
    }
}
