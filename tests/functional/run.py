#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Run the functional tests: real renicd, real virtio-user guests.

usage: RENICD=BUILD_DIR tests/functional/run.py [-k NAME]... [-v] [-l]

Needs root, hugepages and the programs below; what is missing is a failure, never a skip.
"""
import argparse
import importlib
import os
import shutil
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from lib import env as environment  # noqa: E402
from lib.case import cases  # noqa: E402
from lib.env import Env  # noqa: E402


HUGEPAGES_NEEDED = 400


class TimeIsOver(Exception):
    """The test took longer than it may."""


def _alarm(_signal, _frame):
    raise TimeIsOver()


def load():
    """Import every module in cases/; they register their tests."""
    for name in sorted(os.listdir(os.path.join(HERE, "cases"))):
        if name.endswith(".py") and not name.startswith("_"):
            importlib.import_module(f"cases.{name[:-3]}")
    return cases


def free_hugepages():
    """Of 2 MiB."""
    with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") as f:
        return int(f.read())


def missing():
    """What this machine lacks, in words."""
    if os.geteuid():
        yield "must run as root"
    for path in (environment.RENICD, environment.RENICCTL, environment.FRAMEGEN):
        if not os.path.exists(path):
            yield f"{path} is not built (set RENICD to the build directory)"
    if free_hugepages() < HUGEPAGES_NEEDED:
        yield (f"{free_hugepages()} free 2 MiB hugepages, {HUGEPAGES_NEEDED} are needed "
               "(/proc/sys/vm/nr_hugepages)")
    for program in ("ip", "sysctl", "dpdk-testpmd"):
        if not shutil.which(program):
            yield f"{program} is not installed"


def print_logs(env):
    """The tails of the logs of everything the test started."""
    for process in env.processes:
        print(f"---- {process.name} (pid {process.pid}) ----")
        print(process.log_tail())


def close(env, test):
    """Clean up; a fault in that is a fault of the test, such as a daemon that dies at its end."""
    signal.setitimer(signal.ITIMER_REAL, 80)
    try:
        env.close()
    except Exception:  # pylint: disable=broad-except
        print(f"FAIL {test.name}: at its end")
        traceback.print_exc(file=sys.stdout)
        print_logs(env)
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return True


def run_one(test, verbose):
    """Run one test; did it pass?"""
    env = Env()
    start = time.monotonic()
    problem = None
    signal.setitimer(signal.ITIMER_REAL, test.timeout)
    try:
        test.run(env)
    except TimeIsOver:
        problem = f"took longer than {test.timeout} s\n{traceback.format_exc()}"
    except Exception:  # pylint: disable=broad-except
        problem = traceback.format_exc()
    except BaseException:  # we are told to end: what the test made goes too
        close(env, test)
        env.remove()
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.monotonic() - start
    note = f" ({'; '.join(env.notes)})" if env.notes else ""
    print(f"{'FAIL' if problem else 'ok'} {test.name} ({seconds:.1f}){note}", flush=True)
    if problem:
        print(problem)
    if problem or verbose:
        print_logs(env)
    passed = close(env, test) and not problem
    env.remove()
    sys.stdout.flush()
    return passed


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description="functional tests of renicd")
    parser.add_argument("-k", action="append", default=[], metavar="NAME",
                        help="only tests whose name contains NAME")
    parser.add_argument("-v", action="store_true", help="print the logs of passed tests too")
    parser.add_argument("-l", action="store_true", help="list the tests")
    arguments = parser.parse_args()
    tests = [test for test in load()
             if not arguments.k or any(word in test.name for word in arguments.k)]
    if arguments.l:
        print("\n".join(test.name for test in tests))
        return 0
    problems = list(missing())
    if problems or not tests:
        print("functional: cannot run: " + ("; ".join(problems) or "no such test"))
        return 1
    signal.signal(signal.SIGALRM, _alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results = [run_one(test, arguments.v) for test in tests]
    failed = results.count(False)
    print(f"functional: {len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
