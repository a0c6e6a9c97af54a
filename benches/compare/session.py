"""A connection that stays open: psql, spoken to through pipes."""

import subprocess

from .process import Failed

END = "--end-of-answer--"


class Session:
    """Asks one question after the other, at the cost of a round trip each."""

    def __init__(self, psql, environment):
        self._process = subprocess.Popen(
            [psql, "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1"],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()

    def ask(self, sql):
        """The rows of the answer, as text."""
        self._process.stdin.write(f"{sql};\n\\echo {END}\n")
        self._process.stdin.flush()
        rows = []
        for line in self._process.stdout:
            if line.rstrip("\n") == END:
                return rows
            rows.append(line.rstrip("\n").split("\t"))
        raise Failed(f"{sql}\n{self._process.stderr.read()}")

    def number(self, sql):
        """The answer where it is one number."""
        return int(self.ask(sql)[0][0])
