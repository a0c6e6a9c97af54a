-- Several instances of the service on one database: who they are, whether they live, and which of them
-- has a file in hand.

create table ingestd.instances (
    instance      uuid primary key,         -- one life of one pipeline
    pipeline      text not null references ingestd.pipelines (name) on delete cascade,
    host          text not null,
    process       integer not null,
    shares        boolean not null,         -- loads beside others; else alone
    -- The backend that renews it. Behind a pooler it has none of its own: then only the time counts.
    backend       integer,
    backend_start timestamptz,
    since         timestamptz not null default clock_timestamp(),
    expires       timestamptz not null,
    -- What keeps it from going on, where anything does and it shares the pipeline.
    degraded      text,
    degraded_at   timestamptz
);

create index instances_pipeline on ingestd.instances (pipeline);

comment on table ingestd.instances is 'one row for each life of a pipeline that has not ended, or was not noticed to have';

-- A backend of another role shows its process but not its start: then only the time counts.
create view ingestd.live_instances as
select i.* from ingestd.instances i
where i.expires > clock_timestamp()
  and (i.backend is null
       or exists (select from pg_stat_activity a where a.pid = i.backend
                  and (a.backend_start = i.backend_start or a.backend_start is null)));

comment on view ingestd.live_instances is 'the instances that load, or are about to';

-- Raised by each admission of files where instances share a pipeline: who finds it raised since it
-- looked decides anew.
alter table ingestd.pipelines add column admissions bigint not null default 0;

-- The instance that has the file in hand, until it is archived. Where that one is dead, anybody's.
alter table ingestd.files add column owner uuid;

-- The instance that builds the index, or is about to.
alter table ingestd.deferred_indexes add column builder uuid;
