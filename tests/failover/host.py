# SPDX-License-Identifier: BSD-3-Clause
"""One of the two hosts: renicd, QEMU and renic-remus in its network namespace, each of which can
be killed, stopped and brought back by itself."""
import json
import os
import shutil
import signal
import subprocess
import time

import network
from daemon import BUILD, Daemon
from guest import Guest, MEMORY

RENIC_QEMU = os.path.join(BUILD, "qemu-integration", "renic-qemu")
WP_SHIM = os.path.join(BUILD, "qemu-integration", "librenic-wp.so")
REMUS = os.path.join(BUILD, "replicator", "renic-remus")
VM, GUEST_MAC, GUEST_ADDRESS = "vm1", "52:54:00:00:00:02", "10.9.0.2/24"
PORT = 7788


class HostDir:
    """A host's part of the run directory, as renicd's helpers want one."""

    def __init__(self, run, host):
        self.path, self.huge = run.join(host), os.path.join(run.huge, host)
        self.clear()

    def clear(self):
        """As after a reboot: /run and huge pages are empty. Logs stay."""
        for path in (self.path, self.huge):
            os.makedirs(path, exist_ok=True)
            for name in os.listdir(path):
                full = os.path.join(path, name)
                if os.path.isdir(full):
                    shutil.rmtree(full, ignore_errors=True)
                elif not name.endswith(".log"):
                    os.unlink(full)

    def join(self, *names):
        return os.path.join(self.path, *names)


class HostDaemon(Daemon):
    """renicd whose tap is a port of the host's bridge."""

    def __init__(self, run, host, vf):
        super().__init__(run, [vf], bridge="bridge")
        self.PREFIX = network.inside(f"host-{host}")
        self.cpu = sorted(os.sched_getaffinity(0))["ab".index(host) % os.cpu_count()]

    def configuration(self):
        return super().configuration() | {"data_cpus": [self.cpu], "memory_mb": 128,
                                          "egress_log": {"size_mb": 64, "dir": self.run.huge}}


class HostGuest(Guest):
    """The VM as renic-qemu starts it: running, or as a standby."""

    def __init__(self, run, image, accel, memory, standby, vf_words=""):
        super().__init__(run, image, VM, run.join(f"{VM}.sock"), GUEST_ADDRESS, GUEST_MAC, accel)
        self.ram, self.standby, self.vf_words = memory, standby, vf_words

    def path(self, suffix):
        # renic-qemu names the QMP socket; the guest's own files are beside it.
        return self.run.join(f"{self.name}.{suffix}")

    def command(self):
        return ["env", f"RENIC_WP={WP_SHIM}", RENIC_QEMU, "--name", VM, "--memory", self.ram,
                "--accel", self.accel, "--run-dir", self.run.path,
                "--vf", f"{self.vhost_socket},mac={self.mac}{self.vf_words}",
                *(["--standby"] if self.standby else []), "--", *self.software()]


class Host:
    PARTS = ("qemu", "renicd", "remus")

    def __init__(self, run, name, image, accel, memory=MEMORY, hold_exempt="", vf_words=""):
        self.name, self.image, self.accel, self.memory = name, image, accel, memory
        self.vf_words = vf_words
        self.peer = "b" if name == "a" else "a"
        self.dir = HostDir(run, name)
        self.hold_exempt = hold_exempt
        self.daemon = self.guest = self.remus = None
        self.options = {}

    # ---- bringing up ----

    def _vf(self, standby):
        return {"name": VM, "mac": GUEST_MAC, "socket": self.dir.join(f"{VM}.sock"),
                "standby": standby, "hold_exempt": self.hold_exempt}

    def boot(self, standby):
        """renicd and QEMU, from nothing, as after a reboot of the host."""
        self.close()
        self.dir.clear()
        self.daemon = HostDaemon(self.dir, self.name, self._vf(standby))
        self.daemon.start()
        self.start_qemu(standby)

    def start_qemu(self, standby):
        self.guest = HostGuest(self.dir, self.image, self.accel, self.memory, standby,
                               self.vf_words)
        self.guest.start()
        if standby:
            self.guest.attach()

    def remus_config(self, **options):
        """The config file of renic-remus, for either role."""
        config = {
            "group": VM, "plain": True,
            "renicd": self.daemon.socket, "control": self.dir.join("remus.sock"),
            "listen": f"{network.REPLICATION_IP[self.name]}:{PORT}",
            "peer": f"{network.REPLICATION_IP[self.peer]}:{PORT}",
            "fence": {"command": [self.dir.join("fence")]},
            "vms": [{"name": VM, "driver": "qemu", "vfs": [VM], "timeout_ms": 3000,
                     "qemu": {"qmp": self.dir.join(f"{VM}.remus.qmp")}}],
        }
        return config | self.options | options

    def write_fence(self, script):
        """What the fence command of this host does, a shell script."""
        path = self.dir.join("fence")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)

    def start_remus(self, role, **options):
        path = self.dir.join("remus.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump(self.remus_config(**options), file, indent=1)
        with open(self.dir.join("remus.log"), "ab") as log:
            self.remus = subprocess.Popen(
                [*network.inside(f"host-{self.name}"), REMUS, role, "-c", path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    # ---- looking ----

    def status(self):
        """renic-remus' status, or None while it does not answer."""
        done = subprocess.run([REMUS, "status", "-j", "-s", self.dir.join("remus.sock")],
                              capture_output=True, text=True, check=False, timeout=10)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def wait_state(self, *states, timeout=40):
        """Wait for renic-remus to be in one of these states; its status."""
        return self.wait_status(lambda status: status["state"] in states, " or ".join(states),
                                timeout)

    def wait_status(self, condition, what, timeout=40):
        """Wait for a status of which condition(status) is true; the status."""
        end = time.monotonic() + timeout
        while True:
            status = self.status()
            if status and condition(status):
                return status
            if time.monotonic() > end:
                raise TimeoutError(f"host {self.name}: renic-remus not {what} "
                                   f"within {timeout} s: "
                                   f"{status and (status['state'], status['error'])}")
            if self.remus.poll() is not None:
                raise RuntimeError(f"host {self.name}: renic-remus ended with "
                                   f"{self.remus.returncode}: see {self.dir.join('remus.log')}")
            time.sleep(0.02)

    def vf(self):
        control = self.daemon.connect()
        try:
            return control("vf_get", name=VM)
        finally:
            control.close()

    # ---- taking down ----

    def process(self, part):
        return {"qemu": self.guest and self.guest.process,
                "renicd": self.daemon and self.daemon.process, "remus": self.remus}[part]

    def send(self, part, number):
        """A signal to a part; its end is not waited for."""
        process = self.process(part)
        if process is not None and process.poll() is None:
            process.send_signal(number)

    def kill(self, *parts):
        """kill -9 of these parts, all of them without any, at once."""
        for part in parts or self.PARTS:
            self.send(part, signal.SIGKILL)
        for part in parts or self.PARTS:
            process = self.process(part)
            if process is not None:
                process.wait()

    def end_remus(self):
        """SIGTERM: protection ends, what is held leaves."""
        self.send("remus", signal.SIGTERM)
        self.remus.wait(20)

    def close(self):
        self.kill()
        if self.guest is not None:
            self.guest.kill()
