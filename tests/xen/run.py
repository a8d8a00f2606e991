#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The Xen rung: a real Xen host, nested in QEMU, whose guests' frames go through renicd.

  run.py [-l] [WORD...]   run the tests whose names contain one of the words (all without);
                          -l lists them

A test is a function test_* of a test_*.py beside this file; it gets a World and its name says the
rule. The last line is "xen: N passed, N failed".
"""
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(TOP, "tests/vm"), os.path.join(TOP, "tests/lib"),
                os.path.join(TOP, "xen-integration/testbed")]
sys.dont_write_bytecode = True

import sandbox  # noqa: E402
from pair import Pair  # noqa: E402
from world import World  # noqa: E402

TEST_TIMEOUT_S = 240
# A world and the modules whose tests get one, all of them the same.
WORLDS = {World: ["test_traffic", "test_protection", "test_hostile", "test_lifecycle"],
          Pair: ["test_failover"]}


def discover(words):
    """(world, name, function) of each test."""
    tests = []
    for world, modules in WORLDS.items():
        for module in modules:
            tests += [(world, name[5:], function)
                      for name, function in vars(importlib.import_module(module)).items()
                      if name.startswith("test_")]
    return [test for test in tests if not words or any(word in test[1] for word in words)]


def overdue(*_):
    raise TimeoutError("the test took too long")


def run_one(function, *arguments, timeout=TEST_TIMEOUT_S):
    """None, or what went wrong."""
    signal.alarm(timeout)
    try:
        function(*arguments)
        return None
    except Exception as error:  # pylint: disable=broad-except
        line = traceback.extract_tb(error.__traceback__)[-1]
        where = " < ".join(f"{os.path.basename(f.filename)}:{f.lineno}"
                           for f in reversed(traceback.extract_tb(error.__traceback__)))
        return f"{type(error).__name__}: {error} ({line.name}, {where})"
    finally:
        signal.alarm(0)


def run_world(world, tests):
    """How many of them passed."""
    started = time.monotonic()
    broken = run_one(world.start, timeout=400)
    passed = 0
    if broken is None:
        print(f"hosts and guests are up after {time.monotonic() - started:.1f} s", flush=True)
        for _, name, function in tests:
            started = time.monotonic()
            problem = run_one(function, world)
            broken = run_one(world.restore)
            problem = problem or broken and f"afterwards: {broken}"
            print(f"{'FAILED' if problem else 'ok    '} {time.monotonic() - started:5.1f} s  "
                  f"{name}" + (f"\n       {problem}" if problem else ""), flush=True)
            passed += not problem
            if broken:
                break
    if broken:
        print(f"the tests that are left have no host: {broken}")
    world.stop()
    return passed


def main():
    words = sys.argv[1:]
    tests = discover([word for word in words if word != "-l"])
    if "-l" in words:
        print("\n".join(name for _, name, _ in tests))
        return 0
    images = os.path.join(TOP, "build-xen")
    if not sandbox.inside():  # where there is a network to fetch packages from
        subprocess.run([os.path.join(TOP, "xen-integration/testbed/images.sh"), images,
                        os.environ.get("RENICD", os.path.join(TOP, "build"))], check=True)
    sandbox.enter()
    signal.signal(signal.SIGALRM, overdue)
    run = sandbox.RunDir("renic-xen.")
    passed = 0
    for world in WORLDS:
        mine = [test for test in tests if test[0] is world]
        passed += run_world(world(run, images), mine) if mine else 0
    failed = len(tests) - passed
    if failed:
        run.keep = True
        print(f"logs of Xen, renicd and the guests: {run.path}")
    print(f"xen: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
