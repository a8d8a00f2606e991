# SPDX-License-Identifier: BSD-3-Clause
"""Promise P2 where there is no room: a full log, an uplink that is down, a far end that is gone."""
import time

from lib import frame
from lib.case import case
from lib.check import check, equal, settled, wait_until
from lib.env import OUTSIDE

MIB = 1 << 20


def drain_by_checkpoints(daemon, group, done, timeout=15):
    """Checkpoint and commit until done()."""
    deadline = time.monotonic() + timeout
    while not done():
        daemon.call("checkpoint_commit", group=group, epoch=daemon.checkpoint(group))
        check(time.monotonic() < deadline, f"not drained within {timeout} s")
        time.sleep(0.02)


@case
def a_full_log_stops_reading_the_guest_and_loses_nothing(env):
    daemon, socket = env.renicd_on_memif()
    framegen = env.framegen()
    far = env.far_end(daemon, framegen, socket)
    guest = env.guest(daemon, framegen, 1, egress_log_bytes=4 * MIB)
    daemon.call("protection_start", group="vf1")
    job = guest.send("mix", 10000, stream=1, size=1514, wait=False)
    wait_until(lambda: daemon.stats("vf1")["backpressure"] > 0, "backpressure is counted")
    taken = settled(lambda: daemon.stats("vf1")["tx_pkts"])
    check(not job.done(), "the guest could send everything: its queue did not fill")
    vf = daemon.vf("vf1")
    equal(vf["held_pkts"], taken, "frames held are the frames taken")
    check(vf["held_bytes"] <= 4 * MIB, f"{vf['held_bytes']} bytes held, more than allowed")
    equal(far.received(), 0, "frames on the wire")
    drain_by_checkpoints(daemon, "vf1",
                         lambda: job.done() and daemon.stats("vf1")["released_pkts"] == 10000)
    far.expect_whole(1, 10000)
    equal(daemon.drops("vf1"), {}, "drops")


@case
def one_vfs_full_log_does_not_stop_another_vf(env):
    daemon, socket = env.renicd_on_memif()
    framegen = env.framegen()
    far = env.far_end(daemon, framegen, socket)
    full = env.guest(daemon, framegen, 1, egress_log_bytes=4 * MIB)
    other = env.guest(daemon, framegen, 2, egress_log_bytes=4 * MIB)
    for guest in (full, other):
        daemon.call("protection_start", group=guest.vf)
    full.send("mix", 10000, stream=1, size=1514, wait=False)
    wait_until(lambda: daemon.stats("vf1")["backpressure"] > 0, "backpressure is counted")
    other.send("mix", 1000, stream=2)
    daemon.wait_taken("vf2", 1000)
    daemon.call("checkpoint_commit", group="vf2", epoch=daemon.checkpoint("vf2"))
    far.expect_whole(2, 1000)
    equal(daemon.stats("vf2")["backpressure"], 0, "backpressure of the other VF")


def set_link(daemon, namespace, state):
    """Carrier of the uplink, waited for."""
    namespace.link("rnic0", state)
    wait_until(lambda: daemon.call("uplink_get")["link"] == state, f"uplink {state}")


@case
def committed_frames_wait_while_the_uplink_is_down(env):
    daemon, namespace, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.rpc.call("events_subscribe", types=["uplink_up", "uplink_down"])
    daemon.call("protection_start", group="vf1")
    for turn, dst in enumerate((OUTSIDE, frame.BROADCAST)):
        guest.send("mix", 500, stream=1, dst=dst)
        daemon.wait_taken("vf1", 1000 * turn + 500)
        set_link(daemon, namespace, "down")
        daemon.rpc.wait_event("uplink_down")
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
        guest.send("mix", 500, stream=1, dst=dst)
        daemon.wait_taken("vf1", 1000 * turn + 1000)
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
        time.sleep(0.2)
        equal(daemon.vf("vf1")["held_pkts"], 1000, "frames that wait")
        set_link(daemon, namespace, "up")
        daemon.rpc.wait_event("uplink_up")
        judge = capture.wait(1000 * turn + 1000)
        equal(frame.fault_of(judge.stream(1), 0, 1000 * turn + 1000), None, "after the link is up")
    equal(daemon.drops("vf1"), {}, "drops")


@case(rows={"unicast": {"dst": OUTSIDE}, "broadcast": {"dst": frame.BROADCAST}})
def a_flapping_uplink_loses_no_committed_frame(env, dst):
    daemon, namespace, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    job = guest.send("mix", 0, stream=1, rate=10000, dst=dst)
    for turn in range(40):
        if turn % 8 == 3:
            namespace.link("rnic0", "down")
        if turn % 8 == 6:
            namespace.link("rnic0", "up")
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
        time.sleep(0.025)
    sent = job.halt()
    set_link(daemon, namespace, "up")
    daemon.wait_taken("vf1", sent)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    judge = capture.wait(sent)
    equal(frame.fault_of(judge.stream(1), 0, sent), None, f"{sent} frames")
    equal(daemon.drops("vf1"), {}, "drops")


@case
def committed_frames_wait_for_a_far_end_that_died(env):
    daemon, socket = env.renicd_on_memif()
    guest = env.guest(daemon, env.framegen(), 1)
    first = env.framegen()
    far = env.far_end(daemon, first, socket)
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 500, stream=1)
    daemon.wait_taken("vf1", 500)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    far.expect_whole(1, 500)
    first.kill()
    wait_until(lambda: daemon.call("uplink_get")["link"] == "down", "uplink down")
    guest.send("mix", 500, stream=1)
    daemon.wait_taken("vf1", 1000)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    time.sleep(0.2)
    equal(daemon.vf("vf1")["held_pkts"], 500, "frames that wait")
    far = env.far_end(daemon, env.framegen(), socket)
    far.expect_whole(1, 500, first=500)
    equal(daemon.drops("vf1"), {}, "drops")


@case
def unprotected_frames_are_dropped_and_counted_while_the_uplink_is_down(env):
    daemon, namespace, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    set_link(daemon, namespace, "down")
    guest.send("mix", 100, stream=1)
    wait_until(lambda: daemon.drops("vf1") == {"uplink_down": 100}, "100 drops are counted")
    set_link(daemon, namespace, "up")
    guest.send("mix", 100, stream=2)
    equal(frame.fault_of(capture.wait(100).stream(2), 0, 100), None, "after the link is up")


@case
def a_frame_too_long_for_the_uplink_does_not_block_the_log(env):
    """A tap sends 1,518 bytes at most: longer frames are dropped and counted, the rest leaves."""
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    equal(daemon.call("uplink_get")["mtu"], 1500, "MTU of the tap")
    daemon.call("protection_start", group="vf1")
    for turn in range(3):
        guest.send("ipv4", 100, stream=1, size=1514)
        guest.send("ipv4", 10, stream=2, size=4000 + turn)
        guest.send("unknown", 10, stream=3, size=9014, dst=frame.BROADCAST)
    daemon.wait_taken("vf1", 360)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    equal(frame.fault_of(capture.wait(300).stream(1), 0, 300), None, "frames that fit")
    wait_until(lambda: daemon.vf("vf1")["held_pkts"] == 0, "nothing is held any more")
    equal(daemon.drops("vf1"), {"oversize": 60}, "drops")
