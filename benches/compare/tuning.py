"""What settings of ingestd and of PostgreSQL are worth: the figures of docs/tuning.md."""

import contextlib
from dataclasses import asdict, dataclass, field

from . import configuration, contestants, latency, tables
from .loads import Entry, filled, rate
from .outcome import Outcome, spread, summary
from .report import progress

ROUNDS = 3


@dataclass
class Setting:
    """One change against the defaults."""

    name: str
    pipeline: dict = field(default_factory=dict)  # ingestd
    server: dict = field(default_factory=dict)  # PostgreSQL
    session: str = ""  # PostgreSQL, by the URL
    kind: str = ""  # the table: "unlogged"
    storage: str = ""  # the table: "with (fillfactor = 70)"


DEFAULT = Setting("default")
ASYNCHRONOUS = Setting("synchronous_commit = off", session="-c synchronous_commit=off")
LARGE_BATCHES = {"batch_rows": 200_000, "batch_bytes": "32MiB", "memory": "128MiB"}
CHECKPOINTS = {"max_wal_size": "8GB", "checkpoint_timeout": "30min"}


def tuning(bench):
    """Each setting against the defaults, in turn."""
    bench = bench.at_most(ROUNDS)
    compression = {"wal_compression": _compression(bench)}
    compressed = Setting(f"wal_compression = {compression['wal_compression']}", server=compression)
    outcome = Outcome(
        "settings, each against the defaults",
        ["what", "setting", "rows/s: median (range)", "default = 1", "WAL MB", "table MB", "peak MB"], [],
    )
    _loads(bench, outcome, "fresh", [
        DEFAULT,
        Setting("batch_rows = 10_000", {"batch_rows": 10_000}),
        Setting("batch_rows = 200_000, batch_bytes = 32MiB, memory = 128MiB", LARGE_BATCHES),
        Setting("memory = 16MiB, batch_bytes = 4MiB", {"memory": "16MiB", "batch_bytes": "4MiB"}),
        Setting("partitions = 1", {"partitions": 1}),
        Setting("partitions = 4", {"partitions": 4}),
        ASYNCHRONOUS,
        compressed,
        Setting("shared_buffers = 1GB", server={"shared_buffers": "1GB"}),
        Setting("max_wal_size = 8GB, checkpoint_timeout = 30min", server=CHECKPOINTS),
        Setting("the last three together", server={**compression, **CHECKPOINTS, "shared_buffers": "1GB"}),
        Setting("an unlogged table", kind="unlogged"),
    ])
    _loads(bench, outcome, "all there already", [
        DEFAULT,
        Setting("fillfactor = 70", storage="with (fillfactor = 70)"),
        Setting("fillfactor = 45", storage="with (fillfactor = 45)"),
        compressed,
        Setting("shared_buffers = 1GB", server={"shared_buffers": "1GB"}),
    ])
    _loads(bench, outcome, "first load", [
        DEFAULT,
        Setting("maintenance_work_mem = 512MB", server={"maintenance_work_mem": "512MB"}),
    ])
    _latencies(bench, outcome, [DEFAULT, ASYNCHRONOUS])
    return outcome


def _loads(bench, outcome, what, settings):
    with contextlib.ExitStack() as stack:
        entries = [_entry(bench, stack, what, setting) for setting in settings]
        for number in range(bench.rounds):
            for setting, entry in zip(settings, entries):
                with bench.server.settings(setting.server):
                    measured = entry.run(bench)
                progress(f"{what}, round {number + 1}: {setting.name}: {measured.seconds:.2f} s")
    for setting, entry in zip(settings, entries):
        outcome.body.append([
            what, setting.name, spread(entry.rates()), f"{rate(entry) / rate(entries[0]):.2f}",
            f"{entry.median('wal_bytes') / 1e6:,.0f}", f"{entry.median('table_bytes') / 1e6:,.0f}",
            f"{entry.median('peak_bytes') / 1e6:.0f}",
        ])
        outcome.figures.setdefault(what, {})[setting.name] = {
            "rows_per_s": summary(entry.rates()), "runs": [asdict(one) for one in entry.measured],
        }


def _entry(bench, stack, what, setting):
    """`ingestd load` with a setting."""
    make = lambda database: tables.create(database, kind=setting.kind, storage=setting.storage)
    if what == "first load":
        entry = Entry(_configured(configuration.creating, setting), make=lambda database: None)
    elif what == "fresh":
        entry = Entry(_configured(configuration.pipeline, setting), make=make)
    else:
        full = stack.enter_context(filled(bench, bench.data.first, setting.storage))
        entry = Entry(_configured(configuration.pipeline, setting), bench.data.changed, full)
    entry.choose_file(bench)
    return entry


def _configured(keys, setting):
    def make(bench):
        path = bench.directory / "tuning.toml"
        return configuration.write(path, {"events": keys(bench.directory / "nothing", **setting.pipeline)})

    return contestants.ingestd_configured(make, setting.name, setting.session)


def _latencies(bench, outcome, settings):
    samples = bench.scaled(200, least=30)
    for setting in settings:
        measured = latency.quiet_latencies(bench, samples, setting.session)
        p50, p99 = latency.percentile(measured, 50), latency.percentile(measured, 99)
        outcome.notes.append(f"Latency, {setting.name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms.")
        outcome.figures.setdefault("latency", {})[setting.name] = {"p50_ms": p50, "p99_ms": p99}


def _compression(bench):
    """The fastest method that this server knows."""
    [[known]] = bench.server.sql("select enumvals::text from pg_settings where name = 'wal_compression'")
    return "lz4" if "lz4" in known else "on"
