//! PURE: which way the next batch takes.

/// How the rows of a batch get into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// COPY straight into the table: twice as fast, as long as no key is there already.
    Copy,
    /// Ask which keys are there; COPY the other rows, and upsert these.
    Sort,
    /// COPY into a staging table, then INSERT … ON CONFLICT.
    Upsert,
}

/// Chooses the way by what the batches before it met.
///
/// A COPY that meets a key is undone whole, and leaves its rows behind as dead tuples; so each time
/// that happens soon again, the way back takes longer.
#[derive(Clone, Debug)]
pub struct Pace {
    way: Way,
    /// Batches in a row in which nothing conflicted.
    quiet: u32,
    /// How many of them lead back to COPY.
    wanted: u32,
}

const FIRST: u32 = 4;
const MOST: u32 = 256;

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            way: Way::Copy,
            quiet: 0,
            wanted: FIRST,
        }
    }
}

impl Pace {
    /// The way of the next batch.
    pub fn way(&self) -> Way {
        self.way
    }

    /// A COPY met a key that was there.
    pub fn conflicted(&mut self) {
        // After a long quiet COPY the count starts from the beginning.
        let soon = self.quiet < self.wanted;
        self.wanted = if soon {
            (self.wanted * 2).min(MOST)
        } else {
            FIRST
        };
        self.way = match self.way {
            Way::Copy => Way::Sort,
            // Somebody else writes such keys at the same time.
            Way::Sort | Way::Upsert => Way::Upsert,
        };
        self.quiet = 0;
    }

    /// A batch of `rows` was committed, of whose keys `met` were there.
    pub fn committed(&mut self, rows: u64, met: u64) {
        if rows == 0 {
            return;
        }
        self.quiet = if met > 0 {
            0
        } else {
            self.quiet.saturating_add(1)
        };
        if self.way == Way::Copy {
            return;
        }
        // Where most are there, asking first is a step too many.
        self.way = if met > rows / 2 {
            Way::Upsert
        } else {
            Way::Sort
        };
        if self.quiet >= self.wanted {
            self.way = Way::Copy;
            self.quiet = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches_until_copy(pace: &mut Pace) -> u32 {
        let mut batches = 0;
        while pace.way() != Way::Copy {
            pace.committed(10, 0);
            batches += 1;
        }
        batches
    }

    #[test]
    fn a_conflict_leads_away_from_copy_and_quiet_batches_lead_back() {
        let mut pace = Pace::default();
        assert_eq!(pace.way(), Way::Copy);
        pace.conflicted();
        let first = batches_until_copy(&mut pace);
        pace.conflicted();
        let second = batches_until_copy(&mut pace);
        assert!(second == 2 * first, "{first}, then {second}");
        for _ in 0..1000 {
            pace.committed(10, 0);
        }
        pace.conflicted();
        assert_eq!(batches_until_copy(&mut pace), FIRST);
    }

    #[test]
    fn keys_that_are_there_keep_away_from_copy() {
        let mut pace = Pace::default();
        pace.conflicted();
        for _ in 0..1000 {
            pace.committed(10, 1);
            pace.committed(10, 0);
            assert_ne!(pace.way(), Way::Copy);
        }
    }

    #[test]
    fn what_is_mostly_there_is_upserted_and_what_is_mostly_new_is_sorted() {
        let mut pace = Pace::default();
        pace.conflicted();
        assert_eq!(pace.way(), Way::Sort);
        pace.committed(10, 6);
        assert_eq!(pace.way(), Way::Upsert);
        pace.committed(10, 5);
        assert_eq!(pace.way(), Way::Sort);
    }

    #[test]
    fn a_key_that_somebody_else_writes_meanwhile_is_upserted() {
        let mut pace = Pace::default();
        pace.conflicted();
        pace.conflicted();
        assert_eq!(pace.way(), Way::Upsert);
    }

    #[test]
    fn the_way_back_is_never_longer_than_the_most() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.conflicted();
        }
        assert_eq!(batches_until_copy(&mut pace), MOST);
    }
}
