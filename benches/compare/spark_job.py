"""The usual Spark job: DIRECTORY DSN. A program of its own, started by the comparison.

A stream of CSV files, each micro-batch in four partitions, each partition by `execute_values`.
"""

import sys
import time

import psycopg2
from psycopg2.extras import execute_values
from pyspark.sql import SparkSession

SCHEMA = (
    "event_id string, event_time timestamp, event_type string, user_id string, product_id string,"
    " category string, session_id string, price decimal(10,2), quantity int"
)


def write_partition(dsn, names):
    def write(rows):
        updates = ", ".join(f"{name} = excluded.{name}" for name in names if name != "event_id")
        statement = (
            f"insert into raw_events ({', '.join(names)}) values %s "
            f"on conflict (event_id) do update set {updates}"
        )
        with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
            execute_values(cursor, statement, rows, page_size=1000)

    return write


def main(directory, dsn):
    builder = SparkSession.builder.master("local[2]").appName("events")
    spark = builder.config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    print(f"session {time.time()}", flush=True)
    # Some fields hold quotes and line ends; a file of such can't be split.
    options = {"header": "true", "escape": '"', "multiLine": "true"}
    stream = spark.readStream.schema(SCHEMA).options(**options).csv(f"{directory}/in")

    def write_batch(frame, _):
        frame.repartition(4).foreachPartition(write_partition(dsn, frame.columns))

    query = (
        stream.writeStream.foreachBatch(write_batch)
        .option("checkpointLocation", f"{directory}/checkpoint")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
