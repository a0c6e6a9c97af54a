"""A PostgreSQL server of this run's own: fresh, with its default settings, on a Unix socket only."""

import contextlib
import itertools
import os
import shutil
import subprocess
from pathlib import Path

from .proc import children, cpu_with_children, memory_with_children
from .process import Failed, Peak
from .session import Session

USER = "bench"


class Server:
    """A running server below `directory`; as the user `postgres` where this is root."""

    def __init__(self, directory, settings):
        self.socket = directory / "socket"
        self._cluster = directory / "cluster"
        self._log = directory / "server.log"
        self._bin = _programs()
        self._numbers = itertools.count(1)
        self._as = {}
        if os.geteuid() == 0:
            self._as = {"user": "postgres", "group": "postgres", "extra_groups": []}
        for made in (self.socket, self._cluster):
            made.mkdir()
            if self._as:
                shutil.chown(made, "postgres", "postgres")
        self._log.touch()
        if self._as:
            shutil.chown(self._log, "postgres", "postgres")
        self.psql = str(self._bin / "psql")
        self._run("initdb", "-D", self._cluster, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C")
        with open(self._cluster / "postgresql.conf", "a") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{self.socket}'\n")
            for name, value in settings.items():
                file.write(f"{name} = '{value}'\n")
        self._start()
        self.version = self.sql("show server_version")[0][0]
        self.major = int(self.sql("show server_version_num")[0][0]) // 10000

    def _run(self, program, *arguments):
        argv = [str(self._bin / program), *map(str, arguments)]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", **self._as
        )
        if done.returncode != 0:
            raise Failed(f"{' '.join(argv)}\n{done.stdout}{done.stderr}")

    def _start(self):
        # Its output must not be a pipe of ours, which the server would keep open: hence the log.
        self._run("pg_ctl", "-D", self._cluster, "-w", "-l", self._log, "start")
        self._postmaster = int((self._cluster / "postmaster.pid").read_text().split()[0])

    def processes(self):
        """Those that there are now; a new connection's has its settings from the first."""
        return [self._postmaster, *children(self._postmaster)]

    def stop(self):
        """Ends it; what it holds is not needed any more."""
        with contextlib.suppress(Failed):
            self._run("pg_ctl", "-D", self._cluster, "-m", "immediate", "stop")

    @contextlib.contextmanager
    def settings(self, settings):
        """Runs with other settings for a while."""
        if not settings:
            yield
            return
        self.sql("".join(f"alter system set {name} = '{value}';" + "\n" for name, value in settings.items()))
        self._restart()
        try:
            yield
        finally:
            self.sql("alter system reset all")
            self._restart()

    def _restart(self):
        self._run("pg_ctl", "-D", self._cluster, "-w", "-m", "fast", "stop")
        self._start()

    def environment(self, database="postgres"):
        """What a program needs to find the database, without what the caller's own would add."""
        foreign = ("PG", "INGESTD", "DATABASE_URL")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**kept, "PGHOST": str(self.socket), "PGUSER": USER, "PGDATABASE": database}

    def sql(self, text, database="postgres"):
        """Runs statements; the rows of their answers, as text."""
        argv = [self.psql, "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(
            argv, input=text, env=self.environment(database), capture_output=True, text=True
        )
        if done.returncode != 0:
            raise Failed(f"{text}\n{done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def create(self, template=None):
        """A new database: empty, or a copy of another one."""
        name = f"bench_{next(self._numbers)}"
        copied = f" template {template.name}" if template else ""
        # The default since 15 writes every page of the copy to the WAL.
        how = " strategy file_copy" if template and self.major >= 15 else ""
        self.sql(f"create database {name}{copied}{how}")
        return Database(self, name)

    @contextlib.contextmanager
    def database(self, template=None):
        """A database for one measurement."""
        database = self.create(template)
        try:
            yield database
        finally:
            self.sql(f"drop database {database.name} with (force)")

    @contextlib.contextmanager
    def usage(self):
        """What the server uses meanwhile; the dictionary is filled at the end."""
        used = {}
        wal, cpu = self._wal(), cpu_with_children(self._postmaster)
        peak = Peak(lambda: memory_with_children(self._postmaster), every=0.2)
        try:
            yield used
        finally:
            peak.stop()
        used["server_cpu_s"] = cpu_with_children(self._postmaster) - cpu
        used["server_peak_bytes"] = peak.most
        used["wal_bytes"] = self._wal() - wal

    def _wal(self):
        return int(self.sql("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[0][0])


class Database:
    """A database of the server."""

    def __init__(self, server, name):
        self.server = server
        self.name = name

    def url(self, options=""):
        """As ingestd and psycopg2 take it; `options` as `-c name=value`."""
        url = f"host={self.server.socket} user={USER} dbname={self.name}"
        return f"{url} options='{options}'" if options else url

    def sql(self, text):
        """Runs statements here."""
        return self.server.sql(text, self.name)

    def session(self):
        """A connection that stays open."""
        return Session(self.server.psql, self.server.environment(self.name))


def _programs():
    """Where the server's programs are."""
    places = []
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        places.append(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    places += sorted(versions, key=lambda path: float(path.parent.name), reverse=True)
    places += os.environ.get("PATH", "").split(":")
    for place in map(Path, places):
        if (place / "initdb").exists() and (place / "psql").exists():
            return place
    raise Failed("PostgreSQL's server is missing; install it with: apt-get install postgresql")
