"""Scenarios that load one file by one command: contestants in turn, round after round."""

import contextlib
from dataclasses import asdict

from . import configuration, contestants, tables
from .outcome import Outcome, Target, spread, summary
from .report import progress
from .tables import NAMES


def fresh(bench):
    """Rows that are all new, into a table with its key and three more indexes."""
    entries = [
        contestants.ingestd(),
        contestants.psql_copy(),
        contestants.psql_staging(),
        contestants.pgloader(rounds=2),
        contestants.execute_values(200, rounds=2, divisor=5),
        contestants.execute_values(1000, rounds=2, divisor=5),
        contestants.spark(rounds=2),
    ]
    runs = in_turn(bench, [Entry(one) for one in entries])
    outcome = compared("fresh rows, key and three more indexes", runs)
    ours = runs[0]
    copy, spark, loader = _by_name(runs, "psql \\copy", "Spark", "pgloader")
    outcome.targets += [
        _ratio(ours, copy, "fresh rows, against psql \\copy", 1.3),
        _ratio(ours, loader, "fresh rows, against pgloader", 5.0),
        _ratio(ours, spark, "fresh rows, against Spark, whole commands", 7.0),
        Target(
            "own CPU seconds for a million fresh rows",
            ours.median("cpu_s") * 1e6 / ours.rows, 1.0, "s", at_least=False,
        ),
    ]
    if spark and spark.measured:
        work = [spark.rows / one.seconds_of_work for one in spark.measured]
        outcome.notes.append(f"Spark without the start of its JVM: {spread(work)} rows/s")
        outcome.figures[spark.name]["rows_per_s_without_start"] = summary(work)
    return outcome


def append(bench):
    """Rows into a table without any index."""
    def make(database):
        tables.create(database, keyed=False)

    entries = [contestants.ingestd(keyed=False), contestants.psql_copy()]
    runs = in_turn(bench, [Entry(one, make=make, keyed=False) for one in entries])
    outcome = compared("append: no key, no index", runs)
    outcome.targets.append(_ratio(*runs, "append, against psql \\copy", 2.0))
    return outcome


def first(bench):
    """The first load of a table that ingestd creates; the command ends when its indexes are there."""
    def make_configuration(bench):
        keys = configuration.creating(bench.directory / "nothing")
        return configuration.write(bench.directory / "first.toml", {"events": keys})

    ours = contestants.ingestd_configured(make_configuration, "ingestd load, creates the table")
    entries = [Entry(ours, make=lambda database: None), Entry(contestants.psql_copy())]
    runs = in_turn(bench, entries)
    outcome = compared("first load of a table that ingestd creates", runs)
    what = "first load, against psql \\copy into the indexed table"
    outcome.targets.append(_ratio(*runs, what, 1.6))
    return outcome


def present(bench):
    """Rows that are all there already, with other prices."""
    changed = bench.data.changed
    with filled(bench, bench.data.first) as full, bench.server.database() as scratch:
        binary = bench.directory / "changed.binary"
        tables.create(scratch, keyed=False)
        scratch.sql(
            f"\\copy {tables.TABLE} ({NAMES}) from '{changed.path}' csv header\n"
            f"\\copy {tables.TABLE} ({NAMES}) to '{binary}' (format binary)\n"
        )
        entries = [
            Entry(contestants.ingestd(), changed, full),
            Entry(contestants.psql_binary_staging(), changed, full, instead=binary),
        ]
        runs = in_turn(bench, entries)
    outcome = compared("all there already, other prices", runs)
    what = "all there already, against binary COPY and INSERT … ON CONFLICT"
    outcome.targets.append(_ratio(*runs, what, 1.1))
    return outcome


def mixed(bench):
    """Rows of which a tenth are there already; psql's are all fresh."""
    with filled(bench, bench.data.tenth) as tenth:
        copy = contestants.psql_copy()
        copy.name += ", all fresh"
        runs = in_turn(bench, [Entry(contestants.ingestd(), template=tenth), Entry(copy)])
    outcome = compared("a tenth there already", runs)
    what = "a tenth there already, against psql \\copy of fresh rows"
    outcome.targets.append(_ratio(*runs, what, 1.0))
    return outcome


