# SPDX-License-Identifier: BSD-3-Clause
"""renicd with a tap as its uplink, and renicctl."""
import json
import os
import signal
import subprocess
import time

from control import Control
from sandbox import TOP

BUILD = os.path.abspath(os.environ.get("RENICD") or os.path.join(TOP, "build"))
RENICD = os.path.join(BUILD, "renicd", "renicd")
RENICCTL = os.path.join(BUILD, "cli", "renicctl")
START_TIMEOUT_S = 30


class Daemon:
    TAP = "uplink0"
    ADDRESS = "10.9.0.1"
    MAC = "02:00:00:00:00:01"
    PREFIX = ()  # words before the commands: where they run

    def __init__(self, run, vfs, bridge=None):
        """vfs: list of vf_create parameters, as the configuration file has them. The tap has the
        address, or is a port of the bridge, which has it."""
        self.run, self.vfs, self.process = run, vfs, None
        self.bridge = bridge
        self.tap = self.TAP if bridge is None else f"up-{os.path.basename(run.path)}"
        self.socket = run.join("control.sock")
        self.log = run.join("renicd.log")

    def configuration(self):
        return {
            "run_dir": self.run.path,
            "data_cpus": [max(os.sched_getaffinity(0))],
            "memory_mb": 256,
            "egress_log": {"size_mb": 128, "dir": self.run.huge},
            "uplink": {"devargs": f"net_tap0,iface={self.tap}"
                                  + (f",mac={self.MAC}" if self.bridge is None else "")},
            "vfs": self.vfs,
        }

    def start(self):
        """Start and wait until it answers; its tap is up then."""
        config = self.run.join("renicd.json")
        with open(config, "w", encoding="ascii") as file:
            json.dump(self.configuration(), file, indent=1)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.PREFIX, RENICD, "-c", config],
                                            stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.connect()("version")
                break
            except OSError as error:
                if self.process.poll() is not None:
                    raise RuntimeError(f"renicd ended with {self.process.returncode}: "
                                       f"see {self.log}") from error
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.wire_up()

    def wire_up(self):
        """The tap's address or bridge."""
        place = (["addr", "replace", f"{self.ADDRESS}/24", "dev", self.tap]
                 if self.bridge is None else ["link", "set", self.tap, "master", self.bridge])
        for command in (place, ["link", "set", self.tap, "up"]):
            subprocess.run([*self.PREFIX, "ip", *command], check=True)

    def connect(self):
        return Control(self.socket)

    def ctl(self, *words):
        """Run renicctl; its standard output."""
        done = subprocess.run(self.ctl_command(*words), capture_output=True, text=True,
                              check=False, timeout=30)
        if done.returncode:
            raise RuntimeError(f"renicctl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def ctl_command(self, *words):
        return [RENICCTL, "-s", self.socket, *words]

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """SIGTERM and wait; returns the exit status (-9: it did not end by itself)."""
        if not self.alive():
            return None if self.process is None else self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -9
