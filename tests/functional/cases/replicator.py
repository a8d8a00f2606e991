# SPDX-License-Identifier: BSD-3-Clause
"""What becomes of a group whose replicator goes away or falls silent."""
import time

from lib import frame
from lib.case import case
from lib.check import equal, wait_until


def protected_guest(env, **group):
    """A guest in a group, protected by a connection of its own, with 100 frames held."""
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("events_subscribe", types=["replicator_lost", "group_state"])
    daemon.call("group_create", name="g", vfs=["vf1"], **group)
    replicator = daemon.connect()
    replicator.call("protection_start", group="g")
    equal(daemon.call("group_get", name="g")["replicator"], "connected", "replicator")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 100)
    return daemon, capture, guest, replicator


def expect_held(daemon, capture):
    """Lost, and still nothing leaves."""
    time.sleep(0.2)
    group = daemon.call("group_get", name="g")
    equal((group["state"], group["replicator"], group["held_pkts"]), ("protected", "lost", 100),
          "state, replicator, frames held")
    equal(capture.judge().total(), 0, "frames on the wire")


def expect_released(daemon, capture):
    """Lost, and everything left."""
    equal(frame.fault_of(capture.wait(100).stream(1), 0, 100), None, "frames released")
    equal(daemon.call("group_get", name="g")["state"], "unprotected", "state")


@case
def a_replicator_that_hangs_up_leaves_the_frames_held(env):
    daemon, capture, _, replicator = protected_guest(env)
    replicator.close()
    daemon.rpc.wait_event("replicator_lost", "g")
    expect_held(daemon, capture)
    daemon.call("protection_stop", group="g", held="release")
    expect_released(daemon, capture)


@case
def a_replicator_that_hangs_up_releases_where_the_policy_says_so(env):
    daemon, capture, _, replicator = protected_guest(env, on_replicator_lost="release")
    replicator.close()
    daemon.rpc.wait_event("replicator_lost", "g")
    expect_released(daemon, capture)


@case
def a_replicator_lost_while_suspended_lets_the_guest_go_on(env):
    """With policy release nobody is left to resume: the guest must not stay suspended."""
    daemon, capture, guest, replicator = protected_guest(env, on_replicator_lost="release")
    replicator.call("checkpoint_begin", group="g")
    guest.send("mix", 100, stream=2)
    replicator.close()
    daemon.rpc.wait_event("replicator_lost", "g")
    judge = capture.wait(200)
    for stream in (1, 2):
        equal(frame.fault_of(judge.stream(stream), 0, 100), None, f"stream {stream}")
    equal(daemon.vf("vf1")["suspended"], False, "suspended")


@case
def a_replicator_lost_while_suspended_leaves_the_group_to_its_heir(env):
    """With policy hold nothing is decided: another connection ends the checkpoint."""
    daemon, capture, guest, replicator = protected_guest(env)
    epoch = replicator.call("checkpoint_begin", group="g")["epoch"]
    guest.send("mix", 100, stream=1)
    replicator.close()
    daemon.rpc.wait_event("replicator_lost", "g")
    time.sleep(0.2)
    equal(daemon.call("group_get", name="g")["state"], "suspended", "state")
    equal(daemon.stats("vf1")["tx_pkts"], 100, "frames taken while suspended")
    equal(capture.judge().total(), 0, "frames on the wire")
    daemon.call("checkpoint_resume", group="g")
    daemon.call("checkpoint_commit", group="g", epoch=epoch)
    daemon.wait_taken("vf1", 200)
    time.sleep(0.2)
    equal(frame.fault_of(capture.judge().stream(1), 0, 100), None, "after the heir's commit")


@case
def a_silent_replicator_is_lost_after_its_timeout(env):
    daemon, capture, _, replicator = protected_guest(env, replicator_timeout_ms=1500)
    for _ in range(8):
        time.sleep(0.25)
        replicator.call("version")
    equal(daemon.call("group_get", name="g")["replicator"], "connected",
          "a replicator that says something now and then")
    daemon.rpc.wait_event("replicator_lost", "g")
    expect_held(daemon, capture)


@case
def a_silent_replicator_releases_where_the_policy_says_so(env):
    daemon, capture, _, _ = protected_guest(env, replicator_timeout_ms=300,
                                            on_replicator_lost="release")
    daemon.rpc.wait_event("replicator_lost", "g")
    expect_released(daemon, capture)


@case
def other_connections_may_come_and_go(env):
    daemon, capture, _, _ = protected_guest(env, on_replicator_lost="release")
    for _ in range(5):
        client = daemon.connect()
        client.call("vf_list")
        client.close()
    time.sleep(0.3)
    equal(daemon.call("group_get", name="g")["replicator"], "connected", "replicator")
    equal(capture.judge().total(), 0, "frames on the wire")


@case
def a_new_replicator_can_take_over(env):
    """Held frames are not orphaned: a later connection stops, or goes on with checkpoints."""
    daemon, capture, guest, replicator = protected_guest(env)
    replicator.close()
    daemon.rpc.wait_event("replicator_lost", "g")
    heir = daemon.connect()
    epoch = heir.call("checkpoint_begin", group="g")["epoch"]
    heir.call("checkpoint_resume", group="g")
    heir.call("checkpoint_commit", group="g", epoch=epoch)
    equal(frame.fault_of(capture.wait(100).stream(1), 0, 100), None, "frames committed by the heir")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 200)
    wait_until(lambda: daemon.vf("vf1")["held_pkts"] == 100, "frames held again")
