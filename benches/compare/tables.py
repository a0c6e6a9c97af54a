"""The table of e-commerce events, and whether it holds what it should."""

from .process import Failed

TABLE = "raw_events"
KEY = "event_id"
COLUMNS = {
    "event_id": "uuid",
    "event_time": "timestamptz",
    "event_type": "text",
    "user_id": "text",
    "product_id": "text",
    "category": "text",
    "session_id": "text",
    "price": "numeric(10,2)",
    "quantity": "integer",
}
NAMES = ", ".join(COLUMNS)
INDEXES = ["event_time", "event_type", "user_id"]
# What an upsert sets where the key is there already.
UPDATES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != KEY)


def create(database, keyed=True, table=TABLE, kind="", storage=""):
    """Creates the table: with its key and three more indexes, or with no index at all."""
    columns = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
    key = f", primary key ({KEY})" if keyed else ""
    text = f"create {kind} table {table} ({columns}{key}) {storage};\n"
    if keyed:
        text += "".join(f"create index on {table} ({column});\n" for column in INDEXES)
    database.sql(text)


def check(database, answer, keyed=True, table=TABLE):
    """Fails unless the table holds the answer and has its indexes."""
    [found] = database.sql(
        f"select count(*), coalesce(sum(quantity), 0), (coalesce(sum(price), 0) * 100)::bigint,"
        f" (select count(*) from pg_index where indrelid = '{table}'::regclass and indisvalid)"
        f" from {table}"
    )
    indexes = 1 + len(INDEXES) if keyed else 0
    expected = [answer.rows, answer.quantity, answer.cents, indexes]
    if list(map(int, found)) != expected:
        raise Failed(
            f"WRONG: {table} holds rows, quantity, cents, valid indexes {found}, expected {expected}"
        )


def size(database, table=TABLE):
    """Bytes of the table, its indexes and all that belongs to it."""
    return int(database.sql(f"select pg_total_relation_size('{table}')")[0][0])
