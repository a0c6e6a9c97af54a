//! Letters that nobody will load.

use ingestd_actors::error::Result;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::filter::{CONDITION, LetterFilter};
use crate::postgres::classify;

/// Marks the letters that are meant, of those that are NEW, as DISCARDED; how many they were.
///
/// # Errors
/// What the server says.
pub async fn discard(
    client: &Client,
    filter: &LetterFilter,
    by: &str,
    because: &str,
) -> Result<u64> {
    // Locked in the order in which replays lock them.
    let sql = format!(
        "with meant as materialized (
             select d.file_id, d.record from ingestd.dead_letters d
             where {CONDITION} and d.status = 'NEW' order by d.file_id, d.record for update)
         update ingestd.dead_letters d
         set status = 'DISCARDED', resolved_at = clock_timestamp(), resolved_by = $9,
             resolution = $10
         from meant m where d.file_id = m.file_id and d.record = m.record and d.status = 'NEW'"
    );
    let mut parameters = filter.parameters();
    parameters.extend([
        (
            &by as &(dyn tokio_postgres::types::ToSql + Sync),
            Type::TEXT,
        ),
        (&because, Type::TEXT),
    ]);
    let discarded = client.execute_typed(&sql, &parameters).await;
    discarded.map_err(|error| classify(error, "discarding dead letters"))
}
