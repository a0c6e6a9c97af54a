//! PURE: what becomes of rows that the server has refused.

use bytes::Bytes;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Batch, DeadLetter, Reason};

use super::fault::Refusal;
use super::selection::Selection;
use crate::plan::TableName;
use crate::postgres::dead_letters::RAW_CAP;

/// A row that the server has refused.
pub struct Refused {
    /// Which one.
    pub row: u32,
    /// Whether it was to delete the row of its key.
    pub deletes: bool,
    /// Why.
    pub refusal: Refusal,
}

/// A refusal that may mean all rows, of every row: that is no row's fault. For those of which none
/// passed.
///
/// # Errors
/// `Configuration` then.
pub fn check_not_all_alike(refused: &[Refused], deletes: bool, table: &TableName) -> Result<()> {
    let mut refused = refused.iter().filter(|it| it.deletes == deletes);
    let Some(Refused { refusal: first, .. }) = refused.next() else {
        return Ok(());
    };
    let alike = |it: &Refusal| !it.known && it.code == first.code;
    match alike(first) && refused.all(|it| alike(&it.refusal)) {
        true => all_alike(first, table),
        false => Ok(()),
    }
}

/// The same for rows that come one by one and are not kept.
#[derive(Default)]
pub struct Alike {
    first: Option<Refusal>,
    differ: bool,
}

impl Alike {
    /// One more.
    pub fn add(&mut self, refusal: Refusal) {
        match &self.first {
            Some(first) => self.differ |= refusal.known || refusal.code != first.code,
            None => {
                self.differ = refusal.known;
                self.first = Some(refusal);
            }
        }
    }

    /// As [`check_not_all_alike`].
    ///
    /// # Errors
    /// `Configuration` where all were refused alike.
    pub fn check(&self, table: &TableName) -> Result<()> {
        match &self.first {
            Some(first) if !self.differ => all_alike(first, table),
            _ => Ok(()),
        }
    }
}

fn all_alike(first: &Refusal, table: &TableName) -> Result<()> {
    let (message, advice) = match &first.column {
        Some(column) if first.code == "23502" => (
            format!("table {table}: column {column:?} refuses NULL, and no file fills it"),
            "give the column a default, or take its NOT NULL away",
        ),
        _ if first.code == "42501" => (
            format!("table {table}: rights or policies refuse every row of a batch"),
            "GRANT the role what it lacks, or look at the table's row-level security",
        ),
        _ => (
            format!("table {table}: the server refuses every row of a batch alike"),
            "look at the table's triggers, and at the server's log",
        ),
    };
    Err(Error::new(ErrorKind::Configuration, message)
        .with_code(&first.code)
        .with_advice(advice))
}

/// Whether a row was refused for another one that a deletion before it may be about: deletions of
/// other keys come before it or after, unless all take turns.
pub fn may_be_out_of_turn(batch: &Batch, letters: &[(usize, DeadLetter)]) -> bool {
    let shares = batch.shares.iter().enumerate();
    let mut deletions = shares.flat_map(|(share, of)| {
        let records = of.rows.iter().flat_map(|rows| &rows.deletes);
        records.map(move |record| (share, *record))
    });
    let Some(first) = deletions.next() else {
        return false;
    };
    letters.iter().any(|(share, letter)| {
        let for_another = matches!(letter.sqlstate.as_deref(), Some("23505" | "23P01"));
        for_another && first < (*share, letter.record)
    })
}

/// The dead letter of a row.
pub fn dead_letter(selection: &Selection<'_>, index: u32, refusal: Refusal) -> DeadLetter {
    let (rows, row) = selection.row(index);
    let place = [row.record, row.line, row.offset];
    letter(place, rows.raw_of(row), &refusal)
}

/// The dead letter of a record that stands there: its number, its line and its offset.
pub fn letter([record, line, offset]: [u64; 3], raw: &[u8], refusal: &Refusal) -> DeadLetter {
    let reason = if refusal.code.starts_with("22") {
        Reason::InvalidValue
    } else {
        Reason::Refused
    };
    DeadLetter {
        record,
        line,
        offset,
        length: raw.len() as u64,
        raw: Bytes::copy_from_slice(&raw[..raw.len().min(RAW_CAP)]),
        column: refusal.column.clone(),
        reason,
        message: refusal.message.clone(),
        sqlstate: Some(refusal.code.clone()),
    }
}
