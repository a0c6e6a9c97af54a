-- The ledger: what became of every file, committed together with its rows.
-- Times are the server's; paths are text, with bytes that are not UTF-8 written as \xNN.

create table ingestd.pipelines (
    name            text primary key,
    paused          boolean not null default false,
    paused_at       timestamptz,
    paused_by       text,
    -- The lease: one life of one service loads a pipeline at a time. It is free where it has
    -- expired, or where the backend that renews it is gone.
    lease_instance  uuid,
    lease_host      text,
    lease_process   integer,
    lease_backend   integer,
    lease_backend_start timestamptz,
    lease_expires   timestamptz,
    -- What keeps the pipeline from going on, where anything does.
    degraded        text,
    degraded_at     timestamptz
);

comment on table ingestd.pipelines is 'one row for each pipeline that has ever run';

-- The backends that write for a lease: a takeover terminates them before it claims a file.
create table ingestd.writers (
    pipeline      text not null references ingestd.pipelines (name) on delete cascade,
    lane          integer not null,
    instance      uuid not null,
    backend       integer not null,
    backend_start timestamptz not null,
    primary key (pipeline, lane, instance)
);

create table ingestd.plans (
    plan_id    bigint generated always as identity primary key,
    pipeline   text not null,
    digest     bytea not null,
    partitions integer not null,
    definition jsonb not null,
    created_at timestamptz not null default now(),
    unique (pipeline, digest)
);

comment on table ingestd.plans is 'how files are loaded: fixed when the reading of a file starts';

create table ingestd.files (
    file_id          bigint generated always as identity primary key,
    pipeline         text not null,
    path             text not null,
    size             bigint not null,
    modified         bigint not null,           -- nanoseconds since 1970
    device           bigint not null,           -- the bits of an unsigned number
    inode            bigint not null,
    head_hash        bytea not null,
    tail_hash        bytea not null,
    content_hash     bytea,                     -- of all of it, once that is known
    hash_offset      bigint,                    -- the content hash's state at the watermark
    hash_chain       bytea,
    plan_id          bigint references ingestd.plans (plan_id),
    parent_id        bigint references ingestd.files (file_id) on delete cascade,
    base_offset      bigint not null default 0, -- where a tail begins in its file
    base_line        bigint not null default 1,
    state            text not null check (state in ('SCHEDULED', 'READING', 'COMPLETED', 'COMMITTED',
                         'ARCHIVED', 'SKIPPED', 'QUARANTINED', 'FAILED')),
    reason           text,
    duplicate_of     bigint,
    epoch            bigint not null default 0,
    watermark_record bigint not null default 0,
    watermark_offset bigint not null default 0,
    watermark_line   bigint not null default 1,
    records          bigint,
    inserted         bigint,
    updated          bigint,
    unchanged        bigint,
    duplicate        bigint,
    deleted          bigint,
    filtered         bigint,
    rejected         bigint,
    archive_path     text,
    discovered_at    timestamptz not null default clock_timestamp(),
    started_at       timestamptz,
    completed_at     timestamptz,
    committed_at     timestamptz,
    archived_at      timestamptz
);

create index files_identity on ingestd.files (pipeline, size, head_hash);
create index files_path on ingestd.files (pipeline, path);
create index files_unfinished on ingestd.files (pipeline, file_id)
    where state in ('SCHEDULED', 'READING', 'COMPLETED', 'COMMITTED');

comment on table ingestd.files is 'one row for each file that was ever seen, with what became of it';

-- The checkpoints of unfinished files: one for each partition, and one (lane -1) for the rejects.
-- A batch moves its checkpoints first, in the transaction that writes its rows; the counters count
-- what has been committed with them. They are added up into ingestd.files when the file is COMMITTED.
create table ingestd.checkpoints (
    file_id   bigint not null references ingestd.files (file_id) on delete cascade,
    lane      integer not null,
    epoch     bigint not null,
    record    bigint not null,
    byte      bigint not null,
    line      bigint not null,
    inserted  bigint not null default 0,
    updated   bigint not null default 0,
    unchanged bigint not null default 0,
    duplicate bigint not null default 0,
    deleted   bigint not null default 0,
    filtered  bigint not null default 0,
    rejected  bigint not null default 0,
    primary key (file_id, lane)
) with (fillfactor = 50);

create table ingestd.dead_letters (
    pipeline    text not null,
    file_id     bigint not null references ingestd.files (file_id) on delete cascade,
    record      bigint not null,
    line        bigint not null,
    byte_offset bigint not null,
    length      bigint not null,
    raw         bytea,
    column_name text,
    reason      text not null,
    message     text not null,
    sqlstate    text,
    created_at  timestamptz not null default clock_timestamp(),
    attempts    integer not null default 1,
    status      text not null default 'NEW' check (status in ('NEW', 'RESOLVED', 'DISCARDED')),
    primary key (file_id, record)
);

create index dead_letters_pipeline on ingestd.dead_letters (pipeline, created_at);

comment on table ingestd.dead_letters is 'records that could not be loaded: raw bytes, where they stood, why';

-- What input the server refuses for a type, and why: NULL where it accepts it. Called only for
-- values that a cast of many at once has refused.
create function ingestd.input_error(value text, type_name text, out code text, out message text)
language plpgsql volatile as $$
begin
    execute format('select %L::%s', value, type_name);
-- tsquery, jsonpath and PostGIS refuse input with the codes of the second line.
exception when data_exception or integrity_constraint_violation or program_limit_exceeded
        or syntax_error or internal_error or raise_exception then
    code := sqlstate;
    message := sqlerrm;
end
$$;

create view ingestd.file_status as
select f.file_id, f.pipeline, f.path, f.state, f.reason, f.size,
       coalesce(f.records, f.watermark_record) as records,
       coalesce(f.inserted, c.inserted, 0) as inserted,
       coalesce(f.updated, c.updated, 0) as updated,
       coalesce(f.unchanged, c.unchanged, 0) as unchanged,
       coalesce(f.duplicate, c.duplicate, 0) as duplicate,
       coalesce(f.deleted, c.deleted, 0) as deleted,
       coalesce(f.filtered, c.filtered, 0) as filtered,
       coalesce(f.rejected, c.rejected, 0) as rejected,
       f.archive_path, f.discovered_at, f.started_at, f.completed_at, f.committed_at, f.archived_at
from ingestd.files f
left join lateral (
    select sum(inserted)::bigint as inserted, sum(updated)::bigint as updated,
           sum(unchanged)::bigint as unchanged, sum(duplicate)::bigint as duplicate,
           sum(deleted)::bigint as deleted, sum(filtered)::bigint as filtered,
           sum(rejected)::bigint as rejected
    from ingestd.checkpoints c where c.file_id = f.file_id
) c on f.records is null;

comment on view ingestd.file_status is 'files with their figures, those in flight included';
