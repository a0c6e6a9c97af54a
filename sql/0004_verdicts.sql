-- Files that come again, and files that come with a manifest.

alter table ingestd.files
    -- Which situation it was in when it came, and what was done: 'renamed: skip'.
    add column verdict text,
    -- What its manifest says of the whole file, and how many of these records stand before its own.
    add column manifest_records bigint,
    add column records_before bigint not null default 0;

-- The newest file at a path is asked for, however often that was used.
drop index ingestd.files_path;
create index files_path on ingestd.files (pipeline, path, file_id);

create or replace view ingestd.file_status as
select f.file_id, f.pipeline, f.path, f.state, f.reason, f.size,
       coalesce(f.records, f.watermark_record) as records,
       coalesce(f.inserted, c.inserted, 0) as inserted,
       coalesce(f.updated, c.updated, 0) as updated,
       coalesce(f.unchanged, c.unchanged, 0) as unchanged,
       coalesce(f.duplicate, c.duplicate, 0) as duplicate,
       coalesce(f.deleted, c.deleted, 0) as deleted,
       coalesce(f.filtered, c.filtered, 0) as filtered,
       coalesce(f.rejected, c.rejected, 0) as rejected,
       f.archive_path, f.discovered_at, f.started_at, f.completed_at, f.committed_at, f.archived_at,
       f.verdict
from ingestd.files f
left join lateral (
    select sum(inserted)::bigint as inserted, sum(updated)::bigint as updated,
           sum(unchanged)::bigint as unchanged, sum(duplicate)::bigint as duplicate,
           sum(deleted)::bigint as deleted, sum(filtered)::bigint as filtered,
           sum(rejected)::bigint as rejected
    from ingestd.checkpoints c where c.file_id = f.file_id
) c on f.records is null;
