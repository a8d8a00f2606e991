# SPDX-License-Identifier: BSD-3-Clause
"""
A client's silence while a guest moves from one host to another: on a VF of renicd, on QEMU's
virtio-net and a tap, on an emulated e1000 and a tap, and with a bond of a VF and an e1000 whose VF
is unplugged for the move (the ReNIC paper's comparison, ACM TACO 2012). The last two run Debian's
general kernel, since the cloud kernel has no driver for an e1000.
"""
import os
import socket
import struct
import threading
import time

import hosts
import test_migration
import traffic
from daemon import Daemon
from tap_guest import BondedGuest, E1000Guest, TapGuest

OTHER_KERNEL = "amd64"


class Silence(threading.Thread):
    """The client: hears datagrams of the guest; longest() says how long it heard none, ms."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.port = self.sock.getsockname()[1]
        self.sock.settimeout(0.1)
        self.times, self.numbers, self.ending = [], [], False
        self.start()

    def run(self):
        while not self.ending:
            try:
                data = self.sock.recv(2048)
            except socket.timeout:
                continue
            self.times.append(time.monotonic())
            self.numbers.append(struct.unpack_from(">I", data)[0])

    def longest(self):
        """Ends it."""
        self.ending = True
        self.join()
        self.sock.close()
        gaps = [(b - a) * 1000 for a, b in zip(self.times, self.times[1:])]
        lost = (max(self.numbers) + 1 - len(set(self.numbers))) if self.numbers else 0
        return max(gaps, default=float("inf")), lost


def heard_while(guest, address, move):
    """Silence and datagrams lost while `move` moves the guest, which sends one a millisecond."""
    client = Silence(address)
    guest.sh(f"agent count {address} {client.port} 6000 1000 >/dev/null 2>&1 &")
    time.sleep(1)
    move()
    time.sleep(1.5)
    return client.longest()


def move_renicd(run, image, accel, _turn):
    """From one renicd to another, as docs/protocol.md has it."""
    world = hosts.TwoHosts(run, image, accel)
    world.start()
    try:
        world.prepare()

        def move():
            test_migration.migrate(world)
            world.b.guest.qmp("cont")

        return heard_while(world.a.guest, Daemon.ADDRESS, move)
    finally:
        world.stop()


class TapHosts:
    """Two QEMUs, each on a tap in one bridge: what test_migration.wait_passes and others want."""

    def __init__(self, run, image, accel, kind=TapGuest):
        self.run = run
        hosts.ip("link", "add", hosts.BRIDGE, "type", "bridge")
        hosts.ip("link", "set", hosts.BRIDGE, "address", Daemon.MAC, "up")
        hosts.ip("addr", "add", f"{Daemon.ADDRESS}/24", "dev", hosts.BRIDGE)
        self.prepare()
        self.a, self.b = (kind(run, image, name, self.socket_of(name), hosts.ADDRESS, hosts.MAC,
                               accel, tap=f"tap-{name}", incoming=name == "b") for name in "ab")
        for guest in (self.a, self.b):
            hosts.ip("tuntap", "add", guest.tap, "mode", "tap")
            hosts.ip("link", "set", guest.tap, "master", hosts.BRIDGE, "up")
            guest.start()
        self.a.wait_up()
        self.b.attach()
        self.ready()
        self.a.sh(f"arp -s {Daemon.ADDRESS} {Daemon.MAC}")
        traffic.wait_reachable(self.a.ip)

    def socket_of(self, _name):
        """The vhost-user socket of a guest."""
        return ""

    def prepare(self):
        """What guests need before they start."""

    def ready(self):
        """The guest has booted."""

    def move(self):
        """With the same limits as the other side has."""
        uri = f"unix:{self.run.join('migration')}"
        self.b.qmp("migrate-incoming", uri=uri)
        self.a.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 26, "downtime-limit": 1})
        self.a.qmp("migrate", uri=uri)
        test_migration.wait_passes(self.a, test_migration.PASSES)
        self.a.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 33, "downtime-limit": 300})
        while (status := self.a.qmp("query-migrate")["status"]) != "completed":
            if status in ("failed", "cancelled"):
                raise RuntimeError(f"the migration is {status}")
            time.sleep(0.001)
        self.b.qmp("cont")

    def stop(self):
        """End all."""
        for guest in (self.a, self.b):
            guest.kill()
            hosts.ip("link", "del", guest.tap)
        hosts.ip("link", "del", hosts.BRIDGE)


class BondedHosts(TapHosts):
    """The guest has a VF beside its e1000 on host a; it moves without."""

    def __init__(self, run, image, accel):
        self.daemon = Daemon(run, [{"name": hosts.VF, "mac": hosts.MAC, "offloads": False,
                                    "socket": run.join("vm1.sock")}], bridge=hosts.BRIDGE)
        super().__init__(run, image, accel, BondedGuest)

    def socket_of(self, name):
        return self.run.join("vm1.sock") if name == "a" else ""

    def prepare(self):
        self.daemon.start()

    def ready(self):
        self.a.bond()

    def move(self):
        self.a.unplug()
        super().move()

    def stop(self):
        super().stop()
        self.daemon.stop()


def moved_by(make):
    """How a guest of such a world moves."""
    def move(run, image, accel, turn):
        world = make(run.folder(f"{make.__name__}{turn}"), image, accel)
        try:
            return heard_while(world.a, Daemon.ADDRESS, world.move)
        finally:
            world.stop()
    return move


def tap(run, image, accel):
    """QEMU's own virtio-net, from tap to tap."""
    return TapHosts(run, image, accel)


def e1000(run, image, accel):
    """An emulated e1000, from tap to tap."""
    return TapHosts(run, os.path.join(image, OTHER_KERNEL), accel, E1000Guest)


def bonded(run, image, accel):
    """A VF bonded with an e1000, which alone moves."""
    return BondedHosts(run, os.path.join(image, OTHER_KERNEL), accel)


WAYS = {"renicd": move_renicd, "QEMU tap": moved_by(tap), "QEMU e1000": moved_by(e1000),
        "bond": moved_by(bonded)}


def measure(run, image, accel, turns):
    """All ways in turn."""
    results = {"silence_ms": {}, "lost": {}}
    for turn in range(turns):
        for name, move in WAYS.items():
            silence, lost = move(run, image, accel, turn)
            results["silence_ms"].setdefault(name, []).append(silence)
            results["lost"].setdefault(name, []).append(lost)
    return results
