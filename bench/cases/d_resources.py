# SPDX-License-Identifier: BSD-3-Clause
"""Processor time when idle, and the time without a network after kill -9."""
import json
import os
import time

from harness.case import case, value_at_most
from harness.world import cpu_seconds, wait_until


def idle_cpu(vfs):
    """Percent of a core that the daemon uses with guests attached that are silent."""
    def run(world):
        target = world.renicd()
        seconds = world.seconds(4)
        generator = world.start_pktgen(target, f"--vfs={vfs}", "--rate=1", seconds=60)
        wait_until(lambda: [vf["frontend"] for vf in target.call("vf_list")] == ["running"] * vfs,
                   f"{vfs} guests running", 30)
        time.sleep(0.5)
        pid = target.daemon.process.pid
        before, start = cpu_seconds(pid), time.monotonic()
        time.sleep(seconds)
        used = (cpu_seconds(pid) - before) / (time.monotonic() - start)
        generator.end()
        wait_until(lambda: not target.call("vf_list"), "guests gone", 10)
        return used * 100
    return run


case(name="idle_cpu", title="idle CPU, 64 VFs attached", unit="% of a core", turns=3,
     sides={"renicd": idle_cpu(64)}, budget=value_at_most(2, "≤ 2 %"))


def restart(world):
    """kill -9 under traffic, started again at once: longest silence at the far end, ms."""
    env = world.env
    guest = os.path.join(env.directory, "guest%d.sock")
    daemon, uplink = env.renicd_on_memif(vfs=[{
        "name": "gen0", "mac": "02:00:00:01:00:00", "socket": guest % 0, "role": "client"}])
    out = os.path.join(env.directory, "restart.json")

    class Target:  # pylint: disable=too-few-public-methods
        """The generator's words."""
        generator_words = [f"--sockets={guest}", "--listen", "--driver=virtio-user"]
        far_end = f"net_memif0,role=client,socket={uplink},socket-abstract=no,id=0"

    generator = world.start_pktgen(Target, "--rate=50k", "--allow-repeated=64",
                                   "--allow-lost=1000000000", f"--json={out}", "--time=6s")
    wait_until(lambda: daemon.stats("gen0")["tx_pkts"] > 50000, "traffic", 20)
    daemon.kill()
    daemon.restart()
    generator.wait(30)
    with open(out, encoding="utf-8") as f:
        report = json.load(f)
    daemon.signal_end()
    return report["silence_us"] / 1000


case(name="restart", title="kill -9 to the first frame after the restart", unit="ms", turns=1,
     sides={"renicd": restart})