@contextlib.contextmanager
def filled(bench, file, storage=""):
    """A database to be copied, whose table holds a file's rows as psql loads them."""
    with bench.server.database() as database:
        tables.create(database, storage=storage)
        database.sql(f"\\copy {tables.TABLE} ({NAMES}) from '{file.path}' csv header")
        database.sql(f"vacuum analyze {tables.TABLE}")
        yield database


class Entry:
    """A contestant with the table and the file that it is given, and its figures."""

    def __init__(self, contestant, file=None, template=None, make=tables.create, keyed=True, instead=None):
        self.contestant = contestant
        self.name = contestant.name
        self.file = file  # else the first one
        self.template = template  # a database to be copied, else one that `make` fills
        self.make = make
        self.keyed = keyed
        self.instead = instead  # the same rows in a file of another format
        self.measured = []

    def choose_file(self, bench):
        if self.file is None:
            divisor = self.contestant.divisor
            self.file = bench.data.part(bench.rows // divisor) if divisor > 1 else bench.data.first
        self.rows = self.file.answer.rows
        self.size = self.file.size

    def run(self, bench):
        """One load into a table of its own, which is checked."""
        file = self.file
        with bench.server.database(self.template) as database:
            if self.template is None:
                self.make(database)
            given = type(file)(self.instead, file.answer) if self.instead else file
            measured = bench.measure(database, self.contestant.command(bench, database, given))
            tables.check(database, file.answer, self.keyed)
        self.measured.append(measured)
        return measured

    def rates(self):
        return [self.rows / one.seconds for one in self.measured]

    def median(self, name):
        return summary(getattr(one, name) for one in self.measured)["median"]


def in_turn(bench, entries):
    """Runs the contestants in turn, round after round."""
    for entry in entries:
        if not entry.contestant.missing:
            entry.choose_file(bench)
    for number in range(bench.rounds):
        for entry in entries:
            if not entry.contestant.missing and number < entry.contestant.rounds:
                measured = entry.run(bench)
                progress(f"round {number + 1}: {entry.name}: {measured.seconds:.2f} s")
    return entries


def compared(title, entries):
    """The table of some contestants; the first one is what the others are compared with."""
    head = [
        "", "rows", "rows/s: median (range)", "ingestd is × as fast", "CPU s", "peak MB",
        "server CPU s", "its peak MB", "WAL MB", "table MB",
    ]
    outcome = Outcome(title, head, [])
    ours = entries[0]
    for entry in entries:
        if entry.contestant.missing:
            outcome.notes.append(f"{entry.name} is skipped; to have it: {entry.contestant.missing}")
            continue
        known = entry.contestant.is_one_process
        outcome.body.append([
            entry.name,
            f"{entry.rows:,}",
            spread(entry.rates()),
            f"{rate(ours) / rate(entry):.2f}",
            spread((one.cpu_s for one in entry.measured), "{:.2f}") if known else "–",
            f"{entry.median('peak_bytes') / 1e6:.0f}" if known else "–",
            f"{entry.median('server_cpu_s'):.2f}",
            f"{entry.median('server_peak_bytes') / 1e6:,.0f}",
            f"{entry.median('wal_bytes') / 1e6:,.0f}",
            f"{entry.median('table_bytes') / 1e6:,.0f}",
        ])
        outcome.figures[entry.name] = figures(entry)
    stages = ours.measured[len(ours.measured) // 2].stages
    if stages:
        shares = stages.shares()
        text = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if name != "reading")
        outcome.notes.append(
            f"{ours.name}: {stages.batches} batches; of the writers' time {text}; "
            f"the file was being read for {shares['reading']:.0%} of the load"
        )
        outcome.figures[ours.name]["share_of_time"] = shares
    return outcome


def figures(entry):
    """For JSON."""
    runs = [asdict(one) for one in entry.measured]
    return {
        "rows": entry.rows, "bytes": entry.size, "rows_per_s": summary(entry.rates()), "runs": runs,
    }


def rate(entry):
    """The median of rows/s."""
    return summary(entry.rates())["median"]


def _ratio(ours, other, what, bound):
    measured = rate(ours) / rate(other) if other and other.measured else None
    return Target(what, measured, bound, "×")


def _by_name(entries, *beginnings):
    return [
        next((one for one in entries if one.name.startswith(beginning)), None)
        for beginning in beginnings
    ]
