# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's COLO in periodic mode over two renicd: its checkpoints stop and start both VMs' rings, the
secondary's with other indices each time. COLO has no output commit of its own for vhost-user; renicd
has one, and with it a failover repeats nothing that a peer has seen.
"""
import os
import threading
import time

import hosts
import traffic

DELAY_MS = 150       # between COLO's checkpoints
CHECKPOINTS = 8      # seen before the primary's host dies
FRAMES, GAP_US = 20000, 2000


class ColoHosts(hosts.TwoHosts):
    INCOMING = "running"

    def environment(self):
        if self.accel == "kvm":
            return None
        return {**os.environ, "LD_PRELOAD": os.path.join(self.image, "colo_shim.so")}


WORLD = ColoHosts


class OutputCommit(threading.Thread):
    """Holds what the primary sends until a COLO checkpoint has it. What is sealed now is part of
    each checkpoint whose pause comes later; when the VM goes on, the secondary has loaded it."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.host, self.commits = host, 0
        self.control = host.daemon.connect()
        self.control("protection_start", group=hosts.VF)
        self.ending = threading.Event()
        self.start()

    def run(self):
        qmp = self.host.guest.qmp
        try:
            while not self.ending.is_set():
                epoch = self.control("checkpoint_begin", group=hosts.VF)["epoch"]
                self.control("checkpoint_resume", group=hosts.VF)
                qmp("query-status")  # what happened before has been told before the answer
                qmp.events.clear()
                qmp.wait_event("STOP", 20)
                qmp.wait_event("RESUME", 20)
                self.control("checkpoint_commit", group=hosts.VF, epoch=epoch)
                self.commits += 1
        except Exception:  # its host has died, as the test wants it
            pass

    def wait(self, commits, timeout=60):
        end = time.monotonic() + timeout
        while self.commits < commits:
            assert time.monotonic() < end and self.is_alive(), \
                f"{self.commits} of {commits} checkpoints after {timeout} s"
            time.sleep(0.02)


def begin_colo(world):
    uri = f"unix:{world.run.join('colo')}"
    for guest in (world.a.guest, world.b.guest):
        guest.qmp("migrate-set-capabilities", capabilities=[
            {"capability": "x-colo", "state": True}])
        guest.qmp("migrate-set-parameters", **{"x-checkpoint-delay": DELAY_MS,
                                               "max-bandwidth": 1 << 33, "downtime-limit": 300})
    world.b.guest.qmp("migrate-incoming", uri=uri)
    world.a.guest.qmp("migrate", uri=uri)
    world.wait_migration("colo")


def test_colo_with_output_commit_fails_over_without_repeating_anything(world):
    world.prepare()
    a, b = world.a, world.b
    capture = traffic.Capture(b.daemon.tap, hosts.MAC)
    begin_colo(world)
    committer = OutputCommit(a)
    stream = traffic.EchoStream(a.guest.ip)
    receiver = traffic.NumberedReceiver(a.daemon.ADDRESS)
    a.guest.sh(f"agent count {a.daemon.ADDRESS} {receiver.port} {FRAMES} {GAP_US} "
               ">/dev/null 2>&1 &", timeout=60)
    committer.wait(CHECKPOINTS)
    before, echoed = receiver.wait(1), stream.got[0]
    assert b.vf()["role"] == "standby"
    leaked = capture.finish()
    assert not leaked, f"{len(leaked)} frames of the secondary left before the failover"
    a.die()
    b.guest.qmp("x-colo-lost-heartbeat")
    b.control("activate", group=hosts.VF)
    traffic.wait_reachable(b.guest.ip, timeout=30)
    end = time.monotonic() + 30
    while stream.got[0] < echoed + (256 << 10) and time.monotonic() < end:
        time.sleep(0.05)
    assert stream.finish() > echoed, "TCP did not go on"
    numbers = list(receiver.numbers)
    receiver.finish()
    assert len(numbers) > len(before), "nothing came after the failover"
    back = [(one, two) for one, two in zip(numbers, numbers[1:]) if two <= one]
    assert not back, f"numbers were repeated or ran backwards: {back[:5]}"
    traffic.upload(b.guest.ip, 1 << 18)
