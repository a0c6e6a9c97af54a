"""An inbox of a service, and how far the service has come with it."""

import os
import shutil

from . import configuration
from .process import Failed

RECORDS = "select coalesce(sum(inserted + updated + unchanged + duplicate), 0) from ingestd.checkpoints"


def directory(bench, database):
    """A directory of its own for each database."""
    return bench.directory / f"home-{database.name}"


def configure(bench, database, names=("events",), **keys):
    """Writes a configuration with a pipeline for each name, whose inbox and archive it makes."""
    home = directory(bench, database)
    (home / "inbox").mkdir(parents=True, exist_ok=True)
    pipelines = {
        name: configuration.pipeline(home / "inbox" / name, archive=str(home / "archive" / name), **keys)
        for name in names
    }
    return configuration.write(home / "ingestd.toml", pipelines)


def link(file, inbox):
    """Puts a file into an inbox; the bytes are those of the original, which stays."""
    os.link(file.path, inbox / file.path.name)


def is_empty(inbox):
    """Whether all files have left; cheap however many there are."""
    with os.scandir(inbox) as entries:
        return next(entries, None) is None


def archived(database):
    """The files that have reached their last state."""
    return int(database.sql("select count(*) from ingestd.files where state = 'ARCHIVED'")[0][0])


def check_archived(database, files):
    """Fails unless the ledger has so many files, all of them archived."""
    states = dict(database.sql("select state, count(*) from ingestd.files group by state"))
    if states != {"ARCHIVED": str(files)}:
        raise Failed(f"WRONG: the ledger has {states}, expected {files} files, all ARCHIVED")


def remove(bench, database):
    """Deletes the inboxes and the archive."""
    shutil.rmtree(directory(bench, database))
