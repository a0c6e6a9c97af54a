"""Ten files, one after the other, into one table: how much slower the last is than the first."""

import time

from . import contestants, tables
from .data import Answer
from .outcome import Outcome, Target
from .report import progress


def growth(bench):
    """`ingestd load` of all ten, against one `psql \\copy` after the other."""
    answer = sum((file.answer for file in bench.data.files), Answer())
    with bench.server.database() as database:
        tables.create(database)
        ours = _ingestd(bench, database)
        tables.check(database, answer)
    with bench.server.database() as database:
        tables.create(database)
        copies = _psql(bench, database)
        tables.check(database, answer)
    outcome = Outcome(f"ten files of {bench.rows:,} rows", ["file", "ingestd, rows/s", "psql \\copy, rows/s"], [])
    for number, (one, other) in enumerate(zip(ours, copies), 1):
        outcome.body.append([str(number), f"{one:,.0f}", f"{other:,.0f}"])
    outcome.figures = {"ingestd_rows_per_s": ours, "psql_copy_rows_per_s": copies}
    kept, kept_by_psql = ours[-1] / ours[0], copies[-1] / copies[0]
    outcome.notes.append(
        f"The last file against the first: ingestd {kept:.2f}, psql {kept_by_psql:.2f}. A file of "
        "ingestd's counts from the COMMITTED of the one before."
    )
    outcome.targets.append(Target("growth: what is kept on the tenth file, ingestd", kept, kept_by_psql, "×"))
    return outcome


def _ingestd(bench, database):
    paths = [file.path for file in bench.data.files]
    argv = [bench.ingestd, "load", *paths, "--table", tables.TABLE, "--key", tables.KEY]
    measured = bench.measure(database, contestants.ingestd_command(bench, database, argv))
    progress(f"ingestd: {measured.seconds:.0f} s")
    spans = database.sql(
        "select extract(epoch from committed_at - coalesce("
        "    lag(committed_at) over (order by file_id), started_at)), records"
        " from ingestd.files order by file_id"
    )
    return [int(records) / float(seconds) for seconds, records in spans]


def _psql(bench, database):
    database.sql("checkpoint")
    copy = contestants.psql_copy()
    rates = []
    for file in bench.data.files:
        command = copy.command(bench, database, file)
        begun = time.perf_counter()
        bench.run(database, command)
        rates.append(file.answer.rows / (time.perf_counter() - begun))
        progress(f"psql: {rates[-1]:,.0f} rows/s")
    return rates
