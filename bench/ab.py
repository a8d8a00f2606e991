#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Two builds against each other, in turn: what a change does to the data path.

  bench/ab.py BUILD [BUILD...] [--rounds N] [--seconds S] [--sizes 64,1518] [--testpmd]

Each round starts each build once (and, with --testpmd, dpdk-testpmd's io forwarding with net_vhost
in renicd's place), with one guest: dpdk-testpmd over virtio-user, which forwards the frames of a net_null (it writes no
frame's bytes: on two cores the generator must cost less than the device). The uplink is a net_null.
Frames a second that leave are measured unprotected, then protected with a checkpoint each 25 ms,
in turn. CPU 0 is the guest's, CPU 1 the daemon's. On a machine that others use too figures swing:
compare ratios, and medians of several rounds. Root; 1 GiB of free huge pages.
"""
import argparse
import os
import re
import statistics
import sys
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TOP, "tests", "functional"))
sys.path.insert(0, os.path.join(TOP, "tests"))

# pylint: disable=wrong-import-position
from lib.check import wait_until  # noqa: E402
from lib.daemon import Renicd  # noqa: E402
from lib.env import Env, mac_of  # noqa: E402
from lib.testpmd import Testpmd  # noqa: E402

INTERVAL_S = 0.025
TESTPMD = "testpmd"


def threads_of(pid):
    """(id, does it poll all the time) of the process's threads."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm") as comm:
            yield int(task), bool(re.match(r"(rte|lcore)-worker", comm.read()))


def take_precedence():
    """Go on in a session of our own that goes before all others (sched(7), autogroups)."""
    child = os.fork()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.setsid()
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    if os.path.exists("/proc/self/autogroup"):
        with open("/proc/self/autogroup", "w") as group:
            group.write("-20")


class Daemon:
    """renicd of one build with one VF."""

    def __init__(self, env, build, path):
        self.renicd = Renicd(os.path.join(build, "renicd", "renicd"), env.directory,
                             env.huge_dir(), uplink={"devargs": "net_null0,no-rx=1"},
                             egress_log={"size_mb": 512, "dir": env.huge_dir()})
        self.renicd.start()
        self.renicd.call("vf_create", name="vm1", mac=mac_of(1), role="client", socket=path,
                         spoofchk=False)
        self.process = self.renicd.process
        self.begin_us = []

    def wait_ready(self):
        """Until the guest's rings run."""
        wait_until(lambda: self.renicd.vf("vm1")["frontend"] == "running", "the guest's driver")

    def sent(self):
        """Frames that have left."""
        return self.renicd.call("uplink_get")["tx_pkts"]

    def lcore_cpu_s(self):
        """CPU seconds of the data lcore."""
        pid = self.renicd.process.popen.pid
        worker = next(task for task, polls in threads_of(pid) if polls)
        with open(f"/proc/{pid}/task/{worker}/schedstat") as stat:
            return int(stat.read().split()[0]) / 1e9

    def rate(self, seconds, protected):
        """Mpps, and nanoseconds of the data lcore a frame."""
        call = self.renicd.call
        if protected:
            call("protection_start", group="vm1")
            self._checkpoints(0.2)
        start, first, cpu = time.monotonic(), self.sent(), self.lcore_cpu_s()
        if protected:
            self._checkpoints(seconds)
        else:
            time.sleep(seconds)
        sent, cpu, took = self.sent() - first, self.lcore_cpu_s() - cpu, time.monotonic() - start
        if protected:
            call("protection_stop", group="vm1")
            time.sleep(0.1)
        return sent / took / 1e6, cpu / max(sent, 1) * 1e9

    def _checkpoints(self, seconds):
        call = self.renicd.call
        end = time.monotonic() + seconds
        due = time.monotonic() + INTERVAL_S
        while due < end:
            time.sleep(max(0.0, due - time.monotonic()))
            before = time.monotonic()
            epoch = call("checkpoint_begin", group="vm1")["epoch"]
            self.begin_us.append((time.monotonic() - before) * 1e6)
            call("checkpoint_resume", group="vm1")
            call("checkpoint_commit", group="vm1", epoch=epoch)
            due += INTERVAL_S

    def close(self):
        """End it."""
        self.renicd.finish()


class Peer:
    """dpdk-testpmd between the guest and net_null."""

    def __init__(self, env, path):
        self.pmd = Testpmd(env.directory, [f"net_vhost0,iface={path},client=1",
                                           "net_null0,no-rx=1"], cpu=1)
        self.pmd.wait_ready()
        self.pmd.command("start")
        self.process = self.pmd.process

    def wait_ready(self):
        """Its socket is there; the rest goes by itself."""
        time.sleep(1)

    def rate(self, seconds, _protected):
        """Mpps; it has no threads of its own worth telling."""
        start, first = time.monotonic(), self.pmd.port_stats(1)["tx"]
        time.sleep(seconds)
        return (self.pmd.port_stats(1)["tx"] - first) / (time.monotonic() - start) / 1e6, 0.0

    def close(self):
        """End it."""
        self.pmd.quit()


def measure(build, size, options, results):
    """One turn of one build."""
    env = Env()
    path = os.path.join(env.directory, "vm1.sock")
    device = guest = None
    try:
        guest = Testpmd(env.directory, [
            f"net_virtio_user0,path={path},server=1,mac={mac_of(1)},queue_size=1024",
            f"net_null0,size={size},copy=0"], "--forward-mode=io", cpu=0)
        wait_until(lambda: os.path.exists(path), "the guest's socket")
        device = Peer(env, path) if build == TESTPMD else Daemon(env, build, path)
        guest.wait_ready()
        device.wait_ready()
        guest.command("start")
        time.sleep(0.3)
        for protected in (False,) if build == TESTPMD else (False, True):
            pair = device.rate(options.seconds, protected)
            results.setdefault((size, protected), {}).setdefault(build, []).append(pair)
        if build != TESTPMD:
            results.setdefault("begin", {}).setdefault(build, []).extend(device.begin_us)
    finally:
        if device:
            device.close()
        if guest:
            guest.quit()
        env.close()
        env.remove()


def spread(values):
    """Median, least, most."""
    return f"{statistics.median(values):7.2f} [{min(values):6.2f} {max(values):6.2f}]"


def report(builds, options, results):
    """Each case: each build's median, and its ratio to the first build's, round by round."""
    for size in options.sizes:
        for protected in (False, True):
            by_build = results.get((size, protected), {})
            base = [mpps for mpps, _ in by_build.get(builds[0], [])]
            for build, pairs in by_build.items():
                rates = [mpps for mpps, _ in pairs]
                ratios = [a / b for a, b in zip(rates, base)]
                line = (f"{size:5} B {'protected  ' if protected else 'unprotected'} {os.path.relpath(build, os.getcwd()):12}"
                        f"{spread(rates)} Mpps {spread([ns for _, ns in pairs])} ns"
                        f"  x{statistics.median(ratios):.3f}")
                if protected:
                    plain = [mpps for mpps, _ in results[(size, False)][build]]
                    line += f"  of unprotected {spread([a / b for a, b in zip(rates, plain)])}"
                print(line)
    for build, times in results.get("begin", {}).items():
        times.sort()
        print(f"checkpoint_begin, us  {os.path.relpath(build, os.getcwd()):12} p50 {times[len(times) // 2]:.0f}"
              f" p99 {times[len(times) * 99 // 100]:.0f} of {len(times)}")


def main():
    """Parse, measure in turn, report."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="+", type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--sizes", default="64,1518",
                        type=lambda text: [int(size) for size in text.split(",")])
    parser.add_argument("--testpmd", action="store_true")
    options = parser.parse_args()
    take_precedence()
    results = {}
    builds = options.builds + ([TESTPMD] if options.testpmd else [])
    for number in range(options.rounds):
        for size in options.sizes:
            for build in builds if number % 2 == 0 else reversed(builds):
                measure(build, size, options, results)
    report(builds, options, results)


if __name__ == "__main__":
    main()
