#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The Xen rung: two real Xen hosts, nested in QEMU, whose guests' frames go through renicd.

  run.py [-a] [-l] [WORD...]   run the tests whose names contain one of the words; without, all but
                               those that run only on request; -a: these too; -l lists them

What a test is, says ../lib/rung.py; its world is a World (world.py) unless the module says
otherwise. The images are made, if need be, in build-xen. Tests of different worlds run side by
side, each class in a process of its own: most of the time they wait for their hosts. The last line
is "xen: N passed, N failed".
"""
import os
import re
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(TOP, "tests/vm"), os.path.join(TOP, "tests/lib"),
                os.path.join(TOP, "xen-integration/testbed")]
sys.dont_write_bytecode = True

import rung  # noqa: E402
import sandbox  # noqa: E402
from world import World  # noqa: E402

# One host alone first; those that end a host last.
ORDER = ["test_traffic", "test_protection", "test_hostile", "test_lifecycle", "test_replication",
         "test_failover", "test_group", "test_debian"]


IMAGES = os.path.join(TOP, "build-xen")
TOTALS = r"xen: (\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n"
ONLY = "RENIC_XEN_WORLD"  # in the environment of a process that has one class of worlds


def run_world(tests):
    """Those of one class; the exit status."""
    sandbox.enter()
    run = sandbox.RunDir("renic-xen.")
    tested = rung.Rung(lambda kind: kind(run, IMAGES))
    tested.run(tests)
    return rung.finish("xen", tested, run)


class Part(threading.Thread):
    """A process with the tests of a class of worlds; it passes on what that says."""

    def __init__(self, kind, words):
        super().__init__()
        self.name, self.passed, self.failed, self.skipped = kind, 0, 1, 0
        self.process = subprocess.Popen([sys.executable, __file__, *words], text=True,
                                        env=os.environ | {ONLY: kind}, stdout=subprocess.PIPE)
        self.start()

    def run(self):
        for line in self.process.stdout:
            if match := re.fullmatch(TOTALS, line):
                self.passed, self.failed, self.skipped = (int(n or 0) for n in match.groups())
            else:
                print(line, end="", flush=True)
        self.process.wait()


def run_all(tests, words):
    """Every class at the same time; the exit status."""
    subprocess.run([os.path.join(TOP, "xen-integration/testbed/images.sh"), IMAGES,
                    os.environ.get("RENICD", os.path.join(TOP, "build"))], check=True)
    parts = [Part(kind, words) for kind in sorted({world.__name__ for _, world, *_ in tests})]
    for part in parts:
        part.join()
    passed, failed, skipped = (sum(getattr(part, what) for part in parts)
                               for what in ("passed", "failed", "skipped"))
    print(f"xen: {passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or passed + skipped != len(tests) else 0


def main():
    words = sys.argv[1:]
    tests = rung.discover(HERE, ORDER, World, rung.words_of(words))
    only = os.environ.get(ONLY)
    if "-l" in words:
        print("\n".join(name for name, *_ in tests))
        return 0
    if not tests:
        sys.exit("no test is called so: -l lists them")
    if only is None:
        return run_all(tests, words)
    return run_world([test for test in tests if test[1].__name__ == only])


if __name__ == "__main__":
    sys.exit(main())
