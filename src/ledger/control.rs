//! Commands: kept in the ledger, heard of by a notification or, behind a pooler, only by looking every
//! second.
//!
//! One connection listens, asks, and says what was done. It has no lease and holds no lock between
//! two exchanges, and whatever happens to it, the next exchange makes another one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{Order, Report, Wanted};
use ingestd_actors::port::{Control, PortFuture};
use tokio::sync::{Mutex, Notify};
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use super::error::ledger_error;
use crate::metrics::{Metrics, Waiting};
use crate::postgres::Database;

/// How long an exchange waits for the pipelines' rows: less than the control waits for the exchange.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '10s'";

/// How long a command that nobody has notified of may stay unseen.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a service says that it is there; [`ingestd.live_services`] believes it for longer.
const SEEN_EVERY: Duration = Duration::from_secs(5);
/// The channel of the notifications.
const CHANNEL: &str = "ingestd";

/// The [`Control`] of one service.
#[derive(Clone)]
pub struct PostgresControl {
    core: Arc<Core>,
}

struct Core {
    database: Database,
    metrics: Option<Metrics>,
    service: String,
    host: String,
    process: i32,
    hint: Arc<Notify>,
    line: Mutex<Option<Line>>,
}

/// The connection, and what was told over it.
struct Line {
    client: tokio_postgres::Client,
    pipelines: BTreeSet<String>,
    told: BTreeMap<String, Told>,
    seen: Instant,
}

/// What the ledger knows of what was done: by which command, and up to which look.
type Told = (Option<(i64, Wanted)>, i64);

impl PostgresControl {
    /// The control of a service that begins now; nothing is asked of the database yet. Where there are
    /// metrics, it tells others what waits by them.
    pub fn new(database: Database, metrics: Option<Metrics>) -> PostgresControl {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        PostgresControl {
            core: Arc::new(Core {
                database,
                metrics,
                service: Uuid::new_v4().to_string(),
                host: host.trim().to_owned(),
                process: i32::try_from(std::process::id()).unwrap_or(0),
                hint: Arc::default(),
                line: Mutex::new(None),
            }),
        }
    }

    /// The end of the service: nobody waits for what it would have done.
    ///
    /// # Errors
    /// Where the server can't be told; it notices by itself then.
    pub fn leave(&self) -> PortFuture<()> {
        let core = Arc::clone(&self.core);
        self.core.database.run(async move {
            let Some(line) = core.line.lock().await.take() else {
                return Ok(());
            };
            line.client
                .execute_typed(
                    "with waited as (delete from ingestd.found where service = $1::uuid)
                     delete from ingestd.services where service = $1::uuid",
                    &[(&core.service, Type::TEXT)],
                )
                .await
                .map_err(|error| ledger_error(error, "leaving the list of services"))?;
            Ok(())
        })
    }
}

impl Control for PostgresControl {
    fn changed(&self) -> PortFuture<()> {
        let hint = Arc::clone(&self.core.hint);
        Box::pin(async move {
            // Without a hint it is looked anyway.
            let _ = tokio::time::timeout(LOOK_EVERY, hint.notified()).await;
            Ok(())
        })
    }

    fn exchange(&self, reports: Vec<Report>) -> PortFuture<Vec<Order>> {
        let core = Arc::clone(&self.core);
        self.core
            .database
            .run(async move { core.exchange(&reports).await })
    }
}

impl Core {
    /// Over the connection that there is, or a new one; one that fails is not used again.
    async fn exchange(&self, reports: &[Report]) -> Result<Vec<Order>> {
        let mut kept = self.line.lock().await;
        let mut line = match kept.take().filter(|line| !line.client.is_closed()) {
            Some(line) => line,
            None => self.connect().await?,
        };
        let mut orders = self.exchange_over(&mut line, reports).await?;
        if orders.is_none() {
            line = self.connect().await?;
            orders = self.exchange_over(&mut line, reports).await?;
        }
        *kept = Some(line);
        orders.ok_or_else(|| {
            let message = "another service takes this one for dead";
            Error::new(ErrorKind::Transient, message)
        })
    }

