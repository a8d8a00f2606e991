#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The failover rung: two hosts, a protected guest, clients; parts and cables fail.

  run.py [-l] [WORD...]   run the tests whose names contain one of the words (all without);
                          -l lists them

A test is a function test_* of a test_*.py beside this file; it gets a Lab and its name says the
rule. A function with `cases` (a dict: name -> arguments) runs once for each. One with `settings`
gets a lab of its own with them. The last line is "failover: N passed, N failed".
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
sys.path[:0] = [HERE, os.path.join(HERE, "../vm"), os.path.join(HERE, "../lib")]
sys.dont_write_bytecode = True

import sandbox  # noqa: E402
from guest import accelerator  # noqa: E402
from lab import Lab  # noqa: E402

TEST_TIMEOUT_S = 90
START_TIMEOUT_S = 180  # a guest boots in it
ORDER = ["test_kills", "test_backup", "test_cables", "test_stopped", "test_stream", "test_egress",
         "test_proof"]


def discover(words):
    names = [os.path.basename(path)[:-3] for path in glob.glob(os.path.join(HERE, "test_*.py"))]
    tests = []
    for module in sorted(names, key=lambda name: (ORDER + [name]).index(name)):
        for name, function in vars(importlib.import_module(module)).items():
            if name.startswith("test_"):
                cases = getattr(function, "cases", None)
                tests += [(name[5:], function, ())] if cases is None else \
                    [(f"{name[5:]}[{case}]", function, value) for case, value in cases.items()]
    return [test for test in tests if not words or any(word in test[0] for word in words)]


def overdue(*_):
    raise TimeoutError("the test took too long")


def attempt(function, *arguments, timeout_s=TEST_TIMEOUT_S):
    """None, or what went wrong."""
    signal.alarm(timeout_s)
    try:
        function(*arguments)
        return None
    except Exception as error:  # a test may fail in any way
        line = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(line.filename)}:{line.lineno}"
        return f"{type(error).__name__}: {error} ({where})"
    finally:
        signal.alarm(0)


class Runner:
    """Labs are kept from test to test, as long as nothing went wrong and settings are the same."""

    def __init__(self, run, image, accel):
        self.run, self.image, self.accel = run, image, accel
        self.lab, self.settings = None, None
        self.passed = self.failed = 0

    def report(self, name, problem, taken):
        print(f"{'ok    ' if problem is None else 'FAILED'} {taken:5.1f} s  {name}", flush=True)
        if problem is not None:
            print(f"       {problem}", flush=True)
            self.failed += 1
        else:
            self.passed += 1

    def end_lab(self):
        """None, or what a client had to complain about."""
        lab, self.lab = self.lab, None
        return lab and lab.stop()

    def prepare(self, settings):
        if self.lab is not None and self.settings == settings:
            return None
        problem = self.end_lab()
        self.lab, self.settings = Lab(self.run, self.image, self.accel, **settings), settings
        return problem or attempt(self.lab.start, timeout_s=START_TIMEOUT_S)

    def run_test(self, name, function, arguments):
        begun = time.monotonic()
        problem = self.prepare(getattr(function, "settings", {}))
        problem = problem or attempt(function, self.lab, *arguments)
        if problem is not None:
            self.end_lab()
        self.report(name, problem, time.monotonic() - begun)

    def run_all(self, tests):
        for test in tests:
            self.run_test(*test)
        if self.lab is not None:
            self.report("every client's connection ends well", self.end_lab(), 0)


def use_reno():
    """BBR, some machines' default, takes what little came in an outage for the path's rate: with
    34 KB to send and nothing under way a client waited longer than it has patience."""
    with open("/proc/sys/net/ipv4/tcp_congestion_control", "w", encoding="ascii") as f:
        f.write("reno")  # in our network namespace


def main():
    words = sys.argv[1:]
    tests = discover([word for word in words if word != "-l"])
    if "-l" in words:
        print("\n".join(name for name, *_ in tests))
        return 0
    image = os.path.join(sandbox.TOP, "build-vm")
    if not sandbox.inside():  # where there is a network to fetch the kernel from
        subprocess.run([os.path.join(HERE, "../vm/guest/build.sh"), image], check=True)
    sandbox.enter()
    signal.signal(signal.SIGALRM, overdue)
    accel = accelerator(image)
    print(f"guests run on {accel.split(',', maxsplit=1)[0]}", flush=True)
    run = sandbox.RunDir("renic-fo.")
    use_reno()
    Lab.network()
    runner = Runner(run, image, accel)
    runner.run_all(tests)
    if runner.failed:
        run.keep = True
        print(f"logs of both hosts: {run.path}")
    print(f"failover: {runner.passed} passed, {runner.failed} failed")
    return 1 if runner.failed or not runner.passed else 0


if __name__ == "__main__":
    sys.exit(main())
