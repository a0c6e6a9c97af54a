-- Three roles for ingestd: one that migrates the ledger, one that loads, one that reads.
--
--     psql -d shop -f sql/roles.sql
--
-- as a superuser, or as a role that may create roles and owns the database; before the first
-- `ingestd migrate` or after it, as often as you like. docs/configuration.md says who gets which role.

\set ON_ERROR_STOP on

begin;
set local client_min_messages = warning;

do $$
declare
    wanted text;
begin
    foreach wanted in array array['ingestd_migrate', 'ingestd_load', 'ingestd_read'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I nologin', wanted);
        end if;
    end loop;
    -- Only a member can give things to a role, and a superuser is one of all.
    if not pg_has_role('ingestd_migrate', 'member') then
        execute format('grant ingestd_migrate to %I', current_user);
    end if;
end
$$;

-- The schema is the migrating role's, and everything in it but staging tables.
create schema if not exists ingestd authorization ingestd_migrate;
alter schema ingestd owner to ingestd_migrate;

do $$
declare
    command text;
begin
    for command in
        select format('alter table %s owner to ingestd_migrate', c.oid::regclass)
        from pg_class c
        where c.relnamespace = 'ingestd'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
          and c.relowner <> 'ingestd_migrate'::regrole
          -- Staging tables of files that are loaded as a whole: who loads drops them.
          and c.relname !~ '^staged_[0-9]'
        union all
        select format('alter routine %s owner to ingestd_migrate', p.oid::regprocedure)
        from pg_proc p
        where p.pronamespace = 'ingestd'::regnamespace
          and p.proowner <> 'ingestd_migrate'::regrole
    loop
        execute command;
    end loop;
    -- Batches are put together in temporary tables.
    execute format('grant connect, temporary on database %I to ingestd_load', current_database());
    execute format('grant connect on database %I to ingestd_migrate, ingestd_read',
                   current_database());
end
$$;

-- The loading role writes the ledger, and changes nothing about its tables.
grant usage on schema ingestd to ingestd_load, ingestd_read;
grant select, insert, update, delete on all tables in schema ingestd to ingestd_load;
grant usage on all sequences in schema ingestd to ingestd_load;
-- What steers from SQL does no more than who calls it may.
grant execute on all functions in schema ingestd to ingestd_load, ingestd_read;
grant select on all tables in schema ingestd to ingestd_read;

-- The same for what later migrations make: they make it as the schema's owner.
alter default privileges for role ingestd_migrate in schema ingestd
    grant select, insert, update, delete on tables to ingestd_load;
alter default privileges for role ingestd_migrate in schema ingestd
    grant usage on sequences to ingestd_load;
alter default privileges for role ingestd_migrate in schema ingestd
    grant execute on functions to ingestd_load, ingestd_read;
alter default privileges for role ingestd_migrate in schema ingestd
    grant select on tables to ingestd_read;

commit;
