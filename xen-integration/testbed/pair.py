# SPDX-License-Identifier: BSD-3-Clause
"""Two Xen hosts on one wire, guests on one that renic-remus keeps ready on the other.

The wire is a bridge of the caller's network namespace, whose own address is the client's. The
hosts' power switches, which a fence command needs, are threads here: unless told otherwise, they
kill a host's QEMU. `primary` and `standby` are the hosts' present roles.
"""
import json
import os
import subprocess
import threading
import time

import traffic
from xenhost import XenHost

BRIDGE, CLIENT_IP, CLIENT_MAC = "wire", "10.9.0.1", "02:00:00:00:09:01"
GUEST, GUEST_IP, GUEST_MAC = "web", "10.9.0.2", "00:16:3e:00:00:02"
GUEST_MB = 96
# Numbers of the domains that renic-remus makes: from this on, in the order of the config.
STANDBY_DOMID = 100
REPLICATION_IP = {"xen-a": "10.9.1.1", "xen-b": "10.9.1.2"}
# vif-renic's options: db makes its checksums and segments itself, the others leave them.
VIFS = {"db": "offloads=off", "wide": "queues=2"}
STATUS_GAP_S = 1  # a look costs an emulated host more than it seems
PORT = 7400
# Emulated hosts share the machine's cores, and a vCPU of theirs may not run for a while.
REMUS = {"interval_us": 200000, "heartbeat_ms": 200, "timeout_ms": 6000,
         "renicd_timeout_ms": 30000}
VM_TIMEOUT_MS = 6000


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Power(threading.Thread):
    """What a host's fence command asks: switches the other one off, and says so."""

    def __init__(self, asked_by, off):
        super().__init__(daemon=True)
        self.share, self.off = asked_by.share, off
        self.ending = threading.Event()
        self.start()

    def run(self):
        answered = set()
        while not self.ending.wait(0.05):
            for name in set(os.listdir(self.share)) - answered:
                if name.startswith("power-off."):
                    self.off()
                    answered.add(name)
                    with open(os.path.join(self.share, name.replace("off", "is-off")), "w",
                              encoding="ascii"):
                        pass


