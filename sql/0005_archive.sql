-- Files that leave by time, and an archive that forgets.

-- A part of the hidden names under which a pipeline's files move: two ledgers that share a directory
-- never meet there.
alter table ingestd.pipelines
    add column tag text not null default substr(gen_random_uuid()::text, 1, 8);

alter table ingestd.files
    -- It could not leave, or not be removed from the archive, and that is tried again then.
    add column leave_again_at timestamptz,
    -- When it was removed from where archive_path says, or was found not to be there any more.
    add column archive_removed_at timestamptz;

-- What still stands in the inbox, by its age.
create index files_leaving on ingestd.files (pipeline, (coalesce(committed_at, discovered_at)))
    where archived_at is null and state in ('COMMITTED', 'SKIPPED');

create index files_held on ingestd.files (pipeline, leave_again_at)
    where leave_again_at is not null;

-- What stands in the archive, and what in quarantine, by its age there.
create index files_archived on ingestd.files (pipeline, (state = 'QUARANTINED'), archived_at)
    where archive_path is not null and archived_at is not null and archive_removed_at is null;
