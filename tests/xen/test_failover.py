# SPDX-License-Identifier: BSD-3-Clause
"""Guests that outlive their hosts. In this order: what comes last ends a host for good."""
import random
import time

import traffic
from pair import GUEST, GUEST_MAC

ROUNDS = ["domain", "replicator", "stream", "host", "domain", "replicator", "stream", "domain",
          "host", "stream"]
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


def kill(pair, how):
    """End the primary's part; how: what of it dies first."""
    host = pair.primary
    pair.switch_off = type(host).kill if how == "host" else end_domain
    if how == "stream":
        # A standby that reads nothing: the epoch that is under way comes to rest in the middle.
        pid = pair.remus_pid(pair.standby)
        pair.standby.sh(f"kill -STOP {pid}")
        pair.wait_status(host, lambda status: status["in_flight"] > 0,
                         "epoch under way")
        host.sh("kill -9 $(pidof renic-remus)")
        pair.standby.sh(f"kill -CONT {pid}")
    elif how == "replicator":
        host.sh("kill -9 $(pidof renic-remus)")
    elif how == "domain":
        host.sh(f"xl destroy {GUEST}")
    else:
        host.kill()


def swap(pair, how):
    """The one that was the primary is the standby of the other now."""
    old = pair.primary
    pair.primary, pair.standby = pair.standby, old
    if how == "host":
        pair.revive(old)
        pair.write_config(old)
    else:
        old.sh("while pidof renic-remus >/dev/null; do sleep 0.2; done")
    pair.make_standby({GUEST: GUEST_MAC})
    pair.start_remus(old, "standby")
    # It waits only so long for what takes long here.
    pair.primary.sh("renic-remus protect -c /run/remus.json || true", timeout=120)
    pair.wait_state(pair.primary, "protected", 200)


def test_a_connection_outlives_ten_failovers_at_random_instants(world):
    """Of the domain, of renic-remus, in the middle of an epoch's stream, of the whole host; one
    TCP connection goes through all of them."""
    pair, seed = world.protected(), random.randrange(1 << 32)
    print(f"       seed {seed}", flush=True)
    instants = random.Random(seed)
    stream = traffic.EchoStream(world.ip(), gap_s=0.2, timeout=ECHO_S)
    for at, how in enumerate(ROUNDS):
        wait_more_echoed([stream])
        time.sleep(instants.uniform(0, 1.5))
        started = time.monotonic()
        kill(pair, how)
        pair.wait_state(pair.standby, "active", TAKEOVER_S)
        taken = time.monotonic() - started
        wait_more_echoed([stream])
        swap(pair, how)
        print(f"       {how}: taken over after {taken:.1f} s, protected again after "
              f"{time.monotonic() - started:.1f} s", flush=True)
        assert at + 1 == len(ROUNDS) or not stream.problem, stream.problem
    stream.finish()


test_a_connection_outlives_ten_failovers_at_random_instants.timeout_s = 1200
test_a_connection_outlives_ten_failovers_at_random_instants.on_request = True
