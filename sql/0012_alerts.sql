-- Alerts: which fire, which have ended, and what is still to be told about them.

create table ingestd.alerts (
    alert_id    uuid primary key,
    alert       text not null,              -- the rule's name
    rule        text not null,              -- what it looks at: lag, error_ratio and so on
    pipeline    text not null default '',   -- empty: it is about no pipeline
    host        text not null default '',   -- empty: it does not matter where it was seen
    subject     text not null default '',   -- which of several: the disk, the service
    since       timestamptz not null,       -- since when it has been so
    fired_at    timestamptz not null,
    resolved_at timestamptz,
    -- When the sinks were done with the last change; nothing while some are at it, or have died over it.
    notified_at timestamptz,
    value       double precision,
    threshold   double precision not null,
    unit        text not null,
    text        text not null,
    look_at     text not null,
    -- Who has seen it: the process, and where that lives in all its lives.
    by_host     text not null,
    by_process  integer not null,
    origin      text not null
);

-- Of several services that see the same, one tells of it.
create unique index alerts_firing on ingestd.alerts (alert, pipeline, host, subject)
    where resolved_at is null;
create index alerts_resolved on ingestd.alerts (resolved_at) where resolved_at is not null;

comment on table ingestd.alerts is 'one row for each time that an alert has fired; those that have ended stay for 30 days';

create view ingestd.firing_alerts as
select alert_id, alert, rule, nullif(pipeline, '') as pipeline, nullif(host, '') as host,
       nullif(subject, '') as subject, since, fired_at, notified_at, value, threshold, unit, text,
       look_at
from ingestd.alerts
where resolved_at is null;

comment on view ingestd.firing_alerts is 'the alerts that fire now';

-- What waits, what was committed lately and what can't be loaded, without a look at all files.
create index files_open on ingestd.files (pipeline, state, file_id)
    where state in ('SCHEDULED', 'READING', 'COMPLETED');
create index files_committed on ingestd.files (pipeline, committed_at) where committed_at is not null;
create index files_quarantined on ingestd.files (pipeline, file_id) where state = 'QUARANTINED';
