-- The indexes of tables that ingestd has created and is loading for the first time: written down in
-- the transaction that creates the table, built after the load, and then struck from the list.

create table ingestd.deferred_indexes (
    index_id       bigint generated always as identity primary key,
    pipeline       text not null,
    relation       regclass not null,   -- the very table, whatever it is called by now
    name           text not null,
    columns        text[] not null,
    deferred_at    timestamptz not null default clock_timestamp(),
    -- The backend that builds it, and since when: true for as long as that backend is there.
    backend        integer,
    backend_start  timestamptz,
    building_since timestamptz
);

comment on table ingestd.deferred_indexes is 'the indexes that are still to be built after a first load';
