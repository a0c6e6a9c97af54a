//! Rows are written and taken back: what the table's constraints, triggers and policies make of them.

use std::sync::Arc;
use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{
    Batch, Counts, DeadLetter, Epoch, FileId, Plan, Position, Rows, Share,
};

use super::careful;
use super::load;
use super::selection::Selection;
use crate::plan::LoadPlan;
use crate::postgres::Database;
use crate::postgres::claims::Claims;
use crate::postgres::fence::Move;
use crate::postgres::link::Link;

/// How long a dry run waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// What would have become of rows.
pub struct DryRun {
    /// By what they would have done.
    pub counts: Counts,
    /// The rows that the server refuses.
    pub refused: Vec<DeadLetter>,
}

/// Writes rows of one file, in record order, in a transaction that is rolled back whatever happens.
/// Other writers of the same keys wait for that long; sequences that defaults draw from go on.
///
/// # Errors
/// As a batch; nothing of it stays in any case.
pub async fn dry_run(database: &Database, plan: &LoadPlan, rows: Vec<Arc<Rows>>) -> Result<DryRun> {
    let link = Link::unrecorded(database, LOCK_TIMEOUT).await?;
    let loading = load::prepare(&link.client, 0, plan).await?;
    let last = rows
        .iter()
        .filter_map(|rows| Some(rows.index.last()?.record));
    let to = Position {
        record: last.max().unwrap_or(0),
        ..Position::START
    };
    let (file, epoch, from) = (FileId(0), Epoch(0), Position::START);
    let definition = serde_json::to_string(plan).map_err(|error| {
        Error::new(ErrorKind::Bug, "a plan can't be written as JSON").with_source(error)
    })?;
    let batch = Batch {
        partition: 0,
        plan: Arc::new(Plan {
            id: 0,
            partitions: plan.partitions,
            definition,
            all_or_nothing: false,
        }),
        shares: vec![Share {
            file,
            epoch,
            from,
            to,
            rows,
            room: None,
        }],
    };
    let claims = Claims::new([Move {
        file,
        epoch,
        from,
        to,
    }])?;
    let selection = Selection::new(&batch, &claims, loading.rules);
    link.begin().await?;
    load::check_types(&link.client, &loading).await?;
    load::ensure_staging(&link, &loading).await?;
    let sifted = careful::sift(&link.client, &loading, &selection, &[None]).await?;
    // Without it, dropping the connection would do as well.
    link.rollback().await?;
    let mut counts = sifted.counts.first().copied().unwrap_or_default();
    counts.rejected = 0;
    Ok(DryRun {
        counts,
        refused: sifted
            .refused
            .into_iter()
            .map(|(_, letter)| letter)
            .collect(),
    })
}
