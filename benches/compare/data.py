"""The files that are loaded, and the answer that each must give.

All of them are made from ten files of `rows` rows with keys of their own, the same ones each time.
"""

import functools
import itertools
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .process import Failed

FILES = 10
SMALL_FILE_ROWS = 15


@dataclass(frozen=True)
class Answer:
    """What a table holds after a load."""

    rows: int = 0
    quantity: int = 0
    cents: int = 0

    def __add__(self, other):
        return Answer(self.rows + other.rows, self.quantity + other.quantity, self.cents + other.cents)


@dataclass(frozen=True)
class File:
    """A CSV file with its answer."""

    path: Path
    answer: Answer

    @property
    def size(self):
        return self.path.stat().st_size


class Data:
    """Makes each file when it is first asked for."""

    def __init__(self, directory, ingestd, rows):
        self.rows = rows
        self._directory = directory
        self._numbers = itertools.count(1)
        self._ingestd = ingestd
        directory.mkdir()

    @functools.cached_property
    def files(self):
        """The ten files."""
        paths = self._generate("base", self.rows * FILES, self.rows, seed=1)
        return [File(path, answer_of(path)) for path in paths]

    @property
    def first(self):
        """The file that most scenarios load."""
        return self.files[0]

    def small_files(self, count, seed):
        """Files of 15 rows; made anew by each call, in a directory of their own."""
        paths = self._generate(f"small-{next(self._numbers)}", count * SMALL_FILE_ROWS, SMALL_FILE_ROWS, seed)
        return [File(path, answer_of(path)) for path in paths]

    @functools.lru_cache(maxsize=None)
    def part(self, rows):
        """The beginning of the first file."""
        return self._changed("part", lambda records: itertools.islice(records, rows))

    @functools.cached_property
    def changed(self):
        """The keys of the first file, with other prices."""
        return self._changed("changed", lambda records: map(_other_price, records))

    @functools.cached_property
    def tenth(self):
        """Every tenth key of the first file, with another price."""
        return self._changed(
            "tenth",
            lambda records: map(_other_price, itertools.islice(records, 0, None, 10)),
        )

    @functools.lru_cache(maxsize=None)
    def joined(self, count):
        """One file that holds `count` of the files, from the first one again after the tenth."""
        path = self._directory / f"joined-{count}.csv"
        answer = Answer()
        with open(path, "wb") as joined:
            for number in range(count):
                file = self.files[number % FILES]
                with open(file.path, "rb") as source:
                    header = source.readline()
                    if number == 0:
                        joined.write(header)
                    while chunk := source.read(1 << 20):
                        joined.write(chunk)
                answer += file.answer
        return File(path, answer)

    def _generate(self, name, rows, rows_per_file, seed):
        out = self._directory / name
        argv = [
            self._ingestd, "generate", "--out", out, "--rows", rows,
            "--rows-per-file", rows_per_file, "--seed", seed,
        ]
        done = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"ingestd generate failed:\n{done.stderr}")
        return sorted(out.glob("*.csv"))

    def _changed(self, name, change):
        path = self._directory / f"{name}.csv"
        with open(self.first.path, "rb") as source, open(path, "wb") as target:
            target.write(source.readline())
            target.writelines(change(_records(source)))
        return File(path, answer_of(path))


def answer_of(path):
    """Counts rows, and adds up quantities and prices: the last two fields, which are never quoted."""
    rows = quantity = cents = 0
    with open(path, "rb") as file:
        file.readline()
        for record in _records(file):
            _, price, number = record.rsplit(b",", 2)
            rows += 1
            quantity += int(number)
            cents += _cents(price)
    return Answer(rows, quantity, cents)


def _records(file):
    """A record goes on where a line ends inside of quotes."""
    for line in file:
        while line.count(b'"') % 2 == 1:
            line += next(file)
        yield line


def _cents(price):
    whole, _, cents = price.partition(b".")
    if len(cents) != 2:
        raise Failed(f"a price without two decimals: {price!r}")
    return int(whole) * 100 + int(cents)


def _other_price(record):
    head, price, quantity = record.rsplit(b",", 2)
    cents = _cents(price) + 111
    return b"%b,%d.%02d,%b" % (head, cents // 100, cents % 100, quantity)
