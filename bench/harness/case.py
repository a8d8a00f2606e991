# SPDX-License-Identifier: BSD-3-Clause
"""
A benchmark is a row of a table: what is measured on which sides, in what unit, and what it has to
be. Sides are measured in turn (A B A B ...), so that a noisy machine is as unkind to one as to the
other; a figure is the median of its turns, and comes with its spread.
"""
import statistics
from dataclasses import dataclass, field
from typing import Callable, Optional

cases = []


class Skip(Exception):
    """A side that cannot be measured here, and why; with how to change that."""


@dataclass
class Budget:
    """What a figure must be. kind: how the figure is made from the sides' medians."""
    kind: str  # "ratio": first side / second; "difference": first - second; "value": the first
    limit: float
    at_most: bool
    text: str

    def figure(self, samples):
        """The figure, from {side: [value of each turn]}; None where a side is missing."""
        sides = [values for values in samples.values() if values]
        if self.kind == "value":
            return statistics.median(sides[0]) if sides else None
        if len(samples) < 2 or not all(list(samples.values())[:2]):
            return None
        pairs = zip(*list(samples.values())[:2])
        if self.kind == "ratio":
            return statistics.median(a / b if b else 0.0 for a, b in pairs)
        return statistics.median(a - b for a, b in pairs)

    def met(self, figure):
        """Is it kept?"""
        return figure <= self.limit if self.at_most else figure >= self.limit

    def share(self, figure):
        """1.0 and more: met, by how much."""
        if self.at_most:
            return self.limit / figure if figure > 0 else float("inf")
        return figure / self.limit


def ratio_at_least(limit, text):
    """First side / second side >= limit, turn by turn."""
    return Budget("ratio", limit, False, text)


def value_at_most(limit, text):
    """The first side's median <= limit."""
    return Budget("value", limit, True, text)


def value_at_least(limit, text):
    """The first side's median >= limit."""
    return Budget("value", limit, False, text)


def difference_at_most(limit, text):
    """First side - second side <= limit, turn by turn."""
    return Budget("difference", limit, True, text)


@dataclass
class Case:
    """One row. sides: {label: function(world) -> number, or (number, details)}."""
    name: str
    title: str
    unit: str
    sides: dict
    turns: int = 5
    budget: Optional[Budget] = None
    scale: float = 1.0  # values are divided by it for printing
    plot: Optional[dict] = None  # {"group": name of the plot, "x": position or label}
    note: str = ""
    if_missed: str = ""  # why the budget can be missed
    by_distance: bool = False  # what it gives depends on how far the two CPUs are apart
    on_request: bool = False  # only when its name is asked for
    prepare: Optional[Callable] = None
    timeout_s: int = 240  # a hang's guard
    extra: dict = field(default_factory=dict)


def case(**row):
    """Add a row."""
    cases.append(Case(**row))


def spread(values):
    """(max - min) / median, as a part of 1."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0
