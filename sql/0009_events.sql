-- What an operator looks at: what has happened, newest first, and the files that are in trouble.

-- What happens to pipelines and to the parts of services. It is written apart from all loading, and
-- trimmed by those who write it.
create table ingestd.event_log (
    event_id bigint generated always as identity primary key,
    at       timestamptz not null default clock_timestamp(),
    -- Such as pipeline.paused or child.restarted.
    kind     text not null,
    pipeline text,
    -- Whom or what it has happened to, where that is no pipeline.
    subject  text,
    message  text
);

create index event_log_at on ingestd.event_log (at, event_id);

comment on table ingestd.event_log is 'what has happened to pipelines and services, for some time';

-- When a file has changed its state last, as far as the ledger has noted the time.
create index files_changed on ingestd.files
    (greatest(discovered_at, started_at, completed_at, committed_at, archived_at), file_id);

-- Few, and asked for often.
create index files_in_trouble on ingestd.files (pipeline, file_id)
    where state in ('QUARANTINED', 'FAILED');

create view ingestd.events as
select greatest(f.discovered_at, f.started_at, f.completed_at, f.committed_at, f.archived_at) as at,
       'file.' || lower(f.state) as kind, f.pipeline, f.file_id, f.path as subject, f.reason as message
from ingestd.files f
union all
select e.at, e.kind, e.pipeline, null, e.subject, e.message
from ingestd.event_log e;

comment on view ingestd.events is 'each file with its newest change of state, and what has happened to pipelines and services';

-- Commands one pipeline, or all. A drained pipeline stays drained until it is let go on. (As before,
-- and it notes what was commanded.)
create or replace function ingestd.command_pipelines(meant text, new_wanted text, who text,
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
        if was <> wanted then
            insert into ingestd.event_log (kind, pipeline, message)
            values (case wanted when 'running' then 'pipeline.resumed'
                                else 'pipeline.' || wanted end, pipeline, 'by ' || who);
        end if;
        return next;
    end loop;
    perform pg_notify('ingestd', '');
end
$$;
