//! The fence: a checkpoint moves from where it is believed to stand, under the claim that is
//! believed to hold, or nothing is written.

use std::collections::HashMap;

use ingestd_actors::error::Result;
use ingestd_actors::model::{Counts, Epoch, FileId, Position};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::error::classify_ledger;
use super::link::OPEN;

/// How one file's checkpoint is to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Move {
    /// The file.
    pub file: FileId,
    /// The claim.
    pub epoch: Epoch,
    /// Where it stands.
    pub from: Position,
    /// Where it will stand.
    pub to: Position,
}

/// Where a checkpoint stands, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The claim.
    pub epoch: Epoch,
    /// The position.
    pub position: Position,
}

/// What a checkpoint that did not move as wanted means for its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stands at the start of the share.
    GoOn,
    /// Another life was here: the rows at or below this position are written.
    Trim(Position),
    /// It stands at the share's end or above.
    Done(Position),
    /// It has a newer claim, stands below, or is gone: write nothing.
    Fenced,
}

/// Decides about a share by its checkpoint.
pub fn decide(wanted: &Move, standing: Option<Standing>) -> Decision {
    let Some(standing) = standing.filter(|standing| standing.epoch == wanted.epoch) else {
        return Decision::Fenced;
    };
    let position = standing.position;
    if (position.record, position.offset) == (wanted.from.record, wanted.from.offset) {
        Decision::GoOn
    } else if position.record <= wanted.from.record {
        // Also where the same record ends elsewhere: then this life has read something else than
        // the one that committed, and the ledger is right.
        Decision::Fenced
    } else if position.record >= wanted.to.record {
        Decision::Done(position)
    } else {
        Decision::Trim(position)
    }
}

/// Moves the checkpoints of a lane, which locks them in the order of the files until the end of the
/// transaction. Whether all of them moved; where one did not, nothing of this transaction may stay.
///
/// Outside of a transaction that [`super::link::Link::begin`] opened, none moves: without the rows
/// that belong to it, such a move would lose them.
///
/// # Errors
/// What the server says of a statement of the ledger.
pub async fn advance(client: &Client, lane: i32, moves: &[Move]) -> Result<bool> {
    // The rows are locked in order before the first is updated; an UPDATE that joins locks in
    // whatever order the plan has, and two writers could wait for each other.
    let sql = format!(
        "with wanted as (
            select * from unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[],
                                 $7::int8[], $8::int8[])
                as w (file_id, epoch, from_record, from_byte, to_record, to_byte, to_line)
        ), locked as materialized (
            select c.file_id from ingestd.checkpoints c
            where c.lane = $1 and c.file_id = any ($2) order by c.file_id for update
        )
        update ingestd.checkpoints c
        set record = w.to_record, byte = w.to_byte, line = w.to_line
        from wanted w join locked l on l.file_id = w.file_id
        where c.file_id = w.file_id and c.lane = $1 and c.epoch = w.epoch
          and c.record = w.from_record and c.byte = w.from_byte
          and current_setting('{OPEN}', true) = 'yes'"
    );
    let column = |get: fn(&Move) -> i64| moves.iter().map(get).collect::<Vec<i64>>();
    let moved = client
        .execute_typed(
            &sql,
            &[
                (&lane, Type::INT4),
                (&column(|m| m.file.0), Type::INT8_ARRAY),
                (&column(|m| m.epoch.0), Type::INT8_ARRAY),
                (&column(|m| m.from.record as i64), Type::INT8_ARRAY),
                (&column(|m| m.from.offset as i64), Type::INT8_ARRAY),
                (&column(|m| m.to.record as i64), Type::INT8_ARRAY),
                (&column(|m| m.to.offset as i64), Type::INT8_ARRAY),
                (&column(|m| m.to.line as i64), Type::INT8_ARRAY),
            ],
        )
        .await
        .map_err(|error| classify_ledger(error, "moving the checkpoints"))?;
    Ok(moved == moves.len() as u64)
}

