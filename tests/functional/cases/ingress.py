# SPDX-License-Identifier: BSD-3-Clause
"""Promise P3: a suspended guest's memory is left alone, and what came for it waits."""
import time

from lib import frame
from lib.case import case
from lib.check import check, equal, settled, wait_until
from lib.env import OUTSIDE


def wire_frames(guest, stream, count, first=0, dst=None):
    """Frames from the wire to a guest."""
    for seq in range(first, first + count):
        yield frame.build(
            frame.Stamp(stream, seq, 60 + seq * 37 % 1400, frame.KINDS[seq % 5], 0, 5),
            frame.mac_bytes(dst or guest.mac), frame.mac_bytes(OUTSIDE))


@case
def ingress_waits_while_suspended_and_is_delivered_after(env):
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    guest, neighbour = (env.guest(daemon, framegen, n) for n in (1, 2))
    daemon.call("protection_start", group="vf1")
    for turn in range(3):
        epoch = daemon.call("checkpoint_begin", group="vf1")["epoch"]
        for data in wire_frames(guest, 1, 300, 300 * turn):
            capture.send(data)
        neighbour.send("mix", 300, stream=2, dst=guest.mac)
        neighbour.send("mix", 100, stream=3, dst=frame.BROADCAST)
        wait_until(lambda: daemon.vf("vf1")["ingress_held_pkts"] == 700, "700 frames wait")
        guest.expect_silence(0.1)
        equal(guest.received(), 700 * turn, "frames at the suspended guest")
        daemon.call("checkpoint_resume", group="vf1")
        daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
        guest.expect_whole(1, 300 * (turn + 1))
        guest.expect_whole(2, 300 * (turn + 1))
        guest.expect_whole(3, 100 * (turn + 1))
    equal(daemon.drops("vf1"), {}, "drops")


@case
def ingress_beyond_the_bound_is_dropped_and_counted(env):
    daemon, socket = env.renicd_on_memif()
    guest = env.guest(daemon, env.framegen(), 1)
    far = env.far_end(daemon, env.framegen(), socket)
    daemon.call("protection_start", group="vf1")
    for turn, bound in enumerate((4096, 100, 0)):
        if bound != 4096:
            daemon.call("vf_set", name="vf1", ingress_hold_pkts=bound)
        epoch = daemon.call("checkpoint_begin", group="vf1")["epoch"]
        far.send("ipv4", 5000, stream=turn, dst=guest.mac)
        wait_until(lambda: daemon.call("uplink_get")["rx_pkts"] == 5000 * (turn + 1),
                   "the uplink has taken all")
        equal(settled(lambda: daemon.vf("vf1")["ingress_held_pkts"]), bound, "frames that wait")
        daemon.call("checkpoint_resume", group="vf1")
        daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
        if bound:
            guest.expect_whole(turn, bound)
    equal(daemon.drops("vf1"), {"rx_hold_full": 3 * 5000 - 4096 - 100}, "drops")


@case
def guest_memory_is_untouched_while_suspended(env):
    daemon, socket = env.renicd_on_memif()
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1)
    far = env.far_end(daemon, env.framegen(), socket)
    daemon.call("protection_start", group="vf1")
    guest.rx(False)
    guest.send("mix", 300, stream=1)
    daemon.wait_taken("vf1", 300)
    epoch = daemon.call("checkpoint_begin", group="vf1")["epoch"]
    guest.send("mix", 300, stream=1)
    before = framegen.memsum()
    for _ in range(5):
        far.send("ipv4", 100, stream=2, dst=guest.mac)
        far.send("ipv4", 100, stream=3, dst=frame.BROADCAST)
        daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
        time.sleep(0.05)
        equal(framegen.memsum(), before, "sum over the suspended guest's memory")
    equal(daemon.stats("vf1")["tx_pkts"], 300, "frames taken from the suspended guest's ring")
    equal(daemon.vf("vf1")["ingress_held_pkts"], 1000, "frames that wait")
    daemon.call("checkpoint_resume", group="vf1")
    daemon.wait_taken("vf1", 600)
    check(framegen.memsum() != before, "the sum does not see what the daemon writes")
    guest.rx(True)
    guest.expect_whole(2, 500)
    guest.expect_whole(3, 500)


@case
def what_waits_in_the_ring_at_begin_belongs_to_the_next_epoch(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 200, stream=1)
    daemon.wait_taken("vf1", 200)
    first = daemon.call("checkpoint_begin", group="vf1")["epoch"]
    guest.send("mix", 300, stream=1)
    time.sleep(0.1)
    equal(daemon.stats("vf1")["tx_pkts"], 200, "frames taken while suspended")
    daemon.call("checkpoint_resume", group="vf1")
    daemon.wait_taken("vf1", 500)
    daemon.call("checkpoint_commit", group="vf1", epoch=first)
    capture.wait(200)
    time.sleep(0.2)
    equal(frame.fault_of(capture.judge().stream(1), 0, 200), None, "after the first commit")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    equal(frame.fault_of(capture.wait(500).stream(1), 0, 500), None, "after the second commit")


@case
def a_hundred_checkpoints_cost_no_ingress(env):
    daemon, socket = env.renicd_on_memif()
    guest = env.guest(daemon, env.framegen(), 1)
    far = env.far_end(daemon, env.framegen(), socket)
    daemon.call("protection_start", group="vf1")
    job = far.send("mix", 0, stream=1, rate=10000, dst=guest.mac)
    for _ in range(100):
        epoch = daemon.call("checkpoint_begin", group="vf1")["epoch"]
        time.sleep(0.003)
        daemon.call("checkpoint_resume", group="vf1")
        daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
        time.sleep(0.007)
    sent = job.halt()
    guest.expect_whole(1, sent)
    equal(daemon.drops("vf1"), {}, "drops")


@case
def a_guest_without_receive_buffers_drops_only_its_own(env):
    """Frames for a guest that does not receive are dropped with a count; its sending goes on."""
    daemon, socket = env.renicd_on_memif()
    framegen = env.framegen()
    guest, other = (env.guest(daemon, framegen, n) for n in (1, 2))
    far = env.far_end(daemon, env.framegen(), socket)
    guest.rx(False)
    far.send("ipv4", 8000, stream=1, dst=guest.mac)
    far.send("ipv4", 1000, stream=2, dst=other.mac)
    other.expect_whole(2, 1000)
    guest.send("mix", 1000, stream=3)
    far.expect_whole(3, 1000)
    drops = settled(lambda: daemon.drops("vf1"))
    equal(list(drops), ["rx_no_buffer"], "reasons of drops")
    guest.rx(True)
    wait_until(lambda: guest.received(1) + drops["rx_no_buffer"] == 8000,
               "frames received and dropped are all frames")
    verdict = guest.stream(1)
    equal((verdict["repeated"], verdict["reordered"], verdict["corrupt"]), (0, 0, 0), "verdict")
