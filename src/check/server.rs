//! The server: which one it is, and what its settings mean for loading.

use std::time::Instant;

use ingestd_actors::error::Result;
use tokio_postgres::Client;

use super::Finding;
use crate::postgres::{Pooler, classify};
use crate::settings::Settings;

/// The oldest version that is supported.
const OLDEST: i32 = 130_000;

/// Connections beside the writers: each pipeline's lease, dead letters, ledger and questions.
const BESIDE_WRITERS: i64 = 4;

/// Connections of a process that all of its pipelines share: the pool, commands, and a few to spare.
const SHARED: i64 = 40;

/// Those of a pipeline beside its writers: the lease, dead letters, the mover of whole files.
const OF_PIPELINE: i64 = 3;

/// Looks at the server behind a connection.
pub async fn check(client: &Client, settings: &Settings) -> Result<Vec<Finding>> {
    let place = match &settings.service.database {
        Some(database) => format!("database ({})", database.origin),
        None => "database (private server)".to_owned(),
    };
    let started = Instant::now();
    let row = client
        .query_typed_one(
            "select current_setting('server_version'), current_setting('server_version_num')::int,
                    current_database()::text, current_user::text,
                    coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false),
                    inet_client_addr() is null,
                    pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on',
                    current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',
                    current_setting('synchronous_commit') <> 'off',
                    current_setting('server_encoding'),
                    current_setting('max_connections')::bigint
                        - current_setting('superuser_reserved_connections')::bigint,
                    (select count(*) from pg_stat_activity where backend_type = 'client backend')",
            &[],
        )
        .await
        .map_err(|error| classify(error, "asking the server what it is"))?;
    let took = started.elapsed();
    let (version, number): (String, i32) = (row.get(0), row.get(1));
    let flag = |index: usize| row.get::<_, bool>(index);
    let by = match (flag(4), flag(5)) {
        (true, _) => "encrypted",
        (false, true) => "over a Unix socket",
        (false, false) => "not encrypted",
    };
    // What the server sees is the pooler's connection.
    let pooled = is_pooled(settings);
    let (by, which) = match pooled {
        true => (
            format!("behind a pooler whose connection is {by}"),
            "the pooler's connection to the server",
        ),
        false => (by.to_owned(), "the connection"),
    };
    let mut findings = vec![Finding::ok(
        &place,
        format!(
            "PostgreSQL {version}, database {} as role {}, {by}, answers in {:.1} ms",
            row.get::<_, String>(2),
            row.get::<_, String>(3),
            took.as_secs_f64() * 1e3
        ),
    )];
    let mut warn = |bad: bool, what: &str, advice: &str| {
        if bad {
            findings.push(Finding::warning(&place, what, advice));
        }
    };
    warn(
        !flag(4) && !flag(5),
        &format!("{which} is not encrypted"),
        "use a Unix socket, or a network you trust",
    );
    warn(
        !flag(8),
        "fsync is off: a crash of the machine may lose or damage what was committed",
        "turn it on, unless the data can be loaded again",
    );
    warn(
        !flag(9),
        "full_page_writes is off: a crash of the machine may damage the data",
        "turn it on",
    );
    warn(
        !flag(10),
        "synchronous_commit is off: a crash of the server may lose rows that were committed; they are noticed, and read again from the file",
        "leave it so if that is meant",
    );
    let encoding: String = row.get(11);
    warn(
        encoding != "UTF8",
        &format!("the database's encoding is {encoding}: characters that it lacks are refused"),
        "a database in UTF8 takes every character",
    );
    if number < OLDEST {
        let what = format!("PostgreSQL {version} is older than 13, which is the oldest supported");
        findings.push(Finding::error(&place, what, "use a newer server"));
    }
    if flag(6) || flag(7) {
        let what = "the server is read-only: a standby, or default_transaction_read_only is set";
        findings.push(Finding::error(&place, what, "name the primary server"));
    }
    let (room, used): (i64, i64) = (row.get(12), row.get(13));
    findings.push(match pooled {
        true => pooled_connections(settings, &place),
        false => connections(settings, &place, room, used),
    });
    Ok(findings)
}

fn is_pooled(settings: &Settings) -> bool {
    let database = settings.service.database.as_ref();
    database.is_some_and(|it| it.connection.pooler == Pooler::Transaction)
}

/// How many the pooler lets in, only its own administrator can see.
fn pooled_connections(settings: &Settings, place: &str) -> Finding {
    let partitions = settings.pipelines.iter().map(|it| i64::from(it.partitions));
    let wanted: i64 = partitions.map(|count| count + OF_PIPELINE).sum();
    let what = format!(
        "the pooler has to let in {} connections (its max_client_conn)",
        wanted + SHARED
    );
    Finding::ok(place, what)
}

fn connections(settings: &Settings, place: &str, room: i64, used: i64) -> Finding {
    let wanted: i64 = settings
        .pipelines
        .iter()
        .map(|pipeline| i64::from(pipeline.partitions) + BESIDE_WRITERS)
        .sum();
    let what = format!(
        "{wanted} connections are wanted; the server takes {room}, of which {used} are in use"
    );
    match wanted > room - used {
        true => Finding::warning(
            place,
            what,
            "raise max_connections, or lower the number of partitions",
        ),
        false => Finding::ok(place, what),
    }
}
