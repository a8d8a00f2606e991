#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Totals of cmocka test cases from meson's machine-readable log.

  unit_totals.py BUILD_DIR NAME    prints "NAME: N passed, N failed"; exit status 1 on failures

A program that failed without naming a case (a crash, a sanitizer's report) counts as one failure;
one that passed without cmocka's summary (a script) counts as one pass.
"""
import json
import os
import re
import sys


def count(pattern, text):
    return sum(int(n) for n in re.findall(pattern, text))


def main():
    build, name = sys.argv[1:3]
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    log = os.path.join(build, "meson-logs", "testlog.json")
    with open(log, encoding="utf-8") as file:
        for line in file:
            test = json.loads(line)
            output = test.get("stdout", "") + test.get("stderr", "")
            passed = count(r"\[  PASSED  \] (\d+) test", output)
            failed = count(r"\[  FAILED  \] (\d+) test", output)
            skipped = count(r"\[  SKIPPED \] (\d+) test", output)
            if test["result"] == "SKIP":
                skipped = max(skipped, 1)
            elif test["result"] not in ("OK", "EXPECTEDFAIL"):
                failed = max(failed, 1)
                print(f"---- {test['name']} ({test['result']}) ----\n{output[-8000:]}")
            elif passed == 0 and skipped == 0:
                passed = 1
            totals["passed"] += passed
            totals["failed"] += failed
            totals["skipped"] += skipped
    line = f"{name}: {totals['passed']} passed, {totals['failed']} failed"
    print(line + (f", {totals['skipped']} skipped" if totals["skipped"] else ""))
    return 1 if totals["failed"] or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
