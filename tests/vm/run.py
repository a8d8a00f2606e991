#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The VM rung: Linux guests in QEMU on a real renicd, in namespaces of the test's own.

  run.py [-l] [WORD...]   run the tests whose names contain one of the words (all without);
                          -l lists them

A test is a function test_* of a test_*.py beside this file; it gets a world and its name says the
rule. A function with an attribute `cases` (a dict) runs once for each. The world is a World, unless
the module says which class by WORLD; tests of one class share a world. The last line is
"vm: N passed, N failed".
"""
import glob
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
sys.dont_write_bytecode = True

import sandbox  # noqa: E402
from guest import accelerator  # noqa: E402
from world import World  # noqa: E402

TEST_TIMEOUT_S = 150  # unless its world says another one
# Cheap and general first; those that end guests or the daemon last.
ORDER = ["test_traffic", "test_protection", "test_pause", "test_lifecycle", "test_restart",
         "test_migration", "test_colo"]


def discover(words):
    names = [os.path.basename(path)[:-3] for path in glob.glob(os.path.join(HERE, "test_*.py"))]
    tests = []
    for module in sorted(names, key=lambda name: (ORDER + [name]).index(name)):
        loaded = importlib.import_module(module)
        world = getattr(loaded, "WORLD", World)
        for name, function in vars(loaded).items():
            if not name.startswith("test_"):
                continue
            cases = getattr(function, "cases", None)
            if cases is None:
                tests.append((name[5:], world, function, ()))
            else:
                tests += [(f"{name[5:]}[{case}]", world, function, (value,))
                          for case, value in cases.items()]
    return [test for test in tests if not words or any(word in test[0] for word in words)]


def overdue(*_):
    raise TimeoutError("the test took too long")


def run_one(world, function, arguments):
    """None, or what went wrong."""
    signal.alarm(getattr(world, "TEST_TIMEOUT_S", TEST_TIMEOUT_S))
    try:
        function(world, *arguments)
        return None
    except Exception as error:  # a test may fail in any way
        line = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(line.filename)}:{line.lineno}"
        return f"{type(error).__name__}: {error} ({where})"
    finally:
        signal.alarm(0)


def end_world(world):
    """False, said, if a daemon did not end well."""
    problem = world.stop()
    if problem is not None:
        print(f"FAILED          the daemon ends cleanly on SIGTERM\n       {problem}")
    return problem is None


def run_all(run, tests, image, accel):
    """Run the tests; returns how many passed and failed."""
    passed = failed = 0
    world = None
    for name, kind, function, arguments in tests:
        started = time.monotonic()
        problem = None
        if world is not None and not isinstance(world, kind):
            failed += not end_world(world)
            world = None
        if world is None:
            world = kind(run, image, accel)
            problem = run_one(world, kind.start, ())
        problem = problem or run_one(world, function, arguments)
        after = run_one(world, kind.restore, ())
        if after is not None:
            # Later tests get a new world, and this one the blame.
            problem = problem or f"afterwards: {after}"
            world.stop()
            world = None
        taken = time.monotonic() - started
        print(f"{'ok    ' if problem is None else 'FAILED'} {taken:5.1f} s  {name}", flush=True)
        if problem is not None:
            print(f"       {problem}", flush=True)
        passed, failed = passed + (problem is None), failed + (problem is not None)
    failed += world is not None and not end_world(world)
    return passed, failed


def main():
    words = sys.argv[1:]
    listing = "-l" in words
    tests = discover([word for word in words if word != "-l"])
    if listing:
        print("\n".join(name for name, *_ in tests))
        return 0
    image = os.path.join(sandbox.TOP, "build-vm")
    if not sandbox.inside():  # where there is a network to fetch the kernel from
        subprocess.run([os.path.join(HERE, "guest", "build.sh"), image], check=True)
    sandbox.enter()
    signal.signal(signal.SIGALRM, overdue)
    accel = accelerator(image)
    print(f"guests run on {accel.split(',', maxsplit=1)[0]}", flush=True)
    run = sandbox.RunDir("renic-vm.")
    passed, failed = run_all(run, tests, image, accel)
    if failed:
        run.keep = True
        print(f"logs of renicd, QEMU and the guests: {run.path}")
    print(f"vm: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
