//! Which records a filter left out.

/// The numbers of records that a filter left out, in order.
///
/// Kept as runs, since such records often stand together; and by their numbers, since only they tell
/// which of them a checkpoint covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    runs: Vec<Run>,
}

/// Records that follow each other, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u64,
    last: u64,
}

impl Filtered {
    /// Adds a record, which stands behind all that are there.
    pub fn push(&mut self, record: u64) {
        self.push_run(Run {
            first: record,
            last: record,
        });
    }

    /// Adds records that stand behind all that are there.
    pub fn append(&mut self, later: &Filtered) {
        for &run in &later.runs {
            self.push_run(run);
        }
    }

    fn push_run(&mut self, next: Run) {
        match self.runs.last_mut() {
            Some(last) if next.first == last.last + 1 => last.last = next.last,
            last => {
                debug_assert!(last.is_none_or(|last| last.last < next.first), "in order");
                self.runs.push(next);
            }
        }
    }

    /// Leaves only the records behind this one.
    pub fn keep_after(&mut self, record: u64) {
        let gone = self.runs.partition_point(|run| run.last <= record);
        self.runs.drain(..gone);
        if let Some(first) = self.runs.first_mut() {
            first.first = first.first.max(record + 1);
        }
    }

    /// How many stand behind this record; behind record 0 all of them do.
    pub fn count_after(&self, record: u64) -> u64 {
        let runs = self.runs.iter().rev();
        let behind = runs.take_while(|run| run.last > record);
        behind
            .map(|run| run.last - run.first.max(record + 1) + 1)
            .sum()
    }

    /// Their numbers.
    pub fn records(&self) -> impl Iterator<Item = u64> {
        self.runs.iter().flat_map(|run| run.first..=run.last)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The memory that they hold, in bytes.
    pub fn bytes(&self) -> usize {
        self.runs.capacity() * std::mem::size_of::<Run>()
    }
}

impl FromIterator<u64> for Filtered {
    fn from_iter<T: IntoIterator<Item = u64>>(records: T) -> Self {
        let mut filtered = Filtered::default();
        for record in records {
            filtered.push(record);
        }
        filtered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: [u64; 8] = [2, 3, 4, 7, 9, 10, 11, 20];

    #[test]
    fn what_stands_together_takes_no_room() {
        let filtered: Filtered = (1..=1_000_000).collect();
        assert_eq!(filtered.runs.len(), 1);
        assert_eq!(filtered.count_after(0), 1_000_000);
    }

    #[test]
    fn a_checkpoint_anywhere_parts_them() {
        let all: Filtered = RECORDS.into_iter().collect();
        for record in 0..=21 {
            let behind: Vec<u64> = RECORDS.into_iter().filter(|&it| it > record).collect();
            assert_eq!(all.count_after(record), behind.len() as u64, "{record}");
            let mut rest = all.clone();
            rest.keep_after(record);
            assert_eq!(rest.records().collect::<Vec<_>>(), behind);
            assert_eq!(rest, behind.into_iter().collect());
        }
    }

    #[test]
    fn later_ones_are_joined_to_the_last_run() {
        let mut all: Filtered = (1..=3).collect();
        all.append(&(4..=6).collect());
        all.append(&Filtered::default());
        all.append(&(8..=8).collect());
        assert_eq!(all.runs.len(), 2);
        assert_eq!(all.count_after(0), 7);
    }
}
