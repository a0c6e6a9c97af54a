"""The peak of resident memory, with four partitions."""

from . import configuration, contestants, tables
from .loads import Entry, in_turn
from .outcome import Outcome, Target, spread, summary


def memory(bench):
    """An append of a large file, and fresh rows into an indexed table."""
    large = bench.data.joined(16)

    def configured(keyed):
        def make(bench):
            keys = configuration.pipeline(bench.directory / "nothing", keyed, partitions=4)
            return configuration.write(bench.directory / "memory.toml", {"events": keys})

        return make

    entries = [
        Entry(
            contestants.ingestd_configured(configured(False), f"append of {large.size / 1e9:.2f} GB"),
            file=large, make=lambda database: tables.create(database, keyed=False), keyed=False,
        ),
        Entry(contestants.ingestd_configured(configured(True), "fresh rows, key and three more indexes")),
    ]
    in_turn(bench.at_most(2), entries)
    outcome = Outcome("peak resident memory (VmHWM), 4 partitions", ["ingestd load", "MB: median (range)"], [])
    for entry in entries:
        peaks = [one.peak_bytes for one in entry.measured]
        outcome.body.append([entry.name, spread(peak / 1e6 for peak in peaks)])
        outcome.figures[entry.name] = {"bytes": entry.size, "peak_bytes": summary(peaks)}
        most = max(peaks) / 1e6
        outcome.targets.append(Target(f"memory, {entry.name}", most, 100, "MB", at_least=False))
    return outcome