    async fn connect(&self) -> Result<Line> {
        let failed = |error| ledger_error(error, "listening for commands");
        // A session that is anybody's hears of nothing, and is no sign that this service lives: then
        // it is looked every second, and only what was said last counts.
        let pooled = self.database.is_pooled();
        let client = match pooled {
            true => self.database.dedicated().await?,
            false => self.listen().await?,
        };
        client
            .execute_typed(
                "delete from ingestd.services s
                 where s.service <> $1::uuid
                   and not exists (select from ingestd.live_services l where l.service = s.service)",
                &[(&self.service, Type::TEXT)],
            )
            .await
            .map_err(failed)?;
        client
            .execute_typed(
                "delete from ingestd.found f
                 where not exists (select from ingestd.services s where s.service = f.service)",
                &[],
            )
            .await
            .map_err(failed)?;
        client
            .execute_typed(
                "insert into ingestd.services (service, host, process, backend, backend_start)
                 select $1::uuid, $2, $3, case when not $4 then pg_backend_pid() end,
                        (select backend_start from pg_stat_activity
                         where pid = pg_backend_pid() and not $4)
                 on conflict (service) do update
                 set backend = excluded.backend, backend_start = excluded.backend_start,
                     seen_at = clock_timestamp()",
                &[
                    (&self.service, Type::TEXT),
                    (&self.host, Type::TEXT),
                    (&self.process, Type::INT4),
                    (&pooled, Type::BOOL),
                ],
            )
            .await
            .map_err(failed)?;
        Ok(Line {
            client,
            pipelines: BTreeSet::new(),
            told: BTreeMap::new(),
            seen: Instant::now(),
        })
    }

    async fn listen(&self) -> Result<tokio_postgres::Client> {
        let client = self.database.listening(Arc::clone(&self.hint)).await?;
        client
            .batch_execute(&format!("listen {CHANNEL}"))
            .await
            .map_err(|error| ledger_error(error, "listening for commands"))?;
        Ok(client)
    }

    /// Nothing where another service has struck this one from the list, since it had not been heard of
    /// for so long: all is to be told anew.
    async fn exchange_over(
        &self,
        line: &mut Line,
        reports: &[Report],
    ) -> Result<Option<Vec<Order>>> {
        let pipelines: BTreeSet<String> = reports.iter().map(|it| it.pipeline.clone()).collect();
        let news: BTreeMap<String, Told> = reports
            .iter()
            .map(|report| (report.pipeline.clone(), (report.done, report.rescanned)))
            .filter(|(name, told)| line.told.get(name) != Some(told))
            .collect();
        let is_seen = line.seen.elapsed() < SEEN_EVERY;
        let commands = reports.iter().any(|report| !report.commanded.is_empty());
        if commands || !news.is_empty() || pipelines != line.pipelines || !is_seen {
            let failed = |error| ledger_error(error, "telling what was done");
            let transaction = self.database.begin(&mut line.client).await?;
            // Given up by us alone, it would go on waiting on the server, and the next one behind it.
            transaction
                .batch_execute(LOCK_TIMEOUT)
                .await
                .map_err(failed)?;
            let listed = self.enlist(&transaction, &line.pipelines, &pipelines);
            if !listed.await? {
                return Ok(None);
            }
            self.command(&transaction, reports).await?;
            self.tell(&transaction, &news).await?;
            self.tell_what_waits(&transaction, &pipelines).await?;
            pass(Step::ControlCommit).await?;
            transaction.commit().await.map_err(failed)?;
            line.seen = Instant::now();
            line.pipelines = pipelines.clone();
            line.told.retain(|name, _| pipelines.contains(name));
            line.told.extend(news);
        }
        let names: Vec<&str> = pipelines.iter().map(String::as_str).collect();
        let rows = line
            .client
            .query_typed(
                "select name, wanted, command, rescan, wanted_by
                 from ingestd.pipelines where name = any($1)",
                &[(&names, Type::TEXT_ARRAY)],
            )
            .await
            .map_err(|error| ledger_error(error, "reading what is wanted"))?;
        rows.iter().map(order).collect::<Result<_>>().map(Some)
    }

    /// Makes new pipelines known, and strikes those that this service has no more; whether the service
    /// is known itself.
    async fn enlist(
        &self,
        transaction: &Transaction<'_>,
        before: &BTreeSet<String>,
        now: &BTreeSet<String>,
    ) -> Result<bool> {
        let failed = |error| ledger_error(error, "making pipelines known");
        let seen = transaction
            .execute_typed(
                "update ingestd.services set seen_at = clock_timestamp() where service = $1::uuid",
                &[(&self.service, Type::TEXT)],
            )
            .await
            .map_err(failed)?;
        if seen == 0 || before == now {
            return Ok(seen > 0);
        }
        let names: Vec<&str> = now.iter().map(String::as_str).collect();
        transaction
            .execute_typed(
                "insert into ingestd.pipelines (name) select unnest($1::text[]) order by 1
                 on conflict do nothing",
                &[(&names, Type::TEXT_ARRAY)],
            )
            .await
            .map_err(failed)?;
        transaction
            .execute_typed(
                "delete from ingestd.service_pipelines
                 where service = $1::uuid and pipeline <> all($2)",
                &[(&self.service, Type::TEXT), (&names, Type::TEXT_ARRAY)],
            )
            .await
            .map_err(failed)?;
        Ok(true)
    }

