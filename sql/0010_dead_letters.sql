-- Dead letters that are looked after: replayed, discarded, and forgotten by their age.

-- The headers of files, each different one once: by them a record is split into its fields when it is
-- replayed, long after its file has gone.
create table ingestd.headers (
    header_id bigint generated always as identity primary key,
    digest    bytea not null unique,
    names     jsonb not null
);

comment on table ingestd.headers is 'the names of the fields of files, in their order';

alter table ingestd.files
    add column header_id bigint references ingestd.headers (header_id),
    -- How many of its dead letters retention has removed: what was rejected still adds up.
    add column letters_forgotten bigint not null default 0;

alter table ingestd.dead_letters
    -- When it became RESOLVED or DISCARDED, by whom, and how: what its row did, or why it was discarded.
    add column resolved_at    timestamptz,
    add column resolved_by    text,
    add column resolution     text,
    -- The replay that tried it last, and when.
    add column replay_id      bigint,
    add column tried_at       timestamptz,
    -- Why the record was rejected as its file was loaded, where a replay has found something else.
    add column first_reason   text,
    add column first_sqlstate text;

create index dead_letters_new on ingestd.dead_letters (pipeline, file_id, record)
    where status = 'NEW';
create index dead_letters_settled on ingestd.dead_letters (pipeline, (coalesce(resolved_at, created_at)))
    where status <> 'NEW';

-- One row for each replay, whoever has asked for it: what is meant, how far it is, and what came of it.
-- A part of it moves the row first, in the transaction that writes its rows and marks its letters, and
-- only where it stands as believed: what a checkpoint is to a file.
create table ingestd.replays (
    replay_id  bigint generated always as identity primary key,
    pipeline   text not null,
    -- Which letters: the keys are those of ingestd.replay_dead_letters.
    filter     jsonb not null default '{}',
    overwrite  boolean not null default false,
    -- Whether the service is to carry it out; else a command does, and only that one.
    requested  boolean not null,
    asked_by   text not null default session_user,
    asked_at   timestamptz not null default clock_timestamp(),
    state      text not null default 'WAITING'
               check (state in ('WAITING', 'RUNNING', 'DONE', 'FAILED')),
    problem    text,
    -- Raised by whoever takes it up; a runner of before moves nothing any more.
    epoch      bigint not null default 0,
    seen_at    timestamptz,
    started_at timestamptz,
    ended_at   timestamptz,
    -- Whether the letters are tried from the last to the first; decided as it begins. Those behind this one
    -- are done.
    descending boolean,
    at_file    bigint,
    at_record  bigint,
    parts      bigint not null default 0,
    -- How their rows were written: an array of plans.
    plans      jsonb not null default '[]',
    -- What became of them.
    inserted   bigint not null default 0,
    updated    bigint not null default 0,
    unchanged  bigint not null default 0,
    duplicate  bigint not null default 0,
    deleted    bigint not null default 0,
    filtered   bigint not null default 0,
    failed     bigint not null default 0,
    there      bigint not null default 0,
    deletions  bigint not null default 0,
    not_ready  bigint not null default 0,
    settled    bigint not null default 0
);

create index replays_open on ingestd.replays (pipeline, replay_id)
    where state in ('WAITING', 'RUNNING');

comment on table ingestd.replays is 'one row for each replay of dead letters, with what came of it';
comment on column ingestd.replays.there is 'their keys are in the table: they stay NEW until somebody says overwrite, or discards them';
comment on column ingestd.replays.deletions is 'they delete rows: they stay NEW unless told to overwrite';
comment on column ingestd.replays.not_ready is 'their files are not COMMITTED: they stay NEW';
comment on column ingestd.replays.settled is 'somebody else had settled them by then';

-- The text of a record; NULL where it is none in UTF-8, or holds a NUL.
create function ingestd.text_of(raw bytea) returns text
-- What catches errors can't run in a parallel worker.
language plpgsql immutable parallel unsafe as $$
begin
    return convert_from(raw, 'UTF8');
exception when data_exception or untranslatable_character then
    return null;
end
$$;

create view ingestd.dead_letter_list as
select d.pipeline, d.file_id, f.path, d.record, d.line, d.byte_offset, d.length,
       ingestd.text_of(d.raw) as text, d.length > length(d.raw) as is_cut,
       d.column_name, d.reason, d.message, d.sqlstate, d.status, d.attempts, d.created_at, d.tried_at,
       d.resolved_at, d.resolved_by, d.resolution, d.replay_id
from ingestd.dead_letters d join ingestd.files f using (file_id);

comment on view ingestd.dead_letter_list is 'dead letters with their files, and their records as text where they are text';

-- Whether a dead letter is among those that are meant; NULL means any.
create function ingestd.is_meant(
    letter ingestd.dead_letters, pipeline text, file_id bigint, record bigint, reason text,
    column_name text, code text)
returns boolean language sql immutable as $$
    select ($2 is null or ($1).pipeline = $2) and ($3 is null or ($1).file_id = $3)
       and ($4 is null or ($1).record = $4) and ($5 is null or ($1).reason = $5)
       and ($6 is null or ($1).column_name = $6) and ($7 is null or ($1).sqlstate = upper($7))
$$;

-- Marks dead letters that nobody will load. What is settled already stays as it is.
create function ingestd.discard_dead_letters(
    because text, pipeline text default null, file_id bigint default null,
    record bigint default null, reason text default null, column_name text default null,
    code text default null)
returns bigint language plpgsql volatile as $$
declare
    discarded bigint;
begin
    if coalesce(btrim(because), '') = '' then
        raise exception 'say why: because => ''…''';
    end if;
    if $2 is null and $3 is null then
        raise exception 'say which: pipeline => ''…'', or file_id => …';
    end if;
    with meant as materialized (
        select d.file_id, d.record from ingestd.dead_letters d
        where d.status = 'NEW' and ingestd.is_meant(d, $2, $3, $4, $5, $6, $7)
        order by d.file_id, d.record for update)
    update ingestd.dead_letters d
    set status = 'DISCARDED', resolved_at = clock_timestamp(), resolved_by = session_user,
        resolution = btrim(because)
    from meant m where d.file_id = m.file_id and d.record = m.record and d.status = 'NEW';
    get diagnostics discarded = row_count;
    return discarded;
end
$$;

comment on function ingestd.discard_dead_letters is 'marks the NEW dead letters that are meant as DISCARDED; how many';

-- Asks the service that runs the pipeline to replay dead letters, under its configuration of then. The
-- number of the replay: ingestd.replays says what becomes of it.
create function ingestd.replay_dead_letters(
    pipeline text, file_id bigint default null, record bigint default null,
    reason text default null, column_name text default null, code text default null,
    overwrite boolean default false)
returns bigint language plpgsql volatile as $$
declare
    number bigint;
begin
    if $1 is null or not exists (select from ingestd.pipelines p where p.name = $1) then
        raise exception 'there is no pipeline %', coalesce(quote_literal($1), 'of no name');
    end if;
    insert into ingestd.replays (pipeline, filter, overwrite, requested)
    values ($1, jsonb_strip_nulls(jsonb_build_object('file', $2, 'record', $3, 'reason', $4,
                'column', $5, 'sqlstate', upper($6))), coalesce($7, false), true)
    returning replay_id into number;
    perform pg_notify('ingestd', '');
    return number;
end
$$;

comment on function ingestd.replay_dead_letters is 'has the service replay the NEW dead letters that are meant; the number of the replay, see ingestd.replays';
