"""What it costs to answer over HTTP while files are loaded, and how long an answer takes then."""

import contextlib
import csv
import io
import os
import shutil
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass

from . import inbox, tables
from .latency import percentile
from .outcome import Outcome, Target, spread, summary
from .process import Failed
from .report import progress

MISSING = "apt-get install hey"
# What is asked, each by clients of its own, and how often each second: 500 in all.
PATHS = ["/api/v1/state", "/api/v1/files?limit=50", "/api/v1/dead-letters?limit=50", "/api/v1/events", "/metrics"]
CLIENTS, A_SECOND_EACH = 4, 25
# Longer than any load takes; they are ended with it.
ENDLESS = "1h"
CORES = os.sched_getaffinity(0)


def asked(bench):
    """A file is loaded with 500 requests a second, and with none.

    The service and the server share one core, and who asks has the other one: it is the answers' cost
    that is measured, and a machine that asks is seldom the one that loads.
    """
    outcome = Outcome(
        f"{len(PATHS) * CLIENTS * A_SECOND_EACH} requests a second beside a load, all on one core",
        ["", "rows/s: median (range)", "requests a second", "p50 ms", "p99 ms", "maximum ms"], [],
    )
    if not shutil.which("hey") or len(CORES) < 2:
        outcome.notes.append(f"This needs two cores, and hey: {MISSING}")
        return outcome
    file = bench.data.first
    with _on_the_first_core(bench.server):
        rounds = [[_load(bench, file, asks) for asks in (False, True)] for _ in range(bench.rounds)]
    alone = [file.answer.rows / round[0].seconds for round in rounds]
    beside = [file.answer.rows / round[1].seconds for round in rounds]
    latencies = [one for round in rounds for one in round[1].latencies]
    a_second = len(latencies) / sum(round[1].seconds for round in rounds)
    figures = [percentile(latencies, 50), percentile(latencies, 99), max(latencies)]
    outcome.body = [
        ["nobody asks", spread(alone), "0", "", "", ""],
        ["asked", spread(beside), f"{a_second:.0f}", *(f"{figure:.1f}" for figure in figures)],
    ]
    cost = (1 - statistics.median(b / a for a, b in zip(alone, beside))) * 100
    outcome.figures = {"alone": summary(alone), "asked": summary(beside), "requests_per_s": a_second,
                       "p50_ms": figures[0], "p99_ms": figures[1], "maximum_ms": figures[2], "cost_percent": cost}
    outcome.targets.append(Target("cost of 500 requests a second", cost, 5, "%", at_least=False))
    return outcome


@dataclass
class Load:
    """How long a load took, and each answer meanwhile."""

    seconds: float
    latencies: list  # ms


def _load(bench, file, asks):
    with bench.server.database() as database:
        tables.create(database)
        bench.migrate(database)
        path = inbox.configure(bench, database)
        path.write_text(path.read_text() + '[http]\nlisten = "127.0.0.1:0"\n')
        directory = inbox.directory(bench, database) / "inbox" / "events"
        with bench.service(database, path) as service:
            url = service.line("http listens")["url"]
            clients = [_client(url + path) for path in PATHS] if asks else []
            begun = time.perf_counter()
            inbox.link(file, directory)
            service.wait_until(lambda: inbox.is_empty(directory), "the file", every=0.02)
            seconds = time.perf_counter() - begun
            latencies = [latency for client in clients for latency in _latencies(client)]
            service.stop()
        tables.check(database, file.answer)
        inbox.remove(bench, database)
    progress(f"{'asked' if asks else 'nobody asks'}: {seconds:.2f} s")
    return Load(seconds, latencies)


def _client(url):
    """Asks until it is interrupted, on the last core."""
    argv = ["taskset", "-c", str(max(CORES)), "hey", "-z", ENDLESS, "-c", str(CLIENTS), "-q", str(A_SECOND_EACH), "-o", "csv", url]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def _latencies(client):
    client.send_signal(signal.SIGINT)
    answers = list(csv.DictReader(io.StringIO(client.communicate()[0])))
    wrong = [answer for answer in answers if answer["status-code"] != "200"]
    if wrong or not answers:
        raise Failed(f"of {len(answers)} requests {len(wrong)} were answered otherwise than with 200")
    return [float(answer["response-time"]) * 1000 for answer in answers]


@contextlib.contextmanager
def _on_the_first_core(server):
    """This process, and with it every service that it starts, and the server are on one core."""
    _allow(server, {min(CORES)})
    try:
        yield
    finally:
        _allow(server, CORES)


def _allow(server, cores):
    for process in [os.getpid(), *server.processes()]:
        # A backend may have ended since.
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(process, cores)
