"""What every scenario is given: the server, the files, the program, and how often to measure."""

from dataclasses import dataclass, replace
from pathlib import Path

from . import tables
from .contestants import Command
from .data import Data
from .process import Service, run
from .server import Server
from .stages import Stages


@dataclass
class Bench:
    """One run of the comparison."""

    directory: Path
    server: Server
    data: Data
    ingestd: Path
    rounds: int

    @property
    def rows(self):
        return self.data.rows

    def scaled(self, number, least):
        """What is `number` for a million rows, in proportion to the rows of this run."""
        return max(least, number * self.rows // 1_000_000)

    def at_most(self, rounds):
        """The same with fewer rounds."""
        return replace(self, rounds=min(self.rounds, rounds))

    def run(self, database, command):
        """Runs a command on a database."""
        environment = {**self.server.environment(database.name), **command.env}
        return run(list(map(str, command.argv)), environment, self.directory / "output")

    def measure(self, database, command):
        """Runs a command that loads into a database, and takes its figures."""
        database.sql("checkpoint")
        with self.server.usage() as used:
            finished = self.run(database, command)
        return Measured(
            seconds=finished.seconds,
            cpu_s=finished.cpu_s,
            peak_bytes=finished.peak_bytes,
            **used,
            table_bytes=tables.size(database),
            seconds_of_work=finished.seconds - _start_of_work(finished),
            stages=Stages.read(finished.output.splitlines()),
        )

    def migrate(self, database):
        """Makes the ledger, so that what follows is no service's very first start."""
        argv = [self.ingestd, "migrate", "--database-url", database.url()]
        self.run(database, Command(argv))

    def service(self, database, configuration, options=""):
        """Starts `ingestd run`."""
        argv = [self.ingestd, "run", "--config", configuration, "--database-url", database.url(options)]
        environment = self.server.environment(database.name)
        return Service(list(map(str, argv)), environment, self.directory / "service.log")


@dataclass
class Measured:
    """The figures of one load."""

    seconds: float  # of the whole command
    cpu_s: float  # user and system, of the command
    peak_bytes: int  # resident, of the command
    server_cpu_s: float  # of all server processes
    server_peak_bytes: int  # resident, of all server processes
    wal_bytes: int
    table_bytes: int  # with its indexes
    seconds_of_work: float  # without the start of a JVM, where there is one
    stages: Stages  # where ingestd's log tells


def _start_of_work(finished):
    for line in finished.output.splitlines():
        if line.startswith("session "):
            return finished.seconds - (finished.ended - float(line.split()[1]))
    return 0.0
