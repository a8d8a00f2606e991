# SPDX-License-Identifier: BSD-3-Clause
"""The register of tests: @case on a function that takes an Env. Its name says the rule."""
from dataclasses import dataclass
from typing import Callable

from .check import PATIENCE

DEFAULT_TIMEOUT_S = 30
cases = []


@dataclass
class Case:
    """One test, or one row of a matrix."""
    name: str
    run: Callable
    timeout: float


def case(function=None, *, timeout=DEFAULT_TIMEOUT_S, rows=None):
    """
    Register a test. rows: {row name: keyword arguments}, a test each, named function[row].
    timeout: seconds that it may take on an idle machine; see PATIENCE.
    """
    timeout *= PATIENCE

    def register(run):
        if rows is None:
            cases.append(Case(run.__name__, run, timeout))
            return run
        for row, arguments in rows.items():
            cases.append(Case(f"{run.__name__}[{row}]",
                              lambda env, arguments=arguments: run(env, **arguments), timeout))
        return run
    return register(function) if function else register
