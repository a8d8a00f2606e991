# SPDX-License-Identifier: BSD-3-Clause
"""A world of the test's own: network, mount and process namespaces.

Whatever a test leaves behind (taps, mounts, processes) ends with the namespaces, also when the
test is killed. Nothing outside is touched.
"""
import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile

MARK = "RENIC_SANDBOX"
TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))


def inside():
    return os.environ.get(MARK) == "1"


def enter():
    """Run this program again inside new namespaces, unless it is there already."""
    if inside():
        os.environ.pop(MARK)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # The first process of a PID namespace ignores signals that it has no handler for.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return
    if os.geteuid() != 0:
        sys.exit("this needs root: it makes network namespaces and taps")
    os.environ[MARK] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                          "--mount-proc", sys.executable, *sys.argv])


class RunDir:
    """A short path for sockets and logs, with a private hugetlbfs. Kept when keep is set."""

    def __init__(self, prefix):
        self.path = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
        self.keep = False
        # Nobody else sees this mount, and its pages are free again when it goes.
        self.huge = self.join("huge")
        os.mkdir(self.huge)
        subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "renic", self.huge],
                       check=True)
        atexit.register(self.close)

    def join(self, *names):
        return os.path.join(self.path, *names)

    def folder(self, name):
        """A folder of it, for one of several daemons; the huge pages are shared."""
        return Folder(self, name)

    def close(self):
        subprocess.run(["umount", "-l", self.huge], check=False)
        if not self.keep:
            shutil.rmtree(self.path, ignore_errors=True)


class Folder:
    """What a daemon and a guest need of a RunDir, below it."""

    def __init__(self, run, name):
        self.path, self.huge = run.join(name), run.join("huge", name)
        os.makedirs(self.path, exist_ok=True)
        os.makedirs(self.huge, exist_ok=True)

    def join(self, *names):
        return os.path.join(self.path, *names)
