//! What a pipeline must make of the generated files, from the seed alone.
//!
//! The writers speak COPY's text format, so that a checker can copy the answer into temporary tables
//! and compare both ways with `EXCEPT ALL`.

use std::collections::HashMap;
use std::io::{self, Write};

use ingestd_actors::model::Reason;

use super::{Event, Generator, RowKind};

/// The columns of the rows that [`Generator::write_expected_rows`] and
/// [`Generator::write_expected_table`] write, as for `CREATE TEMPORARY TABLE`.
pub const ROW_COLUMNS: &str = "event_id uuid, event_time timestamptz, event_type text, \
     user_id text, product_id text, category text, session_id text, price numeric(10,2), \
     quantity integer";

/// The columns of what [`Generator::write_expected_dead_letters`] writes.
pub const DEAD_LETTER_COLUMNS: &str =
    "file_number bigint, file_name text, record bigint, reason text";

/// What must become of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is loaded.
    Row(Event),
    /// It becomes a dead letter.
    DeadLetter(ExpectedDeadLetter),
}

/// A row that must become a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedDeadLetter {
    /// The number of its file, from 1.
    pub file: u64,
    /// The number of its record, from 1.
    pub record: u64,
    /// The reason.
    pub reason: Reason,
}

impl Generator {
    /// Every row that can be loaded, in order: the content of a table without a key.
    pub fn expected_rows(&self) -> impl Iterator<Item = Event> + '_ {
        (0..self.spec().rows).filter_map(|row| match self.expected(row) {
            Expected::Row(event) => Some(event),
            Expected::DeadLetter(_) => None,
        })
    }

    /// One row for each event id, its last: the content of a table whose key is the event id.
    pub fn expected_table(&self) -> impl Iterator<Item = Event> + '_ {
        // Only ids with duplicates need memory: all other rows are the last of their id.
        let last_rows: HashMap<u64, u64> = (0..self.duplicate_rows())
            .map(|n| self.duplicate_row(n))
            .filter_map(|row| match self.kind(row) {
                RowKind::Duplicate { original } => Some((original, row)),
                RowKind::Original | RowKind::Malformed(_) => None,
            })
            .collect();
        (0..self.spec().rows)
            .filter(|row| self.kind(*row) == RowKind::Original)
            .map(move |row| {
                let last = last_rows.get(&row).copied().unwrap_or(row);
                self.event(last, row)
            })
    }

    /// Every dead letter, in order.
    pub fn expected_dead_letters(&self) -> impl Iterator<Item = ExpectedDeadLetter> + '_ {
        (0..self.malformed_rows()).filter_map(|n| match self.expected(self.malformed_row(n)) {
            Expected::DeadLetter(dead_letter) => Some(dead_letter),
            Expected::Row(_) => None,
        })
    }

    /// Writes [`Generator::expected_rows`] as COPY text of [`ROW_COLUMNS`]; returns their number.
    pub fn write_expected_rows(&self, out: &mut dyn Write) -> io::Result<u64> {
        write_lines(self.expected_rows(), Event::write_copy_line, out)
    }

    /// Writes [`Generator::expected_table`] as COPY text of [`ROW_COLUMNS`]; returns the number of
    /// rows.
    pub fn write_expected_table(&self, out: &mut dyn Write) -> io::Result<u64> {
        write_lines(self.expected_table(), Event::write_copy_line, out)
    }

    /// Writes [`Generator::expected_dead_letters`] as COPY text of [`DEAD_LETTER_COLUMNS`]; returns
    /// their number.
    pub fn write_expected_dead_letters(&self, out: &mut dyn Write) -> io::Result<u64> {
        let write = |dead_letter: &ExpectedDeadLetter, line: &mut Vec<u8>| {
            let ExpectedDeadLetter {
                file,
                record,
                reason,
            } = dead_letter;
            let (name, code) = (self.file_name(*file), reason.code());
            line.extend_from_slice(format!("{file}\t{name}\t{record}\t{code}\n").as_bytes());
        };
        write_lines(self.expected_dead_letters(), write, out)
    }
}

fn write_lines<T>(
    items: impl Iterator<Item = T>,
    write: impl Fn(&T, &mut Vec<u8>),
    out: &mut dyn Write,
) -> io::Result<u64> {
    const ENOUGH: usize = 64 << 10;
    let mut lines = Vec::with_capacity(ENOUGH + 1_024);
    let mut count = 0;
    for item in items {
        write(&item, &mut lines);
        count += 1;
        if lines.len() >= ENOUGH {
            out.write_all(&lines)?;
            lines.clear();
        }
    }
    out.write_all(&lines)?;
    Ok(count)
}
