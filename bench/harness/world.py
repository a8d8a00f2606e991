# SPDX-License-Identifier: BSD-3-Clause
"""
What a case gets: targets (renicd, testpmd, OVS) that are started once a case, and the generator.

Core 1 is the target's, core 0 the generator's. Targets that are not being measured are stopped
(SIGSTOP), because testpmd and OVS poll for ever.
"""
import json
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "../../tests/functional"))

# pylint: disable=wrong-import-position
from lib.check import wait_until  # noqa: E402
from lib.env import BUILD, Env  # noqa: E402
from lib.process import Process  # noqa: E402

from .case import Skip  # noqa: E402
from .ovs import Ovs  # noqa: E402

TARGET_CPU = 1
GENERATOR_CPU = 0
PKTGEN = os.path.join(BUILD, "bench", "pktgen", "renic-pktgen")


class Renicd:
    """The daemon under measurement."""

    def __init__(self, env, uplink, log_mb=512, **config):
        self.socket_dir = env.directory
        config.setdefault("egress_log", {"size_mb": log_mb, "dir": env.huge_dir()})
        self.far_end = None
        if uplink == "memif":
            path = os.path.join(env.directory, "uplink.sock")
            # What the daemon's memif takes is bounded by its buffers.
            devargs = f"net_memif0,role=server,socket={path},socket-abstract=no,bsize=2048"
            self.far_end = f"net_memif0,role=client,socket={path},socket-abstract=no,id=0"
            config["uplink"] = {"devargs": devargs}
        elif uplink == "null":
            config["uplink"] = {"devargs": "net_null0,no-rx=1"}
        self.daemon = env.renicd(data_cpus=[TARGET_CPU], **config)
        self.generator_words = [f"--control={self.daemon.socket}"]

    def pids(self):
        """Processes to stop while another target is measured."""
        return [self.daemon.process.pid]

    @property
    def call(self):
        """A control call."""
        return self.daemon.call


class Testpmd:
    """dpdk-testpmd, forwarding between net_vhost ports, or one and the uplink's stand-in."""

    def __init__(self, env, uplink, guests=1):
        self.sockets = os.path.join(env.directory, "testpmd%d.sock")
        self.paths = [self.sockets % i for i in range(guests)]
        vdevs = [f"net_vhost{i},iface={path},queues=1" for i, path in enumerate(self.paths)]
        self.far_end = None
        if uplink == "memif":
            path = os.path.join(env.directory, "testpmd-uplink.sock")
            self.paths.append(path)
            vdevs.append(f"net_memif0,role=server,socket={path},socket-abstract=no,bsize=2048")
            self.far_end = f"net_memif0,role=client,socket={path},socket-abstract=no,id=0"
        elif uplink == "null":
            vdevs.append("net_null0,no-rx=1")
        self.testpmd = env.testpmd(vdevs, "--forward-mode=io", "--burst=32", cpu=TARGET_CPU)
        self.testpmd.wait_ready()
        self.testpmd.command("start")
        self.generator_words = [f"--sockets={self.sockets}"]

    def pids(self):
        """As Renicd.pids."""
        return [self.testpmd.process.pid]

    def has_died(self):
        """It may, in net_memif, when its far end goes (docs/troubleshooting.md)."""
        return not self.testpmd.process.alive()

    def clear(self):
        """What a dead one left where the next one listens."""
        for path in self.paths:
            if os.path.exists(path):
                os.unlink(path)


class World:
    """One case's resources."""

    def __init__(self, quick=False):
        self.env = Env()
        self.quick = quick
        self.targets = {}

    def close(self):
        """End everything."""
        for target in self.targets.values():
            self._signal(target, signal.SIGCONT)
        self.env.close()
        self.env.remove()

    @staticmethod
    def _signal(target, number):
        for pid in target.pids():
            os.kill(pid, number)

    def _use(self, key, make):
        for name, other in self.targets.items():
            if name != key:
                self._signal(other, signal.SIGSTOP)
        if key not in self.targets:
            self.targets[key] = make()
        self._signal(self.targets[key], signal.SIGCONT)
        return self.targets[key]

    def renicd(self, uplink="null", **config):
        """A renicd with this uplink ("null", "memif", None), the only target that runs. log_mb: its
        egress log, of which a VF has a quarter."""
        key = f"renicd {uplink} {sorted(config.items())}"
        return self._use(key, lambda: Renicd(self.separate(), uplink, **config))

    def testpmd(self, uplink="null", guests=1):
        """A testpmd likewise."""
        key = f"testpmd {uplink} {guests}"
        if key in self.targets and self.targets[key].has_died():
            print("   testpmd died after a turn; another one is started", flush=True)
            self.targets.pop(key).clear()
        return self._use(key, lambda: Testpmd(self.env, uplink, guests))

    def ovs(self, uplink="null", guests=1):
        """An Open vSwitch likewise; Skip where it is not installed."""
        return self._use(f"ovs {uplink} {guests}", lambda: Ovs(self.env, uplink, guests))

    def separate(self):
        """An environment of its own for a second daemon: its files would collide."""
        if not any(isinstance(target, Renicd) for target in self.targets.values()):
            return self.env
        env = Env()
        self.env.stack.callback(env.remove)
        self.env.stack.callback(env.close)
        return env

    def seconds(self, seconds):
        """How long to measure."""
        return 0.5 if self.quick else seconds

    def pktgen_words(self, target, *words, seconds=1.2, far_end=True):
        """The generator's command line against a target."""
        line = [PKTGEN, f"--cpu={GENERATOR_CPU}", "--json=-", "--drain=300ms", "--memory=64",
                f"--time={int(self.seconds(seconds) * 1000)}ms", *target.generator_words]
        if far_end and target.far_end:
            line.append(f"--far-end={target.far_end}")
        # An OVS connects, and is told so by the words.
        return [*line, *words]

    def pktgen(self, target, *words, seconds=1.2, far_end=True):
        """Run the generator to its end; its report. A broken rule is an error: no figure."""
        line = self.pktgen_words(target, *words, seconds=seconds, far_end=far_end)
        done = subprocess.run(line, cwd=self.env.directory, stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"renic-pktgen: status {done.returncode}: {done.stderr[-400:]}")
        report = json.loads(done.stdout)
        if done.returncode == 1 and "--allow-lost=1000000000" not in words:
            raise RuntimeError(f"renic-pktgen: rule broken: {report['broken']}")
        return report

    def start_pktgen(self, target, *words, seconds=5, far_end=True):
        """Start it and leave it running; a Process."""
        line = self.pktgen_words(target, *words, seconds=seconds, far_end=far_end)
        process = Process("pktgen", line, self.env.directory)
        self.env.stack.callback(process.end)
        return process


def cpu_seconds(pid):
    """CPU time that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def dram_write_rate(_world):
    """Bytes a second that the target's core writes to memory, by the better of two ways."""
    program = os.path.join(BUILD, "bench", "dram_write")
    out = subprocess.run(["taskset", "-c", str(TARGET_CPU), program], check=True, text=True,
                         stdout=subprocess.PIPE, timeout=30).stdout
    return max(json.loads(out).values())


def word_ns():
    """Nanoseconds that a word takes from the generator's CPU to the target's."""
    program = os.path.join(BUILD, "bench", "two_cpus")
    out = subprocess.run([program, str(GENERATOR_CPU), str(TARGET_CPU)], check=True, text=True,
                         stdout=subprocess.PIPE, timeout=30).stdout
    return json.loads(out)["word_ns"]


__all__ = ["Env", "Skip", "World", "cpu_seconds", "dram_write_rate", "wait_until", "word_ns"]
