//! Replays that were asked for and that no service can take up: they are over once nothing is left of them,
//! since somebody else has dealt with their letters.

use ingestd_actors::error::Result;
use tokio_postgres::types::{ToSql, Type};

use super::filter::{CONDITION, LetterFilter};
use crate::postgres::{Database, classify};

/// What is said of one that has ended so.
const OVER: &str = "nothing is left to be done: no dead letter that it means is NEW, but for those that somebody else has replayed since, which stay so";

/// Ends those that wait for a service which nobody runs, of one pipeline or of all, where each letter that
/// they mean is settled, or was tried since by another replay that was to overwrite what they are to.
///
/// # Errors
/// What the server says.
pub async fn end_left_over(database: &Database, pipeline: Option<&str>) -> Result<()> {
    let client = database.client().await?;
    let failed = |error| classify(error, "looking for replays that have nothing left to do");
    let waiting = client
        .query_typed(
            "select replay_id, pipeline, filter::text from ingestd.replays
             where requested and state = 'WAITING' and ($1::text is null or pipeline = $1)
               and ingestd.why_no_replay(pipeline) is not null
             order by replay_id",
            &[(&pipeline, Type::TEXT)],
        )
        .await
        .map_err(failed)?;
    let sql = format!(
        "update ingestd.replays r
         set state = 'DONE', ended_at = clock_timestamp(), problem = $10
         where r.replay_id = $9 and r.state = 'WAITING' and not exists (
             select from ingestd.dead_letters d
             where {CONDITION} and d.status = 'NEW'
               and (d.tried_at is null or d.tried_at < r.asked_at
                    or r.overwrite and not exists (
                        select from ingestd.replays o
                        where o.replay_id = d.replay_id and o.overwrite)))"
    );
    for row in waiting {
        let replay: i64 = row.get(0);
        // Whoever takes it up one day says what is wrong with one that can't be read.
        let Ok(filter) = serde_json::from_str::<LetterFilter>(row.get(2)) else {
            continue;
        };
        let filter = filter.narrowed(row.get(1), "NEW");
        let mut parameters = filter.parameters();
        parameters.extend([
            (&replay as &(dyn ToSql + Sync), Type::INT8),
            (&OVER, Type::TEXT),
        ]);
        client
            .execute_typed(&sql, &parameters)
            .await
            .map_err(failed)?;
    }
    Ok(())
}
