#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
docs/first-hour.md as its reader runs it: each ```sh block, in order, in one bash, with a real guest.
A command that fails fails the test. In namespaces of its own, with an /etc, /run and hugetlbfs on
top of the machine's, so that nothing of it is changed.

usage: RENICD=BUILD_DIR tests/vm/first_hour.py [-v]
"""
import atexit
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
sys.dont_write_bytecode = True

import sandbox  # noqa: E402
from daemon import RENICCTL, RENICD  # noqa: E402
from guest import accelerator  # noqa: E402

PAGE = os.path.join(sandbox.TOP, "docs", "first-hour.md")
IMAGE = os.path.join(sandbox.TOP, "build-vm")
TIMEOUT_S = 240
PROLOGUE = """set -Eeuo pipefail
trap 'echo "failed: $BASH_COMMAND"' ERR
refused() { ! "$@" || { echo "not refused: $*"; return 1; }; }
"""


def blocks():
    """The page's shell blocks."""
    with open(PAGE, encoding="utf-8") as file:
        found = re.findall(r"^```sh\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)
    # bash's own `!` is never an error to `set -e`.
    return [re.sub("^! ", "refused ", block, flags=re.MULTILINE) for block in found]


def cover(layer):
    """/etc, /run and /dev/hugepages of our own."""
    subprocess.run(["mount", "-t", "tmpfs", "layer", layer], check=True)
    # Before the RunDir that it lies in goes: a folder with a mount on it stays.
    atexit.register(subprocess.run, ["umount", "-l", layer], check=False)
    for name in ("upper", "work"):
        os.mkdir(os.path.join(layer, name))
    subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir=/etc,upperdir={layer}/upper,"
                    f"workdir={layer}/work", "etc", "/etc"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "run", "/run"], check=True)
    os.makedirs("/dev/hugepages", exist_ok=True)
    subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", "/dev/hugepages"],
                   check=True)


def bash(script, accel):
    """Run it; (status, output)."""
    paths = [os.path.dirname(RENICD), os.path.dirname(RENICCTL), os.environ["PATH"]]
    environment = {**os.environ, "PATH": ":".join(paths), "ACCEL": accel}
    done = subprocess.run(["bash", "-c", script], cwd=sandbox.TOP, env=environment, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S)
    return done.returncode, done.stdout


def main():
    """Command line."""
    if not sandbox.inside():  # where there is a network to fetch the kernel from
        subprocess.run([os.path.join(HERE, "guest", "build.sh"), IMAGE], check=True)
    sandbox.enter()
    found = blocks()
    accel = accelerator(IMAGE)
    run = sandbox.RunDir("renic-hour.")
    os.mkdir(run.join("layer"))
    cover(run.join("layer"))
    status, output = bash(PROLOGUE + "\n".join(found), accel)
    if status or "-v" in sys.argv:
        print(output)
        if os.path.exists("/run/renicd.log"):
            with open("/run/renicd.log", encoding="utf-8") as file:
                print(file.read()[-3000:])
    outage = re.search(r"^outage .*", output, re.MULTILINE)
    print(f"{len(found)} blocks{', ' + outage.group(0) if outage else ''}")
    failed = int(status != 0 or len(found) < 8 or not outage)
    print(f"first_hour: {1 - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
