# SPDX-License-Identifier: BSD-3-Clause
"""Frontends that do what no frontend does (guest/hostile.c): theirs goes down, the rest goes on."""
import re

import traffic
from world import GUESTS

CLOSING, CONNECTED, ERROR = 5, 4, "-1"
# What the backend makes of it: its xenbus state in the end, and its answer to the first request.
SENT_AWAY = {
    "tx-index": "-", "tx-index-back": "-", "too-many-pieces": "-", "endless-extras": "-",
    "rx-index": "-",
}
ANSWERED = {"bad-grant": ERROR, "past-the-page": ERROR, "no-bytes": ERROR,
            "pieces-longer-than-all": ERROR}


def attack(world, name):
    """(state, status) that the attacker saw."""
    ping = traffic.Ping(world.ip("db"), 40, 0.1, 1)  # something that would have to go to it
    output = world.host.guest_sh("db", f"hostile 0 {name}")
    ping.process.kill()
    ping.process.wait()
    match = re.search(r"state (\d+) status (\S+)", output)
    assert match, f"{name}: {output}"
    return int(match[1]), match[2]


def test_a_hostile_frontend_goes_down_with_a_reason_and_the_rest_goes_on(world):
    host = world.host
    stream = traffic.EchoStream(world.ip(), gap_s=0.05)
    host.unbind_netfront("db")
    try:
        host.guest_sh("db", "modprobe xen-gntalloc && modprobe xen-evtchn")
        for name, status in ANSWERED.items():
            assert attack(world, name) == (CONNECTED, status), name
        for name, status in SENT_AWAY.items():
            before = world.vf("db")["frontend_errors"]
            assert attack(world, name) == (CLOSING, status), name
            assert world.vf("db")["frontend_errors"] == before + 1, name
    finally:
        host.bind_netfront("db", f"{GUESTS['db'][0]}/24")
        echoed = stream.finish()
    assert echoed > 0
    traffic.wait_reachable(world.ip("db"), timeout=90)
