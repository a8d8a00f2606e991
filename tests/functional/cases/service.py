# SPDX-License-Identifier: BSD-3-Clause
"""What a service manager and a log reader see of the daemon: sd_notify(3), watchdog, log lines."""
import ctypes
import os
import select
import socket
import time
from contextlib import contextmanager

from lib.case import case
from lib.check import PATIENCE, check, equal, wait_until

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
WATCHDOG_S = 0.6
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def environment(**variables):
    """Variables for the processes that are started meanwhile."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


class Manager:
    """The socket of a service manager."""

    def __init__(self, env):
        self.path = os.path.join(env.directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        env.stack.callback(self.socket.close)
        self.socket.bind(self.path)

    def next(self, timeout):
        """The next datagram; None when none comes in time."""
        if not select.select([self.socket], [], [], timeout)[0]:
            return None
        return self.socket.recv(4096).decode()

    def drain(self):
        """Forget what came."""
        while self.next(0):
            pass


def ptrace(request, tid):
    """A request without arguments of its own."""
    done = _libc.ptrace(request, tid, None, None)
    check(done == 0, f"ptrace({request:#x}): {os.strerror(ctypes.get_errno())}")


@contextmanager
def thread_stopped(tid):
    """One thread stands still, the others of its process run."""
    ptrace(PTRACE_SEIZE, tid)
    ptrace(PTRACE_INTERRUPT, tid)
    os.waitpid(tid, WALL)
    try:
        yield
    finally:
        ptrace(PTRACE_DETACH, tid)


def data_lcore(pid):
    """The thread of the first data lcore."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm") as comm:
            if comm.read().startswith(("lcore-worker", "rte-worker")):
                return int(tid)
    raise AssertionError("no data lcore among the threads")


@case
def the_manager_is_told_of_start_and_end(env):
    manager = Manager(env)
    with environment(NOTIFY_SOCKET=manager.path):
        daemon = env.renicd_alone()
    check("READY=1" in manager.next(5 * PATIENCE).splitlines(), "the first word is READY=1")
    equal(manager.next(0.5), None, "signs of life that nobody asked for")
    daemon.signal_end()
    equal(manager.next(5 * PATIENCE), "STOPPING=1", "the last word")


@case
def the_watchdog_is_fed_only_while_lcores_answer(env):
    manager = Manager(env)
    with environment(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6))):
        daemon = env.renicd_alone()
    check("READY=1" in manager.next(5 * PATIENCE), "the daemon is ready")
    for _ in range(4):
        equal(manager.next(PATIENCE * WATCHDOG_S), "WATCHDOG=1", "again and again")
    with thread_stopped(data_lcore(daemon.process.pid)):
        time.sleep(WATCHDOG_S)
        manager.drain()  # one may have been under way
        equal(manager.next(2 * WATCHDOG_S), None, "while a data lcore hangs")
    equal(manager.next(PATIENCE * WATCHDOG_S), "WATCHDOG=1", "once it goes on")


@case
def a_watchdog_of_another_process_is_not_fed(env):
    manager = Manager(env)
    with environment(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="100000", WATCHDOG_PID="1"):
        env.renicd_alone()
    check("READY=1" in manager.next(5 * PATIENCE), "the daemon is ready")
    equal(manager.next(0.5), None, "no sign of life")


@case
def each_line_is_logged_once(env):
    daemon = env.renicd_alone()
    daemon.call("log_set_level", level="info")
    daemon.call("vf_create", name="vf1", role="server")
    wait_until(lambda: "vf_created vf1" in daemon.process.log(), "the line is there")
    equal(daemon.process.log().count("vf_created vf1"), 1, "lines about the VF")
    check("<6>" not in daemon.process.log(), "no priorities but for the journal")


@case
def the_journal_is_told_priorities(env):
    with environment(JOURNAL_STREAM="1:1"):
        daemon = env.renicd_alone()
    wait_until(lambda: "<5>renicd: ready" in daemon.process.log(), "a notice with its priority")


class InDevLog:
    """Runs a command where /dev/log is a socket of ours: in a mount namespace."""

    def __init__(self, env, path):
        self.path = path
        if not os.path.lexists("/dev/log"):  # something to mount it on
            os.close(os.open("/dev/log", os.O_CREAT))
            env.stack.callback(os.unlink, "/dev/log")

    def command(self, *argv):
        """The command line."""
        script = 'mount --bind "$0" "$(readlink -f /dev/log)" && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, self.path,
                *argv]


@case
def syslog_gets_the_lines_when_told_so(env):
    path = os.path.join(env.directory, "log")
    daemon = env.renicd_unstarted(log={"to": "syslog", "level": "notice"})
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    env.stack.callback(listener.close)
    listener.bind(path)
    daemon.netns = InDevLog(env, path)
    daemon.start()
    check(select.select([listener], [], [], 5)[0], "something came to /dev/log")
    lines = []
    while select.select([listener], [], [], 0.3)[0]:
        lines.append(listener.recv(4096).decode())
    ready = [line for line in lines if "renicd: ready" in line]
    equal(len(ready), 1, f"lines that say ready, among {lines}")
    check(ready[0].startswith("<29>"), f"facility daemon, priority notice: {ready[0]}")
    check("ready" not in daemon.process.log(), "nothing of it on stderr")
