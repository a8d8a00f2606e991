# SPDX-License-Identifier: BSD-3-Clause
"""A VM's pause around a checkpoint.

QEMU stops and restarts the VF's rings when the VM is stopped and continued. A replicator does
that around `checkpoint_begin` and `checkpoint_resume`, but nothing may depend on the exact order:
role, log and counters stay, and no frame is lost in either direction.
"""
import threading
import time

import traffic

GAP_S = 0.03     # between two operations: frames flow, vrings restart
FRAMES = 150     # that the guest sends during a case
OFFSETS = ("released", "committed", "sealed", "tail")


def merges(first, second):
    """All interleavings of two sequences, each kept in its own order."""
    if not first or not second:
        yield first + second
        return
    for rest in merges(first[1:], second):
        yield first[:1] + rest
    for rest in merges(first, second[1:]):
        yield second[:1] + rest


VM = ["stop", "cont"]
ORDERS = {"-".join(order): order
          for checkpoint in (["begin", "resume", "commit"], ["begin", "commit", "resume"],
                             ["begin", "abort"])
          for order in merges(VM, checkpoint)}


class Operations:
    """Carries operations out and checks after each what must not change."""

    def __init__(self, world):
        self.world, self.sealed = world, 0
        self.vf, self.stats = world.vf(), world.stats()

    def run(self, name):
        control, qmp = self.world.control, self.world.vm1.qmp
        if name in ("stop", "cont"):
            qmp(name)
        elif name == "begin":
            self.sealed = control("checkpoint_begin", group="vm1")["epoch"]
        elif name == "commit":
            control("checkpoint_commit", group="vm1", epoch=self.sealed)
        else:
            control(f"checkpoint_{name}", group="vm1")
        self.check(name)

    def check(self, after):
        vf, stats = self.world.vf(), self.world.stats()
        assert vf["role"] == "protected", f"after {after}: role {vf['role']}"
        assert vf["epoch"] == self.sealed + 1 or not self.sealed, \
            f"after {after}: epoch {vf['epoch']}, {self.sealed} was sealed"
        log, before = vf["rings"][0]["log"], self.vf["rings"][0]["log"]
        values = [log[name] for name in OFFSETS]
        assert values == sorted(values), f"after {after}: log {log}"
        assert all(log[name] >= before[name] for name in OFFSETS), \
            f"after {after}: log {log}, before {before}"
        for name in ("tx_pkts", "rx_pkts", "released_pkts"):
            assert stats[name] >= self.stats[name], f"after {after}: {name} went back"
        self.vf, self.stats = vf, stats


def test_stop_and_cont_at_any_point_of_a_checkpoint_lose_nothing(world, order):
    receiver = traffic.NumberedReceiver()
    world.control("protection_start", group="vm1")
    operations = Operations(world)
    sender = traffic.NumberedSender(world.vm1.ip, interval_s=0.001)
    try:
        world.vm1.sh(f"agent count {world.daemon.ADDRESS} {receiver.port} {FRAMES} 1000 "
                     ">/dev/null 2>&1 &")
        for name in order:
            time.sleep(GAP_S)
            operations.run(name)
        time.sleep(GAP_S)
        sent = sender.finish()
        # What is held now leaves with further checkpoints, as a replicator would go on.
        end = time.monotonic() + 10
        while len(receiver.numbers) < FRAMES and time.monotonic() < end:
            world.checkpoint()
            time.sleep(0.01)
        assert receiver.numbers == list(range(FRAMES)), \
            f"the guest sent {FRAMES}, {len(receiver.numbers)} left: {receiver.numbers}"
    finally:
        sender.finish()
        receiver.finish()
    world.control("protection_stop", group="vm1")
    tally = traffic.wait_counted(world.vm1.ip, sent)
    assert tally == {"received": sent, "next": sent, "lost": 0, "late": 0}, f"{sent} sent: {tally}"


test_stop_and_cont_at_any_point_of_a_checkpoint_lose_nothing.cases = ORDERS


def test_a_paused_vm_keeps_its_vf_when_unprotected(world):
    """stop and cont alone: the frames that came meanwhile are not lost to a longer pause."""
    before = world.stats()
    for _ in range(5):
        world.vm1.qmp("stop")
        world.wait_vf("vm1", lambda vf: vf["frontend"] == "connected", "rings stopped")
        world.vm1.qmp("cont")
        world.wait_vf("vm1", lambda vf: vf["frontend"] == "running", "rings running")
    sent, received, _, _ = traffic.ping(world.vm1.ip, count=5)
    assert (sent, received) == (5, 5)
    after = world.stats()
    assert after["tx_pkts"] >= before["tx_pkts"] + 5, "counters did not survive the pause"


def test_a_hundred_checkpoints_lose_no_ingress_frame(world):
    """stop, begin, resume, cont, commit: as a replicator does, under ingress traffic."""
    world.control("protection_start", group="vm1")
    sender = traffic.NumberedSender(world.vm1.ip, interval_s=0.001)
    try:
        for _ in range(100):
            world.vm1.qmp("stop")
            epoch = world.control("checkpoint_begin", group="vm1")["epoch"]
            world.control("checkpoint_resume", group="vm1")
            world.vm1.qmp("cont")
            world.control("checkpoint_commit", group="vm1", epoch=epoch)
            time.sleep(0.02)
    finally:
        sent = sender.finish()
    assert world.vf()["epoch"] == 101
    world.control("protection_stop", group="vm1")
    tally = traffic.wait_counted(world.vm1.ip, sent)
    assert sent > 1000 and tally == {"received": sent, "next": sent, "lost": 0, "late": 0}, \
        f"{sent} sent: {tally}"


def test_a_hundred_checkpoints_keep_a_tcp_transfer_byte_exact(world):
    world.control("protection_start", group="vm1")
    problems = []

    def transfer():
        try:
            traffic.upload(world.vm1.ip, 1 << 20)
            traffic.download(world.vm1.ip, 1 << 20)
        except (OSError, AssertionError) as error:
            problems.append(error)

    thread = threading.Thread(target=transfer)
    thread.start()
    taken = 0
    while taken < 100 or (thread.is_alive() and taken < 1000):
        world.vm1.qmp("stop")
        epoch = world.control("checkpoint_begin", group="vm1")["epoch"]
        world.vm1.qmp("cont")
        world.control("checkpoint_resume", group="vm1")
        world.control("checkpoint_commit", group="vm1", epoch=epoch)
        taken += 1
        time.sleep(0.01)
    world.control("protection_stop", group="vm1")
    thread.join()
    assert not problems, f"{problems[0]}"
