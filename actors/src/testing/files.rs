//! Files as lists of records.

/// One record of a test file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TestRecord {
    /// A row.
    Row {
        /// Decides the partition.
        key: u64,
        /// What the table holds for it.
        value: u64,
    },
    /// A row that the server refuses: the sink makes it a dead letter.
    Refused {
        /// Decides the partition.
        key: u64,
    },
    /// Can't be decoded: the reader makes it a dead letter.
    Malformed,
    /// A filter leaves it out.
    Filtered,
}

/// A file in the inbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TestFile {
    /// Its records; each is [`TestFile::RECORD_BYTES`] long.
    pub records: Vec<TestRecord>,
    /// How many of them make a chunk.
    pub chunk: usize,
    /// The plan that it is first loaded under.
    pub plan: i64,
    /// It can't be read past this record.
    pub broken_after: Option<u64>,
    /// It can't be opened.
    pub unreadable: bool,
    /// The ledger refuses it at its end, though it adds up.
    pub refused_at_end: bool,
    /// When it was changed.
    pub modified: i64,
}

impl TestFile {
    /// The length of a record.
    pub const RECORD_BYTES: u64 = 10;

    /// A file of these records, in chunks of three.
    pub fn new(records: impl IntoIterator<Item = TestRecord>) -> Self {
        Self {
            records: records.into_iter().collect(),
            chunk: 3,
            plan: 1,
            broken_after: None,
            unreadable: false,
            refused_at_end: false,
            modified: 1,
        }
    }

    /// A file of `count` rows with the keys from `first_key` on; each value is the key's double.
    pub fn rows(first_key: u64, count: u64) -> Self {
        Self::new((first_key..first_key + count).map(|key| TestRecord::Row {
            key,
            value: 2 * key,
        }))
    }

    /// A file of `count` records that can't be decoded.
    pub fn malformed(count: usize) -> Self {
        Self::new(std::iter::repeat_n(TestRecord::Malformed, count))
    }

    /// A file of `count` records that a filter leaves out.
    pub fn filtered(count: usize) -> Self {
        Self::new(std::iter::repeat_n(TestRecord::Filtered, count))
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.records.len() as u64 * Self::RECORD_BYTES
    }

    /// Whether it comes to its end.
    pub fn is_loadable(&self) -> bool {
        !self.unreadable && self.broken_after.is_none()
    }
}
