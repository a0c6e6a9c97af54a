//! From a spec to rows and files.

use std::ops::Range;

use ingestd_actors::error::Result;

use super::event::{id_of, second_of};
use super::random::{self, Purpose};
use super::record::{self, Spelling};
use super::strata::Strata;
use super::{Event, Expected, ExpectedDeadLetter, Fault, Product, Share, Spec, text};

/// The header of every file.
pub const HEADER: &str =
    "event_id,event_time,event_type,user_id,product_id,category,session_id,price,quantity";

/// Makes rows and files; see the module. Rows are numbered from 0 over all files, files from 1.
#[derive(Clone, Debug)]
pub struct Generator {
    spec: Spec,
    malformed: Strata,
    /// Chosen among the rows that are not malformed, the first of them left out: it has nothing
    /// that it could repeat.
    duplicates: Strata,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// The first row of its event id.
    Original,
    /// A row with the event id of an earlier one.
    Duplicate {
        /// The number of the first row of that event id.
        original: u64,
    },
    /// A row that no pipeline can load.
    Malformed(Fault),
}

impl Generator {
    /// A generator for a spec that passes [`Spec::check`].
    pub fn new(spec: Spec) -> Result<Self> {
        spec.check()?;
        let all = Share::ALL.per_million();
        let malformed = spec.malformed.per_million();
        let duplicates = spec.duplicates.per_million();
        Ok(Self {
            malformed: Strata::new(spec.seed, Purpose::MalformedRows, malformed, all),
            // A share of all rows, but taken from the well-formed ones only.
            duplicates: Strata::new(
                spec.seed,
                Purpose::DuplicateRows,
                duplicates,
                (all - malformed).max(1),
            ),
            spec,
        })
    }

    /// What it was made from.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// How many files there are.
    pub fn files(&self) -> u64 {
        self.spec.rows.div_ceil(self.spec.rows_per_file)
    }

    /// The name of a file, with the time of its first event and its number: names sort in the order
    /// of the files. Between them stands a fingerprint of the spec, so that a name is the same only
    /// where the content is (but for a last file that is short only because the rows end there).
    pub fn file_name(&self, file: u64) -> String {
        let second = second_of(self.rows_of(file).start);
        let mut stamp = Vec::new();
        text::date(&mut stamp, second / 86_400);
        stamp.push(b'T');
        text::clock(&mut stamp, second % 86_400);
        // Colons are not for file names everywhere.
        stamp.retain(u8::is_ascii_alphanumeric);
        format!(
            "events-{}Z-{:08x}-{file:06}.csv",
            String::from_utf8_lossy(&stamp),
            self.spec.fingerprint()
        )
    }

    /// The content of a file.
    pub fn file(&self, file: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write_header(&mut out);
        self.write_rows(self.rows_of(file), &mut out);
        out
    }

    /// The rows of a file.
    pub fn rows_of(&self, file: u64) -> Range<u64> {
        let clamp = |row: u64| row.min(self.spec.rows);
        let start = (file - 1).saturating_mul(self.spec.rows_per_file);
        clamp(start)..clamp(start.saturating_add(self.spec.rows_per_file))
    }

    /// Appends the records of some rows.
    pub fn write_rows(&self, rows: Range<u64>, out: &mut Vec<u8>) {
        for row in rows {
            let spelling = Spelling::new(self.spec.seed, row);
            match self.kind(row) {
                RowKind::Malformed(fault) => {
                    let event = self.event(row, row);
                    let choice = random::number(self.spec.seed, Purpose::Fault, row);
                    record::write_malformed(out, &event, spelling, fault, choice);
                }
                RowKind::Original => record::write(out, &self.event(row, row), spelling),
                RowKind::Duplicate { original } => {
                    record::write(out, &self.event(row, original), spelling);
                }
            }
        }
    }

    /// What must become of a row.
    pub fn expected(&self, row: u64) -> Expected {
        match self.kind(row) {
            RowKind::Original => Expected::Row(self.event(row, row)),
            RowKind::Duplicate { original } => Expected::Row(self.event(row, original)),
            RowKind::Malformed(fault) => Expected::DeadLetter(ExpectedDeadLetter {
                file: 1 + row / self.spec.rows_per_file,
                record: 1 + row % self.spec.rows_per_file,
                reason: fault.reason(),
            }),
        }
    }

    /// What a row is.
    pub fn kind(&self, row: u64) -> RowKind {
        if let Some(ordinal) = self.malformed.ordinal(row) {
            let faults = Fault::ALL.len() as u64;
            return RowKind::Malformed(Fault::ALL[(ordinal % faults) as usize]);
        }
        let good = row - self.malformed.rank(row);
        if good > 0 && self.duplicates.ordinal(good - 1).is_some() {
            let original = self.origin(row, good);
            return RowKind::Duplicate { original };
        }
        RowKind::Original
    }

    /// How many rows are malformed.
    pub fn malformed_rows(&self) -> u64 {
        self.malformed.rank(self.spec.rows)
    }

    /// How many rows are duplicates.
    pub fn duplicate_rows(&self) -> u64 {
        match self.spec.rows - self.malformed_rows() {
            0 => 0,
            good => self.duplicates.rank(good - 1),
        }
    }

    /// The row of the n-th malformed one, from 0.
    pub(super) fn malformed_row(&self, n: u64) -> u64 {
        self.malformed.nth(n)
    }

    /// The row of the n-th duplicate, from 0.
    pub(super) fn duplicate_row(&self, n: u64) -> u64 {
        self.malformed.nth_other(1 + self.duplicates.nth(n))
    }

    /// The catalogue, as CSV.
    pub fn catalogue(&self) -> Vec<u8> {
        let mut out = format!("{}\n", Product::HEADER).into_bytes();
        for number in 1..=self.spec.products {
            Product::new(self.spec.seed, number).write(&mut out);
        }
        out
    }

    pub(super) fn event(&self, row: u64, original: u64) -> Event {
        Event::new(&self.spec, row, id_of(self.spec.seed, original))
    }

    /// The first row of the event id that a duplicate repeats; `good` counts the well-formed rows
    /// before the duplicate. Half of them repeat one of the last rows, half any.
    fn origin(&self, row: u64, good: u64) -> u64 {
        const RECENT: u64 = 64;
        let mut random = random::Stream::new(self.spec.seed, Purpose::Origin, row);
        let originals = good - self.duplicates.rank(good - 1);
        let chosen = if random.one_in(2) {
            originals - 1 - random.below(originals.min(RECENT))
        } else {
            random.below(originals)
        };
        let good = match chosen {
            0 => 0,
            later => 1 + self.duplicates.nth_other(later - 1),
        };
        self.malformed.nth_other(good)
    }
}

/// Appends the header line.
pub(super) fn write_header(out: &mut Vec<u8>) {
    out.extend_from_slice(HEADER.as_bytes());
    out.push(b'\n');
}
