# SPDX-License-Identifier: BSD-3-Clause
"""Guests that outlive their hosts. In this order: what comes last ends a host for good."""
import random
import time

import traffic
from pair import GUEST, GUEST_MAC

LEAN_ROUNDS = ["stream", "domain", "stream"]
ROUNDS = ["domain", "stream", "host", "replicator", "stream", "domain", "host", "stream",
          "replicator", "stream"]
TAKEOVER_S = 120  # hang guards
ECHO_S = 200


def wait_more_echoed(streams, timeout=ECHO_S):
    """Until each got something that it was not sent before."""
    marks = [stream.sent[0] for stream in streams]
    end = time.monotonic() + timeout
    while not all(stream.got[0] > mark for stream, mark in zip(streams, marks)):
        assert not any(stream.problem for stream in streams), [s.problem for s in streams]
        assert time.monotonic() < end, "nothing comes back any more"
        time.sleep(0.1)


def end_domain(host):
    """What is left of a host's part: no renic-remus, no guest."""
    host.sh(f"kill -9 $(pidof renic-remus) 2>/dev/null; xl destroy {GUEST}; true")


def kill(world, how, instants):
    """End the primary's part; how: what of it dies first."""
    pair = world.pair
    host = pair.primary
    pair.switch_off = type(host).kill if how == "host" else end_domain
    if how == "stream":
        n = world.cables[pair.standby.name].cut_within_an_epoch(instants.random(), ECHO_S)
        print(f"       cut after {n} bytes of an epoch", flush=True)
    else:
        time.sleep(instants.uniform(0, 1.5))
    if how == "domain":
        host.sh(f"xl destroy {GUEST}")
    elif how == "host":
        host.kill()
    else:
        host.sh("kill -9 $(pidof renic-remus)")


def swap(world, how):
    """The one that was the primary is the standby of the other now."""
    pair = world.pair
    old = pair.primary
    world.cables[pair.standby.name].mend()
    pair.primary, pair.standby = pair.standby, old
    if how == "host":
        pair.revive(old)
        pair.write_config(old)
    else:
        old.sh("while pidof renic-remus >/dev/null; do sleep 0.2; done")
    pair.make_standby({GUEST: GUEST_MAC})
    pair.start_remus(old, "standby")
    pair.primary.sh("renic-remus protect -c /run/remus.json", timeout=200)


def outlive(world, rounds):
    """One TCP connection to the guest goes through all of these ends of its host's part."""
    pair, seed = world.protected(), random.randrange(1 << 32)
    print(f"       seed {seed}", flush=True)
    instants = random.Random(seed)
    stream = traffic.EchoStream(world.ip(), gap_s=0.2, timeout=ECHO_S)
    for how in rounds:
        wait_more_echoed([stream])
        started = time.monotonic()
        kill(world, how, instants)
        pair.wait_state(pair.standby, "active", TAKEOVER_S)
        taken = time.monotonic() - started
        wait_more_echoed([stream])
        swap(world, how)
        print(f"       {how}: taken over after {taken:.1f} s, protected again after "
              f"{time.monotonic() - started:.1f} s", flush=True)
        assert not stream.problem, stream.problem
    stream.finish()


def test_a_connection_outlives_failovers_at_random_instants(world):
    """The middle of an epoch's stream among them."""
    outlive(world, LEAN_ROUNDS)


def test_a_connection_outlives_ten_failovers_also_of_whole_hosts(world):
    outlive(world, ROUNDS)


test_a_connection_outlives_failovers_at_random_instants.timeout_s = 600
test_a_connection_outlives_ten_failovers_also_of_whole_hosts.timeout_s = 2400
test_a_connection_outlives_ten_failovers_also_of_whole_hosts.on_request = True
