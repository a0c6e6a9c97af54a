"""Ten thousand tiny files that are in the inbox already."""

import shutil

from . import inbox, tables
from .data import SMALL_FILE_ROWS, Answer
from .outcome import Outcome, Target, spread, summary
from .report import progress


def small(bench):
    """From the service's start until the last file has left the inbox."""
    files = bench.data.small_files(bench.scaled(10_000, least=50), seed=2)
    answer = sum((file.answer for file in files), Answer())
    outcome = Outcome(
        f"{len(files):,} files of {SMALL_FILE_ROWS} rows, already in the inbox",
        ["", "files/s: median (range)", "CPU s", "peak MB", "server CPU s", "WAL MB"], [],
    )
    runs = []
    for number in range(bench.rounds):
        with bench.server.database() as database:
            runs.append(_round(bench, database, files, answer))
        progress(f"round {number + 1}: {runs[-1]['seconds']:.2f} s")
    rates = [len(files) / run["seconds"] for run in runs]
    column = lambda name: [run[name] for run in runs]
    outcome.body.append([
        "ingestd run, archive included", spread(rates), spread(column("cpu_s"), "{:.2f}"),
        spread(peak / 1e6 for peak in column("peak_bytes")),
        spread(column("server_cpu_s"), "{:.2f}"),
        spread(wal / 1e6 for wal in column("wal_bytes")),
    ])
    outcome.figures = {"files": len(files), "files_per_s": summary(rates), "runs": runs}
    outcome.targets.append(
        Target("tiny files, archive included", summary(rates)["median"], 1000, "files/s")
    )
    return outcome


def _round(bench, database, files, answer):
    tables.create(database)
    bench.migrate(database)
    path = inbox.configure(bench, database)
    directory = inbox.directory(bench, database) / "inbox" / "events"
    for file in files:
        # With their times: they have long settled.
        shutil.copy2(file.path, directory)
    database.sql("checkpoint")
    with bench.server.usage() as used, bench.service(database, path) as service:
        service.wait_until(lambda: inbox.is_empty(directory), "an empty inbox", every=0.002)
        seconds = service.age()
        service.wait_until(lambda: inbox.archived(database) == len(files), "the ledger's last note")
        finished = service.stop()
    tables.check(database, answer)
    inbox.check_archived(database, len(files))
    inbox.remove(bench, database)
    return {
        "seconds": seconds, "cpu_s": finished.cpu_s, "peak_bytes": finished.peak_bytes, **used,
    }
