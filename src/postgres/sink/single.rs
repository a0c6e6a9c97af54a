//! Rows of dead letters: each with an outcome of its own, in a transaction that somebody else opens and
//! ends, with what is noted of them.

use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{
    Batch, Counts, DeadLetter, Epoch, FileId, Plan, Position, Rows, Share,
};

use super::careful;
use super::choice::{Picks, Rules};
use super::load::{self, Loading};
use super::selection::Selection;
use crate::plan::{LoadPlan, WriteMode};
use crate::postgres::claims::Claims;
use crate::postgres::fence::Move;
use crate::postgres::link::Link;

/// What became of a row.
#[derive(Debug)]
pub enum Outcome {
    /// It is new in the table.
    Inserted,
    /// It changed the row of its key.
    Updated,
    /// The row of its key is as it was.
    Unchanged,
    /// Another of these rows, which comes later, has its key.
    Duplicate,
    /// It deleted the row of its key.
    Deleted,
    /// The server refuses it.
    Refused(DeadLetter),
}

/// How rows of one plan are written over one connection.
pub struct Singles {
    loading: Loading,
}

impl Singles {
    /// Reads what the statements depend on. `stays`: a row whose key is in the table changes nothing,
    /// though the mode would have it replace what is there. `id` is another one for each plan of a
    /// connection.
    ///
    /// # Errors
    /// `Configuration` where there is no such table.
    pub async fn prepare(link: &Link, id: i64, plan: &LoadPlan, stays: bool) -> Result<Singles> {
        let mut plan = plan.clone();
        plan.all_or_nothing = false;
        if stays {
            plan.mode = WriteMode::Upsert;
            plan.rules.update = Some(Vec::new());
        }
        let mut loading = load::prepare(&link.client, id, &plan).await?;
        if stays {
            // Of these rows the last one of a key is the one to be written, as in the mode itself.
            loading.rules = Rules {
                picks: Picks::Last,
                ..loading.rules
            };
        }
        Ok(Singles { loading })
    }

    /// Writes rows, of which each [`Rows`] holds one, in their order; what became of each. Inside an
    /// open transaction of the link, which has to be rolled back where this fails.
    ///
    /// # Errors
    /// What is wrong beside the rows.
    pub async fn write(&self, link: &Link, rows: Vec<Rows>) -> Result<Vec<Outcome>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let batch = batch(rows);
        let moves = batch.shares.iter().map(|share| Move {
            file: share.file,
            epoch: share.epoch,
            from: share.from,
            to: share.to,
        });
        let claims = Claims::new(moves)?;
        let deletes = batch
            .shares
            .iter()
            .any(|share| share.rows.iter().any(|rows| !rows.deletes.is_empty()));
        let rules = match deletes {
            true => self.loading.rules.in_turn(),
            false => self.loading.rules.careful(),
        };
        let selection = Selection::new(&batch, &claims, rules);
        if !load::check_types(&link.client, &self.loading).await? {
            let message = format!("table {} has just been changed", self.loading.plan.table);
            return Err(Error::new(ErrorKind::Transient, message));
        }
        load::ensure_staging(link, &self.loading).await?;
        let rooms = vec![None; batch.shares.len()];
        let sifted = careful::sift_refused(&link.client, &self.loading, &selection, &rooms).await?;
        let mut outcomes: Vec<Outcome> = sifted.counts.iter().map(outcome).collect();
        for (row, letter) in sifted.refused {
            outcomes[row] = Outcome::Refused(letter);
        }
        follow(&mut outcomes, &selection);
        Ok(outcomes)
    }
}

/// Each row is a share of its own, and so has its own counts.
fn batch(rows: Vec<Rows>) -> Batch {
    let share = |(number, rows): (usize, Rows)| Share {
        file: FileId(number as i64),
        epoch: Epoch(0),
        from: Position::START,
        to: Position {
            record: rows.index.last().map_or(0, |row| row.record),
            ..Position::START
        },
        rows: vec![Arc::new(rows)],
        room: None,
    };
    Batch {
        partition: 0,
        plan: Arc::new(Plan {
            id: 0,
            partitions: 1,
            definition: String::new(),
            all_or_nothing: false,
        }),
        shares: rows.into_iter().enumerate().map(share).collect(),
    }
}

fn outcome(counts: &Counts) -> Outcome {
    match counts {
        Counts { inserted: 1, .. } => Outcome::Inserted,
        Counts { updated: 1, .. } => Outcome::Updated,
        Counts { deleted: 1, .. } => Outcome::Deleted,
        Counts { duplicate: 1, .. } => Outcome::Duplicate,
        _ => Outcome::Unchanged,
    }
}

/// What was superseded by a row that changed nothing, changed nothing itself.
fn follow(outcomes: &mut [Outcome], selection: &Selection<'_>) {
    for row in 0..outcomes.len() {
        if !matches!(outcomes[row], Outcome::Unchanged) {
            continue;
        }
        let mut next = selection.instead_of(row as u32);
        while let Some(superseded) = next {
            if let Outcome::Duplicate = outcomes[superseded as usize] {
                outcomes[superseded as usize] = Outcome::Unchanged;
            }
            next = selection.instead_of(superseded);
        }
    }
}
