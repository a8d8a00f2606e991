# SPDX-License-Identifier: BSD-3-Clause
"""A VF that floods and never commits takes no memory that another one needs."""
from lib.case import case
from lib.check import check, equal, settled, wait_until
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
