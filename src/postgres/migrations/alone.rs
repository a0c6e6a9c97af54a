//! Keeping others out of the ledger while its tables are changed.
//!
//! Services of the version before go on loading meanwhile, and their transactions lock the tables in orders
//! of their own. Whoever waits for one table while it holds another may be in a circle with one of them, which
//! the server then ends. So the table that batches lock first, and for as long as they last, is waited for while
//! nothing else is held; for the others there is no waiting: where one of them is in use, all is let go, and
//! asked for anew.

use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep};
use tokio_postgres::Transaction;

use crate::postgres::error::classify_ledger;

/// How long others are waited for altogether.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// The first wait for the running batches; the next ones are longer, since those may be.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest one: all batches stand still meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// How long others go on between two attempts.
const REST: Duration = Duration::from_millis(100);
/// The same where it was a moment only that was missing: the next one may be right.
const SHORT_REST: Duration = Duration::from_millis(10);

/// Who is told, in words.
pub type Tell = dyn Fn(&str) + Send + Sync;

const OTHERS: &str = "ingestd.pipelines, ingestd.files, ingestd.dead_letters";

/// Locks the tables of the loading until the transaction ends.
///
/// # Errors
/// `Transient` where others have them for all that time, with who they are.
pub async fn keep_others_out(
    transaction: &mut Transaction<'_>,
    patience: Duration,
    tell: &Tell,
) -> Result<()> {
    let failed = |error| classify_ledger(error, "migrating the ledger");
    let until = Instant::now() + patience;
    let mut wait = FIRST_WAIT;
    let mut told = false;
    loop {
        let begun = Instant::now();
        let left = until.saturating_duration_since(begun);
        let attempt = transaction.savepoint("alone").await.map_err(failed)?;
        let lock = format!(
            "set local lock_timeout = {};
             lock table ingestd.checkpoints in access exclusive mode;
             lock table {OTHERS} in access exclusive mode nowait;
             set local lock_timeout = '10s'",
            wait.min(left).as_millis().max(1),
        );
        let Err(error) = attempt.batch_execute(&lock).await else {
            return attempt.commit().await.map_err(failed);
        };
        let error = failed(error);
        if error.code() != Some("55P03") {
            return Err(error);
        }
        let in_use_for_long = begun.elapsed() >= wait;
        // With it all of the locks are let go.
        attempt.rollback().await.map_err(failed)?;
        let who = who_is_in_the_way(transaction).await?;
        if Instant::now() >= until {
            return Err(Error::new(
                ErrorKind::Transient,
                format!(
                    "the ledger is of an older version, and could not be changed within {} s: {who}",
                    patience.as_secs()
                ),
            )
            .with_advice(
                "stop the services of the older version, or end what holds its tables, and start again; nothing was changed",
            ));
        }
        if !told {
            told = true;
            tell(&format!(
                "the ledger is of an older version and is to be changed; waiting for up to {} s: {who}",
                patience.as_secs()
            ));
        }
        if in_use_for_long {
            sleep(REST).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        } else {
            sleep(SHORT_REST).await;
        }
    }
}

/// Whoever has been in a transaction on these tables for the longest time.
async fn who_is_in_the_way(transaction: &Transaction<'_>) -> Result<String> {
    let row = transaction
        .query_typed_opt(
            "select a.pid, coalesce(nullif(a.application_name, ''), 'no name'),
                    coalesce(a.usename::text, ''), a.state,
                    extract(epoch from clock_timestamp() - a.xact_start)::bigint
             from pg_locks l join pg_stat_activity a on a.pid = l.pid
             join pg_class c on c.oid = l.relation
             where c.relnamespace = 'ingestd'::regnamespace and l.granted and a.pid <> pg_backend_pid()
               and l.database = (select oid from pg_database where datname = current_database())
             order by a.xact_start limit 1",
            &[],
        )
        .await
        .map_err(|error| classify_ledger(error, "looking for who uses the ledger"))?;
    let Some(row) = row else {
        return Ok("others load into it all the time".to_owned());
    };
    let (pid, name, user): (i32, String, String) = (row.get(0), row.get(1), row.get(2));
    // Of another role's backend these are not to be seen.
    let state: Option<String> = row.get(3);
    let age: Option<i64> = row.get(4);
    let state = state.unwrap_or_else(|| "busy".to_owned());
    Ok(format!(
        "backend {pid} (application {name}, user {user}, {state}) has used its tables for {} s",
        age.unwrap_or(0)
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::postgres::tests::fixture;

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_holds_a_table_for_too_long_is_named_and_all_locks_are_let_go() {
        let place = fixture::new_database().await;
        let mut client = fixture::connect(&place.url).await;
        super::super::migrate(&mut client).await.expect("a ledger");
        let mut other = fixture::connect(&place.url).await;
        let held = other.transaction().await.expect("a transaction");
        let lock = "set application_name = 'an old service';
                    lock table ingestd.checkpoints in row exclusive mode";
        held.batch_execute(lock).await.expect("locked");
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let tell = move |words: &str| heard.lock().expect("no panic").push(words.to_owned());
        let mut transaction = client.transaction().await.expect("a transaction");
        let patience = Duration::from_millis(500);
        let error = keep_others_out(&mut transaction, patience, &tell).await;
        let error = error.expect_err("it is held");
        assert_eq!(error.kind(), ErrorKind::Transient);
        for said in [error.message(), &told.lock().expect("no panic")[0]] {
            assert!(said.contains("application an old service"), "{said}");
            assert!(said.contains("idle in transaction"), "{said}");
        }
        assert_eq!(told.lock().expect("no panic").len(), 1, "once");
        // It has let go of what it had, and could go on.
        let write = "insert into ingestd.pipelines (name) values ('x')";
        held.batch_execute(write)
            .await
            .expect("nobody is in the way");
        held.commit().await.expect("committed");
        let done = keep_others_out(&mut transaction, patience, &|_| ()).await;
        done.expect("nobody is in the way");
    }
}