class Pair:
    def __init__(self, run, images):
        self.a, self.b = (XenHost(run, images, f"xen-{name}", f"wire-{name}") for name in "ab")
        self.primary, self.standby = self.a, self.b
        self.power = []
        self.replicated = []  # names of the guests, in the order of the config
        self.switch_off = XenHost.kill  # what a host's power switch does
        self.doors = {name: f"{address}:{PORT}" for name, address in REPLICATION_IP.items()}

    def start(self, alone=False):
        """Both hosts are up, with a renicd each; alone: the first one is."""
        hosts = (self.a,) if alone else (self.a, self.b)
        ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
        ip("link", "set", BRIDGE, "address", CLIENT_MAC, "up")
        ip("addr", "add", f"{CLIENT_IP}/24", "dev", BRIDGE)
        for host in hosts:
            ip("tuntap", "add", "dev", host.tap, "mode", "tap")
            ip("link", "set", host.tap, "master", BRIDGE, "up")
            host.start()
        for host in hosts:
            other = self.b if host is self.a else self.a
            self.ready(host)
            self.power.append(Power(host, lambda other=other: self.switch_off(other)))

    @staticmethod
    def ready(host):
        """A host that was started is up, with a renicd and an address for the replication."""
        host.wait_up()
        host.start_renicd()
        vifs = " ".join(f"'{name} {options}'" for name, options in VIFS.items())
        host.sh(f"ip addr add {REPLICATION_IP[host.name]}/24 dev br0; mkdir -p /run/renic-remus; "
                f"printf '%s\\n' {vifs} >/etc/xen/renic-vifs")

    def revive(self, host):
        """A host whose QEMU was killed boots again."""
        host.start()
        self.ready(host)

    @property
    def group(self):
        return self.replicated[0] if len(self.replicated) == 1 else "both"

    def write_config(self, host):
        """renic-remus' config, and its fence command."""
        other = self.b if host is self.a else self.a
        group = self.group
        config = REMUS | {
            "group": group, "plain": True, "listen": f"0.0.0.0:{PORT}",
            "peer": self.doors[other.name],
            "fence": {"command": ["/share/fence"], "timeout_ms": 60000},
            "vms": [{"name": name, "driver": "xen", "vfs": [name], "timeout_ms": VM_TIMEOUT_MS,
                     "xen": {"domain": name, "domid": STANDBY_DOMID + at}}
                    for at, name in enumerate(self.replicated)],
        }
        with open(os.path.join(host.share, f"remus-{group}.json"), "w", encoding="ascii") as file:
            json.dump(config, file, indent=1)
        path = os.path.join(host.share, "fence")
        with open(path, "w", encoding="ascii") as file:  # the share keeps names that were removed
            file.write("#!/bin/sh\n: >/share/power-off.$$\n"
                       "until [ -e /share/power-is-off.$$ ]; do sleep 0.05; done\n")
        os.chmod(path, 0o755)
        host.sh(f"ln -sf /share/remus-{group}.json /run/remus.json")

    def boot_guest(self):
        self.a.create(GUEST, f"{GUEST_IP}/24", GUEST_MAC, memory_mb=GUEST_MB)
        traffic.wait_reachable(GUEST_IP)

    def protect(self, macs=None, timeout=120):
        """renic-remus on both, until a checkpoint is held. macs: of the guests by name, all of one
        group; default: the one of boot_guest()."""
        macs = macs or {GUEST: GUEST_MAC}
        self.replicated = list(macs)
        for host in (self.standby, self.primary):
            self.write_config(host)
        self.make_standby(macs)
        if len(macs) > 1:
            vfs = ",".join(macs)
            self.primary.sh(f"renicctl group create {self.group} {vfs}")
            self.standby.sh(f"renicctl group create {self.group} {vfs} standby=on")
        for host, role in ((self.standby, "standby"), (self.primary, "primary")):
            self.start_remus(host, role)
        self.wait_state(self.primary, "protected", timeout)

    def make_standby(self, macs):
        """The VFs on the standby; what was there of a primary before it is gone."""
        for at, (name, mac) in enumerate(macs.items()):
            # Killed in a checkpoint, renic-remus left its group suspended.
            self.standby.sh(f"exec 2>>/share/make-standby.log; renicctl checkpoint resume {name}; "
                            f"renicctl protection stop {name} --discard; "
                            f"renicctl vf delete {name} --force; "
                            f"renicctl vf create {name} transport=xen "
                            f"xen_domain={STANDBY_DOMID + at} mac={mac} standby=on "
                            + VIFS.get(name, ""))

    @staticmethod
    def start_remus(host, role):
        host.sh(f"(setsid renic-remus {role} -c /run/remus.json >>/share/remus.log 2>&1 "
                f"</dev/null & echo $! >/run/renic-remus/{role}.pid); n=0; "
                "until renic-remus status -c /run/remus.json >/dev/null 2>&1; "
                "do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.2; done")

    @staticmethod
    def status(host):
        """renic-remus' status."""
        return json.loads(host.sh("renic-remus status -j -c /run/remus.json"))

    @classmethod
    def wait_status(cls, host, right, what, timeout=60):
        """Until right(status); the status."""
        end = time.monotonic() + timeout
        while not right(status := cls.status(host)):
            if time.monotonic() > end:
                raise TimeoutError(f"{host.name}: renic-remus: no {what} within {timeout} s: "
                                   f"{status['state']}, {status.get('error')}")
            time.sleep(STATUS_GAP_S)
        return status

    def wait_state(self, host, state, timeout):
        return self.wait_status(host, lambda status: status["state"] == state, state, timeout)

    def unprotect(self):
        """Neither side replicates any more; the guests run where they are."""
        self.primary.sh("renic-remus stop -c /run/remus.json")
        self.standby.sh("kill $(pidof renic-remus); "
                        "while pidof renic-remus >/dev/null; do sleep 0.2; done")
        self.replicated = []

    @staticmethod
    def remus_pid(host):
        return host.sh("pidof renic-remus").strip()

    def stop(self):
        for power in self.power:
            power.ending.set()
        for host in (self.a, self.b):
            host.kill()

    def remove_wire(self):
        """For another pair to make its own."""
        for link in (self.a.tap, self.b.tap, BRIDGE):
            subprocess.run(["ip", "link", "del", link], check=False, stderr=subprocess.DEVNULL)
