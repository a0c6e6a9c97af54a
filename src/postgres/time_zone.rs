//! The server's time zones.

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::port::PortFuture;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::error::classify_ledger;
use super::{Database, Resolver};

/// Begins a transaction in which times without a zone are those of `zone`. It changes nothing, and
/// is rolled back where it is dropped.
///
/// # Errors
/// `Configuration` where the server does not know the zone.
pub async fn begin_in<'a>(
    database: &Database,
    client: &'a mut Client,
    zone: &str,
) -> Result<Transaction<'a>> {
    let failed = |error| unknown_or_failed(zone, error);
    let transaction = database.begin(client).await?;
    transaction
        .query_typed(
            "select set_config('timezone', $1, true)",
            &[(&zone, Type::TEXT)],
        )
        .await
        .map_err(failed)?;
    transaction
        .batch_execute("savepoint unasked")
        .await
        .map_err(failed)?;
    Ok(transaction)
}

/// Goes on in such a transaction after a statement that failed.
///
/// # Errors
/// Where the connection is lost.
pub async fn go_on(client: &Client) -> Result<()> {
    let failed = |error| classify_ledger(error, "going on after a value that is none");
    client
        .batch_execute("rollback to savepoint unasked")
        .await
        .map_err(failed)
}

impl Resolver {
    /// The times (in seconds since 1970, in order) at which a zone of the server has other offsets
    /// than these (in seconds, east of Greenwich).
    ///
    /// # Errors
    /// `Configuration` where the server does not know the zone.
    pub fn differing_offsets(
        &self,
        zone: &str,
        times: Vec<i64>,
        offsets: Vec<i32>,
    ) -> PortFuture<Vec<i64>> {
        let (database, zone) = (self.database.clone(), zone.to_owned());
        self.database.run(async move {
            let client = database.client().await?;
            let row = client
                .query_typed_one(
                    "select array(
                         select epoch from unnest($2::bigint[], $3::int[]) o (epoch, seconds),
                              lateral to_timestamp(epoch) t
                         where extract(epoch from (t at time zone $1) - (t at time zone 'UTC'))
                               <> seconds
                         order by epoch)",
                    &[
                        (&zone, Type::TEXT),
                        (&times, Type::INT8_ARRAY),
                        (&offsets, Type::INT4_ARRAY),
                    ],
                )
                .await
                .map_err(|error| unknown_or_failed(&zone, error))?;
            Ok(row.get(0))
        })
    }
}

fn unknown_or_failed(zone: &str, error: tokio_postgres::Error) -> Error {
    if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) {
        return Error::new(
            ErrorKind::Configuration,
            format!("the server does not know the time zone {zone:?}"),
        )
        .with_advice("name another one, or install all time zones beside the server (on Debian, tzdata-legacy has the old names)")
        .with_source(error);
    }
    classify_ledger(error, &format!("reading times in the time zone {zone}"))
}
