#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every test that docs/guarantees.md cites exists, and no line of its tables is without one.

  citations.py TOP    the repository's folder

A citation is `rung/file:name`, or `fuzz/file` for a whole fuzzer. A test of the unit rung counts
when it is in its program's list, one of the functional rung when it is a case, one of the VM rung
when it is a function test_NAME: the ways in which their runners find them.
"""
import os
import re
import sys

CITATION = re.compile(r"`((?:unit|functional|vm|fuzz)/[\w./-]+)(?::(\w+))?`")
FOLDERS = {"functional": "functional/cases"}
RUN_AS = {
    "unit": r"\b\w*(?:TEST|test)\w*\(\s*{}\b",
    "functional": r"^@case\b(?:(?!^@case\b)[\s\S])*?^def {}\(",
    "vm": r"^def test_{}\(",
}


def problem_of(top, place, name):
    """Why the citation is wrong, or None."""
    rung, file = place.split("/", 1)
    path = os.path.join(top, "tests", FOLDERS.get(rung, rung), file)
    if not os.path.exists(path):
        return f"there is no {os.path.relpath(path, top)}"
    if rung == "fuzz":
        return None
    if not name:
        return f"{place}: which test?"
    with open(path, encoding="utf-8") as source:
        found = re.search(RUN_AS[rung].format(name), source.read(), re.MULTILINE)
    return None if found else f"{place} has no test {name}"


def problems(top, text):
    """All that is wrong with the document, with line numbers."""
    rows = 0
    for number, line in enumerate(text.split("\n"), 1):
        cited = CITATION.findall(line)
        is_row = line.startswith("|") and not re.match(r"\|(-+\||.*\| shown by \|$)", line)
        rows += is_row
        if is_row and not cited:
            yield f"line {number}: no test is cited"
        for place, name in cited:
            problem = problem_of(top, place, name)
            if problem:
                yield f"line {number}: {problem}"
    if rows < 40:
        yield f"only {rows} lines of tables were found"


def check_itself(top):
    """What it must not let pass."""
    for line in ("| a | `unit/test_group.c:no_such_test` |", "| a | no test |",
                 "| a | `vm/test_nowhere.py:x` |", "| a | `functional/restart.py:begin` |",
                 "| a | `unit/test_group.c` |"):
        if not [problem for problem in problems(top, line) if problem.startswith("line 1")]:
            yield f"its own check: {line} passed"


def main():
    top = sys.argv[1]
    with open(os.path.join(top, "docs", "guarantees.md"), encoding="utf-8") as document:
        found = [*check_itself(top), *problems(top, document.read())]
    for problem in found:
        print(f"docs/guarantees.md: {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
