"""Configurations for ingestd, as TOML."""

import json

from .tables import COLUMNS, INDEXES, KEY, TABLE


def write(path, pipelines, service=()):
    """Writes a configuration: pipelines by name, each a dictionary of its keys."""
    lines = ["[service]", f"data_dir = {_value(str(path.parent))}"]
    lines += [f"{key} = {_value(value)}" for key, value in dict(service).items()]
    lines += ["[log]", 'format = "json"']
    for name, keys in pipelines.items():
        lines.append(f"[pipelines.{name}]")
        lines += [f"{key} = {_value(value)}" for key, value in keys.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def pipeline(directory, keyed=True, table=TABLE, **more):
    """The keys of a pipeline into a table that exists."""
    directory.mkdir(parents=True, exist_ok=True)
    keys = {"directory": str(directory), "table": table}
    if keyed:
        keys["key"] = [KEY]
    return {**keys, **more}


def creating(directory, **more):
    """The keys of a pipeline that creates the table with its key and indexes."""
    columns = [{"name": name, "type": type_} for name, type_ in COLUMNS.items()]
    indexes = [[column] for column in INDEXES]
    return pipeline(directory, create=True, indexes=indexes, columns=columns, **more)


def _value(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)
