"""What a scenario gives: a table for people, figures for programs, and its targets."""

import statistics
from dataclasses import dataclass, field


@dataclass
class Target:
    """A figure that is aimed at, and what was measured."""

    what: str
    measured: float  # None where it could not be measured
    bound: float
    unit: str  # "×", "ms", "files/s", …
    at_least: bool = True

    @property
    def met(self):
        if self.measured is None:
            return None
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


@dataclass
class Outcome:
    """The outcome of one scenario."""

    title: str
    head: list
    body: list  # of rows of text, as many as there are heads
    targets: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)  # for JSON


def spread(values, show="{:,.0f}"):
    """The median, the least and the most."""
    values = list(values)
    if not values:
        return "not measured"
    if len(values) == 1:
        return show.format(values[0])
    low, high = show.format(min(values)), show.format(max(values))
    return f"{show.format(statistics.median(values))} ({low}–{high})"


def summary(values):
    """The same for JSON, with every value."""
    values = list(values)
    return {
        "median": statistics.median(values), "minimum": min(values), "maximum": max(values),
        "all": values,
    }
