# SPDX-License-Identifier: BSD-3-Clause
"""Two hosts: a renicd and a renic-remus each. The VM is a thread (remus/fake_vm.c): what it wrote
says whether what was loaded is one whole checkpoint."""
import json
import os
import re
import signal
import socket
import subprocess

from .check import Failure, wait_until
from .daemon import TAP, Renicd
from .env import BUILD, RENICD
from .process import Process
from .rpc import Rpc

REMUS = os.environ.get("REMUS") or os.path.join(BUILD, "tests", "functional", "renic-remus-fake")
WAIT_S = 20


def free_port():
    """A TCP port of 127.0.0.1 that nobody has."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def read(path):
    """A file's text; empty when it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


class Host:
    """One of the two."""

    def __init__(self, env, name, with_tap):
        self.env, self.name, self.port = env, name, free_port()
        self.directory = os.path.join(env.directory, name)
        os.mkdir(self.directory)
        self.remus = None
        config = {"memory_mb": 96, "mbufs": 8192, "egress_log": {"size_mb": 16, "dir": env.huge_dir()}}
        self.capture = None
        if with_tap:
            namespace = env.netns()
            config.update(netns=namespace, uplink={"devargs": f"net_tap0,iface={TAP}"})
        self.daemon = Renicd(RENICD, self.directory, env.huge_dir(), **config)
        self.daemon.on_spawn = env.processes.append
        env.stack.callback(self.daemon.finish)
        env.stack.callback(self.end)
        self.daemon.start()
        if with_tap:
            env.tap_up(self.daemon, namespace)
            self.capture = env.capture(namespace, TAP)

    def path(self, name):
        """A file of this host's."""
        return os.path.join(self.directory, name)

    def configure(self, peer_port, fake=None, **more):
        """Write its config file; None takes a member out."""
        fake = {"ram": self.path("ram"), "mb": 8, "verdict": self.path("verdict"),
                "die": self.path("die"), **(fake or {})}
        config = {"group": "vf1", "renicd": self.daemon.socket, "control": self.path("remus.sock"),
                  "plain": True, "listen": f"127.0.0.1:{self.port}",
                  "peer": f"127.0.0.1:{peer_port}", "interval_us": 5000, "staging_mb": 2,
                  "delta_cache_mb": 4, "heartbeat_ms": 30, "timeout_ms": 1200,
                  "vms": [{"name": "vm", "driver": "fake", "vfs": ["vf1"], "fake": fake}], **more}
        with open(self.path("remus.json"), "w") as f:
            json.dump({k: v for k, v in config.items() if v is not None}, f)

    def start(self, role, *arguments):
        """renic-remus in that role; returns once it answers."""
        self.remus = Process(f"remus-{self.name}", [REMUS, role, "-c", self.path("remus.json"),
                                                    *arguments], self.directory)
        self.env.processes.append(self.remus)
        wait_until(self._answers, f"renic-remus {role} answers", WAIT_S)

    def _answers(self):
        if not self.remus.alive():
            raise Failure(f"renic-remus ended: {self.remus.log_tail(4)}")
        return self.status()

    def status(self):
        """Its status, or None when nobody is there."""
        try:
            client = Rpc(self.path("remus.sock"))
            try:
                return client.call("status")
            finally:
                client.close()
        except OSError:
            return None

    def state(self):
        """Of its state machine."""
        return (self.status() or {}).get("state")

    def wait_state(self, *states, timeout=WAIT_S):
        """Until it is in one of these."""
        wait_until(lambda: self.state() in states, f"{self.name} is {' or '.join(states)}", timeout)

    def command(self, *arguments):
        """A client command of renic-remus; the finished process."""
        return subprocess.run([REMUS, *arguments, "-c", self.path("remus.json")], timeout=40,
                              capture_output=True, text=True, check=False)

    def resident_kib(self):
        """Of its renic-remus."""
        return int(re.search(r"VmRSS:\s*(\d+) kB", read(f"/proc/{self.remus.pid}/status"))[1])

    def log(self):
        """What its renic-remus said."""
        return self.remus.log()

    def verdict(self):
        """["ok", step] or ["torn", step]: what load() found."""
        return wait_until(lambda: read(self.path("verdict")), "a verdict on what was loaded").split()

    def kill(self, number=signal.SIGKILL):
        """End its renic-remus."""
        self.remus.signal(number)
        self.remus.wait(15)

    def end(self):
        """Whatever it does."""
        if self.remus and self.remus.alive():
            self.remus.signal(signal.SIGCONT)
            self.remus.kill()


class Hosts:
    """Primary a and standby b, protected unless told otherwise. with_guest: frames can be sent by
    `guest` (on a), and a's wire is captured."""

    def __init__(self, env, with_guest=False, start=True, primary=None, standby=None, **both):
        self.a = Host(env, "a", with_guest)
        self.b = Host(env, "b", False)
        self.guest = None
        if with_guest:
            self.guest = env.guest(self.a.daemon, env.framegen(), 1)
        else:
            self.a.daemon.call("vf_create", name="vf1", mac="02:00:00:00:00:01",
                               socket=self.a.path("vf1.sock"))
        self.b.daemon.call("vf_create", name="vf1", mac="02:00:00:00:00:01", standby=True,
                           socket=self.b.path("vf1.sock"))
        self.a.configure(self.b.port, **{**both, **(primary or {})})
        self.b.configure(self.a.port, **{**both, **(standby or {})})
        if start:
            self.b.start("standby")
            self.a.start("primary")
            self.a.wait_state("protected")

    def epochs(self, n=20, timeout=WAIT_S):
        """So many more checkpoints are acknowledged."""
        first = self.a.status()["acked_epoch"]
        wait_until(lambda: (self.a.status() or {}).get("acked_epoch", 0) >= first + n,
                   f"{n} more epochs", timeout)
