//! The alerts in the ledger: which fire, which have ended, what is still to be told.

use std::time::SystemTime;

use ingestd_actors::error::Result;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::look::Me;
use super::notice::{self, Alert};
use crate::postgres::{classify, trim_notes};
use crate::view::time;

/// The alerts that fire now, the oldest first, for any client; [`alert`] reads its rows.
pub fn firing_query() -> String {
    format!(
        "select {} from ingestd.alerts a where a.resolved_at is null order by a.fired_at, a.alert_id",
        columns()
    )
}

/// Those that have ended too, the newest first; `$1` is how many at most.
pub fn all_query() -> String {
    format!(
        "select {} from ingestd.alerts a
         order by a.resolved_at desc nulls first, a.fired_at desc, a.alert_id limit $1",
        columns()
    )
}

/// What [`alert`] reads of a row `a` of `ingestd.alerts`.
fn columns() -> String {
    let times = ["since", "fired_at", "resolved_at", "notified_at"];
    let times = times.map(|name| format!("{} as {name}", time(&format!("a.{name}"))));
    format!(
        "a.alert_id::text as id, a.alert, a.rule, nullif(a.pipeline, '') as pipeline,
         nullif(a.host, '') as host, nullif(a.subject, '') as subject, a.value, a.threshold, a.unit,
         a.text, a.look_at, {}",
        times.join(", ")
    )
}

/// A row of [`firing_query`] or of [`all_query`].
pub fn alert(row: &Row) -> Alert {
    Alert {
        id: row.get("id"),
        alert: row.get("alert"),
        rule: row.get("rule"),
        pipeline: row.get("pipeline"),
        host: row.get("host"),
        subject: row.get("subject"),
        since: row.get("since"),
        fired_at: row.get("fired_at"),
        resolved_at: row.get("resolved_at"),
        notified_at: row.get("notified_at"),
        value: row.get("value"),
        threshold: row.get("threshold"),
        unit: row.get("unit"),
        text: row.get("text"),
        look_at: row.get("look_at"),
    }
}

/// The alerts that fire now, the oldest first: for whoever shows them.
///
/// # Errors
/// What the server says.
pub async fn firing(client: &impl GenericClient) -> Result<Vec<Alert>> {
    let rows = client.query_typed(&firing_query(), &[]).await;
    let rows = rows.map_err(|error| classify(error, "reading the alerts"))?;
    Ok(rows.iter().map(alert).collect())
}

/// An alert as a service finds it in the ledger.
pub(super) struct Kept {
    pub alert: Alert,
    /// Whether the last change was told.
    pub is_told: bool,
    /// How long ago that was, in seconds.
    pub told_ago: f64,
    /// Whether whoever has seen it first is this service, in any of its lives.
    pub is_of_here: bool,
    /// Whether whoever has seen it lives, and is another one.
    pub is_of_another: bool,
}

/// Those that fire; and with `ended`, those of this service that have ended, which was not told.
pub(super) async fn kept(client: &impl GenericClient, me: &Me, ended: bool) -> Result<Vec<Kept>> {
    let sql = format!(
        "select {}, a.notified_at is not null as told,
                coalesce(extract(epoch from clock_timestamp() - a.notified_at), 0)::float8 as told_ago,
                a.origin = $3 as of_here,
                not (a.by_host = $1 and a.by_process = $2)
                    and exists (select from ingestd.live_services s
                                where s.host = a.by_host and s.process = a.by_process) as of_another
         from ingestd.alerts a
         where a.resolved_at is null
            or $4 and a.notified_at is null and a.origin = $3
               and a.resolved_at > clock_timestamp() - interval '1 day'
         order by a.fired_at",
        columns()
    );
    let rows = client
        .query_typed(
            &sql,
            &[
                (&me.host, Type::TEXT),
                (&me.process, Type::INT4),
                (&me.origin, Type::TEXT),
                (&ended, Type::BOOL),
            ],
        )
        .await
        .map_err(|error| classify(error, "reading the alerts"))?;
    Ok(rows
        .iter()
        .map(|row| Kept {
            alert: alert(row),
            is_told: row.get("told"),
            told_ago: row.get("told_ago"),
            is_of_here: row.get("of_here"),
            is_of_another: row.get("of_another"),
        })
        .collect())
}

/// SQL: what notes that the alerts of `changed` have fired, among the events.
const NOTE_FIRED: &str = "insert into ingestd.event_log (at, kind, pipeline, subject, message)
     select {at}, 'alert.fired', nullif(pipeline, ''), alert,
            case when resolved_at is null then text end
     from changed";
/// The same of those that have ended.
const NOTE_RESOLVED: &str = "insert into ingestd.event_log (at, kind, pipeline, subject, message)
     select {at}, 'alert.resolved', nullif(pipeline, ''), alert, text
     from changed where resolved_at is not null";

/// SQL: a time of this service's clock by that of the server, which events have. `$1` is what this
/// service's clock says now.
fn by_the_server(time: &str) -> String {
    format!("clock_timestamp() - greatest($1::timestamptz - {time}, interval '0')")
}

