-- Rows of files that are loaded as a whole: they wait in the file's staging table
-- (ingestd.staged_<file>) until the transaction that makes the file COMMITTED moves them.

alter table ingestd.checkpoints
    add column staged bigint not null default 0;

-- Of a file over its budget the last ones stand beyond the rejects' checkpoint: they come again where the
-- file goes on after all.
alter table ingestd.dead_letters add column beyond boolean not null default false;
