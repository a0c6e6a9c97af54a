//! Somebody else's locks.

use ingestd_actors::error::Result;
use postgres::Client;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::super::wave::Flow;
use super::{Field, PATIENCE, hold};

/// Locks a table, its rows, or rows of the ledger for a while.
pub fn lock(field: &mut Field<'_>, random: &mut ChaCha8Rng) -> Result<()> {
    let table = Flow::ALL[random.random_range(0..Flow::ALL.len())].name();
    let base = field.base;
    let statement = match random.random_range(0..6) {
        0 => format!("lock table {table} in access exclusive mode"),
        1 => format!("lock table {table} in share mode"),
        2 => format!("select count(*) from (select from {table} for update) locked"),
        3 => "select count(*) from (select from ingestd.checkpoints for update) locked".to_owned(),
        4 => "select count(*) from (select from ingestd.pipelines for update) locked".to_owned(),
        _ => format!(
            "select count(*) from (select from ingestd.files where file_id > {base} for update) locked"
        ),
    };
    let client = field.watcher.client_within(PATIENCE)?;
    // Where two wait for each other, the server may end this transaction instead of the service's: then
    // there was a lock all the same.
    let _ = held(client, &statement, random);
    Ok(())
}

fn held(
    client: &mut Client,
    statement: &str,
    random: &mut ChaCha8Rng,
) -> std::result::Result<(), postgres::Error> {
    let mut transaction = client.transaction()?;
    transaction.batch_execute("set local lock_timeout = '2s'")?;
    transaction.batch_execute(statement)?;
    hold(random, 100..=800);
    transaction.rollback()
}