/// Writes an alert down, fired or ended, and notes that among the events; whether it is this one that
/// fires, and no other service has seen the same before.
pub(super) async fn write(client: &impl GenericClient, alert: &Alert, me: &Me) -> Result<bool> {
    let sql = format!(
        "with changed as (
             insert into ingestd.alerts as a
                 (alert_id, alert, rule, pipeline, host, subject, since, fired_at, resolved_at, value,
                  threshold, unit, text, look_at, by_host, by_process, origin)
             values ($2::uuid, $3, $4, coalesce($5, ''), coalesce($6, ''), coalesce($7, ''),
                     $8::timestamptz, $9::timestamptz, $10::timestamptz, $11, $12, $13, $14, $15,
                     $16, $17, $18)
             on conflict do nothing
             returning a.*),
         fired as ({}),
         resolved as ({})
         select count(*) from changed",
        NOTE_FIRED.replace("{at}", &by_the_server("fired_at")),
        NOTE_RESOLVED.replace("{at}", &by_the_server("resolved_at")),
    );
    let written = client
        .query_typed(
            &sql,
            &[
                (&time_now(), Type::TEXT),
                (&alert.id, Type::TEXT),
                (&alert.alert, Type::TEXT),
                (&alert.rule, Type::TEXT),
                (&alert.pipeline, Type::TEXT),
                (&alert.host, Type::TEXT),
                (&alert.subject, Type::TEXT),
                (&alert.since, Type::TEXT),
                (&alert.fired_at, Type::TEXT),
                (&alert.resolved_at, Type::TEXT),
                (&alert.value, Type::FLOAT8),
                (&alert.threshold, Type::FLOAT8),
                (&alert.unit, Type::TEXT),
                (&alert.text, Type::TEXT),
                (&alert.look_at, Type::TEXT),
                (&me.host, Type::TEXT),
                (&me.process, Type::INT4),
                (&me.origin, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| classify(error, "writing an alert down"))?;
    Ok(is_any(&written))
}

/// Ends an alert, and notes that among the events; whether it fired until now.
pub(super) async fn resolve(client: &impl GenericClient, alert: &Alert, me: &Me) -> Result<bool> {
    let sql = format!(
        "with changed as (
             update ingestd.alerts
             set resolved_at = $3::timestamptz, notified_at = null, value = $4, text = $5,
                 by_host = $6, by_process = $7, origin = $8
             where alert_id = $2::uuid and resolved_at is null
             returning *),
         resolved as ({})
         select count(*) from changed",
        NOTE_RESOLVED.replace("{at}", &by_the_server("resolved_at")),
    );
    let ended = client
        .query_typed(
            &sql,
            &[
                (&time_now(), Type::TEXT),
                (&alert.id, Type::TEXT),
                (&alert.resolved_at, Type::TEXT),
                (&alert.value, Type::FLOAT8),
                (&alert.text, Type::TEXT),
                (&me.host, Type::TEXT),
                (&me.process, Type::INT4),
                (&me.origin, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| classify(error, "ending an alert"))?;
    Ok(is_any(&ended))
}

fn time_now() -> String {
    notice::time(SystemTime::now())
}

fn is_any(counted: &[Row]) -> bool {
    counted.iter().any(|row| row.get::<_, i64>(0) > 0)
}

/// Notes what was read of an alert that goes on, and who looks after it now.
pub(super) async fn update(client: &impl GenericClient, alert: &Alert, me: &Me) -> Result<()> {
    client
        .execute_typed(
            "update ingestd.alerts
             set value = $2, text = $3, by_host = $4, by_process = $5, origin = $6
             where alert_id = $1::uuid and resolved_at is null",
            &[
                (&alert.id, Type::TEXT),
                (&alert.value, Type::FLOAT8),
                (&alert.text, Type::TEXT),
                (&me.host, Type::TEXT),
                (&me.process, Type::INT4),
                (&me.origin, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| classify(error, "noting how an alert stands"))?;
    Ok(())
}

/// The sinks are done with the last change of these.
pub(super) async fn told(client: &impl GenericClient, alerts: &[String]) -> Result<()> {
    client
        .execute_typed(
            "update ingestd.alerts set notified_at = clock_timestamp()
             where alert_id = any($1::text[]::uuid[])",
            &[(&alerts, Type::TEXT_ARRAY)],
        )
        .await
        .map_err(|error| classify(error, "noting that alerts were told"))?;
    Ok(())
}

/// Forgets what has ended long ago, and old events.
pub(super) async fn forget(client: &impl GenericClient) -> Result<()> {
    client
        .execute_typed(
            "delete from ingestd.alerts where resolved_at < clock_timestamp() - interval '30 days'",
            &[],
        )
        .await
        .map_err(|error| classify(error, "forgetting old alerts"))?;
    trim_notes(client).await
}

/// Ends what nobody looks after any more, for an hour and more: a host that is gone, a pipeline that no
/// service runs; and notes that among the events. What has ended so.
pub(super) async fn end_abandoned(client: &impl GenericClient, me: &Me) -> Result<Vec<Alert>> {
    let sql = format!(
        "with abandoned as (
             select alert_id, by_host as last_host from ingestd.alerts a
             where resolved_at is null and by_host <> $1
               and greatest(fired_at, notified_at) < clock_timestamp() - interval '1 hour'
               and not exists (select from ingestd.live_services s where s.host = a.by_host)
               and not exists (select from ingestd.service_pipelines p
                               join ingestd.live_services s using (service)
                               where p.pipeline = a.pipeline)
             for update skip locked),
         changed as (
             update ingestd.alerts a
             set resolved_at = clock_timestamp(), notified_at = null, by_host = $1, by_process = $2,
                 origin = $3,
                 text = 'nobody has looked after it for an hour; the last was a service on host '
                        || o.last_host
             from abandoned o where o.alert_id = a.alert_id
             returning a.*),
         resolved as ({})
         select {} from changed a",
        NOTE_RESOLVED.replace("{at}", "resolved_at"),
        columns()
    );
    let rows = client
        .query_typed(
            &sql,
            &[
                (&me.host, Type::TEXT),
                (&me.process, Type::INT4),
                (&me.origin, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| classify(error, "ending alerts that nobody looks after"))?;
    Ok(rows.iter().map(alert).collect())
}
