-- Rows of files that are loaded as a whole: they wait in the file's staging table
-- (ingestd.staged_<file>) until the transaction that makes the file COMMITTED moves them.

alter table ingestd.checkpoints
    add column staged bigint not null default 0;
