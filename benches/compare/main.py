"""The command line: which scenarios, how much, how often."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from . import asked, growth, latency, lifecycle, loads, memory, small, tuning
from .bench import Bench
from .contestants import versions
from .data import Data
from .proc import machine
from .process import Failed
from .report import progress, show, show_targets, write_json
from .server import Server

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = {
    "fresh": loads.fresh,
    "append": loads.append,
    "first": loads.first,
    "present": loads.present,
    "mixed": loads.mixed,
    "small": small.small,
    "latency": latency.latency,
    "start": lifecycle.start,
    "resume": lifecycle.resume,
    "memory": memory.memory,
    "growth": growth.growth,
    "asked": asked.asked,
    "tuning": tuning.tuning,
}
# What docs/tuning.md says; it compares ingestd with itself.
ONLY_BY_NAME = ["tuning"]
# The load average from which the figures are not to be trusted.
BUSY = 0.5


def main():
    """Runs the scenarios; the exit code."""
    arguments = parse()
    # Leave by the same way as after an error: the server has to be stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = Path(tempfile.mkdtemp(prefix="ingestd-bench-"))
    directory.chmod(0o755)
    server = None
    try:
        server = Server(directory, dict(arguments.set))
        return compare(arguments, directory, server)
    except Failed as failure:
        print(f"\nFAILED: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if server:
            server.stop()
        if arguments.keep:
            progress(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def parse():
    parser = argparse.ArgumentParser(
        prog="benches/run",
        description="Measures ingestd beside psql, pgloader, a Python script and a Spark job, on a "
        "PostgreSQL server of its own with default settings. TMPDIR says where its files go.",
    )
    parser.add_argument("--only", type=scenarios, metavar="NAME,…", help=", ".join(SCENARIOS))
    parser.add_argument("--rows", type=int, metavar="N", help="rows of a file; everything else is in proportion [1000000]")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each is measured; slow ones less often [5]")
    parser.add_argument("--quick", action="store_true", help="--rows 100000 --rounds 2")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE", help="a setting of PostgreSQL")
    parser.add_argument("--ingestd", type=Path, default=ROOT / "target/release/ingestd", metavar="PATH", help="[target/release/ingestd]")
    parser.add_argument("--json", type=Path, default=ROOT / "target/benches.json", metavar="FILE", help="[target/benches.json]")
    parser.add_argument("--keep", action="store_true", help="keep the server's directory, the files and the logs")
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or (100_000 if arguments.quick else 1_000_000)
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 5)
    if arguments.rows < 1000 or arguments.rounds < 1:
        parser.error("--rows is at least 1000, --rounds at least 1")
    arguments.ingestd = arguments.ingestd.resolve()
    if not os.access(arguments.ingestd, os.X_OK):
        parser.error(f"{arguments.ingestd} is missing; build it with: cargo build --release")
    return arguments


def scenarios(text):
    names = text.split(",")
    for name in names:
        if name not in SCENARIOS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(SCENARIOS)}")
    return names


def setting(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("write it as NAME=VALUE")
    return name, value


def compare(arguments, directory, server):
    """Runs the scenarios one after the other; what was measured is shown even if one fails."""
    data = Data(directory / "data", arguments.ingestd, arguments.rows)
    bench = Bench(directory, server, data, arguments.ingestd, arguments.rounds)
    document = described(arguments, server)
    names = arguments.only or [name for name in SCENARIOS if name not in ONLY_BY_NAME]
    targets = []
    try:
        for name in names:
            progress(f"{name}: {SCENARIOS[name].__doc__.splitlines()[0]}")
            begun = time.perf_counter()
            outcome = SCENARIOS[name](bench)
            show(outcome)
            targets += outcome.targets
            document["scenarios"][name] = {
                "took_s": time.perf_counter() - begun,
                "targets": [{**asdict(target), "met": target.met} for target in outcome.targets],
                **outcome.figures,
            }
    finally:
        if targets:
            show_targets(targets)
        write_json(arguments.json, document)
        progress(f"written: {arguments.json}")
    return 0


def described(arguments, server):
    """Prints what the figures depend on; the beginning of the JSON."""
    here = machine()
    program = subprocess.check_output([arguments.ingestd, "--version"], text=True).strip()
    document = {
        "begun": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": here,
        "versions": {"ingestd": program, "postgresql": server.version, **versions()},
        "settings": dict(arguments.set),
        "rows": arguments.rows,
        "rounds": arguments.rounds,
        "scenarios": {},
    }
    others = ", ".join(f"{name} {version}" for name, version in versions().items())
    changed = ", ".join(f"{name} = {value}" for name, value in arguments.set) or "its default settings"
    print(
        f"{here['processor']}, {here['cores']} cores, {here['memory_gib']} GiB, {here['system']}\n"
        f"{program}; PostgreSQL {server.version} with {changed}; {others}\n"
        f"{arguments.rows:,} rows, {arguments.rounds} rounds, whole commands; range: least to most"
    )
    if here["load_before"] > BUSY:
        print(f"\nThe machine is busy (load average {here['load_before']}): don't trust the figures.")

    sys.stdout.flush()
    return document
