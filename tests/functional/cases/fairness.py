# SPDX-License-Identifier: BSD-3-Clause
"""A VF that floods, holds or releases much takes no memory and no wire that another one needs."""
from lib.case import case
from lib.check import Failure, check, equal, settled, wait_until
from lib.env import OUTSIDE


@case
def a_vf_that_never_commits_leaves_others_their_share_of_the_log(env):
    """Its quota is the whole log; half of that is shared out among all VFs."""
    daemon = env.renicd_alone(egress_log={"size_mb": 32, "dir": env.huge_dir()})
    framegen = env.framegen()
    greedy = env.guest(daemon, framegen, 1, egress_log_bytes=32 << 20)
    quiet, target = (env.guest(daemon, framegen, number) for number in (2, 3))
    for vf in ("vf1", "vf2"):
        daemon.call("protection_start", group=vf)
    flood = greedy.send("ipv4", 10_000_000, wait=False, size=1500, dst=OUTSIDE)
    wait_until(lambda: daemon.stats("vf1")["backpressure"] > 0, "the flood comes to its end")
    held = settled(lambda: daemon.vf("vf1")["held_bytes"])
    check(held > 12 << 20, f"the flood holds {held} bytes: not all that it may")
    quiet.send("ipv4", 500, stream=2, size=1500, dst=target.mac)
    daemon.wait_taken("vf2", 500)
    equal(daemon.vf("vf2")["held_pkts"], 500, "frames held")
    daemon.call("checkpoint_commit", group="vf2", epoch=daemon.checkpoint("vf2"))
    target.expect_whole(2, 500)
    flood.halt()
    env.note(f"the flood held {held >> 20} MiB of 32")


def frames_before(arrivals, stream, other, count):
    """How many frames of a stream came before the other one had `count`."""
    seen = 0
    for _, number, n, *_ in arrivals:
        if number == other:
            count -= n
            if count <= 0:
                return seen
        elif number == stream:
            seen += n
    raise Failure(f"{count} frames of stream {other} are missing")


@case
def a_release_of_much_leaves_others_their_share_of_the_wire(env):
    """The wire's other end takes less than there is: both VFs get as many bytes of it."""
    held, asked = 10000, 400
    daemon, socket = env.renicd_on_memif()
    framegen = env.framegen()
    greedy, modest = (env.guest(daemon, framegen, number) for number in (1, 2))
    far = env.far_end(daemon, env.framegen(), socket)
    daemon.call("protection_start", group="vf1")
    greedy.send("ipv4", held, stream=1, size=1500, dst=OUTSIDE)
    daemon.wait_taken("vf1", held)
    far.rx(False)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    wait_until(lambda: daemon.call("uplink_get")["refused"] > 0, "the wire takes no more")
    queued = held - settled(lambda: daemon.vf("vf1")["held_pkts"])
    check(0 < queued < held // 2, f"the wire takes {queued} frames: it is not scarce")
    modest.send("ipv4", asked, stream=2, size=200, dst=OUTSIDE)
    far.note()
    far.rx(True)
    far.expect_whole(2, asked)
    far.expect_whole(1, held)
    before = frames_before(far.arrivals(), 1, 2, asked)
    check(before < queued + held // 10,
          f"{before} frames left before the last of {asked} small ones, {queued} of them were "
          "on the wire already")
    env.note(f"{before - queued} frames of 1500 bytes beside {asked} of 200")


@case(rows={"while-it-lacks-it": {"min_tx_rate": 100000, "goes_first": True},
            "once-it-has-had-it": {"min_tx_rate": 1, "goes_first": False}})
def a_minimum_goes_before_what_others_release(env, min_tx_rate, goes_first):
    """Both have all their frames ready when a wire that is full begins to take some again."""
    held = 10000
    daemon, socket = env.renicd_on_memif()
    framegen = env.framegen()
    guests = (env.guest(daemon, framegen, 1, min_tx_rate=min_tx_rate),
              env.guest(daemon, framegen, 2))
    far = env.far_end(daemon, env.framegen(), socket)
    for number, guest in enumerate(guests, 1):
        daemon.call("protection_start", group=f"vf{number}")
        guest.send("ipv4", held, stream=number, size=1000, dst=OUTSIDE)
        daemon.wait_taken(f"vf{number}", held)
    far.rx(False)
    for vf in ("vf2", "vf1"):
        daemon.call("checkpoint_commit", group=vf, epoch=daemon.checkpoint(vf))
    wait_until(lambda: daemon.call("uplink_get")["refused"] > 0, "the wire takes no more")
    queued = held - settled(lambda: daemon.vf("vf2")["held_pkts"])
    check(queued < held // 2, f"the wire takes {queued} frames: it is not scarce")
    far.note()
    far.rx(True)
    for stream in (1, 2):
        far.expect_whole(stream, held)
    before = frames_before(far.arrivals(), 2, 1, held) - queued
    check(before < held // 3 if goes_first else before > held // 3,
          f"{before} of {held} frames of the other VF's left before the last one of the first's")
    env.note(f"{before} of the other's {held} frames left meanwhile")
