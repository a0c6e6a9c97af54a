//! What a pipeline does, in a word.

use tokio_postgres::Row;

/// What [`word`] needs of a row `p` of `ingestd.pipelines`.
pub const COLUMNS: &str = "
    p.wanted, p.wanted_by,
    to_char(p.wanted_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as wanted_at,
    exists (select from ingestd.live_instances l where l.pipeline = p.name) as running,
    exists (select from ingestd.service_pipelines s join ingestd.live_services l using (service)
            where s.pipeline = p.name) as served,
    exists (select from ingestd.service_pipelines s join ingestd.live_services l using (service)
            where s.pipeline = p.name and s.command is distinct from p.command) as pending";

/// What it does.
pub fn word(row: &Row) -> &'static str {
    let degraded = row.get::<_, Option<String>>("degraded").is_some();
    let here = row.get::<_, bool>("running") || row.get::<_, bool>("served");
    let pending: bool = row.get("pending");
    match (row.get("wanted"), here) {
        ("drained", true) if pending => "draining",
        ("drained", true) => "drained",
        ("drained", false) => "stopped (drained)",
        ("paused", true) if pending => "pausing",
        ("paused", true) => "paused",
        ("paused", false) => "stopped (paused)",
        (_, true) if !row.get::<_, bool>("running") => "starting",
        (_, true) if degraded => "degraded",
        (_, true) => "running",
        (_, false) => "stopped",
    }
}

/// By whom a pipeline is held back, and since when: `paused by ann since 2026-11-21T10:00:00Z`.
pub fn by_whom(wanted: &str, by: Option<&str>, at: Option<&str>) -> Option<String> {
    (wanted != "running").then(|| {
        let by = by.map_or(String::new(), |by| format!(" by {by}"));
        let at = at.map_or(String::new(), |at| format!(" since {at}"));
        format!("{wanted}{by}{at}")
    })
}
