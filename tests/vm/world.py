# SPDX-License-Identifier: BSD-3-Clause
"""What a VM test gets: a daemon with a tap uplink, two guests on its VFs, and helpers.

Guests boot once for all tests. After each test the world is put right again: guests run,
nothing is protected, nothing is held.
"""
import os
import signal
import subprocess
import time

import traffic
from control import ControlError
from daemon import Daemon
from guest import Guest

# vm1 leaves checksums and segments to its NIC; vm2 uses what vm1 does not: two queue pairs, packed
# rings.
GUESTS = {
    "vm1": {"address": "10.9.0.2/24", "mac": "52:54:00:00:00:02",
            "offloads": True},
    "vm2": {"address": "10.9.0.3/24", "mac": "52:54:00:00:00:03", "queues": 2, "packed": True},
}


class World:
    def __init__(self, run, image, accel):
        self.run = run
        self.daemon = Daemon(run, [
            {"name": name, "mac": settings["mac"], "queues": settings.get("queues", 1),
             "offloads": settings.get("offloads", False),
             "socket": run.join(f"{name}.sock")} for name, settings in GUESTS.items()])
        self.guests = {
            name: Guest(run, image, name, run.join(f"{name}.sock"), accel=accel,
                        **{key: value for key, value in settings.items() if key != "offloads"})
            for name, settings in GUESTS.items()}
        self.vm1, self.vm2 = self.guests.values()
        self.control = None

    def start(self):
        self.daemon.start()
        self.control = self.daemon.connect()
        self.control("events_subscribe")
        for guest in self.guests.values():
            guest.start()
        for guest in self.guests.values():
            guest.wait_up()
            traffic.wait_reachable(guest.ip)
            self.pin_neighbours(guest)

    def pin_neighbours(self, guest):
        """No ARP in the way of what a test counts: everybody knows everybody."""
        peers = [(self.daemon.ADDRESS, self.daemon.MAC)]
        peers += [(peer.ip, peer.mac) for peer in self.guests.values() if peer is not guest]
        guest.sh("; ".join(f"arp -s {ip} {mac}" for ip, mac in peers))
        self.pin_guest(guest)

    def pin_guest(self, guest):
        """The guest as the uplink's side knows it; forgotten when the daemon's tap goes."""
        subprocess.run(["ip", "neigh", "replace", guest.ip, "lladdr", guest.mac, "dev",
                        self.daemon.TAP, "nud", "permanent"], check=True)

    def kill_daemon(self):
        """kill -9, and a new one in the same run directory. Guests go on meanwhile."""
        os.kill(self.daemon.process.pid, signal.SIGKILL)
        self.daemon.process.wait()
        self.daemon.start()
        self.control.close()
        self.control = self.daemon.connect()
        for guest in self.guests.values():
            self.pin_guest(guest)

    def vf(self, name="vm1"):
        return self.control("vf_get", name=name)

    def stats(self, name="vm1"):
        return self.control("vf_stats", name=name)

    def checkpoint(self, group="vm1"):
        """One whole checkpoint, without a VM's copy; its epoch."""
        epoch = self.control("checkpoint_begin", group=group)["epoch"]
        self.control("checkpoint_resume", group=group)
        self.control("checkpoint_commit", group=group, epoch=epoch)
        return epoch

    def wait_vf(self, name, condition, what, timeout=10):
        """Poll vf_get until condition(vf); returns the VF."""
        end = time.monotonic() + timeout
        while not condition(vf := self.vf(name)):
            if time.monotonic() > end:
                raise AssertionError(f"{name}: {what} not seen within {timeout} s; VF: {vf}")
            time.sleep(0.01)
        return vf

    def restore(self):
        """Back to where every test begins. Raises if something cannot be put right."""
        if not self.daemon.alive():
            raise RuntimeError("renicd is not running")
        self.control.close()
        self.control = self.daemon.connect()
        self.control("events_subscribe")
        for name, guest in self.guests.items():
            if not guest.alive():
                raise RuntimeError(f"{name}: QEMU is not running")
            if guest.qmp("query-status")["status"] != "running":
                guest.qmp("cont")
            for method in ("checkpoint_resume", "protection_stop"):
                try:
                    self.control(method, group=name)
                except ControlError:
                    pass  # not suspended, not protected: as it should be
        for name, guest in self.guests.items():
            self.wait_vf(name, lambda vf: vf["held_pkts"] == 0, "nothing held")
            traffic.wait_reachable(guest.ip)

    def stop(self):
        """End everything; a complaint if renicd did not end well, else None."""
        for guest in self.guests.values():
            guest.kill()
        if self.control is not None:
            self.control.close()
        status = self.daemon.stop()
        return None if status == 0 else f"renicd ended with status {status}"
