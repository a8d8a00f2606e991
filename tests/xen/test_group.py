# SPDX-License-Identifier: BSD-3-Clause
"""Two domains of one group, which are checkpointed at one point and go over together."""
import traffic
from test_failover import TAKEOVER_S, ECHO_S, wait_more_echoed
from world import GUESTS
from xenhost import XenHost


def test_connections_to_two_guests_of_a_group_outlive_their_host(world):
    pair = world.pair
    if pair.replicated:
        pair.unprotect()
    world.restore()
    pair.protect({name: mac for name, (_, mac) in GUESTS.items()}, timeout=240)
    status = pair.status(pair.primary)
    assert sorted(vm["name"] for vm in status["vms"]) == sorted(GUESTS), status
    roles = {name: pair.primary.renicctl("vf", "get", name)["role"] for name in GUESTS}
    assert set(roles.values()) == {"protected"}, roles
    streams = [traffic.EchoStream(world.ip(name), gap_s=0.2, timeout=ECHO_S) for name in GUESTS]
    wait_more_echoed(streams)
    pair.switch_off = XenHost.kill
    pair.primary.kill()
    world.spent = True
    pair.wait_state(pair.standby, "active", TAKEOVER_S)
    wait_more_echoed(streams)
    for stream in streams:
        stream.finish()


test_connections_to_two_guests_of_a_group_outlive_their_host.on_request = True
