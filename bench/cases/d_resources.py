# SPDX-License-Identifier: BSD-3-Clause
"""Processor time when idle, and the time without a network after kill -9."""
import time

from harness.case import case, value_at_most
from harness.world import Env, cpu_seconds, wait_until


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


def restart(_world):
    """kill -9 under traffic, started again at once: longest silence on the wire, ms."""
    env = Env()
    try:
        return silence_over_a_kill(env)
    finally:
        env.close()
        env.remove()


def silence_over_a_kill(env):
    """In an environment of its own: what the killed daemon left is the next one's."""
    daemon, namespace, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1, role="client")
    guest.send(count=0, rate=5000, wait=False)
    wait_until(lambda: len(capture.frames) + len(capture.drain()) > 1000, "traffic", 20)
    killed_ns = time.time_ns()
    daemon.kill()
    daemon.restart()
    env.tap_up(daemon, namespace)

    def after():
        capture.drain()
        return [when for when, _ in capture.frames if when > killed_ns - 100000000]

    wait_until(lambda: after()[-1] > killed_ns + 50000000 and len(after()) > 1000,
               "frames after the restart", 20)
    times = after()
    return max(b - a for a, b in zip(times, times[1:])) / 1e6


case(name="restart", title="kill -9 to the first frame after the restart", unit="ms", turns=3,
     sides={"renicd": restart})
