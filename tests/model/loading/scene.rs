//! What is loaded, and what may go wrong meanwhile.

use ingestd_actors::flow::{Budget, Limits};
use ingestd_actors::model::{Lane, Position};

use super::rules::{Rule, Rules};

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// A row of this partition.
    Row(u16),
    /// A dead letter.
    Letter,
    /// Left out by a filter.
    Filtered,
    /// A row of this partition that the table refuses.
    Refused(u16),
    /// A row of this partition until the table is changed, a dead letter from then on.
    Fickle(u16),
}

impl Fate {
    /// Whether it is a row in the end, of a table that is not changed.
    pub fn is_row(self) -> bool {
        matches!(self, Fate::Row(_))
    }

    /// Whether it is a dead letter in the end.
    pub fn is_letter(self) -> bool {
        matches!(self, Fate::Letter | Fate::Refused(_))
    }
}

/// What may go wrong, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A process dies.
    pub crashes: u8,
    /// A transaction is not answered, and arrives later or never.
    pub lost: u8,
    /// The server crashes, and forgets what is not on its disk.
    pub server: u8,
    /// A lease is taken from a process that lives on.
    pub takeovers: u8,
    /// A process is frozen in the middle of a transaction.
    pub freezes: u8,
    /// The table is changed while nothing runs.
    pub changes: u8,
    /// The last file grows by a record.
    pub growths: u8,
    /// Somebody empties a staging table.
    pub emptied: u8,
    /// A quarantined file is retried, with no limit to its errors.
    pub retries: u8,
}

/// A directory of files, and the bounds of what happens.
#[derive(Clone)]
pub struct Scene {
    pub name: &'static str,
    /// The records of each file.
    pub files: Vec<Vec<Fate>>,
    /// Records a chunk.
    pub chunk: u64,
    pub limits: Limits,
    /// Rows in flight.
    pub credit: usize,
    pub processes: usize,
    /// Whether commits return before they are on the disk.
    pub lazy: bool,
    /// Whether progress is noted.
    pub notes: bool,
    /// Whether the first file comes after the others.
    pub first_is_late: bool,
    /// Whether processes share the pipeline, each with files of its own.
    pub shared: bool,
    /// Whether files are loaded as a whole: `all_or_nothing`.
    pub whole: bool,
    /// How many errors a file may have.
    pub budget: Budget,
    pub faults: Faults,
    pub rules: Rules,
}

/// How many partitions there are.
pub const PARTITIONS: u16 = 2;
/// The lanes of every file.
pub const LANES: [Lane; 3] = [Lane::Partition(0), Lane::Partition(1), Lane::Rejects];

/// The place of a lane among [`LANES`].
pub fn index_of(lane: Lane) -> usize {
    match lane {
        Lane::Partition(partition) => usize::from(partition),
        Lane::Rejects => usize::from(PARTITIONS),
    }
}

/// Where a record ends, of a file whose own records begin behind the first `base` of its text.
pub fn at(base: u64, record: u64) -> Position {
    Position {
        record,
        offset: (base + record) * 10,
        line: base + record + 1,
    }
}

impl Scene {
    /// One process, chunks of two records, and nothing that goes wrong.
    pub fn new(name: &'static str, files: &[&[Fate]]) -> Scene {
        Scene {
            name,
            files: files.iter().map(|fates| fates.to_vec()).collect(),
            chunk: 2,
            limits: Limits {
                rows: 4,
                bytes: 100,
            },
            credit: 8,
            processes: 1,
            lazy: false,
            notes: false,
            first_is_late: false,
            shared: false,
            whole: false,
            budget: Budget::default(),
            faults: Faults::default(),
            rules: Rules(&[]),
        }
    }
}

impl Scene {
    /// Whether rows go into a staging table first.
    pub fn stages(&self) -> bool {
        self.whole && self.rules.hold(Rule::RowsAreStaged)
    }

    /// Whether a file may end otherwise than COMMITTED.
    pub fn has_a_budget(&self) -> bool {
        self.budget != Budget::default()
    }

    /// More claims of one file than this are a service that runs in circles.
    pub fn most_claims(&self) -> i64 {
        let Faults {
            crashes,
            lost,
            server,
            takeovers,
            freezes,
            changes,
            growths,
            emptied,
            retries,
        } = self.faults;
        let all = [
            crashes, lost, server, takeovers, freezes, changes, growths, emptied, retries,
        ];
        2 + i64::from(all.iter().sum::<u8>())
    }
}
