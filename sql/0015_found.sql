-- What services have found and could not bring into the ledger, for whoever asks the ledger alone.

-- The files that a service has found for a pipeline of its own and has not finished, where there are any,
-- as of the last time that it was heard of (ingestd.services.seen_at).
create table ingestd.found (
    -- Refers to nothing: services of the version before are at work while this is made, and a reference
    -- would wait for them with the loading's tables locked.
    service  uuid not null,
    pipeline text not null,
    files    bigint not null,
    bytes    bigint not null,
    -- When the oldest of them was found.
    since    timestamptz not null,
    primary key (service, pipeline)
);

create index found_pipeline on ingestd.found (pipeline);

comment on table ingestd.found is 'the files that services have found and not finished; counts while a pipeline is held back or can''t go on';

-- Whoever may write down that a service lives writes this down with it, and whoever may read the one reads the
-- other: a role that had its rights before this table was there would load nothing any more.
do $$
declare
    held record;
begin
    for held in
        select grantee, privilege_type from information_schema.role_table_grants
        where table_schema = 'ingestd' and table_name = 'services' and grantee <> current_user
    loop
        execute format('grant %s on ingestd.found to %I', held.privilege_type, held.grantee);
    end loop;
end
$$;
