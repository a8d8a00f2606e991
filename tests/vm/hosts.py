# SPDX-License-Identifier: BSD-3-Clause
"""What a test of two hosts gets: two renicd, each with a tap as its uplink, both taps in one
bridge, which learns where a MAC is as a switch does and is the peer that a guest talks to.

On host a runs a guest; host b has the VF for it, as a standby, and a QEMU that waits for its state.
"""
import itertools
import json
import subprocess
import time

import traffic
from daemon import Daemon
from guest import Guest
from qmp import QmpError

BRIDGE = "br0"
ADDRESS, MAC = "10.9.0.2/24", "52:54:00:00:00:02"
VF = "vm1"
# Of hosts, over all worlds: a run directory is never used twice, as a daemon goes on from it.
NUMBERS = itertools.count(1)


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


class Host:
    def __init__(self, run, name, image, accel, backup, packed, environment):
        """backup: False, or how its guest waits."""
        folder = run.folder(name)
        self.daemon = Daemon(folder, [{"name": VF, "mac": MAC, "standby": bool(backup),
                                       "socket": folder.join("vm1.sock")}], bridge=BRIDGE)
        self.guest = Guest(folder, image, name, folder.join("vm1.sock"), ADDRESS, MAC, accel,
                           packed=packed, incoming=backup, environment=environment)
        self.control, self.dead = None, False

    def start(self):
        self.daemon.start()
        self.control = self.daemon.connect()
        self.guest.start()

    def vf(self):
        return self.control("vf_get", name=VF)

    def drops(self):
        """Frames that were dropped, in all."""
        return sum(self.control("vf_stats", name=VF)["drops"].values())

    def stop(self):
        """A complaint, or None."""
        self.guest.kill()
        if self.control is not None:
            self.control.close()
        status = 0 if self.dead else self.daemon.stop()
        return None if status == 0 else f"renicd of {self.daemon.tap} ended with status {status}"

    def die(self):
        """QEMU and renicd at once, as with their host."""
        self.dead = True
        for process in (self.guest.process, self.daemon.process):
            process.kill()
        for process in (self.guest.process, self.daemon.process):
            process.wait()


class TwoHosts:
    """A new pair for each test, by prepare(): a guest moves once."""

    TEST_TIMEOUT_S = 200  # a test boots its own guest
    INCOMING = "paused"

    def environment(self):
        """Of QEMU."""
        return None

    def __init__(self, run, image, accel):
        self.run, self.image, self.accel = run, image, accel
        self.a = self.b = None

    def start(self):
        """The bridge alone: a test makes its hosts."""
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("link", "set", BRIDGE, "address", Daemon.MAC, "up")
        ip("addr", "add", f"{Daemon.ADDRESS}/24", "dev", BRIDGE)

    def prepare(self, packed=False):
        """Both hosts; the guest runs on a, and is reached."""
        number = next(NUMBERS)
        self.a, self.b = (
            Host(self.run, f"{name}{number}", self.image, self.accel, backup,
                 packed, self.environment()) for name, backup in (("a", False), ("b", self.INCOMING)))
        for host in (self.a, self.b):
            host.start()
        self.a.guest.wait_up()
        self.b.guest.attach()
        self.a.guest.sh(f"arp -s {Daemon.ADDRESS} {Daemon.MAC}")
        ip("neigh", "replace", self.a.guest.ip, "lladdr", MAC, "dev", BRIDGE, "nud", "permanent")
        traffic.wait_reachable(self.a.guest.ip)

    def port_of_guest(self):
        """The tap at which the bridge learned the guest's MAC, or None."""
        entries = json.loads(subprocess.run(["bridge", "-j", "fdb", "show", "br", BRIDGE],
                                            check=True, capture_output=True, text=True).stdout)
        return next((entry["ifname"] for entry in entries
                     if entry["mac"] == MAC and "permanent" not in entry.get("state", "")), None)

    def wait_port(self, host, timeout=10):
        end = time.monotonic() + timeout
        while self.port_of_guest() != host.daemon.tap:
            if time.monotonic() > end:
                raise AssertionError(f"the bridge has the guest at {self.port_of_guest()}, "
                                     f"not at {host.daemon.tap}")
            time.sleep(0.001)

    def wait_migration(self, *states, timeout=60):
        """Until the QEMU on host a says one of these states; it."""
        end = time.monotonic() + timeout
        while (status := self.a.guest.qmp("query-migrate").get("status")) not in states:
            if status in ("failed", "cancelled") or time.monotonic() > end:
                raise QmpError(f"the migration is {status}, not {states}: "
                               f"{self.a.guest.qmp('query-migrate')}")
            time.sleep(0.02)
        return status

    def restore(self):
        """Nothing to put right: the next test gets another pair."""
        problems = [host.stop() for host in (self.a, self.b) if host is not None]
        self.a = self.b = None
        if any(problems):
            raise RuntimeError("; ".join(filter(None, problems)))

    def stop(self):
        problems = [host.stop() for host in (self.a, self.b) if host is not None]
        subprocess.run(["ip", "link", "del", BRIDGE], check=False, capture_output=True)
        return "; ".join(filter(None, problems)) or None
