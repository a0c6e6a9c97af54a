-- What a file was when its reading began, where a column is derived from it: a resume, which may find
-- the file under another name, gives the same values.

alter table ingestd.files
    add column load_time timestamptz,
    add column load_path text;
