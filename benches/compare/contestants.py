"""What loads a file into the table, each as the command that somebody would type."""

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from .tables import COLUMNS, KEY, NAMES, TABLE, UPDATES

HERE = Path(__file__).parent


@dataclass
class Command:
    """A command for one file and one database."""

    argv: list
    env: dict = field(default_factory=dict)


@dataclass
class Contestant:
    """One way to load a file."""

    name: str
    command: Callable  # (bench, database, file) -> Command
    rounds: int = 1_000_000  # at most
    divisor: int = 1  # loads the first 1/divisor of the rows: it is slow
    missing: str = ""  # how to install it, where it can't run here
    is_one_process: bool = True  # so that its CPU and memory are all there is


def ingestd(keyed=True):
    """`ingestd load FILE --table`; it logs each batch, for the shares of time by stage."""

    def command(bench, database, file):
        key = ["--key", KEY] if keyed else []
        argv = [bench.ingestd, "load", file.path, "--table", TABLE, *key]
        return ingestd_command(bench, database, argv)

    return Contestant("ingestd load", command)


def ingestd_configured(make, name, options=""):
    """`ingestd load FILE --config`; `make(bench)` writes the configuration, `options` are the
    connections'."""

    def command(bench, database, file):
        argv = [bench.ingestd, "load", file.path, "--config", make(bench)]
        return ingestd_command(bench, database, argv, options)

    return Contestant(name, command)


def ingestd_command(bench, database, argv, options=""):
    argv = [*argv, "--verbose", "--database-url", database.url(options)]
    env = {
        "INGESTD__LOG__LEVEL": "debug",
        "INGESTD__LOG__FORMAT": "json",
        "INGESTD__SERVICE__DATA_DIR": str(bench.directory / "data_dir"),
    }
    return Command(argv, env)


def psql(name, script):
    """psql with a script, which may name the file as `{file}`."""

    def command(bench, database, file):
        path = bench.directory / "script.sql"
        path.write_text(script.format(file=file.path))
        return Command([database.server.psql, "-Xq", "-v", "ON_ERROR_STOP=1", "-f", path])

    return Contestant(name, command)


def _copy(table, format_="csv header"):
    return f"\\copy {table} ({NAMES}) from '{{file}}' {format_}\n"


_UPSERT = f"insert into {TABLE} ({NAMES}) select {NAMES} from staged on conflict ({KEY}) do update set {UPDATES};\n"
_STAGED = f"begin;\ncreate temporary table staged (like {TABLE}) on commit drop;\n"


def psql_copy():
    return psql("psql \\copy", _copy(TABLE))


def psql_staging():
    return psql("psql with staging", _STAGED + _copy("staged") + _UPSERT + "commit;\n")


def psql_binary_staging():
    """The file is in the binary format of COPY already."""
    copy = _copy("staged", "(format binary)")
    return psql("psql: binary COPY, INSERT … ON CONFLICT", _STAGED + copy + _UPSERT + "commit;\n")


def pgloader(rounds):
    def command(bench, database, file):
        names = NAMES
        url = f"postgresql://bench@unix:{database.server.socket}:5432/{database.name}"
        script = bench.directory / "pgloader.load"
        script.write_text(
            f"LOAD CSV FROM '{file.path}' ({names})\n"
            f"INTO {url}\nTARGET TABLE {TABLE} ({names})\n"
            "WITH skip header = 1, fields terminated by ',', fields optionally enclosed by '\"';\n"
        )
        root = bench.directory / "pgloader"
        return Command([shutil.which("pgloader"), "--root-dir", root, script])

    missing = "" if shutil.which("pgloader") else "apt-get install pgloader"
    return Contestant("pgloader", command, rounds=rounds, missing=missing)


def execute_values(page, rounds, divisor):
    def command(bench, database, file):
        script = HERE / "execute_values.py"
        return Command([sys.executable, script, file.path, database.url(), page])

    name = f"psycopg2 execute_values, pages of {page:,}"
    return Contestant(name, command, rounds, divisor, _missing_modules("psycopg2"))


def spark(rounds):
    def command(bench, database, file):
        # The file source reads directories.
        source = bench.directory / f"spark-{database.name}"
        (source / "in").mkdir(parents=True)
        (source / "in" / file.path.name).symlink_to(file.path)
        argv = [sys.executable, HERE / "spark_job.py", source, database.url()]
        return Command(argv, {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"})

    java = "" if shutil.which("java") else "apt-get install openjdk-17-jre-headless"
    missing = "; ".join(filter(None, [_missing_modules("psycopg2", "pyspark"), java]))
    name = "Spark, local[2], 4 partitions"
    return Contestant(name, command, rounds, missing=missing, is_one_process=False)


def _missing_modules(*names):
    if all(importlib.util.find_spec(name) for name in names):
        return ""
    return f"{Path(sys.executable).name} -m pip install -r benches/requirements.txt"


def versions():
    """Of the contestants that are installed."""
    found = {}
    if shutil.which("pgloader"):
        text = subprocess.check_output(["pgloader", "--version"], text=True)
        found["pgloader"] = text.split('"')[1] if '"' in text else text.split()[-1]
    for package, name in [("psycopg2", "psycopg2"), ("psycopg2-binary", "psycopg2"), ("pyspark", "Spark")]:
        try:
            found[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found