    /// What was commanded by signals, in order.
    async fn command(&self, transaction: &Transaction<'_>, reports: &[Report]) -> Result<()> {
        let who = format!("a signal to process {} on {}", self.process, self.host);
        for report in reports {
            for wanted in &report.commanded {
                transaction
                    .execute_typed(
                        // A pipeline that was reset meanwhile has to be made known again.
                        "with known as (insert into ingestd.pipelines (name) values ($1)
                                        on conflict do nothing)
                         select 1",
                        &[(&report.pipeline, Type::TEXT)],
                    )
                    .await
                    .map_err(|error| ledger_error(error, "remembering a command"))?;
                transaction
                    .execute_typed(
                        "select from ingestd.command_pipelines($1, $2, $3)",
                        &[
                            (&report.pipeline, Type::TEXT),
                            (&wanted.name(), Type::TEXT),
                            (&who, Type::TEXT),
                        ],
                    )
                    .await
                    .map_err(|error| ledger_error(error, "remembering a command"))?;
            }
        }
        Ok(())
    }

    /// What was done.
    async fn tell(
        &self,
        transaction: &Transaction<'_>,
        news: &BTreeMap<String, Told>,
    ) -> Result<()> {
        if news.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = news.keys().map(String::as_str).collect();
        let states: Vec<Option<&str>> = news
            .values()
            .map(|(done, _)| done.map(|(_, state)| state.name()))
            .collect();
        let commands: Vec<Option<i64>> = news
            .values()
            .map(|(done, _)| done.map(|(command, _)| command))
            .collect();
        let looks: Vec<i64> = news.values().map(|(_, looked)| *looked).collect();
        transaction
            .execute_typed(
                // A pipeline that was reset meanwhile has nobody who waits.
                "insert into ingestd.service_pipelines as s (service, pipeline, state, command, rescan)
                 select $1::uuid, p.name, n.state, n.command, n.rescan
                 from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])
                      as n (pipeline, state, command, rescan)
                 join ingestd.pipelines p on p.name = n.pipeline
                 on conflict (service, pipeline) do update
                 set state = coalesce(excluded.state, s.state),
                     command = coalesce(excluded.command, s.command), rescan = excluded.rescan",
                &[
                    (&self.service, Type::TEXT),
                    (&names, Type::TEXT_ARRAY),
                    (&states, Type::TEXT_ARRAY),
                    (&commands, Type::INT8_ARRAY),
                    (&looks, Type::INT8_ARRAY),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "telling what was done"))?;
        Ok(())
    }

    /// What was found and is not finished: the ledger knows nothing of it where a pipeline can't begin.
    async fn tell_what_waits(
        &self,
        transaction: &Transaction<'_>,
        own: &BTreeSet<String>,
    ) -> Result<()> {
        let Some(metrics) = &self.metrics else {
            return Ok(());
        };
        let mut waiting = metrics.waiting();
        waiting.retain(|name, it| it.files > 0 && own.contains(name));
        let names: Vec<&str> = waiting.keys().map(String::as_str).collect();
        let figures = |of: fn(&Waiting) -> u64| -> Vec<i64> {
            let figures = waiting.values().map(of);
            figures
                .map(|it| i64::try_from(it).unwrap_or(i64::MAX))
                .collect()
        };
        let files = figures(|it| it.files as u64);
        let bytes = figures(|it| it.bytes);
        let seconds: Vec<f64> = waiting.values().map(|it| it.seconds).collect();
        transaction
            .execute_typed(
                "with finished as (
                     delete from ingestd.found where service = $1::uuid and pipeline <> all($2))
                 insert into ingestd.found (service, pipeline, files, bytes, since)
                 select $1::uuid, n.pipeline, n.files, n.bytes,
                        clock_timestamp() - n.seconds * interval '1 s'
                 from unnest($2::text[], $3::bigint[], $4::bigint[], $5::float8[])
                      as n (pipeline, files, bytes, seconds)
                 on conflict (service, pipeline) do update
                 set files = excluded.files, bytes = excluded.bytes, since = excluded.since",
                &[
                    (&self.service, Type::TEXT),
                    (&names, Type::TEXT_ARRAY),
                    (&files, Type::INT8_ARRAY),
                    (&bytes, Type::INT8_ARRAY),
                    (&seconds, Type::FLOAT8_ARRAY),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "telling what waits"))?;
        Ok(())
    }
}

fn order(row: &Row) -> Result<Order> {
    let wanted: &str = row.get("wanted");
    Ok(Order {
        pipeline: row.get("name"),
        wanted: Wanted::of_name(wanted).ok_or_else(|| {
            let message = format!("the ledger wants a pipeline to be {wanted:?}");
            Error::new(ErrorKind::Bug, message)
        })?,
        command: row.get("command"),
        rescan: row.get("rescan"),
        by: row.get("wanted_by"),
    })
}
