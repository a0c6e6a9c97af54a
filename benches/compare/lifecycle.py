"""The service's start, and its going on after a SIGKILL."""

import time

from . import inbox, tables
from .outcome import Outcome, Target, spread, summary
from .process import Failed
from .report import progress

NO_READY = 'This ingestd logs no line with "msg":"ready" in time: the time to ready is not measured.'


def start(bench):
    """From exec to ready, on a running server whose database has the ledger."""
    outcome = Outcome("start to ready, database running", ["", "ms: median (range)"], [])
    times = []
    with bench.server.database() as database:
        tables.create(database)
        bench.migrate(database)
        path = inbox.configure(bench, database)
        for _ in range(2 * bench.rounds):
            with bench.service(database, path) as service:
                ready = service.wait_for("ready", patience=10)
                service.stop()
            if ready is None:
                outcome.notes.append(NO_READY)
                break
            times.append((ready - service.begun) * 1000)
            progress(f"{times[-1]:.0f} ms")
        inbox.remove(bench, database)
    outcome.body.append(["ingestd run", spread(times, "{:.0f}")])
    outcome.figures = {"ready_ms": summary(times)} if times else {}
    median = summary(times)["median"] if times else None
    outcome.targets.append(Target("start to ready", median, 150, "ms", at_least=False))
    return outcome


def resume(bench):
    """A large uncompressed file, SIGKILL in the middle, and the service again.

    The rows have no key: one that was loaded twice would be counted twice.
    """
    file = bench.data.joined(8)
    outcome = Outcome(
        f"resume after SIGKILL in the middle of {file.size / 1e9:.2f} GB, to the first new row",
        ["", "s: median (range)"], [],
    )
    runs = []
    for number in range(bench.rounds):
        with bench.server.database() as database:
            run = _round(bench, database, file)
        if run is None:
            outcome.notes.append("A round was over before the SIGKILL: it needs more rows.")
            continue
        runs.append(run)
        progress(f"round {number + 1}: {run['after_exec_s']:.3f} s after exec")
    after_ready = [run["after_ready_s"] for run in runs if run["after_ready_s"] is not None]
    outcome.body = [
        ["after ready", spread(after_ready, "{:.3f}")],
        ["after exec", spread((run["after_exec_s"] for run in runs), "{:.3f}")],
    ]
    if runs and not after_ready:
        outcome.notes.append(NO_READY)
    outcome.figures = {"bytes": file.size, "runs": runs}
    median = summary(after_ready)["median"] if after_ready else None
    what = "resume, ready to the first new row"
    outcome.targets.append(Target(what, median, 1.0, "s", at_least=False))
    return outcome


def _round(bench, database, file):
    tables.create(database, keyed=False)
    bench.migrate(database)
    path = inbox.configure(bench, database, keyed=False)
    directory = inbox.directory(bench, database) / "inbox" / "events"
    inbox.link(file, directory)
    with database.session() as session:
        with bench.service(database, path) as service:
            half = file.answer.rows // 2
            # Checkpoints are deleted with the COMMITTED of their file.
            ended = lambda: inbox.is_empty(directory)
            service.wait_until(lambda: session.number(inbox.RECORDS) >= half or ended(), "half of the file")
            service.kill()
        before = _settled(session)
        if not half <= before < file.answer.rows:
            inbox.remove(bench, database)
            return None
        with bench.service(database, path) as service:
            service.wait_until(lambda: session.number(inbox.RECORDS) > before or ended(), "a new row", every=0.001)
            seen = time.perf_counter()
            ready = service.wait_for("ready", patience=2)
            service.wait_until(ended, "the rest of the file", every=0.05)
            service.wait_until(lambda: inbox.archived(database) == 1, "the ledger's last note", every=0.05)
            service.stop()
    tables.check(database, file.answer, keyed=False)
    inbox.check_archived(database, 1)
    inbox.remove(bench, database)
    return {
        "killed_after_rows": before, "after_exec_s": seen - service.begun,
        "after_ready_s": None if ready is None else seen - ready,
    }


def _settled(session):
    """The rows that are committed once the killed service's backends have noticed its end."""
    others = "select count(*) from pg_stat_activity where application_name = 'ingestd'"
    until = time.perf_counter() + 60
    while session.number(others) > 0:
        if time.perf_counter() > until:
            raise Failed("backends of the killed service are still there after a minute")
        time.sleep(0.01)
    return session.number(inbox.RECORDS)
