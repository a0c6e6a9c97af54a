-- Control: what is wanted of pipelines, whichever way it was commanded, and what services have done
-- about it. A command is one update of the pipeline's row; services hear of it by a notification, or
-- within a second by looking.

alter table ingestd.pipelines
    add column wanted    text not null default 'running'
                         check (wanted in ('running', 'paused', 'drained')),
    add column wanted_at timestamptz,
    add column wanted_by text,
    -- Every command has another number: whoever has done it says so by it.
    add column command   bigint not null default 0,
    -- How often somebody has asked that the directory be looked through.
    add column rescan    bigint not null default 0;

update ingestd.pipelines
set wanted = 'paused', wanted_at = paused_at, wanted_by = paused_by
where paused;

comment on column ingestd.pipelines.wanted is 'set by ingestd.pause, resume and drain; paused, paused_at and paused_by follow it';

-- The services that run, and those that have died and were not cleared away yet.
create table ingestd.services (
    service       uuid primary key,
    host          text not null,
    process       integer not null,
    -- Its backend for commands, where that is its own.
    backend       integer,
    backend_start timestamptz,
    started_at    timestamptz not null default clock_timestamp(),
    seen_at       timestamptz not null default clock_timestamp()
);

-- What each service has done about each of its pipelines.
create table ingestd.service_pipelines (
    service  uuid not null references ingestd.services (service) on delete cascade,
    pipeline text not null references ingestd.pipelines (name) on delete cascade,
    -- What it does by the last command that it has done; nothing, until it has done any.
    state    text,
    command  bigint,
    rescan   bigint not null default 0,
    primary key (service, pipeline)
);

create index service_pipelines_pipeline on ingestd.service_pipelines (pipeline);

create view ingestd.live_services as
select s.service, s.host, s.process, s.started_at, s.seen_at
from ingestd.services s
where s.seen_at > clock_timestamp() - interval '20 s'
  -- A backend of another role shows its process but not its start: then only the time counts.
  and (s.backend is null
       or exists (select from pg_stat_activity a where a.pid = s.backend
                  and (a.backend_start = s.backend_start or a.backend_start is null)));

comment on view ingestd.live_services is 'the services that run now';

-- The pipelines that are meant by a name, or by none: all but those of `ingestd load --table`, which
-- nobody has configured.
create function ingestd.meant_pipelines(meant text) returns setof text
language plpgsql stable as $$
declare
    known text;
begin
    if meant is null then
        return query select p.name from ingestd.pipelines p
                     where not starts_with(p.name, 'load_') order by p.name;
        return;
    end if;
    if not exists (select from ingestd.pipelines p where p.name = meant) then
        select string_agg(p.name, ', ' order by p.name) into known from ingestd.pipelines p
        where not starts_with(p.name, 'load_');
        raise exception 'there is no pipeline "%"', meant
            using errcode = 'invalid_parameter_value',
                  hint = coalesce('There are: ' || known || '.',
                                  'None has run into this database yet; ingestd run makes them known.');
    end if;
    return next meant;
end
$$;

-- Commands one pipeline, or all. A drained pipeline stays drained until it is let go on.
create function ingestd.command_pipelines(meant text, new_wanted text, who text,
    out pipeline text, out was text, out wanted text, out command bigint)
returns setof record
language plpgsql volatile as $$
declare
    meant_name text;
begin
    -- One after the other, in the order of their names, so that two commands don't wait for each
    -- other in a circle.
    for meant_name in select m from ingestd.meant_pipelines(meant) m loop
        select p.wanted into was from ingestd.pipelines p where p.name = meant_name for update;
        update ingestd.pipelines p
        set wanted = n.wanted, wanted_at = clock_timestamp(), wanted_by = who,
            paused = n.wanted <> 'running',
            paused_at = case when n.wanted <> 'running' then clock_timestamp() end,
            paused_by = case when n.wanted <> 'running' then who end,
            command = p.command + 1
        from (select case when was = 'drained' and new_wanted = 'paused' then was
                          else new_wanted end as wanted) n
        where p.name = meant_name
        returning p.name, n.wanted, p.command into pipeline, wanted, command;
        return next;
    end loop;
    perform pg_notify('ingestd', '');
end
$$;

-- What a command has set, for whoever typed it.
create function ingestd.say_command(pipeline text, was text, wanted text) returns text
language sql stable as $$
    select format('%s: %s%s%s', pipeline, wanted,
        case when was <> wanted then format(' (was %s)', was) else '' end,
        case when exists (select from ingestd.service_pipelines s
                          join ingestd.live_services l on l.service = s.service
                          where s.pipeline = say_command.pipeline) then ''
             else '; no service runs it now' end)
$$;

create function ingestd.pause(pipeline text default null) returns setof text
language sql volatile as $$
    select ingestd.say_command(c.pipeline, c.was, c.wanted)
    from ingestd.command_pipelines($1, 'paused', session_user::text) c
$$;

comment on function ingestd.pause is 'reads nothing more, commits what is in flight, keeps the lease; without a name: all pipelines';

create function ingestd.resume(pipeline text default null) returns setof text
language sql volatile as $$
    select ingestd.say_command(c.pipeline, c.was, c.wanted)
    from ingestd.command_pipelines($1, 'running', session_user::text) c
$$;

comment on function ingestd.resume is 'ends a pause or a drain; without a name: of all pipelines';

create function ingestd.drain(pipeline text default null) returns setof text
language sql volatile as $$
    select ingestd.say_command(c.pipeline, c.was, c.wanted)
    from ingestd.command_pipelines($1, 'drained', session_user::text) c
$$;

comment on function ingestd.drain is 'reads nothing more, commits what is in flight, lets go of the lease; without a name: all pipelines';

-- Asks that the directories be looked through now.
create function ingestd.ask_to_rescan(meant text,
    out pipeline text, out wanted text, out rescan bigint)
returns setof record
language plpgsql volatile as $$
declare
    meant_name text;
begin
    for meant_name in select m from ingestd.meant_pipelines(meant) m loop
        update ingestd.pipelines p set rescan = p.rescan + 1
        where p.name = meant_name
        returning p.name, p.wanted, p.rescan into pipeline, wanted, rescan;
        return next;
    end loop;
    perform pg_notify('ingestd', '');
end
$$;

create function ingestd.rescan(pipeline text default null) returns setof text
language sql volatile as $$
    select ingestd.say_command(c.pipeline, c.wanted, c.wanted)
        || case c.wanted when 'running' then ', looks through its directory'
                         when 'paused' then ', looks through its directory, and reads nothing'
                         else ', looks for nothing until it is resumed' end
    from ingestd.ask_to_rescan($1) c
$$;

comment on function ingestd.rescan is 'looks through the directory now; without a name: those of all pipelines';
