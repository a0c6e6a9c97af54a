//! PURE: what became of the letters of a replay, in figures.

use serde::Serialize;

/// What became of letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// RESOLVED: their rows are new in the table.
    pub inserted: u64,
    /// RESOLVED: their rows changed those of their keys.
    pub updated: u64,
    /// RESOLVED: the rows of their keys are as they were, since they say the same, or by the mode.
    pub unchanged: u64,
    /// RESOLVED: a later one of these letters has their key.
    pub duplicate: u64,
    /// RESOLVED: they deleted the rows of their keys.
    pub deleted: u64,
    /// RESOLVED: a filter leaves them out.
    pub filtered: u64,
    /// They failed again, and stay NEW.
    pub failed: u64,
    /// They stay NEW: their keys are in the table.
    pub there: u64,
    /// They stay NEW: they delete rows.
    pub deletions: u64,
    /// They stay NEW: their files are not COMMITTED.
    pub not_ready: u64,
    /// They were not NEW any more.
    pub settled: u64,
}

impl Tally {
    /// The figures by their names, which are those of the columns of `ingestd.replays`.
    pub fn numbers(&self) -> [(&'static str, u64); 11] {
        [
            ("inserted", self.inserted),
            ("updated", self.updated),
            ("unchanged", self.unchanged),
            ("duplicate", self.duplicate),
            ("deleted", self.deleted),
            ("filtered", self.filtered),
            ("failed", self.failed),
            ("there", self.there),
            ("deletions", self.deletions),
            ("not_ready", self.not_ready),
            ("settled", self.settled),
        ]
    }

    /// How many letters are RESOLVED by it.
    pub fn resolved(&self) -> u64 {
        self.inserted
            + self.updated
            + self.unchanged
            + self.duplicate
            + self.deleted
            + self.filtered
    }

    /// How many of those that were looked at are still NEW.
    pub fn still_new(&self) -> u64 {
        self.failed + self.there + self.deletions + self.not_ready
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Tally) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.duplicate += other.duplicate;
        self.deleted += other.deleted;
        self.filtered += other.filtered;
        self.failed += other.failed;
        self.there += other.there;
        self.deletions += other.deletions;
        self.not_ready += other.not_ready;
        self.settled += other.settled;
    }
}
