# SPDX-License-Identifier: BSD-3-Clause
"""renicd under test: configured, started, asked, stopped."""
import json
import os
import signal

from .check import Failure, check, wait_until
from .process import Process
from .rpc import Closed, Rpc

TAP = "rnic0"


class Renicd:
    """One daemon with a run directory of its own."""

    def __init__(self, binary, directory, huge_dir, name="renicd", netns=None, **config):
        self.binary = binary
        self.directory = directory
        self.name = name
        self.netns = netns
        self.run_dir = os.path.join(directory, "run")
        self.config_path = os.path.join(directory, f"{name}.json")
        self.config = {
            "run_dir": self.run_dir,
            "control": {"socket": os.path.join(self.run_dir, "control.sock")},
            "data_cpus": [1],
            "memory_mb": 256,
            "mbufs": 32768,
            "telemetry": False,  # it would leave a folder in /run/dpdk for each daemon
            "egress_log": {"size_mb": 64, "dir": huge_dir},
        }
        self.config.update(config)
        self.socket = self.config["control"]["socket"]
        self.on_spawn = lambda process: None
        self.arguments = []
        self.process = None
        self.ended = False  # on purpose
        self.rpc = None
        self.clients = []

    def spawn(self):
        """Start the process; does not wait for it."""
        os.makedirs(self.run_dir, exist_ok=True)
        with open(self.config_path, "w") as f:
            json.dump(self.config, f, indent=1)
        argv = [self.binary, "-c", self.config_path, *self.arguments]
        if self.netns:
            argv = self.netns.command(*argv)
        self.process = Process(self.name, argv, self.directory)
        self.on_spawn(self.process)
        return self.process

    def _answers(self):
        if not self.process.alive():
            raise Failure(f"renicd ended with status {self.process.popen.returncode}")
        try:
            client = Rpc(self.socket)
            client.call("version")
        except (OSError, Closed):
            return None
        return client

    def start(self, timeout=20):
        """Start it and wait until it answers; returns self."""
        self.spawn()
        self.rpc = wait_until(self._answers, "renicd answers `version`", timeout, 0.02)
        self.clients.append(self.rpc)
        return self

    def restart(self):
        """Start it again in the same run directory, after its end; returns self."""
        self.close_clients()
        self.ended = False
        return self.start()

    def connect(self):
        """Another control connection."""
        client = Rpc(self.socket)
        self.clients.append(client)
        return client

    def call(self, method, **params):
        """Call a method on the main connection."""
        return self.rpc.call(method, **params)

    def vf(self, name):
        """vf_get."""
        return self.call("vf_get", name=name)

    def stats(self, name):
        """vf_stats."""
        return self.call("vf_stats", name=name)

    def drops(self, name):
        """The drop counters that are not zero."""
        return {reason: n for reason, n in self.stats(name)["drops"].items() if n}

    def wait_taken(self, name, pkts, timeout=10):
        """Until the daemon has taken so many frames from the VF's guest since its creation."""
        wait_until(lambda: self.stats(name)["tx_pkts"] >= pkts,
                   f"{pkts} frames taken from {name}", timeout)

    def checkpoint(self, group):
        """begin and resume; the sealed epoch."""
        epoch = self.call("checkpoint_begin", group=group)["epoch"]
        self.call("checkpoint_resume", group=group)
        return epoch

    def alive(self):
        """Is it still there?"""
        return self.process.alive()

    def close_clients(self):
        """Hang up every connection."""
        for client in self.clients:
            client.close()
        self.clients = []

    def kill(self):
        """kill -9."""
        self.ended = True
        self.process.kill()

    def signal_end(self, number=signal.SIGTERM, timeout=10):
        """Ask it to end; returns when it has, and fails unless it did so well."""
        self.ended = True
        self.process.signal(number)
        status = self.process.wait(timeout)
        check(status == 0, f"renicd ended with status {status} after signal {number}")

    def finish(self):
        """The end of a test: whatever went on, the daemon is alive and ends cleanly."""
        self.close_clients()
        if not self.process or self.ended:
            return
        check(self.process.alive(), f"renicd died: status {self.process.popen.returncode}")
        try:
            self.signal_end()
        finally:
            self.process.kill()
