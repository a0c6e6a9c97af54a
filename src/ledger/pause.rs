//! Whether a pipeline is paused: in the ledger, so that it survives a restart.

use ingestd_actors::error::Result;
use tokio_postgres::types::Type;

use super::Core;
use super::error::ledger_error;

impl Core {
    /// Whether it is.
    pub(super) async fn is_paused(&self) -> Result<bool> {
        let client = self.database.client().await?;
        let found = client
            .query_typed_opt(
                "select paused from ingestd.pipelines where name = $1",
                &[(&self.pipeline, Type::TEXT)],
            )
            .await
            .map_err(|error| ledger_error(error, "asking whether the pipeline is paused"))?;
        Ok(found.is_some_and(|row| row.get(0)))
    }

    /// Remembers that it is, or is not.
    pub(super) async fn set_paused(&self, paused: bool) -> Result<()> {
        let client = self.database.client().await?;
        client
            .execute_typed(
                "insert into ingestd.pipelines (name, paused, paused_at) values ($1, $2, now())
                 on conflict (name) do update set paused = $2, paused_at = now()",
                &[(&self.pipeline, Type::TEXT), (&paused, Type::BOOL)],
            )
            .await
            .map_err(|error| ledger_error(error, "remembering the pause"))?;
        Ok(())
    }
}
