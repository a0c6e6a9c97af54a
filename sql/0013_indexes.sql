-- The files in quarantine are found by files_in_trouble as fast: beside them it has only those that FAILED.
-- (files_open stays: without it, whoever asks what waits goes through all COMMITTED files that stay in
-- their inbox.)
drop index ingestd.files_quarantined;
