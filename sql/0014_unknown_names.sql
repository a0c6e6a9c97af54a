-- Names that nobody knows are told of by whatever takes a name, and so is a replay that no service can
-- take up.

-- Why no service takes up a replay of this pipeline's dead letters; NULL where one does.
create function ingestd.why_no_replay(pipeline text) returns text
language sql stable as $$
    select format('no service has it configured: `ingestd dead-letters replay --pipeline %s --all` replays them without one', $1)
    where not exists (select from ingestd.service_pipelines s
                      join ingestd.live_services l on l.service = s.service where s.pipeline = $1)
$$;

-- Raises an error where the ledger does not know the file.
create function ingestd.check_file(meant bigint) returns void
language plpgsql stable as $$
begin
    if meant is not null and not exists (select from ingestd.files f where f.file_id = meant) then
        raise exception 'there is no file % in the ledger', meant
            using errcode = 'invalid_parameter_value',
                  hint = 'ingestd.file_status has those that there are.';
    end if;
end
$$;

create or replace function ingestd.discard_dead_letters(
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
    perform ingestd.meant_pipelines($2);
    perform ingestd.check_file($3);
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

create or replace function ingestd.replay_dead_letters(
    pipeline text, file_id bigint default null, record bigint default null,
    reason text default null, column_name text default null, code text default null,
    overwrite boolean default false)
returns bigint language plpgsql volatile as $$
declare
    number bigint;
begin
    if $1 is null then
        raise exception 'say which: pipeline => ''…''';
    end if;
    perform ingestd.meant_pipelines($1);
    perform ingestd.check_file($2);
    insert into ingestd.replays (pipeline, filter, overwrite, requested, problem)
    values ($1, jsonb_strip_nulls(jsonb_build_object('file', $2, 'record', $3, 'reason', $4,
                'column', $5, 'sqlstate', upper($6))), coalesce($7, false), true,
            ingestd.why_no_replay($1))
    returning replay_id into number;
    perform pg_notify('ingestd', '');
    return number;
end
$$;
