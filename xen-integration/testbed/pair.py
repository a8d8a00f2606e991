# SPDX-License-Identifier: BSD-3-Clause
"""Two Xen hosts on one wire, a guest on the first that renic-remus keeps ready on the second.

The wire is a bridge of the caller's network namespace, whose own address is the client's. The
hosts' power switch, which a fence command needs, is a thread here: it kills a host's QEMU.
"""
import json
import os
import shlex
import subprocess
import threading
import time

import traffic
from xenhost import XenHost

BRIDGE, CLIENT_IP, CLIENT_MAC = "wire", "10.9.0.1", "02:00:00:00:09:01"
GUEST, GUEST_IP, GUEST_MAC = "web", "10.9.0.2", "00:16:3e:00:00:02"
GUEST_MB = 96
STANDBY_DOMID = 100
REPLICATION_IP = {"a": "10.9.1.1", "b": "10.9.1.2"}
PORT = 7400
# Emulated hosts share the machine's cores, and a vCPU of theirs may not run for a while.
REMUS = {"interval_us": 200000, "heartbeat_ms": 200, "timeout_ms": 6000}
VM_TIMEOUT_MS = 6000


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Power(threading.Thread):
    """What a fence command asks: switches a host off, and says so."""

    def __init__(self, asked_by, host):
        super().__init__(daemon=True)
        self.wanted, self.done = (os.path.join(asked_by.share, name)
                                  for name in ("power-off", "power-is-off"))
        self.host, self.ending = host, threading.Event()
        self.start()

    def run(self):
        while not self.ending.wait(0.05):
            if os.path.exists(self.wanted):
                self.host.kill()
                with open(self.done, "w", encoding="ascii"):
                    return


class Pair:
    def __init__(self, run, images):
        self.a, self.b = (XenHost(run, images, f"xen-{name}", f"wire-{name}") for name in "ab")
        self.power = None

    def start(self):
        """Both hosts are up, with a renicd each."""
        ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
        ip("link", "set", BRIDGE, "address", CLIENT_MAC, "up")
        ip("addr", "add", f"{CLIENT_IP}/24", "dev", BRIDGE)
        for host in (self.a, self.b):
            ip("tuntap", "add", "dev", host.tap, "mode", "tap")
            ip("link", "set", host.tap, "master", BRIDGE, "up")
            host.start()
        self.power = Power(self.b, self.a)
        for host, address in ((self.a, REPLICATION_IP["a"]), (self.b, REPLICATION_IP["b"])):
            host.wait_up()
            host.start_renicd()
            host.sh(f"ip addr add {address}/24 dev br0; mkdir -p /run/renic-remus")
            self._write_config(host)

    def _write_config(self, host):
        config = REMUS | {
            "group": GUEST, "plain": True, "listen": f"0.0.0.0:{PORT}",
            "peer": f"{REPLICATION_IP['b']}:{PORT}",
            "fence": {"command": ["/share/fence"], "timeout_ms": 60000},
            "vms": [{"name": GUEST, "driver": "xen", "vfs": [GUEST], "timeout_ms": VM_TIMEOUT_MS,
                     "xen": {"domain": GUEST, "domid": STANDBY_DOMID}}],
        }
        with open(os.path.join(host.share, "remus.json"), "w", encoding="ascii") as file:
            json.dump(config, file, indent=1)
        path = os.path.join(host.share, "fence")
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n: >/share/power-off\n"
                       "until [ -e /share/power-is-off ]; do sleep 0.05; done\n")
        os.chmod(path, 0o755)

    def boot_guest(self):
        self.a.create(GUEST, f"{GUEST_IP}/24", GUEST_MAC, memory_mb=GUEST_MB)
        traffic.wait_reachable(GUEST_IP)

    def protect(self, timeout=120):
        """renic-remus on both, until a checkpoint is held."""
        self.b.renicctl("vf", "create", GUEST, "transport=xen", f"xen_domain={STANDBY_DOMID}",
                        f"mac={GUEST_MAC}", "standby=on")
        for host, role in ((self.b, "standby"), (self.a, "primary")):
            self.start_remus(host, role)
        self.wait_state(self.a, "protected", timeout)

    @staticmethod
    def start_remus(host, role):
        host.sh(f"(setsid renic-remus {role} -c /share/remus.json >>/share/remus.log 2>&1 "
                "</dev/null &) ; sleep 0.5")

    def status(self, host):
        """renic-remus' status."""
        return json.loads(host.sh("renic-remus status -j -c " + shlex.quote("/share/remus.json")))

    def wait_state(self, host, state, timeout):
        end = time.monotonic() + timeout
        while (status := self.status(host))["state"] != state:
            if time.monotonic() > end:
                raise TimeoutError(f"{host.name}: renic-remus is {status['state']}, not {state}: "
                                   f"{status.get('error')}")
            time.sleep(0.3)
        return status

    def remus_pid(self, host):
        return host.sh("pidof renic-remus").strip()

    def restore(self):
        """Nothing to put right: a host that died stays so."""

    def stop(self):
        if self.power:
            self.power.ending.set()
        for host in (self.a, self.b):
            host.kill()
