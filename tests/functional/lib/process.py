# SPDX-License-Identifier: BSD-3-Clause
"""Child processes: started with a log file, ended by pid, and never outliving the test run."""
import ctypes
import os
import signal
import subprocess

from .check import PATIENCE

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program with its output in a log."""

    def __init__(self, name, argv, directory, stdin=subprocess.DEVNULL, stdout=None):
        self.name = name
        self.argv = argv
        self.log_path = os.path.join(directory, f"{name}.log")
        # Unbuffered: the log of a killed program ends where it ended.
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(
                argv, stdin=stdin, stdout=stdout or log, stderr=log,
                preexec_fn=_die_with_parent, cwd=directory)

    @property
    def pid(self):
        """Process id."""
        return self.popen.pid

    def alive(self):
        """Is it still running?"""
        return self.popen.poll() is None

    def log(self):
        """All that it logged so far."""
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def log_tail(self, lines=40):
        """The last lines of its log."""
        return "\n".join(self.log().splitlines()[-lines:])

    def wait(self, timeout=10):
        """Wait for its end; returns the exit status (negative: a signal)."""
        return self.popen.wait(timeout * PATIENCE)

    def signal(self, number):
        """Send it a signal."""
        self.popen.send_signal(number)

    def kill(self):
        """kill -9, and wait."""
        if self.alive():
            self.popen.kill()
        self.popen.wait(10)

    def end(self, timeout=5):
        """SIGTERM, and SIGKILL when that does not help; returns the exit status."""
        if self.alive():
            self.popen.terminate()
        try:
            return self.popen.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.popen.returncode
