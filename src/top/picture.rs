//! PURE: what is seen in one look, as plain data.

use std::collections::BTreeMap;
use std::time::Duration;

/// All that one look has shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// The pipelines, by name.
    pub pipelines: Vec<Pipeline>,
    /// The files that are being loaded.
    pub in_flight: Vec<InFlight>,
    /// The backends that write.
    pub writers: Vec<Writer>,
    /// The dead letters that wait for somebody, by reason, the most first.
    pub dead_letters: Vec<(String, u64)>,
    /// The files that were quarantined last.
    pub quarantined: Vec<File>,
    /// The files of the pipeline that was asked for, the newest first.
    pub files: Vec<File>,
    /// What holds up the file that was asked for, as lines.
    pub why: Vec<(String, String)>,
}

/// One pipeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// What it does, in a word.
    pub state: String,
    /// What holds it up.
    pub held_up_by: String,
    /// Records a second since the look before; `None` at the first.
    pub rate: Option<u64>,
    /// The files that wait or are being loaded.
    pub backlog_files: u64,
    /// Their bytes that are not committed.
    pub backlog_bytes: u64,
    /// How long the oldest of them has waited.
    pub lag: Option<Duration>,
}

/// A file that is being loaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InFlight {
    /// Its number.
    pub file: i64,
    /// Its path.
    pub path: String,
    /// Its pipeline.
    pub pipeline: String,
    /// How much of it is committed, in thousandths; `None` where nobody knows: it is compressed.
    pub share: Option<u64>,
    /// Its records that are committed.
    pub records: u64,
}

/// A backend that writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writer {
    /// Its pipeline.
    pub pipeline: String,
    /// Its lane.
    pub lane: i32,
    /// Its number.
    pub backend: i32,
    /// What it does or waits for.
    pub does: String,
}

/// A file in a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// Its number.
    pub file: i64,
    /// Its path.
    pub path: String,
    /// Its state.
    pub state: String,
    /// Its records that are accounted for.
    pub records: u64,
    /// Why it is in that state.
    pub reason: String,
}

/// Records a second, for each pipeline, between two looks: what each had come to then and has now. One
/// that has less than before was reset.
pub fn rates(
    before: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
    between: Duration,
) -> BTreeMap<String, u64> {
    let seconds = between.as_secs_f64().max(1e-3);
    let rate = |(name, now): (&String, &u64)| {
        let before = before.get(name)?;
        let rate = (now.saturating_sub(*before) as f64 / seconds).round() as u64;
        Some((name.clone(), rate))
    };
    now.iter().filter_map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between_and_never_negative() {
        let of = |a: u64, b: u64| BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        let found = rates(&of(100, 50), &of(300, 0), Duration::from_secs(2));
        assert_eq!(found, of(100, 0));
        let none = BTreeMap::new();
        assert_eq!(rates(&none, &of(1, 2), Duration::ZERO), none);
    }
}
