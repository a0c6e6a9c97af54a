"""From the rename into the inbox until all rows of the file can be seen by another connection."""

import csv
import os
import queue
import statistics
import threading
import time

from . import inbox, tables
from .data import SMALL_FILE_ROWS, Answer
from .outcome import Outcome, Target
from .process import Failed
from .report import progress

EVERY_S = 0.1
# Between two looks at the table; so much is added to a latency at most.
POLL_S = 0.001
LOST_AFTER_S = 120


def latency(bench):
    """One file every 100 ms, with nothing else to do and while another pipeline loads."""
    outcome = Outcome(
        f"latency: one file of {SMALL_FILE_ROWS} rows every {EVERY_S * 1000:.0f} ms, rename to visible",
        ["ms", "files", "minimum", "mean", "p50", "p99", "maximum"], [],
    )
    outcome.figures["every_s"], outcome.figures["poll_s"] = EVERY_S, POLL_S
    samples = bench.scaled(500, least=30)
    quiet = quiet_latencies(bench, samples)
    add(outcome, "nothing else to do", quiet)
    busy, enough = _beside_a_large_file(bench, samples)
    if busy:
        add(outcome, "while another pipeline loads a large file", busy)
    if not enough:
        outcome.notes.append(
            f"The large file was loaded after {len(busy)} of {samples} samples: it needs more rows."
        )
    outcome.targets += [
        Target("latency, p50", percentile(quiet, 50), 10, "ms", at_least=False),
        Target("latency, p99", percentile(quiet, 99), 50, "ms", at_least=False),
        Target("latency beside a large file, p99", percentile(busy, 99) if busy else None, 500, "ms", at_least=False),
    ]
    return outcome


def quiet_latencies(bench, samples, options="", make=tables.create):
    """Latencies in ms with nothing else to do; `options` are the connections'."""
    files = bench.data.small_files(samples, seed=3)
    with bench.server.database() as database:
        make(database)
        bench.migrate(database)
        path = inbox.configure(bench, database)
        with bench.service(database, path, options) as service:
            measured = _measure(bench, database, service, files, "events", tables.TABLE, lambda: True)
            service.stop()
        inbox.remove(bench, database)
    return measured


def _beside_a_large_file(bench, samples):
    """Latencies in ms, and whether the large file lasted."""
    files = bench.data.small_files(samples, seed=4)
    large = bench.data.joined(8)
    with bench.server.database() as database, database.session() as session:
        tables.create(database)
        tables.create(database, table="trickle")
        bench.migrate(database)
        path = _two_pipelines(bench, database)
        home = inbox.directory(bench, database)
        inbox.link(large, home / "inbox" / "large")
        loading = lambda: not inbox.is_empty(home / "inbox" / "large")
        with bench.service(database, path) as service:
            begun = lambda: session.number(inbox.RECORDS) > 0 or not loading()
            service.wait_until(begun, "the first batch")
            measured = _measure(bench, database, service, files, "trickle", "trickle", loading)
            enough = loading()
            # In the middle of the large file, where it lasted; nobody needs the rest of it.
            service.kill()
        inbox.remove(bench, database)
    return measured, enough


def _two_pipelines(bench, database):
    path = inbox.configure(bench, database, names=("large", "trickle"))
    text = path.read_text()
    head, mark, trickle = text.partition("[pipelines.trickle]")
    path.write_text(head + mark + trickle.replace(f'"{tables.TABLE}"', '"trickle"'))
    return path


def _measure(bench, database, service, files, pipeline, table, go_on):
    """Renames files into the inbox, as long as `go_on()`, and watches for their rows; in ms."""
    directory = inbox.directory(bench, database) / "inbox" / pipeline
    batches = [(file, _ids(file)) for file in files]
    renamed, stopped = queue.Queue(), threading.Event()
    with database.session() as session:
        _warm_up(service, session, table, directory, *batches.pop(0))
        latencies, answer = [], files[0].answer
        dropper = threading.Thread(target=_drop, args=(batches, directory, renamed, go_on, stopped))
        dropper.start()
        try:
            while (item := renamed.get()) is not None:
                at, file, ids = item
                _wait_for(service, session, table, ids, at)
                latencies.append((time.perf_counter() - at) * 1000)
                answer += file.answer
        finally:
            stopped.set()
            dropper.join()
    tables.check(database, answer, table=table)
    progress(f"{len(latencies)} files")
    return latencies


def _drop(batches, directory, renamed, go_on, stopped):
    """At fixed times, whether or not earlier files were seen: a stall counts for all that wait."""
    begun = time.perf_counter()
    for number, (file, ids) in enumerate(batches):
        stopped.wait(max(0.0, begun + number * EVERY_S - time.perf_counter()))
        if stopped.is_set() or not go_on():
            break
        at = time.perf_counter()
        os.rename(file.path, directory / file.path.name)
        renamed.put((at, file, ids))
    renamed.put(None)


def _warm_up(service, session, table, directory, file, ids):
    """The first file of a service waits for its start, which is measured elsewhere."""
    os.rename(file.path, directory / file.path.name)
    _wait_for(service, session, table, ids, time.perf_counter())


def _wait_for(service, session, table, ids, since):
    question = f"select count(*) from {table} where event_id = any('{{{','.join(ids)}}}')"
    while session.number(question) < len(ids):
        if time.perf_counter() - since > LOST_AFTER_S:
            raise Failed(f"rows could not be seen {LOST_AFTER_S} s after the rename\n{service.tail()}")
        time.sleep(POLL_S)


def _ids(file):
    with open(file.path, newline="") as lines:
        return [record["event_id"] for record in csv.DictReader(lines)]


def add(outcome, name, latencies):
    """A line of the table."""
    figures = {
        "minimum": min(latencies), "mean": statistics.fmean(latencies),
        "p50": percentile(latencies, 50), "p99": percentile(latencies, 99), "maximum": max(latencies),
    }
    cells = [f"{value:.1f}" for value in figures.values()]
    outcome.body.append([name, f"{len(latencies):,}", *cells])
    outcome.figures[name] = {**{f"{key}_ms": value for key, value in figures.items()}, "files": len(latencies)}


def percentile(values, percent):
    """The nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
