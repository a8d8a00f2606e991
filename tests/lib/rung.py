# SPDX-License-Identifier: BSD-3-Clause
"""What the rungs with machines in them have in common: find the tests, run them in their worlds.

A test is a function test_* of a test_*.py of the rung's folder; it gets a world and its name says
the rule. Attributes of a function: `cases` (a dict): it runs once for each; `tries`: it has passed
if one of so many did; `timeout_s`: a hang's guard of its own; `no_gate` (why): that it failed is
said, and counts as skipped; `on_request`: it runs only where a word names it, or with -a.
A world is a class with start(), restore() (after each test: back to where it begins, or raise) and
stop() (None, or what did not end well); a module says which by WORLD. Tests of one class share a
world; one that cannot be restored is replaced, and so is one whose `spent` says that a test has
used it up.
"""
import glob
import importlib
import os
import signal
import time
import traceback

TEST_TIMEOUT_S = 150  # a hang's guard, unless its world says another one


def discover(folder, order, default, words):
    """(name, world, function, arguments) of each test; `order`: modules that come first."""
    names = [os.path.basename(path)[:-3] for path in glob.glob(os.path.join(folder, "test_*.py"))]
    tests = []
    for module in sorted(names, key=lambda name: (order + [name]).index(name)):
        loaded = importlib.import_module(module)
        world = getattr(loaded, "WORLD", default)
        for name, function in vars(loaded).items():
            if not name.startswith("test_"):
                continue
            if getattr(function, "on_request", False) and not words:
                continue
            cases = getattr(function, "cases", None)
            if cases is None:
                tests.append((name[5:], world, function, ()))
            else:
                tests += [(f"{name[5:]}[{case}]", world, function, (value,))
                          for case, value in cases.items()]
    return [test for test in tests if not words or any(word in test[0] for word in words)]


def words_of(arguments):
    """The words to find tests by; with -a, and with -l, which lists them, every test has them."""
    words = [word for word in arguments if word not in ("-a", "-l")]
    return words or ([""] if "-a" in arguments or "-l" in arguments else [])


def overdue(*_):
    raise TimeoutError("the test took too long")


def run_one(world, function, arguments=()):
    """None, or what went wrong."""
    signal.alarm(getattr(function, "timeout_s", getattr(world, "TEST_TIMEOUT_S", TEST_TIMEOUT_S)))
    try:
        function(world, *arguments)
        return None
    except Exception as error:  # pylint: disable=broad-except
        where = " < ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}"
                           for frame in reversed(traceback.extract_tb(error.__traceback__)))
        return f"{type(error).__name__}: {error} ({where})"
    finally:
        signal.alarm(0)


class Rung:
    """A run of tests; make(kind): a new world of that class."""

    def __init__(self, make):
        self.make, self.world = make, None
        self.passed = self.failed = self.skipped = 0

    def end_world(self):
        world, self.world = self.world, None
        problem = world.stop() if world is not None else None
        if problem is not None:
            print(f"FAILED          the daemon ends cleanly on SIGTERM\n       {problem}")
            self.failed += 1

    def attempt(self, kind, function, arguments):
        """One run of a test, in the world that is there or a new one; what went wrong."""
        if self.world is not None and not isinstance(self.world, kind):
            self.end_world()
        problem = None
        if self.world is None:
            self.world = self.make(kind)
            problem = run_one(self.world, kind.start)
        problem = problem or run_one(self.world, function, arguments)
        spent = getattr(self.world, "spent", False)
        after = None if spent else run_one(self.world, kind.restore)
        if after is not None:  # later tests get a new world, and this one the blame
            problem = problem or f"afterwards: {after}"
        if after is not None or spent:
            self.world.stop()
            self.world = None
        return problem

    def run(self, tests):
        signal.signal(signal.SIGALRM, overdue)
        for name, kind, function, arguments in tests:
            for left in reversed(range(getattr(function, "tries", 1))):
                started = time.monotonic()
                problem = self.attempt(kind, function, arguments)
                excuse = getattr(function, "no_gate", None)
                word = ("ok    " if problem is None else "again " if left else
                        "skip  " if excuse else "FAILED")
                print(f"{word} {time.monotonic() - started:5.1f} s  {name}"
                      + (f"\n       {problem}" if problem else ""), flush=True)
                if problem is None:
                    break
            if problem is None:
                self.passed += 1
            elif excuse:
                print(f"       no gate: {excuse}", flush=True)
                self.skipped += 1
            else:
                self.failed += 1
        self.end_world()


def finish(name, rung, run):
    """Say how it went; the exit status."""
    if rung.failed:
        run.keep = True
        print(f"logs of the hosts, renicd and the guests: {run.path}")
    print(f"{name}: {rung.passed} passed, {rung.failed} failed"
          + (f", {rung.skipped} skipped" if rung.skipped else ""))
    return 1 if rung.failed or not rung.passed else 0
