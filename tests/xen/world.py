# SPDX-License-Identifier: BSD-3-Clause
"""What a Xen test gets: two Xen hosts on one wire, and two PV guests on renicd on the first.

Most tests are about the first host alone (`host`); while renic-remus runs, it alone moves guests.
"""
import time

import traffic
from cable import Cable
from pair import BRIDGE, CLIENT_IP, GUEST_MB, PORT, REPLICATION_IP, Pair, ip
from xenhost import XenError

ADDRESS = CLIENT_IP
CABLES_IP = "10.9.1.254"
GUESTS = {"web": ("10.9.0.2", "00:16:3e:00:00:02"), "db": ("10.9.0.3", "00:16:3e:00:00:03")}


class World:
    TEST_TIMEOUT_S = 400  # a hang's guard: hosts start within it, beside other load

    def __init__(self, run, images):
        self.pair = Pair(run, images)
        self.spent = False  # a host died for good
        self.cables = {}  # to renic-remus of each host

    @property
    def host(self):
        """Where the guests run."""
        return self.pair.primary

    @staticmethod
    def ip(name="web"):
        return GUESTS[name][0]

    def start(self):
        self.pair.start()
        ip("addr", "add", f"{CABLES_IP}/24", "dev", BRIDGE)
        for at, (name, address) in enumerate(REPLICATION_IP.items()):
            door = CABLES_IP, PORT + at
            self.cables[name] = Cable(door, (address, PORT))
            self.pair.doors[name] = f"{door[0]}:{door[1]}"
        for name in GUESTS:
            self.create(name)

    def create(self, name):
        ip, mac = GUESTS[name]
        self.host.create(name, f"{ip}/24", mac, memory_mb=GUEST_MB)
        traffic.wait_reachable(ip, timeout=90)

    def vf(self, name="web"):
        return self.host.renicctl("vf", "get", name)

    def stats(self, name="web"):
        return self.host.renicctl("vf", "stats", name)

    def wait_held(self, count, name="web", timeout=100):
        """Until so many frames of the guest are held; how many there are."""
        end = time.monotonic() + timeout
        while (held := self.vf(name)["held_pkts"]) < count:
            assert time.monotonic() < end, f"{held} frames are held, not {count}"
            time.sleep(0.3)
        return held

    def checkpoint(self, group="web"):
        """One checkpoint, without a VM's copy; its epoch."""
        epoch = self.host.renicctl("checkpoint", "begin", group)["epoch"]
        self.host.renicctl("checkpoint", "resume", group)
        self.host.renicctl("checkpoint", "commit", group, str(epoch))
        return epoch

    def protected(self):
        """The pair, with renic-remus at work for the guest web."""
        if not self.pair.replicated:
            self.pair.protect()
        return self.pair

    def restore(self):
        """Back to where every test begins; raises if that cannot be."""
        if self.pair.replicated:
            self.pair.wait_state(self.pair.primary, "protected", 100)
            return
        self.host.sh("; ".join(f"renicctl {words} {name} >/dev/null 2>&1" for name in GUESTS
                               for words in ("checkpoint resume", "protection stop")) + "; true")
        for name, (ip, _) in GUESTS.items():
            try:
                self.host.domid(name)
            except XenError:
                self.create(name)
            traffic.wait_reachable(ip, timeout=90)

    def stop(self):
        for cable in self.cables.values():
            cable.close()
        self.pair.stop()
        self.pair.remove_wire()
