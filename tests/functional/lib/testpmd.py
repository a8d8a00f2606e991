# SPDX-License-Identifier: BSD-3-Clause
"""A guest played by dpdk-testpmd: another's driver user, with counters of its own."""
import os
import re
import subprocess

from .check import wait_until
from .process import Process

_numbers = iter(range(1, 1 << 30))
PROMPT = "testpmd> "


class Testpmd:
    """Interactive dpdk-testpmd; its ports are given as vdevs."""

    def __init__(self, directory, vdevs, *arguments, queues=1, memory_mb=160, cpu=0):
        number = next(_numbers)
        argv = ["stdbuf", "-o0", "dpdk-testpmd", "--lcores", f"0@{cpu},1@{cpu}", "--no-pci",
                "--in-memory", "--single-file-segments",
                f"--file-prefix=renic-pmd-{os.getpid()}-{number}", "--no-telemetry",
                "--iova-mode=va", "-m", str(memory_mb)]
        argv += [f"--vdev={vdev}" for vdev in vdevs]
        argv += ["--", "-i", "--nb-cores=1", f"--rxq={queues}", f"--txq={queues}",
                 "--total-num-mbufs=24576", "--rxd=1024", "--txd=1024", *arguments]
        self.process = Process(f"testpmd{number}", argv, directory, stdin=subprocess.PIPE)
        self._prompts = 0

    def wait_ready(self, timeout=20):
        """Until it prompts."""
        self._wait_prompt(timeout)

    def _wait_prompt(self, timeout):
        self._prompts += 1
        wait_until(lambda: self.process.log().count(PROMPT) >= self._prompts,
                   "testpmd's prompt", timeout)

    def command(self, line, timeout=10):
        """Run a command; what it printed."""
        start = len(self.process.log())
        self.process.popen.stdin.write(line.encode() + b"\n")
        self.process.popen.stdin.flush()
        self._wait_prompt(timeout)
        return self.process.log()[start:]

    def port_stats(self, port=0):
        """{"rx": pkts, "tx": pkts} of a port."""
        text = self.command(f"show port stats {port}")
        numbers = {key: int(value) for key, value in
                   re.findall(r"(RX-packets|TX-packets):\s*(\d+)", text)}
        return {"rx": numbers["RX-packets"], "tx": numbers["TX-packets"]}

    def quit(self):
        """End it."""
        if self.process.alive():
            try:
                self.process.popen.stdin.write(b"quit\n")
                self.process.popen.stdin.flush()
                self.process.wait(5)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                pass
        self.process.kill()
