"""A Python script of the usual kind: FILE DSN PAGE. A program of its own, started by the comparison.

It is kinder than most: fields stay text, and there is one commit, at the end.
"""

import csv
import itertools
import sys

import psycopg2
from psycopg2.extras import execute_values


def main(path, dsn, page):
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor, open(path, newline="") as file:
        rows = csv.reader(file)
        names = next(rows)
        updates = ", ".join(f"{name} = excluded.{name}" for name in names if name != "event_id")
        statement = (
            f"insert into raw_events ({', '.join(names)}) values %s "
            f"on conflict (event_id) do update set {updates}"
        )
        while some := list(itertools.islice(rows, page)):
            execute_values(cursor, statement, some, page_size=page)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
