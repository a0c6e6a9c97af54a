-- Answers: files whose rows were taken back. Such a file is SKIPPED: it stands for nothing, and may come
-- again.

alter table ingestd.files
    add column undone_at   timestamptz,
    add column undone_by   text,
    add column undone_rows bigint;          -- how many rows were removed

-- What is skipped as its duplicate, and what continues it, is asked for where a file is taken back.
create index files_duplicates on ingestd.files (duplicate_of) where duplicate_of is not null;
create index files_tails on ingestd.files (parent_id) where parent_id is not null;
