#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The VM rung: Linux guests in QEMU on a real renicd, in namespaces of the test's own.

  run.py [-a] [-l] [WORD...]   run the tests whose names contain one of the words; without, all but
                               those that run only on request; -a: these too; -l lists them

What a test is, says ../lib/rung.py; its world is a World unless the module says otherwise. The
last line is "vm: N passed, N failed".
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
sys.dont_write_bytecode = True

import rung  # noqa: E402
import sandbox  # noqa: E402
from guest import accelerator  # noqa: E402
from world import World  # noqa: E402

# Cheap and general first; those that end guests or the daemon last.
ORDER = ["test_traffic", "test_protection", "test_pause", "test_lifecycle", "test_restart",
         "test_migration", "test_colo"]


def main():
    words = sys.argv[1:]
    tests = rung.discover(HERE, ORDER, World, rung.words_of(words))
    if "-l" in words:
        print("\n".join(name for name, *_ in tests))
        return 0
    image = os.path.join(sandbox.TOP, "build-vm")
    if not sandbox.inside():  # where there is a network to fetch the kernel from
        subprocess.run([os.path.join(HERE, "guest", "build.sh"), image], check=True)
    sandbox.enter()
    accel = accelerator(image)
    print(f"guests run on {accel.split(',', maxsplit=1)[0]}", flush=True)
    run = sandbox.RunDir("renic-vm.")
    tested = rung.Rung(lambda kind: kind(run, image, accel))
    tested.run(tests)
    return rung.finish("vm", tested, run)


if __name__ == "__main__":
    sys.exit(main())
