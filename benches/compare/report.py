"""What is printed, and the JSON."""

import json
import sys


def progress(text):
    """What is being done, for whoever watches."""
    print(f"  {text}", file=sys.stderr, flush=True)


def show(outcome):
    """A scenario's table, in Markdown."""
    print(f"\n### {outcome.title}\n")
    print(_table(outcome.head, outcome.body))
    for note in outcome.notes:
        print(f"\n{note}")
    sys.stdout.flush()


def show_targets(targets):
    """All targets beside what was measured."""
    body = [
        [
            target.what,
            _figure(target.measured, target.unit),
            ("at least " if target.at_least else "at most ") + _figure(target.bound, target.unit),
            {True: "met", False: "missed", None: "–"}[target.met],
        ]
        for target in targets
    ]
    print("\n### targets\n")
    print(_table(["", "measured", "target", ""], body))
    sys.stdout.flush()


def _figure(value, unit):
    if value is None:
        return "not measured"
    digits = 2 if abs(value) < 10 else 0 if abs(value) >= 100 else 1
    return f"{value:,.{digits}f}{'' if unit == '×' else ' '}{unit}"


def _table(head, body):
    rows = [head, *body]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def write_json(path, document):
    """Everything that was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, default=str) + "\n")