/// Reads the checkpoints of a lane under their row locks: whatever transaction of another backend
/// has moved one is over by then, one way or the other.
///
/// # Errors
/// What the server says of a statement of the ledger.
pub async fn standings(
    client: &Client,
    lane: i32,
    files: &[FileId],
) -> Result<HashMap<FileId, Standing>> {
    let files: Vec<i64> = files.iter().map(|file| file.0).collect();
    let rows = client
        .query_typed(
            "select c.file_id, c.epoch, c.record, c.byte, c.line from ingestd.checkpoints c
             where c.lane = $1 and c.file_id = any ($2) order by c.file_id for update",
            &[(&lane, Type::INT4), (&files, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| classify_ledger(error, "reading the checkpoints"))?;
    let number = |row: &tokio_postgres::Row, index: usize| row.get::<_, i64>(index) as u64;
    Ok(rows
        .iter()
        .map(|row| {
            let position = Position {
                record: number(row, 2),
                offset: number(row, 3),
                line: number(row, 4),
            };
            let epoch = Epoch(row.get(1));
            (FileId(row.get(0)), Standing { epoch, position })
        })
        .collect())
}

/// Adds to the counters of checkpoints that this transaction has moved.
///
/// # Errors
/// What the server says of a statement of the ledger.
pub async fn count(client: &Client, lane: i32, counts: &[(FileId, Counts)]) -> Result<()> {
    let sql = "update ingestd.checkpoints c
        set inserted = c.inserted + w.inserted, updated = c.updated + w.updated,
            unchanged = c.unchanged + w.unchanged, duplicate = c.duplicate + w.duplicate,
            deleted = c.deleted + w.deleted, filtered = c.filtered + w.filtered,
            rejected = c.rejected + w.rejected, staged = c.staged + w.staged
        from unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[],
                    $8::int8[], $9::int8[], $10::int8[])
            as w (file_id, inserted, updated, unchanged, duplicate, deleted, filtered, rejected,
                  staged)
        where c.file_id = w.file_id and c.lane = $1";
    let files: Vec<i64> = counts.iter().map(|(file, _)| file.0).collect();
    let column = |get: fn(&Counts) -> u64| {
        let values = counts.iter().map(|(_, counts)| get(counts) as i64);
        values.collect::<Vec<i64>>()
    };
    client
        .execute_typed(
            sql,
            &[
                (&lane, Type::INT4),
                (&files, Type::INT8_ARRAY),
                (&column(|c| c.inserted), Type::INT8_ARRAY),
                (&column(|c| c.updated), Type::INT8_ARRAY),
                (&column(|c| c.unchanged), Type::INT8_ARRAY),
                (&column(|c| c.duplicate), Type::INT8_ARRAY),
                (&column(|c| c.deleted), Type::INT8_ARRAY),
                (&column(|c| c.filtered), Type::INT8_ARRAY),
                (&column(|c| c.rejected), Type::INT8_ARRAY),
                (&column(|c| c.staged), Type::INT8_ARRAY),
            ],
        )
        .await
        .map_err(|error| classify_ledger(error, "counting what was written"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(record: u64) -> Position {
        Position {
            record,
            offset: record * 10,
            line: record + 1,
        }
    }

    fn decided(standing: Option<(i64, Position)>) -> Decision {
        let wanted = Move {
            file: FileId(1),
            epoch: Epoch(3),
            from: at(10),
            to: at(20),
        };
        let standing = standing.map(|(epoch, position)| Standing {
            epoch: Epoch(epoch),
            position,
        });
        decide(&wanted, standing)
    }

    #[test]
    fn a_checkpoint_decides_about_its_share() {
        assert_eq!(decided(Some((3, at(10)))), Decision::GoOn);
        assert_eq!(decided(Some((3, at(15)))), Decision::Trim(at(15)));
        assert_eq!(decided(Some((3, at(20)))), Decision::Done(at(20)));
        assert_eq!(decided(Some((3, at(25)))), Decision::Done(at(25)));
        assert_eq!(decided(Some((3, at(9)))), Decision::Fenced);
        assert_eq!(decided(None), Decision::Fenced);
    }

    #[test]
    fn another_claim_is_fenced_wherever_it_stands() {
        for epoch in [2, 4] {
            for record in [9, 10, 15, 20] {
                assert_eq!(decided(Some((epoch, at(record)))), Decision::Fenced);
            }
        }
    }

    #[test]
    fn the_same_record_with_another_end_is_fenced() {
        let elsewhere = Position {
            offset: 7,
            ..at(10)
        };
        assert_eq!(decided(Some((3, elsewhere))), Decision::Fenced);
    }
}
