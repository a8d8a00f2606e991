# SPDX-License-Identifier: BSD-3-Clause
"""Starting and stopping protection, groups of VFs, and what need not be held."""
import time

from lib import frame
from lib.case import case
from lib.check import equal
from lib.verdict import SILENCE_S, expect_nothing, expect_streams


@case
def protection_stop_release_lets_everything_out(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    for taken in (100, 200):
        guest.send("mix", 100, stream=1)
        daemon.wait_taken("vf1", taken)
        daemon.checkpoint("vf1")
    expect_nothing(capture)
    equal(daemon.call("protection_stop", group="vf1", held="release")["state"], "unprotected",
          "state")
    guest.send("mix", 100, stream=1)
    expect_streams(capture.wait(300), [1], 300)
    equal(daemon.drops("vf1"), {}, "drops")


@case
def protection_stop_discard_drops_and_counts_what_is_uncommitted(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    for taken in (100, 200):
        guest.send("mix", 100, stream=1)
        daemon.wait_taken("vf1", taken)
        daemon.checkpoint("vf1")
    daemon.call("checkpoint_commit", group="vf1", epoch=1)
    guest.send("mix", 50, stream=1)
    daemon.wait_taken("vf1", 250)
    daemon.call("protection_stop", group="vf1", held="discard")
    equal(daemon.drops("vf1"), {"discarded": 150}, "drops")
    equal(daemon.vf("vf1")["held_pkts"], 0, "frames held")
    guest.send("mix", 100, stream=2)
    judge = capture.wait(200)
    expect_streams(judge, [1, 2], 100)


@case
def protection_can_start_again_after_a_stop(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    for turn in range(3):
        daemon.call("protection_start", group="vf1")
        guest.send("mix", 100, stream=1)
        daemon.wait_taken("vf1", 200 * turn + 100)
        time.sleep(0.05)
        equal(capture.judge().total(), 200 * turn, "frames on the wire before the stop")
        daemon.call("protection_stop", group="vf1")
        guest.send("mix", 100, stream=1)
        expect_streams(capture.wait(200 * turn + 200), [1], 200 * turn + 200)


@case
def a_group_seals_and_commits_its_vfs_together(env):
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    guests = [env.guest(daemon, framegen, n) for n in (1, 2, 3)]
    daemon.call("group_create", name="pair", vfs=["vf1", "vf2"])
    daemon.call("protection_start", group="pair")
    for guest in guests:
        guest.send("mix", 100, stream=guest.number)
    expect_streams(capture.wait(100), [3], 100, what="of the VF outside the group:")
    for guest in guests[:2]:
        daemon.wait_taken(guest.vf, 100)
    begun = daemon.call("checkpoint_begin", group="pair")
    equal(begun["held_pkts"], 200, "frames held by the group")
    equal(sorted(vf["name"] for vf in begun["vfs"]), ["vf1", "vf2"], "VFs in the answer")
    daemon.call("checkpoint_resume", group="pair")
    time.sleep(SILENCE_S)
    equal(capture.judge().total(), 100, "frames on the wire before the commit")
    daemon.call("checkpoint_commit", group="pair", epoch=begun["epoch"])
    expect_streams(capture.wait(300), [1, 2], 100)


@case
def exempt_frames_pass_and_others_are_held(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1, hold_exempt="arp")
    daemon.call("protection_start", group="vf1")
    for number, kind in enumerate(frame.KINDS):
        guest.send(kind, 50, stream=number)
    arp = frame.KINDS.index("arp")
    daemon.wait_taken("vf1", 250)
    expect_streams(capture.wait(50), [arp], 50)
    time.sleep(SILENCE_S)
    equal(capture.judge().total(), 50, "frames on the wire before the commit")
    equal(daemon.stats("vf1")["exempt_pkts"], 50, "frames exempted")
    daemon.call("vf_set", name="vf1", hold_exempt="")
    guest.send("arp", 50, stream=9)
    daemon.wait_taken("vf1", 300)
    time.sleep(SILENCE_S)
    equal(capture.judge().total(), 50, "frames on the wire without an exemption")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    judge = capture.wait(300)
    expect_streams(judge, [0, 1, 2, 3, 4, 9], 50)


@case
def internal_pass_exempts_the_group_and_nothing_else(env):
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    guests = [env.guest(daemon, framegen, n) for n in (1, 2, 3)]
    daemon.call("group_create", name="pair", vfs=["vf1", "vf2"], internal="pass")
    daemon.call("protection_start", group="pair")
    one, two, three = guests
    one.send("mix", 50, stream=1, dst=two.mac)
    two.expect_whole(1, 50)
    one.send("mix", 50, stream=2, dst=three.mac)
    one.send("mix", 50, stream=3)
    one.send("mix", 50, stream=4, dst=frame.BROADCAST)
    two.expect_whole(4, 50)
    daemon.wait_taken("vf1", 200)
    three.expect_silence()
    equal(three.received(), 0, "frames at a VF outside the group")
    equal(capture.judge().total(), 0, "frames on the wire")
    daemon.call("checkpoint_commit", group="pair", epoch=daemon.checkpoint("pair"))
    three.expect_whole(2, 50)
    three.expect_whole(4, 50)
    expect_streams(capture.wait(100), [3, 4], 50)
    two.expect_whole(4, 50)
